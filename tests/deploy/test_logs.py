"""The log has one line for each change of state; it has no secret, no token and no data of a job."""

import re
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.support.every_route import (
    CHANGES,
    CLIENT_TOKENS,
    DATA,
    JOB_TEXTS,
    JOBCMD,
    JOBIX,
    KEY,
    OTHER,
    WRONG,
    act_on_pages,
    changes,
    send_wrong_requests,
    use_every_route,
)  # fmt: skip
from tests.support.postgresql import make_postgresql_database
from tests.support.run_here import run_here
from tests.support.server import ApiClient, Server
from tests.support.snapshot import opened


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, new_server: Callable[..., Server]) -> Server:
    """A server at the most detailed log level, with a known secret key."""
    on_postgresql = request.param == "postgresql"
    uri = make_postgresql_database(request.getfixturevalue("postgresql")) if on_postgresql else ""
    return new_server(database_uri=uri, secret_key=KEY, log_level="DEBUG", sweep_every_s="0.05").start()


PAGES = (
    "/", "/get", "/get?list=theirs", "/get?list=x", "/lifetime", "/lifetime?list=mine", "/workers?list=mine",
    "/workers?list=theirs", "/live?list=mine", "/rows?list=theirs", "/chart?list=mine", "/job/1?list=theirs",
)  # fmt: skip
OF_ITS_JOBS = ("/get?list=mine", "/rows?list=mine", "/job/1?list=mine", "/job/2?list=mine")


def hidden_values(server: Server, tokens: list[str]) -> list[str]:
    """All secrets: keys, tokens and hashes."""
    with opened(server) as database:
        hashes = [row[0] for row in database.rows("SELECT jobix_hash FROM job_list")]
        values = [row[0] for row in database.rows("SELECT value FROM metadata")]
    assert len(hashes) == 2
    numbers = [form.format(number) for number in (JOBIX, OTHER, WRONG) for form in ("{}", "{:x}", "{:,}")]
    return [*numbers, *tokens, *CLIENT_TOKENS.values(), *hashes, *values, KEY]


def without(text: str, secrets: list[str] | tuple[str, ...], place: str) -> None:
    """Checks that the text has none of the secrets."""
    for secret in secrets:
        at = text.find(secret)
        assert at < 0, f"{place} shows {secret!r}: …{text[max(0, at - 200) : at + 100]}…"


def test_the_log_has_a_line_for_each_change_and_no_secret(server: Server) -> None:
    api, other = ApiClient(server.url, JOBIX), ApiClient(server.url, OTHER)
    tokens = use_every_route(server, api, other)
    statuses, token = act_on_pages(server, api)
    tokens.append(token)
    failures = send_wrong_requests(server, api, other, tokens)
    assert changes(server) == CHANGES
    secrets = hidden_values(server, tokens)
    browser = {"Accept": "text/html"}
    for path in (*PAGES, *OF_ITS_JOBS):
        page = api(path, **browser).text
        without(page, secrets, path)
        if path not in OF_ITS_JOBS:
            without(page, JOB_TEXTS, path)
    without(str(statuses), secrets, "a page")
    for command in (("lists", "--json"), ("status", "mine", "--json"), ("status", "mine"), ("db", "check", "--json")):
        result = run_here(server, *command)
        without(result.stdout + result.stderr, secrets, str(command))
    for response in failures:
        without(
            response,
            [secret for secret in secrets if secret not in (str(OTHER), str(WRONG))],
            "a response to another list",
        )
        without(response, JOB_TEXTS, "a response to another list")
    server.stop()
    without(server.log.read_text(), [*secrets, *JOB_TEXTS], "the log")
    assert len(re.findall("the database failed|a request failed", server.log.read_text())) >= 3


def test_an_internal_error_logs_no_data_of_the_job(server: Server) -> None:
    """PostgreSQL's error messages quote the row that caused the error."""
    api = ApiClient(server.url, JOBIX)
    api("/set", {"1": {"jobcmd": JOBCMD}})
    api("/get/0", claim=CLIENT_TOKENS["batch"])
    with opened(server) as database:
        if database.postgresql:
            database.run("ALTER TABLE job ADD CONSTRAINT none_is_done CHECK (jobstage <> 2)")
        else:
            database.run("CREATE TRIGGER none_is_done BEFORE UPDATE ON job WHEN NEW.jobstage = 2"
                         " BEGIN SELECT RAISE(ABORT, 'none is done'); END")  # fmt: skip
    assert api("/update_job/1/2", DATA, claim=CLIENT_TOKENS["batch"]).status_code == 500
    text = server.log.read_text()
    assert "a request failed" in text
    without(text, [str(JOBIX), *CLIENT_TOKENS.values(), KEY, *JOB_TEXTS], "the log")


@pytest.mark.parametrize("async_mode", ["eventlet", "gevent", "threading"])
def test_the_log_shows_a_stop_and_no_binary_data_of_tls(new_server: Callable[..., Server], async_mode: str) -> None:
    server = new_server(async_mode=async_mode).start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=9) as connection, pytest.raises(ssl.SSLError):
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
    assert server.stop() == 0
    first, *others = server.log.read_text().splitlines()
    assert " serves " in first
    assert others == ["job_manager stops: running requests may take 30 s; a second signal ends them"]
