"""Loads the settings and the secret key of the server.

The environment overrides the settings file, and the file overrides the defaults. A secret key that is not configured is
generated once, in a file that only its user can read.
"""

import difflib
import os
import re
import runpy
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from jobserver.core.errors import CannotStart
from jobserver.core.hosts import split
from jobserver.core.resources import CHECKOUT
from jobserver.core.settings import Settings
from jobserver.store.location import check_location, exists

PREFIX = "JOBSERVER_"
FILE_VARIABLE = "JOBSERVER_CONFIG"
CLIENT_VARIABLES = {"JOBSERVER_URL", "JOBSERVER_JOBIX", "JOBSERVER_JOBIX_FILE"}
SECRET = {"secret_key", "database_uri"}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
BOUNDS = {">=": "at least", "<=": "at most", ">": "above", "<": "below"}
FILE = CHECKOUT / "settings.py" if CHECKOUT else None  # read if JOBSERVER_CONFIG is not set


def load(environment: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Returns the settings of this process. CannotStart names the setting that is wrong.

    `overrides` (by lower-case name) override all, for tests and commands.
    """
    values: dict[str, Any] = {}
    origin: dict[str, str] = {}
    path = environment.get(FILE_VARIABLE, str(FILE) if FILE and FILE.exists() else "")
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


def key_file(settings: Settings) -> Path:
    """Returns the file of a generated key."""
    return settings.instance_path / "secret_key"


def secret_key(settings: Settings) -> str:
    """Returns the configured key; otherwise that of the instance folder, which is generated if missing."""
    if settings.secret_key:
        return settings.secret_key
    path = key_file(settings)
    if not exists(path):
        _refuse_new_key(settings, path)
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        if not path.exists():
            import secrets  # here: commands such as `jobserver --help` import this module

            new_file = path.with_name(f"secret_key.{secrets.token_hex(4)}")
            with open(os.open(new_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(new_file, path)  # atomic: the first of two starting servers wins
            except FileExistsError:
                pass
            finally:
                new_file.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise CannotStart(
            f"The secret key {path} cannot be read or written: {error.strerror}. Check JOBSERVER_INSTANCE, or set"
            " JOBSERVER_SECRET_KEY to the key of the database."
        ) from error
    if not key:
        raise CannotStart(f"{path} is empty: restore the key of this database, or set JOBSERVER_SECRET_KEY.")
    return key


def _refuse_new_key(settings: Settings, path: Path) -> None:
    """Raises CannotStart if the database belongs to a key, which may be created by another server at the same time."""
    from jobserver.store import schema  # here: `jobserver --help` needs no database

    if schema.has_key(settings) and not exists(path):
        raise CannotStart(
            f"{path} is missing. Put the file back: it belongs to the backup. If the key of this database is kept"
            " elsewhere, set JOBSERVER_SECRET_KEY. Nothing was changed."
        )


def _file(path: str) -> dict[str, Any]:
    try:
        names = runpy.run_path(path)
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
        raise CannotStart(f"{FILE_VARIABLE}={path} cannot be read: {reason}.") from error
    for name in names:
        if not name.isupper() and name.lower() in Settings.__struct_fields__:
            raise CannotStart(f"{name} in {path}: write settings in capitals: {name.upper()}.")
    return {name: value for name, value in names.items() if name.isupper()}


def _checked(values: dict[str, Any], origin: dict[str, str]) -> Settings:
    known = set(Settings.__struct_fields__)
    for name, value in values.items():
        where = origin.get(name, name)
        if name not in known:
            prefix = PREFIX if where.startswith(PREFIX) else ""
            close = difflib.get_close_matches(name, known, n=1)
            names = ", ".join(sorted(field.upper() for field in known))
            hint = f"Did you mean {prefix}{close[0].upper()}?" if close else f"Settings are: {names}."
            raise CannotStart(f"{where} is not a setting of this server. {hint}")
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise CannotStart(f"{where} is wrong: it holds bytes that are not UTF-8.") from error
        try:
            msgspec.convert({name: value}, Settings, strict=False)
        except msgspec.ValidationError as error:
            value_text = "" if name in SECRET else f" ({str(value)[:80]!r})"
            raise CannotStart(f"{where}{value_text} is wrong: {_in_words(name, error)}.") from error
    settings: Settings = msgspec.convert(values, Settings, strict=False)
    check_location(settings)
    if settings.allowed_hosts:
        split(settings.allowed_hosts)
    return settings


def _in_words(name: str, error: msgspec.ValidationError) -> str:
    reason = str(error).split(" - at")[0]
    hint = typing.get_type_hints(Settings)[name]
    if typing.get_origin(hint) is Literal:
        return f"it must be one of {', '.join(typing.get_args(hint))}"
    if "length" in reason:
        return "it must not be empty"
    if bound := re.search(r"(>=|<=|>|<) (-?[\d.]+)$", reason.replace("`", "")):
        return f"it must be {BOUNDS[bound[1]]} {float(bound[2]):g}"
    return f"it must be {KINDS[hint]}"
