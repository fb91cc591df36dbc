"""Alembic's environment. jobserver.store.schema passes a connection with an open transaction."""

from alembic import context

from jobserver.store import models
from jobserver.store.extensions import db

connection = context.config.attributes.get("connection")
if connection is None:  # `flask db …`, for developers
    from flask import current_app

    connection = current_app.extensions["migrate"].db.engine.connect()

assert models.Job.metadata is db.metadata
context.configure(
    connection=connection,
    target_metadata=db.metadata,
    transactional_ddl=True,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
