"""A Messenger conversation that the Page's inbox may have: shown with who has it, passed on, taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect
from sqlalchemy import update

from bot.channels._meta.settings import MetaSettings
from bot.channels.messenger.send import Disclosure, MessengerAdapter
from bot.desk.counter import DeskSecurity, make_desk
from bot.desk.presence import MemoryFirstMark
from bot.domain.conversation import Conversation, Owner
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from bot.domain.staff import ThreadMove
from bot.domain.thread_ports import Place
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import Declined
from bot.simulators.network import SimulatedNetwork
from storage.platform_moves import SqlPlatformMoves
from storage.tables import OUTBOX
from storage.thread_holders import SqlThreadHolders
from tests.integration.channels.platforms import APP, NODES
from tests.integration.console.browsing import signed_in
from tests.integration.console.shop import HASHER, Browser, Shop

ANN = "7001"


@dataclass
class Page:
    """A shop on Messenger, and the Page's own inbox."""

    shop: Shop
    server: MessengerServer
    moves: SqlPlatformMoves

    async def waiting(self) -> ConversationId:
        """Let Ann wait for an agent."""
        self.server.people[ANN] = self.shop.clock.now()
        return await self.shop.exchange(
            ANN, "a human please", channel="messenger", name="Ann", handoff=("asked", "", "")
        )

    async def sent(self) -> None:
        """Let everything that is in the outbox be sent."""
        await self.shop.database.run(lambda on: on.execute(update(OUTBOX).values(state="sent")) and None)

    async def taken_by_inbox(self, place: str = Place.PAGE_INBOX) -> None:
        """Let somebody in the inbox take the thread."""
        self.server.held_elsewhere.add(ANN)
        self.shop.clock.advance(timedelta(minutes=1))
        now = self.shop.clock.now()
        await self.moves.follow(ThreadMove(Sender("messenger", "main", ANN), Owner.WITH_AGENT, now, place), now)

    async def conversation(self, number: ConversationId) -> Conversation:
        """Load a conversation."""
        return await self.shop.stores.conversations.get(number)

    async def owner(self, number: ConversationId) -> tuple[str, str]:
        """Tell who has it: the owner and the agent's login."""
        found = await self.conversation(number)
        logins = {agent.id: login for login, agent in self.shop.agents.items()}
        return found.owner.value, logins.get(found.agent_id, "") if found.agent_id else ""


@pytest.fixture
async def page(shop: Shop) -> AsyncIterator[Page]:
    server = MessengerServer(APP, NODES["messenger"], shop.clock)
    settings = MetaSettings("messenger", NODES["messenger"], APP.token, APP.secret, APP.verify_token)
    adapter = MessengerAdapter(settings, Disclosure(MemoryFirstMark(shop.clock)), SimulatedNetwork(server))
    holders = SqlThreadHolders(shop.database)
    stores = replace(shop.stores, passing={"messenger": adapter}, holders=holders)
    made = make_desk(
        stores, DeskSecurity("a secret of the tests", hasher=HASHER), shop.dispatcher, shop.live, shop.clock
    )
    for name in ("stores", "threads"):
        object.__setattr__(shop.desk, name, getattr(made, name))
    yield Page(shop, server, SqlPlatformMoves(shop.database))
    await adapter.close()


async def test_agent_passes_a_conversation_to_the_pages_inbox(page: Page, li: Browser):
    """The platform gives the thread away, the page says who has it now and who passed it, and nobody here may write."""
    number = await page.waiting()
    await li.post(f"/conversations/{number}/take")
    await page.sent()
    assert "Pass to the Page&#39;s inbox" in (await li.get(f"/conversations/{number}")).text
    answer = await li.post(f"/conversations/{number}/pass-on", headers={"hx-request": "true"})
    assert (answer.status_code, answer.headers["hx-trigger"]) == (204, "changed")
    assert page.server.held_elsewhere == {ANN}
    assert await page.owner(number) == ("with_agent", "")
    shown = (await li.get(f"/conversations/{number}")).text
    assert "With the Page&#39;s inbox" in shown
    assert "Li passed it to the Page&#39;s inbox" in shown
    assert 'data-reply="no"' in shown
    assert "pass-on" not in shown
    reply = await li.post(f"/conversations/{number}/reply", {"text": "still me", "key": "k"})
    assert reply.status_code == 409
    exported = await page.shop.stores.conversations.events(number)
    assert len([event for _, _, event in exported if event.kind == "owner_changed" and event.passed_by == "Li"]) == 1  # type: ignore[attr-defined]


