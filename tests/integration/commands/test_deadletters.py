"""``xiaoer deadletters``: what did not arrive, at the shell."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from storage.database import Database
from tests.contract.line import NOW, Line
from tests.integration.commands.test_commands import Run, config, xiaoer

__all__ = ["config", "xiaoer"]


async def _refuse(url: str) -> int:
    line = Line(Database(url))
    try:
        conversation_id = await line.answered()
        item = await line.outbox.next_due(conversation_id, NOW)
        assert item is not None
        await line.outbox.mark_refused(item.id, NOW, "errcode 45015", "window")
        return item.id
    finally:
        line.database.close()


@pytest.fixture
def refused(xiaoer: Run, config: Path) -> int:
    """Give the number of a message that was refused."""
    assert "everything that could be sent" in xiaoer("deadletters", "list", "-c", config)[1]
    return asyncio.run(_refuse(f"sqlite:///{config.parent}/data/shop.db"))


def test_deadletters_are_listed_sent_after_all_and_dropped(xiaoer: Run, config: Path, refused: int) -> None:
    """Each step says what it did; a second retry says why nothing was done."""
    code, printed, _ = xiaoer("deadletters", "list", "-c", config)
    assert code == 0
    assert "window: errcode 45015" in printed
    assert xiaoer("deadletters", "retry", str(refused), "-c", config)[0] == 0
    code, _, trouble = xiaoer("deadletters", "retry", str(refused), "-c", config)
    assert code == 2
    assert "is pending and no dead letter" in trouble
    code, _, trouble = xiaoer("deadletters", "drop", "77", "-c", config)
    assert code == 2
    assert "there is no message 77" in trouble


def test_dropped_letter_leaves_the_list(xiaoer: Run, config: Path, refused: int) -> None:
    """It is let go."""
    assert xiaoer("deadletters", "drop", str(refused), "-c", config)[0] == 0
    assert "everything that could be sent" in xiaoer("deadletters", "list", "-c", config)[1]
