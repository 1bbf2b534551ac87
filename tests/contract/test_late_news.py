"""What a platform tells late, or two processes learn at once, spoils nothing that is newer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.channel_ports import Deferred
from bot.domain.conversation import Owner
from bot.domain.exchange_ports import ExchangeKey
from bot.domain.ids import ConversationId
from bot.domain.line_ports import Cursor, OutboxItem
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.staff import ThreadMove
from bot.domain.windows import Opening, Place
from storage import cursors, inbox, platform_moves
from storage.database import Database
from storage.exchanges import SqlExchanges
from storage.platform_moves import SqlPlatformMoves
from storage.tables import CONVERSATIONS
from storage.windows import SqlSendingGate, SqlWindowLedger
from tests.contract.line import NOW, Line

LI = Sender("wechat_oa", "shop", "oLi")
ANN = Sender("messenger", "page", "ann")


def at(seconds: float) -> Any:
    """Give a moment."""
    return NOW + timedelta(seconds=seconds)


def said(key: str, seconds: float = 0, who: Sender = LI) -> InboundMessage:
    """Make a message."""
    return InboundMessage(who, key, MessageKind.TEXT, at(seconds), "在吗")


async def answered(line: Line) -> tuple[ConversationId, OutboxItem]:
    """Let Li say something, and a turn answer."""
    (accepted,) = await line.inbox.accept([said("k1")], NOW)
    await line.commit(await line.pending(accepted.conversation_id), "您好")
    item = await line.outbox.next_due(accepted.conversation_id, NOW)
    assert item is not None
    return accepted.conversation_id, item


async def left(line: Line, conversation: ConversationId, seconds: float) -> int | None:
    """Tell how many messages may still be sent; None: the window is closed."""
    room = await SqlWindowLedger(line.database).of_conversation(conversation, at(seconds))
    assert room is not None
    return room.left if room.is_open else None


@pytest.mark.parametrize("kind", ["window", "quota"])
async def test_late_word_of_a_closed_window_leaves_the_one_opened_since(line: Line, kind: str):
    """The report is of a message sent before the shopper wrote again: only what was open then is over."""
    conversation, item = await answered(line)
    await line.outbox.mark_sent(item.id, at(1), "p1")
    await line.inbox.accept([said("k2", 60)], at(60))
    assert await line.outbox.mark_undelivered("wechat_oa", "p1", at(90), ("no", kind))
    assert await left(line, conversation, 91) == 5


@pytest.mark.parametrize("kind", ["window", "quota"])
async def test_word_of_a_closed_window_closes_it(line: Line, kind: str):
    """Nothing was opened since: the ledger believes the platform."""
    conversation, item = await answered(line)
    await line.outbox.mark_sent(item.id, at(1), "p1")
    assert await line.outbox.mark_undelivered("wechat_oa", "p1", at(90), ("no", kind))
    assert await left(line, conversation, 91) is None


@pytest.mark.parametrize(("went", "after"), [(1, 4), (0, 5)])
async def test_message_in_hand_when_the_shopper_writes_in_the_same_second_is_counted(line: Line, went: int, after: int):
    """Platforms tell whole seconds: the window opened anew has the old one's time, and still begins at none."""
    conversation, item = await answered(line)
    gate = SqlSendingGate(line.database)
    place = await gate.reserve(item, at(0.3))
    assert isinstance(place, Place)
    await line.inbox.accept([said("k2")], at(0.5))
    await gate.count(item, went, at(0.6), place)
    assert await left(line, conversation, 1) == after


async def test_words_left_of_an_earlier_conversation_wait_for_an_open_exchange_too(line: Line):
    """The response may begin with them: they must not go out beside it."""
    conversation, item = await answered(line)
    await line.ownership.resolve(conversation, await line.hire("mei"), NOW)
    (accepted,) = await line.inbox.accept([said("k2", 60)], at(60))
    assert accepted.conversation_id != conversation
    exchanges = SqlExchanges(line.database)
    key = ExchangeKey("wechat_oa", "shop", "k2")
    await exchanges.begin(key, accepted.conversation_id, at(60), at(66))
    gate = SqlSendingGate(line.database)
    assert isinstance(await gate.ask(item, at(61)), Deferred)
    await exchanges.end(key, at(62))
    assert await gate.ask(item, at(63)) is None


