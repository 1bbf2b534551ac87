"""The free answer of a platform whose messages bring a token: used once, by one process, in its time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage, MessageKind, Sender
from storage.windows import SqlWindowLedger
from tests.contract.line import NOW, Line

LI = Sender("line", "main", "U-li")


async def said(line: Line, key: str, token: str, at: datetime = NOW) -> ConversationId:
    """Take a message in; its conversation."""
    message = InboundMessage(LI, key, MessageKind.TEXT, at, "在吗", reply_token=token)
    (accepted,) = await line.inbox.accept([message], at)
    return accepted.conversation_id


async def test_token_is_taken_once_whoever_asks(line: Line):
    """Ten processes ask at once: one answers with it, the others push."""
    conversation = await said(line, "e1", "token-1")
    taken = await asyncio.gather(*[SqlWindowLedger(line.database).take(conversation, NOW) for _ in range(10)])
    assert sorted(taken) == [*[""] * 9, "token-1"]


async def test_newest_token_takes_the_place_of_the_one_before(line: Line):
    """Also where the one before was used; a late older event does not bring the old one back."""
    ledger = SqlWindowLedger(line.database)
    conversation = await said(line, "e1", "token-1")
    assert await ledger.take(conversation, NOW) == "token-1"
    await said(line, "e2", "token-2", NOW + timedelta(seconds=5))
    await said(line, "e0", "token-0", NOW - timedelta(seconds=5))
    assert await ledger.take(conversation, NOW + timedelta(seconds=6)) == "token-2"
    assert await ledger.take(conversation, NOW + timedelta(seconds=6)) == ""


@pytest.mark.parametrize(("seconds", "expected"), [(0, "token-1"), (50, "token-1"), (51, ""), (3600, "")])
async def test_token_is_not_tried_when_its_time_is_over(line: Line, seconds: int, expected: str):
    """It is good for a minute from the webhook; ten seconds are kept for the way."""
    conversation = await said(line, "e1", "token-1")
    assert await SqlWindowLedger(line.database).take(conversation, NOW + timedelta(seconds=seconds)) == expected


async def test_event_without_token_leaves_the_one_before(line: Line):
    """A message taken back, or a repeated delivery, brings none."""
    conversation = await said(line, "e1", "token-1")
    await said(line, "e2", "")
    assert await SqlWindowLedger(line.database).take(conversation, NOW) == "token-1"


async def test_channel_with_tokens_has_no_window(line: Line):
    """LINE may always be sent to, at a price: the ledger tells of no room."""
    conversation = await said(line, "e1", "token-1")
    assert await SqlWindowLedger(line.database).of_conversation(conversation, NOW) is None


async def test_token_of_another_conversation_is_not_taken(line: Line):
    """Each person's message pays for an answer to him."""
    await said(line, "e1", "token-1")
    other = InboundMessage(replace(LI, channel_user_id="U-wang"), "e9", MessageKind.TEXT, NOW, "在吗")
    (accepted,) = await line.inbox.accept([other], NOW)
    assert await SqlWindowLedger(line.database).take(accepted.conversation_id, NOW) == ""
