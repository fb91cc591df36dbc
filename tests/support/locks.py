"""A database that somebody else keeps locked."""

from contextlib import contextmanager

from tests.support.snapshot import opened


@contextmanager
def locked(server):
    """Somebody else holds the database."""
    with opened(server) as database:
        if database.postgresql:
            database.run("BEGIN")
            database.run("LOCK TABLE job, job_list, lifetime IN ACCESS EXCLUSIVE MODE")
        else:
            database.run("BEGIN IMMEDIATE")
        yield
        database.run("ROLLBACK")
