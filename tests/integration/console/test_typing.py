"""An agent who writes is seen writing, by the shopper he writes to and by nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from bot.desk.writing import DeskWriting
from bot.domain.channel_ports import Addressee
from bot.domain.errors import NotFound
from bot.domain.events import CustomerUttered
from bot.domain.ids import ConversationId
from storage.conversations import SqlConversationReader
from tests.integration.console.shop import Browser, Shop


class Board:
    """Platforms of which WhatsApp shows typing."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def shows(self, channel: str) -> bool:
        """Tell whether it does."""
        return channel == "whatsapp"

    def show(self, channel: str, to: Addressee, answering: str) -> None:
        """Note it."""
        self.told.append((channel, to.channel_user_id, answering))


def bells(shop: Shop) -> list[str]:
    """List who was told that somebody types."""
    return [event.topic for event in shop.live.heard if event.kind == "typing"]


class Unread(SqlConversationReader):
    """Conversations whose events nobody may read."""

    async def events(self, conversation_id: ConversationId, after_seq: int = 0) -> Any:
        """Refuse."""
        raise AssertionError(f"the events of {conversation_id} are read from {after_seq}")


@pytest.fixture
async def taken(shop: Shop, li: Browser) -> ConversationId:
    """Give a conversation that Li has."""
    conversation_id = await shop.exchange("visitor", "找人工", "请稍等", handoff=("angry", "壶裂了", "urgent"))
    await li.post(f"/conversations/{conversation_id}/take")
    return conversation_id


async def test_shopper_sees_his_agent_write(shop: Shop, li: Browser, taken: ConversationId):
    """The shop's page is told; nothing is recorded."""
    before = await shop.stores.conversations.events(taken)
    answer = await li.post(f"/conversations/{taken}/typing")
    assert (answer.status_code, answer.text) == (204, "")
    assert bells(shop) == ["shopper:web:main:visitor"]
    assert await shop.stores.conversations.events(taken) == before


async def test_typing_into_what_is_not_his_is_not_seen(shop: Shop, li: Browser, wang: Browser, taken: ConversationId):
    """A colleague who looks on, and one whose conversation has ended, tell the shopper nothing."""
    assert (await wang.post(f"/conversations/{taken}/typing")).status_code == 204
    await shop.stores.ownership.resolve(taken, shop.agents["li"], shop.clock.now())
    assert (await li.post(f"/conversations/{taken}/typing")).status_code == 204
    assert bells(shop) == []


async def test_platform_is_told_with_the_message_that_is_answered(shop: Shop, li: Browser):
    """WhatsApp needs the id of the shopper's last message; a platform that shows nothing is not asked."""
    board = Board()
    writing = DeskWriting(shop.stores.conversations, shop.live, board)
    for channel in ("whatsapp", "web"):
        said = [CustomerUttered("anybody?", platform_id="wamid.7")]
        conversation_id = await shop.exchange("ann", "hello?", channel=channel, events=said)
        await li.post(f"/conversations/{conversation_id}/take")
        await writing.tell(conversation_id, shop.agents["li"])
    assert board.told == [("whatsapp", "ann", "wamid.7")]


async def test_platform_is_told_without_reading_the_conversation(shop: Shop):
    """An agent types often and conversations grow long: only the last message is looked up."""
    board = Board()
    said = [CustomerUttered("anybody?", platform_id="wamid.7")]
    conversation_id = await shop.exchange("ann", "hello?", channel="whatsapp", events=said)
    await shop.stores.ownership.take(conversation_id, shop.agents["li"], shop.clock.now())
    await DeskWriting(Unread(shop.database), shop.live, board).tell(conversation_id, shop.agents["li"])
    assert board.told == [("whatsapp", "ann", "wamid.7")]


async def test_last_message_is_named_also_when_it_has_no_name(shop: Shop):
    """A message without an id, and a conversation without messages, have the empty one."""
    conversation_id = await shop.exchange("ann", "hello?", channel="whatsapp")
    assert await shop.stores.conversations.last_said(conversation_id) == ""
    assert await shop.stores.conversations.last_said(ConversationId("none")) == ""


async def test_unknown_conversation_is_not_found(shop: Shop, li: Browser):
    """Nobody can be told."""
    assert (await li.post("/conversations/none/typing")).status_code == 404
    with pytest.raises(NotFound):
        await DeskWriting(shop.stores.conversations, shop.live).tell(ConversationId("none"), shop.agents["li"])


async def test_typing_without_the_forms_token_is_refused(shop: Shop, li: Browser, taken: ConversationId):
    """Another site cannot make an agent seem to write."""
    headers = {"sec-fetch-site": "cross-site"}
    assert (await li.post(f"/conversations/{taken}/typing", headers=headers)).status_code == 403
    assert bells(shop) == []
