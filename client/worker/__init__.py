"""The loop of one worker: claim jobs, run them, renew their claims, report how they ended.

Command-line options and terminal output belong to `cli`; requests belong to `api`.
"""
