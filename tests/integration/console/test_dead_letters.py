"""The manager's page of what did not arrive."""

from __future__ import annotations

import pytest

from bot.domain.ids import ConversationId, OutboxId
from storage.outbox import SqlOutboxStore
from tests.integration.console.shop import Browser, Shop


@pytest.fixture
async def waiting(shop: Shop) -> ConversationId:
    """Give a conversation that waits for an agent."""
    return await shop.exchange("visitor", "找人工", "请稍等", handoff=("angry", "壶裂了", "urgent"), name="陈小雨")


async def _refused(shop: Shop, conversation_id: ConversationId) -> OutboxId:
    outbox = SqlOutboxStore(shop.database)
    item = await outbox.next_due(conversation_id, shop.clock.now())
    assert item is not None
    await outbox.mark_refused(item.id, shop.clock.now(), "errcode 45015", "window")
    return item.id


async def test_manager_sees_what_did_not_arrive_and_sends_it_after_all(
    shop: Shop, zhao: Browser, waiting: ConversationId
):
    """Words, reason and two buttons; sending again rings for the conversation."""
    assert "Everything that could be sent" in (await zhao.get("/deadletters")).text
    number = await _refused(shop, waiting)
    page = (await zhao.get("/deadletters")).text
    assert "time for answers is over" in page
    assert "errcode 45015" in page
    shop.dispatcher.rung.clear()
    assert (await zhao.post(f"/deadletters/{number}/retry")).status_code == 303
    assert shop.dispatcher.rung == [waiting]
    assert "Everything that could be sent" in (await zhao.get("/deadletters")).text
    assert (await zhao.post(f"/deadletters/{number}/retry")).status_code == 409


async def test_manager_drops_what_need_not_arrive(shop: Shop, zhao: Browser, waiting: ConversationId):
    """It leaves the list and rings nobody."""
    number = await _refused(shop, waiting)
    shop.dispatcher.rung.clear()
    assert (await zhao.post(f"/deadletters/{number}/drop")).status_code == 303
    assert shop.dispatcher.rung == []
    assert (await shop.stores.dead_letters.page()).total == 0


@pytest.mark.parametrize("letter", ["0", "nothing", "٣", "9" * 30])
async def test_letter_that_is_not_there_is_a_sentence(zhao: Browser, letter: str):
    """Whatever stands in the address."""
    assert (await zhao.post(f"/deadletters/{letter}/drop")).status_code == 404


async def test_agents_do_not_see_the_page(shop: Shop, li: Browser, waiting: ConversationId):
    """It is the manager's."""
    number = await _refused(shop, waiting)
    assert (await li.get("/deadletters")).status_code == 403
    assert (await li.post(f"/deadletters/{number}/retry")).status_code == 403
