"""Every query, one module a subject. Nothing in here commits, knows HTTP, or reads the clock.

A job changes by one UPDATE that proves, in its WHERE clause, that the job is where the caller thinks it is.
"""