async def test_welcome_of_several_messages_begins_with_the_code_that_pays_for_one(line: Line):
    """It never fits, and is sent as far as it goes: the first of it goes by the code."""
    who = Sender("wecom_kf", "kf1", "wmLi")
    entered = InboundMessage(who, "e1", MessageKind.FOLLOW, NOW, reply_token="code-1")
    (accepted,) = await line.inbox.accept([entered], NOW)
    await line.commit(await line.pending(accepted.conversation_id), "您好")
    item = await line.outbox.next_due(accepted.conversation_id, NOW)
    assert item is not None
    gate, ledger = SqlSendingGate(line.database), SqlWindowLedger(line.database)
    place = await gate.reserve(item, at(1), 3)
    assert isinstance(place, Place)
    assert await ledger.token(accepted.conversation_id, Opening.ENTER, at(1)) == "code-1"
    await gate.count(item, 1, at(2), place)
    assert await left(line, accepted.conversation_id, 2) is None


@pytest.fixture
def other(postgresql_url: str) -> Iterator[Database]:
    """Give another process's database."""
    opened = Database(postgresql_url)
    yield opened
    opened.close()


@pytest.fixture
def here(postgresql_url: str) -> Iterator[Line]:
    """Give the line of this process; on SQLite there is one writer only."""
    opened = Database(postgresql_url)
    yield Line(opened)
    opened.close()


def _follow(database: Database, move: ThreadMove) -> Any:
    return database.submit(lambda on: platform_moves._move(on, move, at(9))).result()


@pytest.mark.postgresql
async def test_move_that_another_process_overtakes_changes_nothing(
    here: Line, other: Database, monkeypatch: pytest.MonkeyPatch
):
    """Two webhook calls at once: the older is looked at first and noted last."""
    await here.inbox.accept([said("k1", who=ANN)], NOW)
    older = ThreadMove(ANN, Owner.WITH_AGENT, at(1), "page_inbox", "e1")
    newer = ThreadMove(ANN, Owner.WITH_BOT, at(2), "", "e2")
    real, calls = cursors.position, []

    def position(connection: Any, cursor: Cursor) -> str:
        before = real(connection, cursor)
        calls.append(before)
        if len(calls) == 1:
            _follow(other, newer)
        return before

    monkeypatch.setattr(cursors, "position", position)
    assert await SqlPlatformMoves(here.database).follow(older, at(9)) is None
    (row,) = await here.rows(CONVERSATIONS)
    assert row["owner"] == Owner.WITH_BOT
    assert len(calls) == 3


@pytest.mark.postgresql
async def test_move_that_begins_joins_what_a_message_has_just_begun(
    here: Line, other: Database, monkeypatch: pytest.MonkeyPatch
):
    """Somebody at the platform and the customer begin at the same moment: it is one conversation."""
    first = await here.answered(who=ANN)
    await here.ownership.resolve(first, await here.hire("mei"), NOW)
    real = platform_moves.open_conversation

    def opens(*given: Any) -> str:
        other.submit(lambda on: inbox._accept_all(on, [said("k2", who=ANN)], NOW)).result()
        return real(*given)

    monkeypatch.setattr(platform_moves, "open_conversation", opens)
    move = ThreadMove(ANN, Owner.WITH_AGENT, at(1), "page_inbox", "e1", begins=True)
    found = await SqlPlatformMoves(here.database).follow(move, at(1))
    rows = {row["id"]: row["owner"] for row in await here.rows(CONVERSATIONS)}
    assert len(rows) == 2
    assert found is not None
    assert rows[found] == Owner.WITH_AGENT
