"""Figures: each is the length of the list it opens."""

from __future__ import annotations

import html
import re
from datetime import timedelta

from bot.domain.tickets import TicketKind
from tests.integration.console.shop import Browser, Shop, ticket

FIGURE = re.compile(r'<a href="/console(/(?:tickets|transcripts)\?[^"]+)">(\d+)</a></dd>')


async def test_every_figure_is_what_its_list_counts(shop: Shop, zhao: Browser):
    """Conversations of the last seven days by channel, tickets by state and kind."""
    shop.clock.advance(-timedelta(days=9))
    await shop.exchange("early", "上周的事")
    shop.clock.advance(timedelta(days=9))
    await shop.exchange("one", "裂了", tickets=[ticket("T-1001", "裂了"), ticket("T-1002", "退", TicketKind.REFUND)])
    await shop.exchange("two", "where is it", channel="telegram")
    page = (await zhao.get("/figures")).text
    figures = [(html.unescape(address), int(number)) for address, number in FIGURE.findall(page)]
    assert [number for address, number in figures if address.startswith("/transcripts")] == [2, 1, 1]
    assert max(number for address, number in figures if address.startswith("/tickets")) == 2
    for address, number in figures:
        opened = (await zhao.get(address)).text
        assert len(re.findall(r'class="cell-key"', opened)) == number, address


async def test_figures_of_other_days_count_those_days(shop: Shop, zhao: Browser):
    """The days of the address go on into the lists."""
    shop.clock.advance(-timedelta(days=9))
    await shop.exchange("early", "上周的事")
    shop.clock.advance(timedelta(days=9))
    page = (await zhao.get("/figures?since=2026-11-01&until=2026-11-14")).text
    assert FIGURE.findall(page)[0] == ("/transcripts?since=2026-11-01&amp;until=2026-11-14", "1")
