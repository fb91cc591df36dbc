"""Protocol tests run on SQLite and on PostgreSQL."""

from tests.support.both_databases import api, closed, database_uri, kind, shared
from tests.support.host_site import aside, site

__all__ = ["api", "aside", "closed", "database_uri", "kind", "shared", "site"]
