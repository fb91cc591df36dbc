"""The secret key of the server: configured, or generated once in a file that only its user can read."""

import os
import secrets
from pathlib import Path

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings


def key_file(settings: Settings) -> Path:
    """Returns the file of a generated key."""
    return settings.instance_path / "secret_key"


def secret_key(settings: Settings) -> str:
    """Returns the configured key; otherwise that of the instance folder, which is generated if missing."""
    if settings.secret_key:
        return settings.secret_key
    path = key_file(settings)
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        if not path.exists():
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
            f"The secret key cannot be stored in {path}: {error.strerror}. Check JOBSERVER_INSTANCE, or set"
            " JOBSERVER_SECRET_KEY to the key of the database."
        ) from error
    if not key:
        raise CannotStart(f"{path} is empty: restore the key of this database, or set JOBSERVER_SECRET_KEY.")
    return key
