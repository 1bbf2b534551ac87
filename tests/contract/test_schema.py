"""The migrations make exactly the tables that the code works with."""

from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from bot.domain.errors import SchemaTooNew, SchemaTooOld, StorageError
from storage.database import Database, make_engine
from storage.models import Base
from storage.schema import check, downgrade, head_revision, migrate


def test_migrations_match_the_models(database: Database):
    """Nothing is left for a further migration to change."""
    with database.engine.connect() as connection:
        opts = {"compare_type": True, "compare_server_default": True, "include_name": is_modelled}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, Base.metadata) == []


def is_modelled(name: str | None, kind: str, _parents: Any) -> bool:
    """Tell whether the models have a thing; the index of what was said is made by its migration alone."""
    said = kind == "table" and str(name).startswith("said_")
    return not said and name != "ix_events_said"


def test_migrate_again_changes_nothing(database_url: str):
    """A migrated database is taken as it is."""
    migrate(database_url)
    database = Database(database_url)
    check(database)
    database.close()


def test_migrate_and_check_refuse_a_newer_database(database: Database, database_url: str):
    """A revision nobody knows names itself and the way out."""
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for attempt in (lambda: check(database), lambda: migrate(database_url)):
        with pytest.raises(SchemaTooNew, match=r"9999.*newer Xiaoer"):
            attempt()


def test_downgrade_and_back_leaves_the_same_schema(database_url: str):
    """Down to nothing, refused as too old, up again."""
    downgrade(database_url, "base")
    database = Database(database_url)
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    with pytest.raises(SchemaTooOld, match="xiaoer migrate"):
        check(database)
    migrate(database_url)
    check(database)
    database.close()


def test_migrate_refuses_tables_of_somebody_else(database_url: str):
    """Tables that no migration of ours has made are not touched."""
    engine = make_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()
    with pytest.raises(StorageError, match="no migration of Xiaoer"):
        migrate(database_url)


def test_head_revision_is_single():
    """There is one newest schema."""
    assert head_revision() == "0011"
