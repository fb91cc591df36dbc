"""The location of the database: the URI of the settings, and the path of an SQLite file."""

from pathlib import Path

from jobserver.core.errors import CannotStart
from jobserver.core.settings import Settings


def database_uri(settings: Settings) -> str:
    """Returns the database's URI, with psycopg 3 as PostgreSQL's driver and the default filled in."""
    if not settings.database_uri:
        return f"sqlite:///{settings.instance_path / 'jobs.sqlite'}"
    scheme, colon, rest = settings.database_uri.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    if scheme == "sqlite" and not rest.startswith("//") and len(rest) > 1:
        rest = f"/{Path(rest[1:]).resolve()}"  # absolute: libraries resolve relative paths differently
    return scheme + colon + rest


def sqlite_file(settings: Settings) -> Path | None:
    """Returns the file of an SQLite database; None for PostgreSQL."""
    uri = database_uri(settings)
    return Path(uri.removeprefix("sqlite:///").split("?")[0]) if uri.startswith("sqlite") else None


def check_location(settings: Settings) -> None:
    """Raises CannotStart unless the URI names an SQLite file or a PostgreSQL database."""
    uri = database_uri(settings)
    if not uri.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise CannotStart(
            "DATABASE_URI is wrong: it starts with sqlite:/// or postgresql://; nothing else is supported."
        )
    if uri == "sqlite:///" or ":memory:" in uri:
        raise CannotStart("DATABASE_URI names an SQLite database in memory, which would lose every job. Name a file.")


def describe(settings: Settings) -> str:
    """Returns a short description of the database, without a password, for the start message."""
    file = sqlite_file(settings)
    if file is None:
        return f"PostgreSQL {database_uri(settings).rpartition('/')[2].partition('?')[0]}"
    return f"SQLite {file}" + ("" if file.exists() else ", a new file")
