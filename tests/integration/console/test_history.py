"""One timeline over all channels: everything of the linked customer with its channel named, and nothing of another."""

from __future__ import annotations

import re
from datetime import timedelta

from bot.desk.history import PAGE_LINES
from bot.domain.events import CustomerRecalled, CustomerUttered, OrderProved
from bot.domain.ids import ConversationId
from tests.integration.console.shop import Browser, Shop, ticket
from tests.integration.console.test_person import field


async def linked(shop: Shop, li: Browser) -> tuple[ConversationId, ConversationId]:
    """Let Li make one of somebody on the web and somebody on Telegram, who write in turns."""
    here = await shop.exchange("fang", "壶嘴裂了 <b>", "真抱歉", name="王芳", events=[OrderProved("W1001")])
    shop.clock.advance(timedelta(minutes=1))
    there = await shop.exchange("u-77", "my kettle leaks", "I am sorry", channel="telegram", name="Fang")
    page = (await li.get(f"/conversations/{here}/person?q=Fang")).text
    form = {"customer": field(page, "customer"), "reason": "confirmed on the phone"}
    assert (await li.post(f"/conversations/{here}/person/link", form)).status_code == 303
    await shop.exchange("fang", "还在吗", "在的", name="王芳")
    return here, there


def said(page: str) -> list[tuple[str, str]]:
    """List (channel, words) of the lines, as they stand."""
    return re.findall(r'class="chip" href="[^"]+">([^<]+)</a>.*?class="words" dir="auto">([^<]+)<', page, re.DOTALL)


async def test_every_message_stands_in_its_order_with_its_channel_named(shop: Shop, li: Browser):
    """Web, Telegram, web again; the chip leads to the conversation; the same from either side."""
    here, there = await linked(shop, li)
    page = (await li.get(f"/conversations/{there}/history")).text
    expected = [("Web", "壶嘴裂了 &lt;b&gt;"), ("Web", "真抱歉"), ("Telegram", "my kettle leaks")]
    expected += [("Telegram", "I am sorry"), ("Web", "还在吗"), ("Web", "在的")]
    found = [each for each in said(page) if each in expected]
    assert found == expected
    assert f"/conversations/{here}?view=all" in page
    assert said((await li.get(f"/conversations/{here}/history")).text) == said(page)
    assert f"/conversations/{there}/history" in (await li.get(f"/conversations/{there}/card")).text


async def test_search_finds_words_on_every_channel_and_only_those(shop: Shop, li: Browser):
    """In any case, with the channel; nothing found is a sentence; what is looked for is text."""
    here, _ = await linked(shop, li)
    page = (await li.get(f"/conversations/{here}/history?q=KETTLE")).text
    assert said(page) == [("Telegram", "my kettle leaks")]
    page = (await li.get(f"/conversations/{here}/history?q=<script>")).text
    assert "Nothing that was said holds this." in page
    assert "<script>&" not in page


async def test_what_belongs_to_the_other_is_gone_when_the_link_is_undone(shop: Shop, li: Browser, zhao: Browser):
    """Neither the timeline nor the file to give away holds a word of the other."""
    here, there = await linked(shop, li)
    exported = f"/conversations/{here}/history/export.json"
    both = (await zhao.get(exported)).json()
    assert {one["channel"] for one in both["identities"]} == {"web", "telegram"}
    assert {one["channel"] for one in both["conversations"]} == {"web", "telegram"}
    page = (await li.get(f"/conversations/{here}/person")).text
    await li.post(f"/conversations/{here}/person/undo", {"link": field(page, "link"), "reason": "wrong person"})
    assert "kettle" not in (await li.get(f"/conversations/{here}/history")).text
    assert "壶嘴" not in (await li.get(f"/conversations/{there}/history")).text
    own = (await zhao.get(exported)).json()
    assert [one["channel"] for one in own["identities"]] == ["web"]
    assert own["proved_orders"] == ["W1001"]
    assert (await zhao.get(f"/conversations/{there}/history/export.json")).json()["proved_orders"] == []
    assert "壶嘴" not in (await zhao.get(f"/conversations/{there}/history/export.txt")).text


async def test_file_holds_all_channels_with_tickets_for_managers_alone(shop: Shop, li: Browser, zhao: Browser):
    """An agent reads, a manager gives away."""
    here, _ = await linked(shop, li)
    await shop.exchange("u-77", "still leaks", "noted", channel="telegram", name="Fang", tickets=(ticket("TK1", "漏"),))
    path = f"/conversations/{here}/history"
    for kind in ("json", "txt"):
        assert (await li.get(f"{path}/export.{kind}")).status_code == 403
    assert "export.json" not in (await li.get(path)).text
    assert "export.json" in (await zhao.get(path)).text
    file = (await zhao.get(f"{path}/export.json")).json()
    assert [one["number"] for one in file["tickets"]] == ["TK1"]
    text = (await zhao.get(f"{path}/export.txt")).text
    assert text.index("壶嘴") < text.index("kettle")


async def test_file_holds_more_tickets_than_a_page_shows(shop: Shop, zhao: Browser):
    """The card shows the newest fifty; what is given away is all there is."""
    numbers = [f"T{number:04}" for number in range(51)]
    tickets = tuple(ticket(number, "漏") for number in numbers)
    here = await shop.exchange("fang", "壶嘴裂了", "真抱歉", tickets=tickets)
    assert len((await shop.stores.customers.of_conversation(here)).tickets) == 50
    file = (await zhao.get(f"/conversations/{here}/history/export.json")).json()
    assert {one["number"] for one in file["tickets"]} == set(numbers)


async def test_words_taken_back_later_are_not_shown_by_an_older_page(shop: Shop, li: Browser):
    """A recall counts wherever the line stands: here on the second page, told on the first."""
    words = CustomerUttered("my secret", platform_id="p1")
    here = await shop.exchange("u-9", "hello", channel="telegram", name="Ann", events=[words])
    many = [CustomerUttered(f"more {number}") for number in range(2 * PAGE_LINES)]
    await shop.exchange("u-9", "on", channel="telegram", name="Ann", events=many)
    last = (await li.get(f"/conversations/{here}/history?page=3")).text
    assert "my secret" in last
    await shop.exchange("u-9", "no", channel="telegram", name="Ann", events=[CustomerRecalled(concerns="p1")])
    last = (await li.get(f"/conversations/{here}/history?page=3")).text
    assert "my secret" not in last
    assert "Taken back by the shopper" in last


async def test_history_of_nothing_is_not_found(shop: Shop, li: Browser, zhao: Browser):
    """Unknown conversations are pages that are not found."""
    for path in ("history", "history/export.json", "history/export.txt"):
        assert (await zhao.get(f"/conversations/nothing/{path}")).status_code == 404
