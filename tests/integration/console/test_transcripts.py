"""Transcripts: found by words and filters, with an address of their own, exported."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from bot.domain.ids import ConversationId
from tests.integration.console.shop import Browser, Shop


def found(page: str) -> list[str]:
    """List the conversations of a page, in order."""
    return re.findall(r'href="/console/transcripts/(\w+)"', page)


@pytest.fixture
async def said(shop: Shop) -> dict[str, ConversationId]:
    """Give three conversations on three days over two channels; Wang held the second."""
    ids = {}
    shop.clock.advance(-timedelta(days=2))
    ids["old"] = await shop.exchange(
        "one", "我的咖啡壶裂了", "登记好了 50% off_", intent="file_complaint", name="陈小雨"
    )
    shop.clock.advance(timedelta(days=1))
    ids["held"] = await shop.exchange(
        "two", "Where is my PARCEL", channel="telegram", intent="track_order", handoff=("requested", "", "normal")
    )
    await shop.stores.ownership.take(ids["held"], shop.agents["wang"], shop.clock.now())
    await shop.stores.ownership.reply(ids["held"], shop.agents["wang"], "It is on its way", shop.clock.now(), "k")
    shop.clock.advance(timedelta(days=1))
    ids["new"] = await shop.exchange("three", "退款多久到账", "一到三天", intent="faq/refund_time", name="Wang's fan")
    return ids


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["new", "held", "old"]),
        ("q=咖啡壶", ["old"]),
        ("q=啡壶裂", ["old"]),
        ("q=parcel", ["held"]),
        ("q=ON ITS WAY", ["held"]),
        ("q=小雨", ["old"]),
        ("q=0% o", ["old"]),
        ("q=%", ["old"]),
        ("q=f_", ["old"]),
        ("q='; drop table events; --", []),
        ("channel=telegram", ["held"]),
        ("intent=faq/refund_time", ["new"]),
        ("since=2026-11-20", ["new", "held"]),
        ("until=2026-11-19", ["old"]),
        ("since=2026-11-20&until=2026-11-20", ["held"]),
        ("since=junk&until=junk", ["new", "held", "old"]),
        ("q=退款&channel=web&intent=faq/refund_time", ["new"]),
        ("q=退款&channel=telegram", []),
    ],
)
async def test_search_finds_exactly_what_the_filters_say(
    zhao: Browser, said: dict[str, ConversationId], query: str, names: list[str]
):
    """Chinese substrings, any case, wildcards as themselves; filters narrow together; newest first."""
    page = await zhao.get(f"/transcripts?{quote(query, safe='=&/')}")
    assert found(page.text) == [said[name] for name in names]


async def test_search_by_agent_finds_what_he_held(shop: Shop, zhao: Browser, said: dict[str, ConversationId]):
    """An agent's conversations are those he took, whoever's name is in the words."""
    page = await zhao.get(f"/transcripts?agent={shop.agents['wang'].id}")
    assert found(page.text) == [said["held"]]
    assert found((await zhao.get(f"/transcripts?agent={shop.agents['li'].id}")).text) == []


async def test_search_shows_the_words_it_found(zhao: Browser, said: dict[str, ConversationId]):
    """The excerpt is where the text was found, not the last words."""
    page = (await zhao.get(f"/transcripts?q={quote('咖啡壶')}")).text
    assert "我的咖啡壶裂了" in page
    assert "1 in all" in page


async def test_filters_offer_what_there_is(zhao: Browser, said: dict[str, ConversationId]):
    """Channels, agents and intents that occur can be chosen, in the reader's words."""
    page = (await zhao.get("/transcripts")).text
    for words in ('value="telegram"', ">Telegram<", ">Track order<", "FAQ: refund time", ">Wang<"):
        assert words in page, words


async def test_transcript_has_an_address_of_its_own(zhao: Browser, said: dict[str, ConversationId]):
    """The page shows who said what and links to its exports."""
    page = (await zhao.get(f"/transcripts/{said['held']}")).text
    for words in ("Where is my PARCEL", "It is on its way", "Agent · Wang", "Wang took over", "export.json"):
        assert words in page, words
    assert (await zhao.get("/transcripts/none")).status_code == 404


async def test_export_as_json_holds_everything_said(zhao: Browser, said: dict[str, ConversationId]):
    """A file of its own, complete, times in UTC."""
    answer = await zhao.get(f"/transcripts/{said['held']}/export.json")
    assert answer.headers["content-disposition"] == f'attachment; filename="transcript-{said["held"]}.json"'
    data = json.loads(answer.content)
    texts = [line.get("text") for line in data["lines"]]
    assert "Where is my PARCEL" in texts
    assert "It is on its way" in texts
    assert data["lines"][0]["at"].endswith("+00:00")


async def test_export_as_text_reads_like_a_conversation(zhao: Browser, said: dict[str, ConversationId]):
    """Plain text, nothing escaped, times in the reader's zone."""
    answer = await zhao.get(f"/transcripts/{said['held']}/export.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "Agent Wang: It is on its way" in answer.text
    assert (await zhao.get("/transcripts/none/export.txt")).status_code == 404
