"""What is asked often is found by its conversation, however much others have said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event

from bot.domain.conversation import Owner
from bot.domain.messages import Sender
from bot.domain.staff import ThreadMove
from storage.database import Database
from storage.platform_moves import SqlPlatformMoves
from storage.stream import SqlShopperStream
from tests.contract.line import NOW, Line, sender

KNOWN = Sender("web", "shop", "k" + "0" * 24)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    """Give an empty SQLite database."""
    opened = Database(sqlite_url)
    yield opened
    opened.close()


def _note(database: Database) -> list[tuple[str, Any]]:
    """Note what is read from now on."""
    asked: list[tuple[str, Any]] = []

    def note(*call: Any) -> None:
        if call[2].startswith("SELECT"):
            asked.append((call[2], call[3]))

    event.listen(database.engine, "before_cursor_execute", note)
    return asked


def _plans(database: Database, asked: list[tuple[str, Any]]) -> str:
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return "\n".join(
            str(row[3]) for sql, values in asked for row in driver.execute(f"EXPLAIN QUERY PLAN {sql}", values)
        )


@pytest.mark.parametrize("who", [sender(), KNOWN], ids=["visitor", "known"])
async def test_shopper_stream_goes_by_his_conversations(database: Database, who: Sender):
    """Neither of its readings goes through what everybody has ever said."""
    await Line(database).answered(who=who)
    asked = _note(database)
    stream = SqlShopperStream(database)
    await stream.latest(who, 10)
    await stream.since(who, 0, 10)
    plans = _plans(database, asked)
    assert plans.count("ix_events_conversation_id_seq") == 2
    assert "ix_events_kind_at" not in plans


async def test_move_told_by_a_platform_goes_by_its_conversation(database: Database):
    """The look for the last change of owner does not go through everybody's."""
    await Line(database).answered(who=Sender("wecom_kf", "shop", "li"))
    asked = _note(database)
    move = ThreadMove(Sender("wecom_kf", "shop", "li"), Owner.WITH_AGENT, NOW, "wecom")
    assert await SqlPlatformMoves(database).follow(move, NOW)
    assert "ix_events_kind_at" not in _plans(database, asked)
