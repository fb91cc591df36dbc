"""The wheel in an empty environment and another folder: server, pages, migrations, client and jm.pyz."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
from packaging.requirements import Requirement

from jobserver.core.version import __version__
from jobserver.pages.live_data import LIBRARIES
from tests.conftest import ROOT

SOURCES = ("client", "deploy", "job_manager_wire", "jobserver", "migrations", "static", "templates")
FILES = ("pyproject.toml", "setup.py", "requirements.txt", "requirements-checks.txt", "README.md", "LICENSE")
START_S = 30
FIRST_TABLES = """
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from jobserver.core.resources import resource
config = Config()
config.set_main_option("script_location", str(resource("migrations")))
with create_engine("sqlite:///instance/jobs.sqlite").begin() as config.attributes["connection"]:
    command.upgrade(config, "0001")
"""
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.egg-info", "jm.pyz", "*.map")


def run(*command: object, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command without this checkout on Python's path."""
    words = [str(word) for word in command]
    env = clean_environment() | environment
    return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=300)


def clean_environment() -> dict[str, str]:
    """The environment without the variables that would name this checkout or its settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("JOBSERVER_", "PYTHON"))}


def checked(ended: subprocess.CompletedProcess[str]) -> str:
    """The output of a command. Fails if the command failed."""
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def copy_checkout(folder: Path) -> Path:
    """Copies the files from which a wheel is built, without jm.pyz. Returns the folder."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=NOT_COPIED)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the checkout, as `make wheel` builds it."""
    copy = copy_checkout(tmp_path_factory.mktemp("copy"))
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps")
    checked(run(*pip, "--wheel-dir", copy / "first", ".", cwd=copy))
    first = next((copy / "first").glob("*.whl"))
    checked(run(sys.executable, copy / "deploy/build_jm_pyz.py", first, copy / "static/jm.pyz", cwd=copy))
    checked(run(*pip, "--wheel-dir", copy / "dist", ".", cwd=copy))
    return next((copy / "dist").glob("*.whl"))


