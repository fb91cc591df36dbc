"""The log has one line for each change of state; it has no secret, no token and no data of a job."""

import re
from collections.abc import Callable

import pytest

from tests.support.here import run_here
from tests.support.postgresql import make_postgresql_database
from tests.support.scenario import (
    ABOUT,
    CHANGES,
    CHOSEN,
    JOBCMD,
    JOBIX,
    KEY,
    OTHER,
    SAID,
    WRONG,
    changes,
    go_wrong,
    live_through_everything,
    steer,
)  # fmt: skip
from tests.support.server import Asker, Server
from tests.support.snapshot import opened


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, new_server: Callable[..., Server]) -> Server:
    """A server at the most detailed log level, with a known secret key."""
    own = request.param == "postgresql"
    uri = make_postgresql_database(request.getfixturevalue("postgresql")) if own else ""
    return new_server(database_uri=uri, secret_key=KEY, log_level="DEBUG", sweep_every_s="0.05").start()


PAGES = (
    "/", "/get", "/get?list=theirs", "/get?list=x", "/lifetime", "/lifetime?list=mine", "/workers?list=mine",
    "/workers?list=theirs", "/live?list=mine", "/rows?list=theirs", "/chart?list=mine", "/job/1?list=theirs",
)  # fmt: skip
OF_ITS_JOBS = ("/get?list=mine", "/rows?list=mine", "/job/1?list=mine", "/job/2?list=mine")


def hidden(server: Server, tokens: list[str]) -> list[str]:
    """All secrets: keys, tokens and hashes."""
    with opened(server) as database:
        hashes = [row[0] for row in database.rows("SELECT jobix_hash FROM job_list")]
        marks = [row[0] for row in database.rows("SELECT value FROM metadata")]
    assert len(hashes) == 2
    numbers = [form.format(number) for number in (JOBIX, OTHER, WRONG) for form in ("{}", "{:x}", "{:,}")]
    return [*numbers, *tokens, *CHOSEN.values(), *hashes, *marks, KEY]


def without(text: str, secrets: list[str] | tuple[str, ...], where: str) -> None:
    """Checks that the text has none of the secrets."""
    for secret in secrets:
        at = text.find(secret)
        assert at < 0, f"{where} shows {secret!r}: …{text[max(0, at - 200) : at + 100]}…"


def test_the_log_has_a_line_for_each_change_and_no_secret(server: Server) -> None:
    ask, other = Asker(server.url, JOBIX), Asker(server.url, OTHER)
    tokens = live_through_everything(server, ask, other)
    shown, token = steer(server, ask)
    tokens.append(token)
    told = go_wrong(server, ask, other, tokens)
    assert changes(server) == CHANGES
    secrets = hidden(server, tokens)
    browser = {"Accept": "text/html"}
    for path in (*PAGES, *OF_ITS_JOBS):
        page = ask(path, **browser).text
        without(page, secrets, path)
        if path not in OF_ITS_JOBS:
            without(page, ABOUT, path)
    without(str(shown), secrets, "a page's answer")
    for command in (("lists", "--json"), ("status", "mine", "--json"), ("status", "mine"), ("db", "check", "--json")):
        said = run_here(server, *command)
        without(said.stdout + said.stderr, secrets, str(command))
    for answer in told:
        without(answer, [secret for secret in secrets if secret not in (str(OTHER), str(WRONG))], "another's answer")
        without(answer, ABOUT, "another's answer")
    server.stop()
    without(server.log.read_text(), [*secrets, *ABOUT], "the log")
    assert len(re.findall("the database failed|a request failed", server.log.read_text())) >= 3


def test_an_internal_error_logs_no_data_of_the_job(server: Server) -> None:
    """PostgreSQL's error messages quote the row that caused the error."""
    ask = Asker(server.url, JOBIX)
    ask("/set", {"1": {"jobcmd": JOBCMD}})
    ask("/get/0", claim=CHOSEN["batch"])
    with opened(server) as database:
        if database.postgresql:
            database.run("ALTER TABLE job ADD CONSTRAINT none_is_done CHECK (jobstage <> 2)")
        else:
            database.run("CREATE TRIGGER none_is_done BEFORE UPDATE ON job WHEN NEW.jobstage = 2"
                         " BEGIN SELECT RAISE(ABORT, 'none is done'); END")  # fmt: skip
    assert ask("/update_job/1/2", SAID, claim=CHOSEN["batch"]).status_code == 500
    said = server.log.read_text()
    assert "a request failed" in said
    without(said, [str(JOBIX), *CHOSEN.values(), KEY, *ABOUT], "the log")
