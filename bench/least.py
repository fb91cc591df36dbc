"""The least that can do what founding workers ask for, and keep it, in a folder: python -m bench.least <folder>

One loop of system calls, one UPDATE a request, one flushed commit for all that have come. It has neither Flask nor a
web server's care for what is unusual; no claims' tokens, no lifetimes, counters or history. It is a limit, not a model.
"""

import re
import select
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from bench.started import program

JOBS = 100_000
ASKED = re.compile(rb"GET /(get|update_job)/(\d+)(?:/(\d+))? ")
CLAIM = """UPDATE job SET jobstage = 1 WHERE jobid = (SELECT jobid FROM job WHERE jobstage = 0 ORDER BY jobid LIMIT 1)
    RETURNING jobid"""
ADVANCE = "UPDATE job SET jobstage = :to WHERE jobid = :jobid AND jobstage = :to - 1 RETURNING jobid"
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n{"jobid": %d}'


@contextmanager
def least() -> Iterator[int]:
    """The port of such a server, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, program("bench.least", folder) as port:
        yield port


def filled(folder: str) -> sqlite3.Connection:
    """A database with jobs."""
    database = sqlite3.connect(f"{folder}/jobs.sqlite", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE job (jobid INTEGER PRIMARY KEY, jobstage INTEGER NOT NULL)")
    database.execute("CREATE INDEX available ON job (jobstage, jobid)")
    database.execute("BEGIN")
    database.executemany("INSERT INTO job VALUES (?, 0)", ((jobid,) for jobid in range(JOBS)))
    database.execute("COMMIT")
    return database


def answer(database: sqlite3.Connection, came: bytes) -> bytes:
    """Executes a request; returns the response after the commit."""
    found = ASKED.match(came)
    assert found
    if found[1] == b"get":
        row = database.execute(CLAIM).fetchall()[0]
    else:
        row = database.execute(ADVANCE, {"jobid": int(found[2]), "to": int(found[3])}).fetchall()[0]
    return ANSWER % (len(b'{"jobid": %d}' % row), *row)


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that have come."""
    while True:
        try:
            connection, _address = listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        yield connection


def main(folder: str) -> None:
    """Serves until it is ended."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setblocking(False)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    silent: dict[int, socket.socket] = {}  # who has connected, and not asked yet
    database = filled(folder)
    print(listener.getsockname()[1], flush=True)
    while True:
        asked: list[tuple[socket.socket, bytes]] = []
        for number, _event in poll.poll():
            for connection in accepted(listener) if number == listener.fileno() else [silent.pop(number)]:
                try:
                    asked.append((connection, connection.recv(8192)))
                except BlockingIOError:
                    silent[connection.fileno()] = connection
                    poll.register(connection, select.EPOLLIN)
        if asked:
            database.execute("BEGIN IMMEDIATE")
            answers = [answer(database, came) for _, came in asked]
            database.execute("COMMIT")
            for (connection, _), told in zip(asked, answers, strict=True):
                connection.sendall(told)
                connection.close()


if __name__ == "__main__":
    main(sys.argv[1])
