"""The database: models, schema, connections, group commit and all SQL. No rule of the protocol lives here."""
