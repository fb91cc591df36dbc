"""Fault tests run on SQLite and on PostgreSQL."""

from tests.support.both_databases import ask, closed, database_uri, kind, shared

__all__ = ["ask", "closed", "database_uri", "kind", "shared"]
