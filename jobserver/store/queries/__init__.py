"""The queries, one module for each subject. They do not commit, use HTTP or read the clock.

Each change of a job is one UPDATE whose WHERE clause proves that the job is in the expected state.
"""
