"""A full disk: SQLite's writes fail, or PostgreSQL's commits of changes of jobs."""

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tests.support.server import Server
from tests.support.snapshot import opened

_FULL = """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$"""
_AT_COMMIT = """CREATE CONSTRAINT TRIGGER full_disk AFTER UPDATE ON job DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION full_disk()"""
FULL_AT_COMMIT = (_FULL, _AT_COMMIT)
NO_MORE = "DROP FUNCTION IF EXISTS full_disk CASCADE"


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """Makes the commits of a server fail."""
    assert server.process is not None
    with opened(server) as database:
        if database.postgresql:
            for statement in FULL_AT_COMMIT:
                database.run(statement)
            try:
                yield
            finally:
                database.run(NO_MORE)
        else:
            process = psutil.Process(server.process.pid)
            process.rlimit(psutil.RLIMIT_FSIZE, (4096, psutil.RLIM_INFINITY))
            try:
                yield
            finally:
                process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
