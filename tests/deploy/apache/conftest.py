"""Apaches that end with the test, or the file of tests, and whose logs are then searched for secrets."""

import contextlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.apache.environment import make_environment, missing
from tests.support.apache.own import Apache

SMALLER = {"LimitRequestBody 256000000": "LimitRequestBody 20000000"}  # so that tests needn't send as much
Start = Callable[..., "contextlib.AbstractContextManager[Apache]"]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Starts an Apache: with start("plain", {text: its replacement}, database_uri=…) as apache."""
    if missing():
        pytest.skip(missing())
    environment = Path(tempfile.mkdtemp(prefix="jm-apache-", dir="/tmp"))  # www-data can't look into pytest's folders
    environment.chmod(0o755)
    make_environment(environment)

    @contextlib.contextmanager
    def started(conf: str, changes: dict[str, str] | None = None, **settings: object) -> Iterator[Apache]:
        folder = Path(tempfile.mkdtemp(dir=environment))
        folder.chmod(0o755)
        said = {"MAX_BODY_MB": 20} | {name.upper(): value for name, value in settings.items()}
        apache = Apache(folder, environment, conf, SMALLER | (changes or {}), said)
        try:
            yield apache.start()
        finally:
            apache.stop()
        logged = apache.said()
        assert not [secret for secret in SECRETS if secret in logged]
        assert not re.search(r"sid=|claim=|Traceback", logged), logged

    yield started
    shutil.rmtree(environment)


@pytest.fixture(scope="module", params=["plain", "full"])
def apache(start: Start, request: pytest.FixtureRequest) -> Iterator[Apache]:
    """One Apache of each configuration."""
    with start(request.param) as one:
        yield one


@pytest.fixture(scope="module")
def plain(start: Start) -> Iterator[Apache]:
    """One of the plain configuration, for what is the same in both."""
    with start("plain") as one:
        yield one


SECRETS: set[str] = set()  # every jobix of these tests


@pytest.fixture
def jobix() -> int:
    """A secret that must not be found in a log."""
    made = secrets.randbelow(2**62) + 2**62
    SECRETS.add(str(made))
    return made
