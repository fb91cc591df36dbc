"""The server's database connections are durable and enforce foreign keys, whatever the database's defaults."""

import sqlite3

import psycopg
import pytest

from jobserver import create_app
from jobserver.server import settings
from jobserver.web.services import NAME


@pytest.fixture
def connect(database_uri, tmp_path):
    """Opens connections as the server does."""
    services = create_app(settings.load({}, {"instance": str(tmp_path), "database_uri": database_uri})).extensions[NAME]
    made = []

    def connect():
        made.append(services.database.connect())
        return made[-1]

    yield connect
    for connection in made:
        connection.close()
    services.commit_queue.close()
    services.database.close()


def test_a_commit_is_on_disk_when_it_returns(connect, kind, database_uri):
    if kind == "sqlite":
        connection = connect()
        assert connection.all("PRAGMA synchronous") == [(2,)]  # FULL: 1 would lose commits in a power cut
        assert connection.all("PRAGMA journal_mode") == [("wal",)]
    else:
        with psycopg.connect(database_uri, autocommit=True) as other:
            other.execute(f'ALTER DATABASE "{other.info.dbname}" SET synchronous_commit = off')
        assert connect().all("SHOW synchronous_commit") == [("on",)]


def test_a_row_without_its_parent_is_refused(connect):
    connection = connect()
    connection.begin()
    with pytest.raises((sqlite3.IntegrityError, psycopg.IntegrityError)):
        connection.execute("INSERT INTO lifetime (list_id, stage, lifetime_ms, max_attempts) VALUES (7, 1, 0, 5)", {})
    connection.rollback()
