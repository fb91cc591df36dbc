"""One of several server processes on a database sweeps; another takes over when it ends."""

import signal

import psycopg
import pytest

from client import JobClient
from tests.support.until import until

TAKEOVER_S = 20


@pytest.fixture
def pair(new_server, database_uri, tmp_path):
    """Two server processes on one database."""
    uri = database_uri or f"sqlite:///{tmp_path / 'both.sqlite'}"
    return [new_server(database_uri=uri, secret_key="the same for both").start() for _ in range(2)]


def expire(server, jobix: int, jobid) -> None:
    """Lets a job expire. Returns when it is flagged."""
    client = JobClient(server.url, jobix)
    client.init([0, 0.0005], requeue=None)
    client.set({jobid: {"jobstage": 1}})
    until(lambda: client.progress().flagged == jobid, within_s=TAKEOVER_S)


def sweeps(server) -> int:
    """The number of sweeps of this server that flagged a job."""
    return server.log.read_text().count(" expired, ")


def test_only_one_of_two_processes_sweeps(pair, jobix):
    for jobid in range(1, 9):
        expire(pair[0], jobix, jobid)
    assert sorted(sweeps(server) > 0 for server in pair) == [False, True]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_another_process_takes_over_when_the_leader_ends(pair, jobix, number):
    expire(pair[0], jobix, 1)
    until(lambda: any(map(sweeps, pair)))  # the log line is written after the commit
    pair.sort(key=sweeps)
    pair[1].process.send_signal(number)
    pair[1].process.wait(40)
    expire(pair[0], jobix, 2)
    until(lambda: sweeps(pair[0]) > 0)


@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_sweeps_continue_after_the_leader_lost_its_connection(new_server, jobix, database_uri):
    """The leader lock is released with the connection."""
    server = new_server().start()
    expire(server, jobix, 1)
    with psycopg.connect(database_uri, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    expire(server, jobix, 2)
