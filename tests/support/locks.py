"""A database locked by another connection."""

from contextlib import contextmanager

from tests.support.snapshot import opened


@contextmanager
def locked(server):
    """Locks the database from another connection."""
    with opened(server) as database:
        if database.postgresql:
            database.run("BEGIN")
            database.run("LOCK TABLE job, job_list, lifetime IN ACCESS EXCLUSIVE MODE")
        else:
            database.run("BEGIN IMMEDIATE")
        yield
        database.run("ROLLBACK")