async def test_thread_that_another_app_has_is_not_given_to_the_bot(page: Page, li: Browser):
    """A page of before may still offer it: the bot could not say a word there."""
    number = await page.waiting()
    await page.sent()
    await li.post(f"/conversations/{number}/pass-on")
    assert (await li.post(f"/conversations/{number}/give-back")).status_code == 409
    assert await page.owner(number) == ("with_agent", "")


async def test_waiting_conversation_can_be_passed_on_at_once(page: Page, li: Browser):
    """Nobody here has to take it first; pressed twice it is passed once."""
    number = await page.waiting()
    await page.sent()
    await li.get(f"/conversations/{number}")
    first = await li.post(f"/conversations/{number}/pass-on")
    second = await li.post(f"/conversations/{number}/pass-on")
    assert (first.status_code, second.status_code) == (303, 409)
    assert await page.owner(number) == ("with_agent", "")


async def test_words_on_their_way_are_not_cut_off(page: Page, li: Browser):
    """A conversation is passed on only when everything in it is sent."""
    number = await page.waiting()
    await li.post(f"/conversations/{number}/take")
    await page.sent()
    await li.post(f"/conversations/{number}/reply", {"text": "one moment", "key": "k1"})
    answer = await li.post(f"/conversations/{number}/pass-on")
    assert answer.status_code == 400
    assert "Words are still on their way" in answer.text
    assert page.server.held_elsewhere == set()
    assert await page.owner(number) == ("with_agent", "li")


async def test_colleagues_conversation_is_not_passed_on(page: Page, li: Browser, wang: Browser):
    """Who does not have it changes nothing, at the platform neither."""
    number = await page.waiting()
    await li.post(f"/conversations/{number}/take")
    await page.sent()
    await wang.get(f"/conversations/{number}")
    answer = await wang.post(f"/conversations/{number}/pass-on")
    assert answer.status_code == 409
    assert page.server.held_elsewhere == set()
    assert await page.owner(number) == ("with_agent", "li")


@pytest.mark.parametrize(
    ("declined", "words"), [(Declined(400, 100, "no such app"), "no such app"), (Declined(503, 2, "x"), "trouble")]
)
async def test_platform_that_says_no_leaves_the_conversation_here(
    page: Page, li: Browser, declined: Declined, words: str
):
    """The reason is shown."""
    number = await page.waiting()
    await li.post(f"/conversations/{number}/take")
    await page.sent()
    page.server.knobs.fail_next = [declined]
    answer = await li.post(f"/conversations/{number}/pass-on")
    assert answer.status_code == 400
    assert "was not passed on" in answer.text
    assert words in answer.text
    assert await page.owner(number) == ("with_agent", "li")


async def test_thread_that_the_inbox_has_is_shown_and_taken_back(page: Page, li: Browser):
    """The page names who has it; taken back it is the agent's, who may write."""
    number = await page.waiting()
    await page.taken_by_inbox()
    shown = (await li.get(f"/conversations/{number}")).text
    assert "With the Page&#39;s inbox" in shown
    assert "Answered by a human elsewhere: the Page&#39;s inbox" in shown
    assert "Take back from the Page&#39;s inbox" in shown
    assert "/give-back" not in shown
    await li.post(f"/conversations/{number}/take-back")
    assert page.server.held_elsewhere == set()
    assert await page.owner(number) == ("with_agent", "li")
    reply = await li.post(f"/conversations/{number}/reply", {"text": "me again", "key": "k"})
    assert reply.status_code == 303