def new_environment(folder: Path, *requirements: object) -> Path:
    """Makes a virtual environment with these packages. Returns its folder of programs."""
    venv.create(folder, with_pip=bool(requirements), symlinks=True)
    if requirements:
        checked(run(folder / "bin/python", "-m", "pip", "install", "--quiet", *requirements, cwd=folder))
    return folder / "bin"


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has only this wheel with its extra [server]."""
    return new_environment(tmp_path_factory.mktemp("environment"), f"{wheel}[server]")


class Installed(NamedTuple):
    """A running server from the wheel."""

    url: str
    folder: Path
    programs: Path


@pytest.fixture
def server(programs: Path, tmp_path: Path) -> Iterator[Installed]:
    """`jobserver serve`, started in an empty folder."""
    log = tmp_path / "server.log"
    environment = clean_environment() | {"JOBSERVER_PORT": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen([programs / "jobserver", "serve"], cwd=tmp_path, env=environment, stderr=output)
    try:
        give_up_at = time.monotonic() + START_S
        while not (match := re.search(r"serves (http://[^/]*)/get", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < give_up_at, log.read_text()
            time.sleep(0.05)
        yield Installed(match[1], tmp_path, programs)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=40) == 0


def test_an_installed_server_and_client_work_without_the_checkout(server: Installed) -> None:
    jm = server.programs / "jm"
    (server.folder / "jobs.json").write_text('{"1": {"jobcmd": "one"}, "2": {"jobcmd": "two"}}')
    known = {"JOBSERVER_URL": server.url, "JOBSERVER_JOBIX": "271828"}
    checked(run(jm, "init", "10", "10", "--name", "installed", cwd=server.folder, **known))
    checked(run(jm, "set", "jobs.json", cwd=server.folder, **known))
    checked(run(jm, "work", "0", "--", "sh", "-c", "echo {jobcmd} >> out", cwd=server.folder, **known))
    assert sorted((server.folder / "out").read_text().split()) == ["one", "two"]
    status = checked(run(server.programs / "jobserver", "status", "installed", "--json", cwd=server.folder))
    assert '"done": 2' in status
    assert (server.folder / "instance/jobs.sqlite").is_file()
    module = (server.programs / "python", "-m", "job_manager_client")
    assert checked(run(*module, "--version", cwd=server.folder)).endswith(f" {__version__}\n")


def test_an_installed_server_has_its_pages_with_all_their_files(server: Installed) -> None:
    page = requests.get(f"{server.url}/get", timeout=10)
    assert page.ok
    assert page.headers["Content-Type"].startswith("text/html")
    for path in (ROOT / "static").iterdir():
        if path.suffix in (".css", ".js", ".svg"):
            served = requests.get(f"{server.url}/static/{path.name}", timeout=10)
            assert served.content == path.read_bytes(), path.name


def test_the_libraries_of_the_pages_are_in_the_wheel(wheel: Path) -> None:
    if not (ROOT / "static/node_modules").is_dir():
        pytest.skip("the libraries of the pages are not installed: make setup (it needs npm or a package registry)")
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in LIBRARIES.values():
        assert f"jobserver/static/{path}" in names


def test_wheel_and_jm_contain_the_shapes_of_the_protocol(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        assert "job_manager_wire/py.typed" in files.namelist()
        jm = files.extract("jobserver/static/jm.pyz", tmp_path)
    assert "job_manager_wire/shapes.py" in zipfile.ZipFile(jm).namelist()


def test_an_installed_server_upgrades_an_older_database(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    checked(run(programs / "python", "-c", FIRST_TABLES, cwd=tmp_path))
    refused = run(programs / "jobserver", "lists", cwd=tmp_path)
    assert refused.returncode == 2
    assert "db upgrade" in refused.stderr
    assert '"before": "0001"' in checked(run(programs / "jobserver", "db", "upgrade", "--json", cwd=tmp_path))
    assert "No lists yet" in checked(run(programs / "jobserver", "lists", cwd=tmp_path))


def test_versions_equal_those_of_the_code(programs: Path, wheel: Path, tmp_path: Path) -> None:
    for program in ("jobserver", "jm"):
        assert checked(run(programs / program, "--version", cwd=tmp_path)).endswith(f" {__version__}\n")
    assert wheel.name.startswith(f"job_manager-{__version__}-")


def test_requirements_txt_and_pyproject_toml_have_the_same_client_ranges(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(f"job_manager-{__version__}.dist-info/METADATA").decode()
    client = set(re.findall(r"^Requires-Dist: ([^;\n]+)$", metadata, re.MULTILINE))
    server = set(re.findall(r'^Requires-Dist: ([^;\n]+); extra == "server"$', metadata, re.MULTILINE))
    assert client
    assert client < server
    assert "jsonschema" not in " ".join(client | server)
    assert re.findall(r'^Requires-Dist: (\w+).*; extra == "checks"$', metadata, re.MULTILINE) == ["jsonschema"]


def test_the_lock_file_has_every_requirement() -> None:
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?==(\S+)", (ROOT / "requirements-dev.lock").read_text(), re.MULTILINE)
    folders = ("", "tests/", "examples/demo/")
    for file in ("requirements-checks.txt", *(f"{folder}requirements.txt" for folder in folders)):
        for line in (ROOT / file).read_text().splitlines():
            if line and not line.startswith(("#", "-r")):
                requirement = Requirement(line)
                versions = [version for name, version in pins if name == requirement.name]
                assert versions, f"{requirement.name} is not in requirements-dev.lock: make lock"
                assert all(version in requirement.specifier for version in versions), (
                    f"{requirement} in {file}: make lock"
                )


def test_jm_pyz_from_a_server_needs_only_python(server: Installed, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.mkdir()
    python = new_environment(tmp_path / "bare") / "python"
    (node / "jm.pyz").write_bytes(requests.get(f"{server.url}/jm.pyz", timeout=10).content)
    known = {"JOBSERVER_URL": server.url, "JOBSERVER_JOBIX": "314159"}
    (node / "jobs.json").write_text('{"7": {"jobcmd": "seven"}}')
    assert checked(run(python, "jm.pyz", "--version", cwd=node)).endswith(f" {__version__}\n")
    checked(run(python, "jm.pyz", "init", "10", "10", cwd=node, **known))
    checked(run(python, "jm.pyz", "set", "jobs.json", cwd=node, **known))
    checked(run(python, "jm.pyz", "work", "0", "--", "sh", "-c", "echo {jobcmd} > out", cwd=node, **known))
    assert (node / "out").read_text() == "seven\n"
    assert run(python, "jm.pyz", "get", "0", cwd=node, **known).returncode == 1  # 1: no job is available


def test_the_client_alone_needs_no_library_of_the_server(wheel: Path, tmp_path: Path) -> None:
    programs = new_environment(tmp_path / "client", wheel)
    assert checked(run(programs / "jm", "--version", cwd=tmp_path)).endswith(f" {__version__}\n")
    names = checked(run(programs / "python", "-m", "pip", "list", "--format=freeze", cwd=tmp_path)).lower()
    assert "flask" not in names
    refused = run(programs / "jobserver", "serve", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert re.fullmatch(
        r"jobserver: \w+ is not installed. Run: pip install 'job_manager\[server\]'\n", refused.stderr
    ), refused.stderr


def test_a_server_without_jm_pyz_explains_how_to_build_it(tmp_path: Path) -> None:
    code = "from jobserver import create_app; print(create_app().test_client().get('/jm.pyz').text)"
    assert "make worker" in checked(run(sys.executable, "-c", code, cwd=copy_checkout(tmp_path)))
