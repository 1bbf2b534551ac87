"""The inbox: what is in which list, in what order."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.integration.console.shop import Browser, Shop


def names(page: str) -> list[str]:
    """List the customers of a page's rows, in order."""
    return re.findall(r'class="row-name" dir="auto">([^<]*)<', page)


async def test_waiting_list_shows_the_urgent_first_then_the_longest_wait(shop: Shop, li: Browser):
    """Priority comes before time, time before anything else."""
    for name, priority in (("first", "normal"), ("second", "high"), ("third", "urgent"), ("fourth", "high")):
        await shop.exchange(name, "找人工", "请稍等", handoff=("requested", "想找人", priority), intent="request_human")
        shop.clock.advance(timedelta(minutes=1))
    await shop.exchange("not waiting", "你好", "您好")
    page = (await li.get("/inbox")).text
    assert names(page) == ["third", "second", "fourth", "first"]
    assert "waiting 4 min" in page
    assert "Asked for a human" in page
    assert "Urgent" in page


async def test_waiting_list_shows_the_customers_own_words(shop: Shop, li: Browser):
    """What the shopper said is shown, not the bot's promise that somebody will come."""
    await shop.exchange("visitor", "壶裂了，找人！", "请稍等", handoff=("requested", "壶裂了", "normal"))
    page = (await li.get("/inbox?view=waiting")).text
    assert "壶裂了，找人！" in page
    assert "请稍等" not in page


async def test_lists_hold_what_they_say(shop: Shop, li: Browser, wang: Browser):
    """Mine is only mine; all holds everything but what is over."""
    mine = await shop.exchange("mine", "人工", handoff=("requested", "", "normal"))
    other = await shop.exchange("other", "人工", handoff=("requested", "", "normal"))
    over = await shop.exchange("over", "人工", handoff=("requested", "", "normal"))
    await li.post(f"/conversations/{mine}/take")
    await wang.post(f"/conversations/{other}/take")
    await li.post(f"/conversations/{over}/take")
    await li.post(f"/conversations/{over}/resolve")
    assert names((await li.get("/inbox?view=mine")).text) == ["mine"]
    assert names((await wang.get("/inbox?view=mine")).text) == ["other"]
    everything = (await li.get("/inbox?view=all")).text
    assert sorted(names(everything)) == ["mine", "other"]
    assert "With Wang" in everything


async def test_long_lists_have_pages(shop: Shop, li: Browser):
    """Fifty rows a page, none lost, none twice; a page number out of range is an empty page."""
    for number in range(53):
        await shop.exchange(f"visitor{number:02}", "你好", "您好")
        shop.clock.advance(timedelta(seconds=1))
    first, second = [(await li.get(f"/inbox?view=all&page={page}")).text for page in (1, 2)]
    assert len(names(first)) == 50
    assert len(names(first) + names(second)) == len(set(names(first) + names(second))) == 53
    assert "Page 1 of 2" in first
    for junk in ("0", "-1", "x", "9" * 30, "²"):
        assert (await li.get(f"/inbox?view=all&page={junk}")).status_code == 200


async def test_inbox_of_an_unknown_list_is_the_waiting_one(li: Browser):
    """Junk in the address is no error."""
    assert "Nobody is waiting" in (await li.get("/inbox?view=<script>")).text


async def test_list_fragment_is_only_the_list(shop: Shop, li: Browser):
    """What renews itself holds no page around it, so nothing typed elsewhere is touched."""
    await shop.exchange("visitor", "人工", handoff=("requested", "", "normal"))
    fragment = (await li.get("/inbox/list?view=waiting", headers={"hx-request": "true"})).text
    assert names(fragment) == ["visitor"]
    assert "<html" not in fragment
    assert "<textarea" not in fragment


async def test_fragment_after_the_session_ended_leads_to_the_sign_in(shop: Shop, li: Browser):
    """A page left open over night is told to go to the sign-in, not filled with a login form."""
    await shop.desk.sessions.end_all(shop.agents["li"].id)
    answer = await li.get("/inbox/list", headers={"hx-request": "true"})
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/console/login"