async def test_thread_given_away_without_a_word_is_taken_back_by_who_was_refused(page: Page, li: Browser):
    """Where the events of routing are not subscribed to, a refusal is how the desk learns of it."""
    number = await page.waiting()
    await li.post(f"/conversations/{number}/take")
    await page.sent()
    page.server.held_elsewhere.add(ANN)
    await li.post(f"/conversations/{number}/reply", {"text": "hello?", "key": "k"})
    assert "take-back" not in (await li.get(f"/conversations/{number}")).text
    refused = {"state": "refused", "refusal": "human_only", "done_at": page.shop.clock.now()}
    said = update(OUTBOX).where(OUTBOX.c.sender == "agent").values(refused)
    await page.shop.database.run(lambda on: on.execute(said) and None)
    assert "Take back from another app" in (await li.get(f"/conversations/{number}")).text
    await li.post(f"/conversations/{number}/take-back")
    assert page.server.held_elsewhere == set()
    assert await page.owner(number) == ("with_agent", "li")


async def test_thread_that_is_not_ours_to_take_is_asked_for(page: Page, li: Browser):
    """Only the default app takes; the others ask, and the conversation stays where it is until it is passed."""
    number = await page.waiting()
    await page.taken_by_inbox("4711")
    page.server.is_default = False
    shown = (await li.get(f"/conversations/{number}")).text
    assert "Take back from another app" in shown
    answer = await li.post(f"/conversations/{number}/take-back")
    assert answer.status_code == 400
    assert "has been asked to pass it on" in answer.text
    assert page.server.asked_for == [ANN]
    assert await page.owner(number) == ("with_agent", "")


async def test_only_what_is_elsewhere_is_taken_back(page: Page, li: Browser, wang: Browser):
    """A colleague's conversation is his; one that is over stays over."""
    number = await page.waiting()
    await li.post(f"/conversations/{number}/take")
    await wang.get(f"/conversations/{number}")
    assert (await wang.post(f"/conversations/{number}/take-back")).status_code == 409
    assert await page.owner(number) == ("with_agent", "li")
    await li.post(f"/conversations/{number}/resolve")
    assert (await wang.post(f"/conversations/{number}/take-back")).status_code == 409


async def test_two_agents_take_back_and_one_has_it(page: Page, li: Browser, wang: Browser):
    """The second is told."""
    number = await page.waiting()
    await page.taken_by_inbox()
    for browser in (li, wang):
        await browser.get(f"/conversations/{number}")
    answers = [await browser.post(f"/conversations/{number}/take-back") for browser in (li, wang)]
    assert [answer.status_code for answer in answers] == [303, 409]
    assert await page.owner(number) == ("with_agent", "li")


async def test_channel_that_shares_nothing_offers_nothing(page: Page, li: Browser):
    """No button, and no way round it."""
    number = await page.shop.exchange("v", "a human", channel="web", handoff=("asked", "", ""))
    shown = (await li.get(f"/conversations/{number}")).text
    assert "pass-on" not in shown
    assert "take-back" not in shown
    for action in ("pass-on", "take-back"):
        assert (await li.post(f"/conversations/{number}/{action}")).status_code == 404


async def test_stranger_may_do_nothing(page: Page):
    """Signed out, both are refused."""
    number = await page.waiting()
    browser = page.shop.browser()
    for action in ("pass-on", "take-back"):
        answer = await browser.post(f"/conversations/{number}/{action}")
        assert answer.status_code in {303, 401}
    assert page.server.held_elsewhere == set()


@pytest.mark.browser
async def test_buttons_fit_and_work_at_every_width(page: Page, browser: Chromium, address: str):
    """Passed on and taken back with the mouse; nothing overflows, in either language."""
    number = await page.waiting()
    await page.shop.desk.actions.take(number, page.shop.agents["li"])
    await page.sent()
    shown = await signed_in(browser, address, "li")
    for locale in ("zh", "en"):
        await page.shop.desk.people.set_preferences(page.shop.agents["li"], locale, "UTC")
        for width in (390, 768, 1280):
            await shown.set_viewport_size({"width": width, "height": 800})
            await shown.goto(f"{address}/conversations/{number}")
            await expect(shown.locator("form[action$='/pass-on'] button")).to_be_visible()
            assert await shown.evaluate("document.documentElement.scrollWidth") <= width
    await shown.click("form[action$='/pass-on'] button")
    await expect(shown.locator("#state")).to_contain_text("With the Page's inbox")
    await expect(shown.locator("#why-not")).to_contain_text("Take it back from the Page's inbox to reply here")
    await shown.click("form[action$='/take-back'] button")
    await expect(shown.locator("#state")).to_contain_text("With me")
