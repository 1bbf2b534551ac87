"""The schema's version: migrated on request, checked at start."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, inspect, select

from bot.domain.errors import SchemaTooNew, SchemaTooOld, StorageError
from storage.database import Database, make_engine
from storage.faults import said_plainly

_MIGRATION_LOCK = 0x786F_0002


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database to this version's schema (or to ``revision``), all or nothing; does nothing when it is there.

    Raises SchemaTooNew when a newer version has written it, StorageError when its tables are not ours.
    """
    engine = make_engine(url)
    try:
        with said_plainly(), engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # SQLite begins by itself only at the first change; two programs migrating at once must take turns.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
            _upgrade(connection, revision)
            connection.commit()
    finally:
        engine.dispose()


def downgrade(url: str, revision: str) -> None:
    """Take the schema back to ``revision`` (``base``: no tables); what the older schema has no place for is lost."""
    engine = make_engine(url)
    try:
        with said_plainly(), engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            command.downgrade(_config(connection), revision)
            connection.commit()
    finally:
        engine.dispose()


def check(database: Database) -> None:
    """Make sure that the database has exactly this version's schema.

    Raises SchemaTooOld when it must be migrated first, SchemaTooNew when a newer version has written it.
    """
    with said_plainly(), database.engine.connect() as connection:
        current = _revision(connection)
    head = head_revision()
    if current == head:
        return
    if current is None:
        raise SchemaTooOld("the database has no schema yet; run `xiaoer migrate` first")
    _refuse_unknown(current)
    raise SchemaTooOld(f"the database is at schema {current}, this version needs {head}; run `xiaoer migrate` first")


def pending_step(url: str) -> tuple[str, str] | None:
    """Tell from which schema to which ``migrate`` would take a database with data; None when there is nothing to do."""
    engine = make_engine(url)
    try:
        with said_plainly(), engine.connect() as connection:
            current = _revision(connection)
    finally:
        engine.dispose()
    head = head_revision()
    return None if current in {None, head} else (str(current), head)


def revisions() -> tuple[str, ...]:
    """Name every schema, oldest first."""
    steps = ScriptDirectory.from_config(_config()).walk_revisions()
    return tuple(step.revision for step in reversed(list(steps)))


def head_revision() -> str:
    """Name this version's schema."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    current = _revision(connection)
    if current is None and inspect(connection).has_table("conversations"):
        raise StorageError(
            "the database holds tables that no migration of Xiaoer has made; give another database.url or empty it"
        )
    if current is not None:
        _refuse_unknown(current)
    command.upgrade(_config(connection), revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_unknown(current: str) -> None:
    try:
        ScriptDirectory.from_config(_config()).get_revision(current)
    except CommandError:
        raise SchemaTooNew(
            f"the database is at schema {current}, which this version does not know: a newer Xiaoer has written it. "
            "Upgrade Xiaoer, or restore the backup made before that upgrade"
        ) from None
