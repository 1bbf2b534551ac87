"""Alembic's entry: runs the migrations on the connection that ``storage.schema`` hands over."""

from __future__ import annotations

from alembic import context

from storage.media_models import MediaRow

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=MediaRow.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
