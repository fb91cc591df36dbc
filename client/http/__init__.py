"""HTTP for the client: sessions, limits on what a server may send, retries, and failures as named errors.

Routes, jobs and what a response means belong to `api`; nothing here knows them.
"""
