"""Putting conversations aside, and seeing who waits too long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.due import ServiceLevels
from bot.domain.handoff import Priority
from handlers.services import BusinessHours
from storage.service_levels import SqlOverdueHandoffs
from storage.snoozes import SqlSnoozes
from tests.integration.console.shop import Browser, Shop
from tests.integration.console.test_inbox import names

LEVELS = ServiceLevels(dict.fromkeys(Priority, timedelta(minutes=15)), timedelta(0))


async def test_snoozed_conversation_leaves_the_agents_list_and_comes_back(shop: Shop, li: Browser):
    """Aside until tomorrow morning by the agent's clock; in a list of its own; back at its time."""
    conversation_id = await shop.exchange("lin", "人工", handoff=("requested", "", "normal"))
    await li.post(f"/conversations/{conversation_id}/take")
    page = await li.get(f"/conversations/{conversation_id}")
    assert "Until the shopper writes" in page.text
    await li.post(f"/conversations/{conversation_id}/snooze", {"until": "tomorrow"})
    assert names((await li.get("/inbox?view=mine")).text) == []
    aside = (await li.get("/inbox?view=snoozed")).text
    assert names(aside) == ["lin"]
    shown = (await li.get(f"/conversations/{conversation_id}")).text
    assert "Snoozed until 2026-11-22 09:00" in shown
    assert "Snoozed by" in shown
    shop.clock.advance(timedelta(hours=27))
    assert await SqlSnoozes(shop.database, shop.clock).run_due() == [conversation_id]
    counts = await shop.stores.queue.counts(shop.agents["li"].id)
    assert (counts.mine, counts.snoozed) == (1, 0)


@pytest.mark.parametrize("until", ["hour", "three_hours", "monday", "reply"])
async def test_agent_brings_a_snoozed_conversation_back(shop: Shop, li: Browser, until: str):
    """Every choice puts it aside, one button ends it."""
    conversation_id = await shop.exchange("lin", "人工", handoff=("requested", "", "normal"))
    await li.post(f"/conversations/{conversation_id}/take")
    await li.post(f"/conversations/{conversation_id}/snooze", {"until": until})
    assert names((await li.get("/inbox?view=snoozed")).text) == ["lin"]
    await li.post(f"/conversations/{conversation_id}/wake")
    assert names((await li.get("/inbox?view=mine")).text) == ["lin"]


async def test_only_the_holder_snoozes_and_only_for_a_time_that_is_offered(shop: Shop, li: Browser, wang: Browser):
    """Somebody else's, nobody's, and a time of one's own invention are refused with a sentence."""
    conversation_id = await shop.exchange("lin", "人工", handoff=("requested", "", "normal"))
    path = f"/conversations/{conversation_id}/snooze"
    assert (await li.post(path, {"until": "hour"})).status_code == 409
    await li.post(f"/conversations/{conversation_id}/take")
    assert (await wang.post(path, {"until": "hour"})).status_code == 409
    assert (await wang.post(f"/conversations/{conversation_id}/wake")).status_code == 409
    assert (await li.post(path, {"until": "for ever"})).status_code == 400
    assert names((await li.get("/inbox?view=mine")).text) == ["lin"]


async def test_who_waits_too_long_is_marked_and_comes_first(shop: Shop, li: Browser):
    """Past the promised time: a mark in the list, a line in the conversation, a higher place."""
    shop.clock.advance(timedelta(minutes=1))
    late = await shop.exchange("late", "人工", handoff=("requested", "", "normal"))
    shop.clock.advance(timedelta(minutes=14))
    await shop.exchange("soon", "人工", handoff=("requested", "", "normal"))
    shop.clock.advance(timedelta(minutes=1))
    assert await SqlOverdueHandoffs(shop.database, shop.clock, LEVELS, BusinessHours()).run_due() == [late]
    page = (await li.get("/inbox")).text
    assert names(page) == ["late", "soon"]
    assert page.count("Overdue") == 1
    assert "Waiting longer than promised: now High" in (await li.get(f"/conversations/{late}")).text
