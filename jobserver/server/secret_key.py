"""The server's own secret: given, or made once and kept where only its user can read it."""

import os
import secrets
from pathlib import Path

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings


def key_file(settings: Settings) -> Path:
    """Where the server keeps its key if none was given."""
    return settings.instance_path / "secret_key"


def secret_key(settings: Settings) -> str:
    """The key that was given; else the one kept in the instance folder, made now if there is none."""
    if settings.secret_key:
        return settings.secret_key
    path = key_file(settings)
    try:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = path.with_name(f"secret_key.{secrets.token_hex(4)}")
            with open(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(32) + "\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(made, path)  # the first of two servers that start together wins, and the file is whole
            except FileExistsError:
                pass
            finally:
                made.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise CannotStart(
            f"The secret key can't be kept in {path}: {error.strerror}. See to JOBSERVER_INSTANCE; or give the key that"
            " the database was made with, in JOBSERVER_SECRET_KEY."
        ) from error
    if not key:
        raise CannotStart(
            f"{path} is empty: restore the key that this database was made with, or set JOBSERVER_SECRET_KEY."
        )
    return key
