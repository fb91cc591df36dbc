"""Commands with a wrong user, folder or key: one line with the remedy, exit code 2, and no changed file."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.run_here import run_here
from tests.support.server import ApiClient, Server

NOBODY = 65534


@pytest.fixture
def stopped(new_server: Callable[..., Server], jobix: int) -> Server:
    """A server that has run and has one job."""
    server = new_server().start()
    ApiClient(server.url, jobix)("/set", {"1": {}})
    server.stop()
    return server


def files(server: Server) -> dict[str, bytes]:
    """The files of the instance folder, without SQLite's shared memory."""
    folder = server.folder / "instance"
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.endswith("-shm")}


@pytest.fixture
def no_access(stopped: Server) -> Iterator[None]:
    """Makes this process one of a user without access to the folder of the server."""
    assert run_here(stopped, "lists").returncode == 0, "the command must be imported before, from a folder of root"
    if os.geteuid() != 0:
        (stopped.folder / "instance").chmod(0)
        yield
        (stopped.folder / "instance").chmod(0o700)
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("command", ["lists", "backup copy", "db upgrade", "push", "restore copy"])
@pytest.mark.usefixtures("no_access")
def test_another_user_reads_which_user_to_be(stopped: Server, command: str) -> None:
    result = run_here(stopped, *command.split())
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr
    assert result.stderr.startswith("jobserver: ")
    assert "as the user of the server" in result.stderr


@pytest.mark.parametrize("command", ["lists", "db check", "db upgrade", "serve"])
def test_a_missing_key_is_not_replaced_by_a_new_one(stopped: Server, command: str) -> None:
    """With a new key no list would be found."""
    key = stopped.folder / "instance/secret_key"
    kept = key.read_text()
    key.unlink()
    before = files(stopped)
    result = stopped.run(*command.split())
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr
    assert f"{key} is missing. Put the file back" in result.stderr
    assert files(stopped) == before
    key.write_text("another key")
    assert f"The key in {key} is not the key of this database" in stopped.run(*command.split()).stderr
    key.write_text(kept)
    assert run_here(stopped, "lists").returncode == 0


def test_a_mistyped_folder_of_the_database_is_named(stopped: Server, tmp_path: Path) -> None:
    stopped._settings["JOBSERVER_DATABASE_URI"] = f"sqlite:///{tmp_path}/nowhere/x.sqlite"
    result = stopped.run("serve")
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert f"The folder {tmp_path}/nowhere of JOBSERVER_DATABASE_URI does not exist" in result.stderr
    assert not (tmp_path / "nowhere").exists()
