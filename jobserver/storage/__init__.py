"""Every query. Nothing in here commits, knows HTTP, or reads the clock.

A job changes by one UPDATE that proves, in its WHERE, that the job is where the caller thinks it is. What the counters
and the history must know of the row before the change comes back by RETURNING: see Job in models.py.
"""
