"""Who the customer is, at the desk: evidence, suggestions, a decision with its reason, and the way back."""

from __future__ import annotations

import re

import pytest

from bot.domain.events import OrderProved
from bot.domain.ids import ConversationId
from storage.tables import LINKS
from tests.contract.line import Line
from tests.integration.console.shop import Browser, Shop, order, ticket


async def two(shop: Shop) -> tuple[ConversationId, ConversationId]:
    """Let one person write on two channels; on the second the order is only named."""
    shop.orders.orders["W1001"] = order("W1001")
    first = await shop.exchange("fang", "我的杯子", "好的", events=[OrderProved("W1001")], name="王芳")
    named = ticket("TK10000001", "杯子碎了", order_number="W1001")
    second = await shop.exchange("u-77", "杯子碎了", "好的", channel="telegram", name="Fang", tickets=(named,))
    return first, second


def field(page: str, name: str) -> str:
    """Read a hidden field."""
    found = re.search(rf'name="{name}" value="(\w+)"', page)
    assert found
    return found[1]


async def test_suggestion_becomes_one_customer_with_all_channels_and_back(shop: Shop, li: Browser):
    """The card shows both channels and the history; the reason is on the page; undoing returns everything."""
    first, second = await two(shop)
    page = (await li.get(f"/conversations/{first}/person")).text
    assert "Named order W1001, which the other proved" in page
    assert "not verified" in page
    form = {"customer": field(page, "customer"), "reason": "confirmed on the phone <b>"}
    answer = await li.post(f"/conversations/{first}/person/link", form)
    assert answer.status_code == 303
    assert {event.topic for event in shop.live.heard} >= {f"conversation:{first}", f"conversation:{second}"}
    page = (await li.get(f"/conversations/{first}/person")).text
    assert "confirmed on the phone &lt;b&gt;" in page
    assert "Telegram" in page
    card = (await li.get(f"/conversations/{second}/card")).text
    assert "W1001" in card
    assert f"/conversations/{first}" in card
    thread = (await li.get(f"/conversations/{second}/thread")).text
    assert "Linked with Web 王芳 (an agent&#39;s decision )" in thread or "Linked with Web 王芳" in thread
    undone = {"link": field(page, "link"), "reason": "wrong person"}
    assert (await li.post(f"/conversations/{first}/person/undo", undone)).status_code == 303
    page = (await li.get(f"/conversations/{first}/person")).text
    assert "Undone by Li" in page
    assert "A link between these two was undone before." in page
    assert "wrong person" in (await li.get(f"/conversations/{second}/thread")).text
    assert f"/conversations/{first}?" not in (await li.get(f"/conversations/{second}/card")).text


@pytest.mark.parametrize("reason", ["", "  ", "ab", "x" * 501])
async def test_link_without_a_reason_is_refused(shop: Shop, li: Browser, reason: str):
    """A decision says why."""
    first, _ = await two(shop)
    page = (await li.get(f"/conversations/{first}/person")).text
    answer = await li.post(
        f"/conversations/{first}/person/link", {"customer": field(page, "customer"), "reason": reason}
    )
    assert answer.status_code == 400
    assert await Line(shop.database).count(LINKS) == 0


async def test_conflict_is_shown_and_wants_a_tick(shop: Shop, li: Browser):
    """Two accounts on the shop's site: the page says so, and without the tick nothing is done."""
    first = await shop.exchange("k" + "0" * 24, "hi", "好的", name="王芳")
    await shop.exchange("k" + "1" * 24, "hi", "好的", name="王芳")
    page = (await li.get(f"/conversations/{first}/person")).text
    assert "2 accounts on the shop" in page
    form = {"customer": field(page, "customer"), "reason": "same person"}
    assert (await li.post(f"/conversations/{first}/person/link", form)).status_code == 409
    assert await Line(shop.database).count(LINKS) == 0
    assert (await li.post(f"/conversations/{first}/person/link", form | {"sure": "yes"})).status_code == 303
    assert await Line(shop.database).count(LINKS) == 1


async def test_nobody_that_is_not_there_can_be_linked(shop: Shop, li: Browser):
    """Unknown conversations, customers and links are pages that are not found."""
    first, _ = await two(shop)
    assert (await li.get("/conversations/nothing/person")).status_code == 404
    assert (
        await li.post(f"/conversations/{first}/person/link", {"customer": "x", "reason": "why not"})
    ).status_code == 404
    assert (await li.post(f"/conversations/{first}/person/undo", {"link": "x", "reason": "why not"})).status_code == 404


async def test_number_a_platform_has_verified_is_shown_as_evidence(shop: Shop, li: Browser):
    """Two numbers that proved the same order are shown as two phones; somebody who hides his shows none."""
    first = await shop.exchange("8613800000001", "hi", "好的", channel="whatsapp", name="王芳")
    await shop.exchange("8613900000002", "hi", "好的", channel="whatsapp", name="王芳")
    hidden = await shop.exchange("CN.1349120865", "hi", "好的", channel="whatsapp", name="Nobody Else")
    page = (await li.get(f"/conversations/{first}/person")).text
    assert "Phone number verified by WhatsApp" in page
    assert "two phones (…0001, …0002)" in page
    assert "verified by WhatsApp" not in (await li.get(f"/conversations/{hidden}/person")).text


async def test_search_is_shown_escaped(shop: Shop, li: Browser):
    """What is looked for is text, whatever it holds."""
    first, _ = await two(shop)
    page = (await li.get(f"/conversations/{first}/person?q=<script>alert(1)</script>")).text
    assert "<script>alert(1)" not in page
    assert "Nobody fits." in page
    assert "Fang" in (await li.get(f"/conversations/{first}/person?q=fang")).text


async def test_card_says_when_verified_facts_contradict_each_other(shop: Shop, li: Browser):
    """Whoever answers sees it beside the chat, until the link is undone."""
    first = await shop.exchange("k" + "0" * 24, "hi", "好的", name="王芳")
    await shop.exchange("k" + "1" * 24, "hi", "好的", name="王芳")
    assert "contradict" not in (await li.get(f"/conversations/{first}/card")).text
    page = (await li.get(f"/conversations/{first}/person")).text
    form = {"customer": field(page, "customer"), "reason": "same person", "sure": "yes"}
    await li.post(f"/conversations/{first}/person/link", form)
    assert "Verified facts contradict each other" in (await li.get(f"/conversations/{first}/card")).text
    page = (await li.get(f"/conversations/{first}/person")).text
    await li.post(f"/conversations/{first}/person/undo", {"link": field(page, "link"), "reason": "two people"})
    assert "contradict" not in (await li.get(f"/conversations/{first}/card")).text
