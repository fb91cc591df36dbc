"""Every setting: its type and range, default, unit and meaning. Environment before file before default."""

import os
import runpy
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from jobserver.errors import CannotStart

PREFIX = "JOBSERVER_"
FILE_VARIABLE = "JOBSERVER_CONFIG"
CLIENT_VARIABLES = {"JOBSERVER_URL", "JOBSERVER_JOBIX", "JOBSERVER_JOBIX_FILE"}
SECRET = {"secret_key", "database_uri", "redis_url"}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "settings.py"  # read where JOBSERVER_CONFIG names none

Text = Annotated[str, Meta(min_length=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The server's settings. Each is the environment variable JOBSERVER_<NAME>, or <NAME> in the file."""

    instance: Annotated[Text, Meta(description="Folder of the database file and the made secret key.")] = str(
        ROOT / "instance"
    )
    database_uri: Annotated[
        str, Meta(description="SQLAlchemy's form. Empty: sqlite in the instance folder, jobs.sqlite.")
    ] = ""
    host: Annotated[Text, Meta(description="Address to listen on. 0.0.0.0: every address of the machine.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes a free one.")] = 5000
    tell: Annotated[
        bool,
        Meta(description="Behind Apache: whether `tell` runs, and /socket.io/ is passed on to it. Else pages poll."),
    ] = False
    tell_port: Annotated[
        int, Meta(ge=0, le=65535, description="Port of `tell`, to which Apache passes /socket.io/.")
    ] = 8821
    redis_url: Annotated[
        str,
        Meta(description="Redis by which `tell`, or other servers' pages, hear of changes. Empty: by the database."),
    ] = ""
    async_mode: Annotated[
        Literal["eventlet", "gevent", "threading"], Meta(description="How the server does many things at once.")
    ] = "eventlet"
    secret_key: Annotated[
        str,
        Meta(
            description="Keys the stored hashes of jobix. Empty: made once and kept in the instance folder, mode 600."
        ),
    ] = ""
    max_body_mb: Annotated[int, Meta(ge=1, le=4096, description="MB of a request's body, after inflation.")] = 256
    sweep_every_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds between two looks for jobs past their deadline.")
    ] = 1.0
    require_claim: Annotated[
        bool, Meta(description="Whether /update_job must prove its claim; founding workers don't.")
    ] = False
    open: Annotated[bool, Meta(description="Whether a new jobix makes a new list; else only known ones work.")] = True
    wrong_secrets_per_minute: Annotated[
        int, Meta(ge=1, description="Unknown jobix from one address within a minute, before 429. Closed servers only.")
    ] = 20
    busy_timeout_s: Annotated[
        float, Meta(ge=0, le=600, description="Seconds to wait for a locked database, before 503.")
    ] = 10.0
    drain_s: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds that running requests get to end when the server stops.")
    ] = 30.0
    max_waiting: Annotated[
        int, Meta(ge=-1, description="Requests of a process that may wait for a job at once; -1: what its host bears.")
    ] = -1
    history_days: Annotated[
        float, Meta(gt=0, le=36500, description="Days that ended claims are remembered, and repeated requests known.")
    ] = 30.0
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta(description="INFO: a line a change of state.")
    ] = "INFO"
    allow_network_filesystem: Annotated[
        bool, Meta(description="Start with SQLite on NFS, Lustre, GPFS, …, though it may corrupt the database.")
    ] = False

    @property
    def instance_path(self) -> Path:
        """The instance folder, absolute."""
        return Path(self.instance).expanduser().resolve()

    @property
    def uri(self) -> str:
        """The database's URI, with psycopg 3 as PostgreSQL's driver and the default filled in."""
        if not self.database_uri:
            return f"sqlite:///{self.instance_path / 'jobs.sqlite'}"
        scheme, colon, rest = self.database_uri.partition("://")
        if scheme in ("postgres", "postgresql"):
            scheme = "postgresql+psycopg"
        if scheme == "sqlite" and not rest.startswith("//") and len(rest) > 1:
            rest = f"/{Path(rest[1:]).resolve()}"  # once and for all: libraries disagree on what it is relative to
        return scheme + colon + rest

    @property
    def sqlite_file(self) -> Path | None:
        """The database's file, if it is SQLite's."""
        uri = self.uri
        return Path(uri.removeprefix("sqlite:///").split("?")[0]) if uri.startswith("sqlite") else None


def load(environment: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process. CannotStart names the one that is wrong.

    `overrides` (by lower-case name) win over all, for tests and commands.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    path = environment.get(FILE_VARIABLE, str(FILE) if FILE.exists() else "")
    if path:
        for name, value in _file(path).items():
            values[name.lower()] = value
            origin[name.lower()] = f"{name} in {path}"
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE and variable not in CLIENT_VARIABLES:
            name = variable.removeprefix(PREFIX).lower()
            values[name] = text
            origin[name] = variable
    values.update(overrides or {})
    return _checked(values, origin)


def _file(path: str) -> dict[str, Any]:
    try:
        names = runpy.run_path(path)
    except Exception as error:
        raise CannotStart(f"{FILE_VARIABLE}={path} can't be read: {type(error).__name__}: {error}") from error
    for name in names:
        if not name.isupper() and name.lower() in Settings.__struct_fields__:
            raise CannotStart(f"{name} in {path}: settings are written in capitals, {name.upper()}.")
    return {name: value for name, value in names.items() if name.isupper()}


def _checked(values: dict[str, Any], origin: dict[str, str]) -> Settings:
    known = set(Settings.__struct_fields__)
    for name, value in values.items():
        where = origin.get(name, name)
        if name not in known:
            names = ", ".join(sorted(field.upper() for field in known))
            raise CannotStart(f"{where} is not a setting of this server. Settings are: {names}.")
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise CannotStart(f"{where} is wrong: it holds bytes that are not UTF-8.") from error
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            shown = "" if name in SECRET else f" ({str(value)[:80]!r})"
            raise CannotStart(f"{where}{shown} is wrong: {_in_words(name, error)}.") from error
    settings: Settings = msgspec.convert(values, Settings, strict=False)
    if not settings.uri.startswith(("sqlite:///", "postgresql+psycopg://")):
        where = origin.get("database_uri", "database_uri")
        raise CannotStart(f"{where} is wrong: it starts with sqlite:/// or postgresql://, nothing else is supported.")
    if settings.redis_url and not settings.redis_url.startswith(("redis://", "rediss://", "unix://")):
        where = origin.get("redis_url", "redis_url")
        raise CannotStart(f"{where} is wrong: it starts with redis://, rediss:// or unix://.")
    if settings.uri == "sqlite:///" or ":memory:" in settings.uri:
        raise CannotStart("DATABASE_URI names SQLite in memory, which would lose every job: name a file.")
    return settings


def _in_words(name: str, error: msgspec.ValidationError) -> str:
    said = str(error).split(" - at")[0]
    hint = typing.get_type_hints(Settings)[name]
    if typing.get_origin(hint) is Literal:
        return f"it is one of {', '.join(typing.get_args(hint))}"
    if "got" in said or "Invalid" in said:
        return f"it is {KINDS[hint]}"
    return said[:1].lower() + said[1:].replace("`", "")
