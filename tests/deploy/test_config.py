"""Settings from the environment or a file; an invalid setting stops the start with one line that names it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings
from jobserver.server import settings
from tests.support.paths import ROOT
from tests.support.server import Server

SERVE = ("app.py",)

# setting: its text in the environment, its text in a file, and the parsed value
GOOD = {
    "INSTANCE": ("/some/where", "'/some/where'", "/some/where"),
    "DATABASE_URI": ("sqlite:////some/jobs", "'sqlite:////some/jobs'", "sqlite:////some/jobs"),
    "HOST": ("0.0.0.0", "'0.0.0.0'", "0.0.0.0"),
    "PORT": ("8000", "8000", 8000),
    "ALLOWED_HOSTS": ("jobs.example.org,.b.org", "'jobs.example.org,.b.org'", "jobs.example.org,.b.org"),
    "PROXIES": ("1", "1", 1),
    "PUSH": ("1", "True", True),
    "PUSH_PORT": ("8822", "8822", 8822),
    "MAX_WAITING": ("3", "3", 3),
    "ASYNC_MODE": ("threading", "'threading'", "threading"),
    "SECRET_KEY": ("key", "'key'", "key"),
    "MAX_BODY_MB": ("4", "4", 4),
    "SWEEP_EVERY_S": ("0.5", "0.5", 0.5),
    "GRACE_MINUTES": ("0.5", "0.5", 0.5),
    "REQUIRE_CLAIM": ("true", "True", True),
    "OPEN": ("0", "False", False),
    "WRONG_SECRETS_PER_MINUTE": ("3", "3", 3),
    "BUSY_TIMEOUT_S": ("2", "2", 2.0),
    "DRAIN_S": ("0", "0", 0.0),
    "HISTORY_DAYS": ("0.25", "0.25", 0.25),
    "LOG_LEVEL": ("WARNING", "'WARNING'", "WARNING"),
    "ALLOW_NETWORK_FILESYSTEM": ("1", "True", True),
}
WRONG = [
    ("INSTANCE", ""), ("HOST", ""),
    ("PORT", ""), ("PORT", "x"), ("PORT", "-1"), ("PORT", "65536"), ("PORT", "80.5"), ("PORT", "80\n81"),
    ("ASYNC_MODE", ""), ("ASYNC_MODE", "twisted"), ("ASYNC_MODE", "Eventlet"), ("LOG_LEVEL", "LOUD"),
    ("ALLOWED_HOSTS", "http://a.org"), ("ALLOWED_HOSTS", "a.org:80"), ("ALLOWED_HOSTS", "a.org,"),
    ("MAX_BODY_MB", "0"), ("MAX_BODY_MB", "4097"), ("MAX_BODY_MB", "1.5"), ("MAX_BODY_MB", "x"),
    ("SWEEP_EVERY_S", "0"), ("SWEEP_EVERY_S", "3601"), ("SWEEP_EVERY_S", "nan"), ("SWEEP_EVERY_S", "x"),
    ("GRACE_MINUTES", "-1"), ("GRACE_MINUTES", "1441"), ("GRACE_MINUTES", "nan"),
    ("REQUIRE_CLAIM", ""), ("REQUIRE_CLAIM", "maybe"), ("OPEN", "2"), ("ALLOW_NETWORK_FILESYSTEM", "maybe"),
    ("WRONG_SECRETS_PER_MINUTE", "0"), ("WRONG_SECRETS_PER_MINUTE", "x"),
    ("BUSY_TIMEOUT_S", "-1"), ("BUSY_TIMEOUT_S", "601"), ("BUSY_TIMEOUT_S", "nan"),
    ("DRAIN_S", "-0.1"), ("DRAIN_S", "inf"), ("HISTORY_DAYS", "0"), ("HISTORY_DAYS", "36501"),
    ("SECRET_KEY", "not UTF-8: \udcff"),
    ("DATABASE_URI", "jobs.sqlite"), ("DATABASE_URI", "mysql://user:hidden@host/jobs"),
    ("DATABASE_URI", "sqlite://"), ("DATABASE_URI", "sqlite:///:memory:"),
    # not a configuration
    ("NONSENSE", "1"), ("PORTS", "80"), ("JOBSERVER_PORT", "80"), ("", "1"),
]  # fmt: skip
# refused when the server listens or opens the database; the last one by the loader
WRONG_AT_START = [
    ("PORT", "80\n81"), ("HOST", "no such host"), ("DATABASE_URI", "sqlite:////proc/no/file"),
    ("DATABASE_URI", "sqlite:////"), ("DATABASE_URI", "postgresql://user:hidden@127.0.0.1:1/jobs"),
    ("DATABASE_URI", "postgresql://user:hidden@127.0.0.1:port/jobs"),
    ("DATABASE_URI", "postgresql://user:hidden@127.0.0.1/jobs?no_such_option=1"),
]  # fmt: skip
WRONG_IN_FILE = [
    ("PORT = 'x'", "PORT"), ("PORT = None", "PORT"), ("PORT = 65536", "PORT"), ("OPEN = 'maybe'", "OPEN"),
    ("HOST = 5", "HOST"), ("DATABASE_URI = ['postgresql://user:hidden@host/jobs']", "DATABASE_URI"),
    ("LIFETIME = 5", "LIFETIME"),
    ("JOBSERVER_PORT = 80", "JOBSERVER_PORT"),
    ("PORT =", "JOBSERVER_CONFIG"), ("PORT = 1 / 0", "JOBSERVER_CONFIG"),
    ("raise ValueError('one\\ntwo')", "JOBSERVER_CONFIG"),
]  # fmt: skip


def refusal(folder: Path, program: tuple[str, ...] = SERVE, **settings: str) -> str:
    """The one line of a program that refuses to start with these settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBSERVER_")}
    variables = {"INSTANCE": str(folder / "instance")} | ({} if "CONFIG" in settings else {"PORT": "0"}) | settings
    done = subprocess.run(
        [sys.executable, *program], cwd=ROOT, capture_output=True, text=True, timeout=20,
        env=environment | {f"JOBSERVER_{name}": value for name, value in variables.items()},
    )  # fmt: skip
    assert done.returncode not in (0, None)
    assert "Traceback" not in done.stderr, done.stderr[-1000:]
    assert done.stderr.startswith("jobserver: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    assert "hidden" not in done.stderr, "the message contains a password"
    return done.stderr


def short_text(value: str) -> str:
    """The text of a value in the id of a test."""
    return ascii(value)[1:-1][:50]


def write_settings(folder: Path, text: str) -> str:
    """Writes a configuration file. Returns its path."""
    path = folder / "settings.py"
    path.write_text(text + "\n")
    return str(path)


@pytest.mark.parametrize("field", msgspec.structs.fields(Settings), ids=lambda field: field.name)
def test_the_environment_overrides_the_configuration_file(field: msgspec.structs.FieldInfo, tmp_path: Path) -> None:
    name = field.name.upper()
    text, in_python, expected = GOOD[name]
    assert expected != field.default, "the value equals the default"
    file = write_settings(tmp_path, f"{name} = {in_python}")
    by_variable = settings.load({f"JOBSERVER_{name}": text})
    by_file = settings.load({"JOBSERVER_CONFIG": file})
    by_both = settings.load({"JOBSERVER_CONFIG": file, f"JOBSERVER_{name}": str(field.default)})
    assert getattr(by_variable, field.name) == getattr(by_file, field.name) == expected
    assert getattr(by_both, field.name) == field.default
    for source in (by_variable, by_file):  # all other settings keep their defaults
        assert msgspec.structs.replace(source, **{field.name: field.default}) == Settings()


def test_a_configuration_file_may_have_code_and_lowercase_names(tmp_path: Path) -> None:
    file = write_settings(tmp_path, "import os\nbase = 8000\ndef plus(n): return base + n\nPORT = plus(1)")
    assert settings.load({"JOBSERVER_CONFIG": file}).port == 8001


def test_the_server_ignores_variables_of_the_client() -> None:
    of_client = {"JOBSERVER_URL": "http://x", "JOBSERVER_JOBIX": "4711", "JOBSERVER_JOBIX_FILE": "secret"}
    assert settings.load(of_client | {"JOBSERVER_CONFIG": "", "PATH": "/bin", "PORT": "1"}) == Settings()


@pytest.mark.parametrize(("name", "text"), WRONG, ids=short_text)
def test_an_invalid_value_is_refused_and_its_setting_named(name: str, text: str) -> None:
    with pytest.raises(CannotStart) as refused:
        settings.load({"JOBSERVER_CONFIG": "", f"JOBSERVER_{name}": text})
    message = str(refused.value)
    assert name in message
    assert "hidden" not in message, "the message contains a password"
    if name not in GOOD:
        assert f"JOBSERVER_{name} is not a setting" in message
        assert message.endswith("Did you mean JOBSERVER_PORT?") or all(known in message for known in GOOD)


@pytest.mark.parametrize(("line", "name"), WRONG_IN_FILE, ids=short_text)
def test_an_invalid_file_is_refused_and_its_setting_named(tmp_path: Path, line: str, name: str) -> None:
    file = write_settings(tmp_path, line)
    with pytest.raises(CannotStart) as refused:
        settings.load({"JOBSERVER_CONFIG": file})
    assert name in str(refused.value)
    assert file in str(refused.value)
    assert "hidden" not in str(refused.value), "the message contains a password"


@pytest.mark.parametrize(("name", "text"), WRONG_AT_START, ids=short_text)
def test_a_start_with_an_invalid_value_prints_one_line(tmp_path: Path, name: str, text: str) -> None:
    assert name in refusal(tmp_path, **{name: text})


def test_a_start_with_an_invalid_file_prints_one_line(tmp_path: Path) -> None:
    file = write_settings(tmp_path, "raise ValueError('one\\ntwo')")
    assert file in refusal(tmp_path, CONFIG=file)


def test_a_start_with_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "JOBSERVER_CONFIG=" in refusal(tmp_path, CONFIG=str(tmp_path / "nowhere.py"))


def test_commands_refuse_invalid_settings_like_the_server(tmp_path: Path) -> None:
    assert "JOBSERVER_PORT" in refusal(tmp_path, ("-m", "jobserver", "lists"), PORT="x")
    away = "postgresql://user:hidden@127.0.0.1:1/jobs"
    for command in (("lists",), ("db", "upgrade")):
        assert "JOBSERVER_DATABASE_URI" in refusal(tmp_path, ("-m", "jobserver", *command), DATABASE_URI=away)


@pytest.mark.parametrize("settings", [{}, {"SECRET_KEY": "key"}], ids=["own key", "given key"])
def test_an_unusable_instance_folder_is_named(tmp_path: Path, settings: dict[str, str]) -> None:
    (tmp_path / "file").write_text("")
    assert "JOBSERVER_INSTANCE" in refusal(tmp_path, INSTANCE=str(tmp_path / "file"), **settings)


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        assert f"Port {port} of 127.0.0.1 is in use" in refusal(tmp_path, PORT=port)


def test_a_missing_package_of_an_async_mode_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['gevent'] = None; from jobserver import create_app;"
        " from jobserver.server.cli import main; sys.exit(main(['serve'], create_app))"
    )
    assert "JOBSERVER_ASYNC_MODE" in refusal(tmp_path, ("-c", code), ASYNC_MODE="gevent")


def test_a_wrong_or_empty_secret_key_file_is_named(tmp_path: Path, server: Server) -> None:
    server.stop()
    instance = server.folder / "instance"
    assert "JOBSERVER_SECRET_KEY" in refusal(tmp_path, INSTANCE=str(instance), SECRET_KEY="another")
    (instance / "secret_key").write_text("\n")
    assert "JOBSERVER_SECRET_KEY" in refusal(tmp_path, INSTANCE=str(instance))
