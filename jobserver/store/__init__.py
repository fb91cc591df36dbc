"""The database: models, schema, connections, group commit and all SQL. No protocol rules."""
