"""Apache servers for one test or one test file. Their logs are searched for secrets when they stop."""

import contextlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.apache.environment import make_environment, missing
from tests.support.apache.server import Apache

SMALLER = {"LimitRequestBody 256000000": "LimitRequestBody 20000000"}  # keeps the requests of the tests small
Start = Callable[..., "contextlib.AbstractContextManager[Apache]"]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Starts an Apache: with start("plain", {text: its replacement}, database_uri=…) as apache."""
    if missing():
        pytest.skip(missing())
    environment = Path(tempfile.mkdtemp(prefix="jm-apache-", dir="/tmp"))  # www-data cannot read the folders of pytest
    environment.chmod(0o755)
    make_environment(environment)

    @contextlib.contextmanager
    def started(conf: str, changes: dict[str, str] | None = None, **settings: object) -> Iterator[Apache]:
        folder = Path(tempfile.mkdtemp(dir=environment))
        folder.chmod(0o755)
        all_settings = {"MAX_BODY_MB": 20} | {name.upper(): value for name, value in settings.items()}
        apache = Apache(folder, environment, conf, SMALLER | (changes or {}), all_settings)
        try:
            yield apache.start()
        finally:
            apache.stop()
        logged = apache.log_text()
        assert not [secret for secret in SECRETS if secret in logged]
        assert not re.search(r"sid=|claim=|Traceback", logged), logged

    yield started
    shutil.rmtree(environment)


@pytest.fixture(scope="module", params=["plain", "full"])
def apache(start: Start, request: pytest.FixtureRequest) -> Iterator[Apache]:
    """An Apache server with each configuration."""
    with start(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def plain(start: Start) -> Iterator[Apache]:
    """An Apache server with the plain configuration, for behaviour that both configurations share."""
    with start("plain") as running:
        yield running


SECRETS: set[str] = set()  # every jobix of these tests


@pytest.fixture
def jobix() -> int:
    """A secret that must not be found in a log."""
    made = secrets.randbelow(2**62) + 2**62
    SECRETS.add(str(made))
    return made
