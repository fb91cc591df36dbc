"""The console program jm: options, saved context, commands and what they print.

Requests to the server belong to `api`, and the work on jobs to `worker`.
"""
