"""Protocol tests run on SQLite and on PostgreSQL."""

from tests.support.both_databases import api, closed, database_uri, kind, shared

__all__ = ["api", "closed", "database_uri", "kind", "shared"]
