"""A thread that another app or the Page's inbox holds: kept, never answered, and ours again when it is passed back."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random

import httpx
import pytest
from fastapi import FastAPI

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts
from bot.channels.messenger.send import Disclosure, MessengerAdapter
from bot.channels.messenger.webhook import build_router
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import Addressee
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.thread_ports import Handing, Place
from bot.engine.delivery import Deliverer
from bot.engine.live import MemoryLiveFeed
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.server import INBOX_APPS, MessengerServer
from bot.simulators.meta.graph import Declined
from bot.simulators.network import SimulatedNetwork
from bot.wiring.afterwards import Afterwards
from storage.conversations import SqlConversationReader
from storage.customer_card import SqlDeliveryStates
from storage.database import Database
from storage.tables import EVENTS, INBOX
from storage.thread_holders import SqlThreadHolders
from storage.windows import SqlSendingGate
from tests.contract.line import Line
from tests.integration.channels.platforms import APP, NODES
from tests.unit.channels.doubles import NOON

ANN = "7001"


class Page:
    """A Page (or account), our webhook over a real database, and the deliverer."""

    def __init__(self, database: Database, channel: str) -> None:
        self.channel = channel
        self.database = database
        self.clock = ManualClock(NOON)
        self.line = Line(database)
        self.server = MessengerServer(APP, NODES[channel], self.clock, channel)
        settings = MetaSettings(channel, NODES[channel], APP.token, APP.secret, APP.verify_token)
        network = SimulatedNetwork(self.server)
        self.adapter = MessengerAdapter(settings, Disclosure(MemoryFirstMark(self.clock), wanted=False), network)
        feed = MemoryLiveFeed()
        after = Afterwards(database, feed, self.clock)

        async def accept(messages: object) -> object:
            return await self.line.inbox.accept(messages, self.clock.now())  # type: ignore[arg-type]

        give = self.adapter.pass_thread
        ports = MetaPorts(accept, after.on_receipts, after.on_staff, after.on_move, give)  # type: ignore[arg-type]
        app = FastAPI()
        app.include_router(build_router(settings, ports))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")
        self.people = MessengerPeople(self.server, self.http, f"/webhooks/{channel}")
        self.reader = SqlConversationReader(database)
        self.states = SqlDeliveryStates(database)
        self.holders = SqlThreadHolders(database)
        self.delivery = Deliverer(self.line.outbox, {channel: self.adapter}, feed, self.clock, Random(1))  # noqa: S311
        self.delivery.gate = SqlSendingGate(database)

    async def conversation(self) -> ConversationId:
        """Give the newest conversation."""
        return ConversationId((await self.line.rows(INBOX))[-1]["conversation_id"])

    async def owner(self) -> Owner:
        """Tell whose it is."""
        return (await self.reader.get(await self.conversation())).owner

    async def answers(self, words: str) -> list[str]:
        """Let the bot answer and deliver; give what the shopper sees."""
        conversation = await self.conversation()
        await self.line.commit(await self.line.pending(conversation), words, at=self.clock.now())
        await self.delivery.deliver(conversation)
        return self.people.screen(ANN)


@pytest.fixture(params=["messenger", "instagram"])
async def page(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Page]:
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'shop.db')}")
    made = Page(database, request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()
    database.close()


async def test_thread_taken_from_us_is_a_humans_and_ours_again_when_passed(page: Page):
    """The bot is silent in between; each change of hands is on record once, repeats change nothing."""
    await page.people.say(ANN, "hi")
    assert await page.answers("hello") == ["hello"]
    page.clock.advance(timedelta(minutes=1))
    await page.people.takes_thread(ANN)
    await page.people.deliver_again()
    assert await page.owner() is Owner.WITH_AGENT
    page.clock.advance(timedelta(minutes=1))
    await page.people.passes_thread(ANN)
    assert await page.owner() is Owner.WITH_BOT
    await page.people.deliver_again(-2)
    assert await page.owner() is Owner.WITH_BOT
    changes = [row["data"]["after"] for row in await page.line.rows(EVENTS) if row["kind"] == "owner_changed"]
    assert changes == ["with_agent", "with_bot"]
    await page.people.say(ANN, "again")
    assert await page.answers("yes?") == ["hello", "yes?"]


async def test_words_in_standby_are_kept_and_a_human_has_the_conversation(page: Page):
    """The customer's and the inbox's, in the record of one conversation, each once."""
    await page.people.standby(ANN, "to the other app")
    assert await page.owner() is Owner.WITH_AGENT
    await page.people.inbox_says(ANN, "hello from the inbox")
    await page.people.deliver_again()
    await page.people.deliver_again(0)
    assert [row["message"]["text"] for row in await page.line.rows(INBOX)] == ["to the other app"]
    said = [row["data"] for row in await page.line.rows(EVENTS) if row["kind"] == "agent_uttered"]
    inbox = "Instagram inbox" if page.channel == "instagram" else "Page inbox"
    assert [(one["agent_name"], one["text"]) for one in said] == [(inbox, "hello from the inbox")]


async def test_agent_of_ours_keeps_a_thread_that_is_passed_to_us(page: Page):
    """What the platform gives back is the agent's, not the bot's."""
    await page.people.say(ANN, "hi")
    agent = await page.line.hire("mei")
    await page.line.ownership.take(await page.conversation(), agent, page.clock.now())
    page.clock.advance(timedelta(minutes=1))
    await page.people.passes_thread(ANN)
    assert await page.owner() is Owner.WITH_AGENT


async def test_agent_of_ours_loses_a_thread_that_the_inbox_takes(page: Page):
    """He could not say a word in it any more: the record says who has it now, and he may take it back."""
    await page.people.say(ANN, "hi")
    agent = await page.line.hire("mei")
    conversation = await page.conversation()
    await page.line.ownership.take(conversation, agent, page.clock.now())
    page.clock.advance(timedelta(minutes=1))
    await page.people.takes_thread(ANN)
    lost = await page.reader.get(conversation)
    assert (lost.owner, lost.agent_id) == (Owner.WITH_AGENT, None)
    place = Place.INSTAGRAM_INBOX if page.channel == "instagram" else Place.PAGE_INBOX
    assert await page.holders.place(lost) is place
    page.clock.advance(timedelta(minutes=1))
    back = await page.holders.taken(conversation, agent, page.clock.now())
    assert (back.owner, back.agent_id) == (Owner.WITH_AGENT, agent.id)
    await page.people.deliver_again()
    assert (await page.reader.get(conversation)).agent_id == agent.id


async def test_answer_of_the_inbox_silences_the_bot_without_an_event_of_its_own(page: Page):
    """An echo of the inbox among our own events is enough; those of ourselves are not."""
    await page.people.say(ANN, "hi")
    await page.people.echo(ANN, "our own words")
    assert await page.owner() is Owner.WITH_BOT
    page.clock.advance(timedelta(minutes=1))
    await page.people.inbox_says(ANN, "hello from the inbox", "messaging")
    await page.people.deliver_again()
    assert await page.owner() is Owner.WITH_AGENT
    said = [row["data"]["text"] for row in await page.line.rows(EVENTS) if row["kind"] == "agent_uttered"]
    assert said == ["hello from the inbox"]


async def test_news_of_our_own_passing_does_not_wake_the_bot(page: Page):
    """Where every app is told that a thread was passed, the inbox's is the inbox's."""
    await page.people.say(ANN, "hi")
    page.clock.advance(timedelta(minutes=1))
    to = Addressee("main", ANN, await page.conversation())
    assert (await page.adapter.pass_thread(to)).handing is Handing.DONE
    owners = {"previous_owner_app_id": "1", "new_owner_app_id": INBOX_APPS[page.channel]}
    await page.people.deliver(page.people._silent(ANN, pass_thread_control=owners))
    assert await page.owner() is Owner.WITH_AGENT


async def test_news_of_our_own_taking_back_takes_nothing_from_the_agent(page: Page):
    """Where every app is told that a thread was taken, and Meta's clock is ahead of ours."""
    await page.people.say(ANN, "hi")
    page.clock.advance(timedelta(minutes=1))
    await page.people.takes_thread(ANN)
    conversation, agent = await page.conversation(), await page.line.hire("mei")
    page.clock.advance(timedelta(minutes=1))
    await page.adapter.take_thread(Addressee("main", ANN, conversation))
    await page.holders.taken(conversation, agent, page.clock.now())
    page.clock.advance(timedelta(seconds=1))
    owners = {"previous_owner_app_id": INBOX_APPS[page.channel], "new_owner_app_id": "1"}
    await page.people.deliver(page.people._silent(ANN, take_thread_control=owners))
    assert (await page.reader.get(conversation)).agent_id == agent.id


async def test_thread_that_the_inbox_asks_for_is_given_unless_an_agent_has_it(page: Page):
    """Somebody of the shop wants to answer: the bot gives way, a colleague does not."""
    await page.people.say(ANN, "hi")
    page.clock.advance(timedelta(minutes=1))
    await page.people.asks_for_thread(ANN)
    await page.people.deliver_again()
    assert page.server.held_elsewhere == {ANN}
    assert await page.owner() is Owner.WITH_AGENT
    conversation = await page.conversation()
    agent = await page.line.hire("mei")
    await page.adapter.take_thread(Addressee("main", ANN, conversation))
    await page.holders.taken(conversation, agent, page.clock.now())
    page.clock.advance(timedelta(minutes=1))
    await page.people.asks_for_thread(ANN)
    assert page.server.held_elsewhere == set()
    assert (await page.reader.get(conversation)).agent_id == agent.id


async def test_inbox_that_asks_while_meta_is_in_trouble_is_acknowledged(page: Page):
    """The webhook answers; whoever asked gets the thread by answering."""
    await page.people.say(ANN, "hi")
    page.clock.advance(timedelta(minutes=1))
    page.server.knobs.fail_next = [Declined(503, 2, "down")]
    assert (await page.people.asks_for_thread(ANN)).status_code == 200
    assert await page.owner() is Owner.WITH_AGENT


async def test_shopper_who_waits_for_an_agent_stays_in_the_queue(page: Page):
    """A thread that is passed to us gives nobody who waits for a human back to the bot."""
    await page.people.say(ANN, "hi")
    agent = await page.line.hire("mei")
    conversation = await page.conversation()
    await page.line.ownership.take(conversation, agent, page.clock.now())
    await page.line.ownership.requeue(conversation, agent, page.clock.now())
    page.clock.advance(timedelta(minutes=1))
    await page.people.passes_thread(ANN)
    assert await page.owner() is Owner.WAITING_FOR_AGENT


@pytest.mark.parametrize(
    ("fault", "handing"),
    [
        (Declined(400, 10, "not permitted"), Handing.REFUSED),
        (Declined(503, 2, "down"), Handing.FAILED),
        (Declined(400, 613, "slow down"), Handing.FAILED),
        (Declined(401, 190, "expired"), Handing.FAILED),
    ],
)
async def test_platform_that_cannot_now_is_told_from_one_that_will_not(page: Page, fault: Declined, handing: Handing):
    """Trouble is worth another try; a no is not, and both come with a sentence."""
    await page.people.say(ANN, "hi")
    to = Addressee("main", ANN, await page.conversation())
    for ask in (page.adapter.pass_thread, page.adapter.release_thread):
        page.server.knobs.fail_next = [fault]
        handed = await ask(to)
        assert handed.handing is handing
        assert handed.reason
    page.server.knobs.drop_next = 1
    assert (await page.adapter.pass_thread(to)).handing is Handing.FAILED


async def test_answer_into_a_held_thread_is_refused_and_shown_as_for_humans_only(page: Page):
    """The record says that only a human may speak there."""
    await page.people.say(ANN, "hi")
    page.server.held_elsewhere.add(ANN)
    assert await page.answers("hello") == []
    (state,) = (await page.states.of_conversation(await page.conversation())).values()
    assert (state.state, state.refusal) == ("refused", "human_only")


@pytest.mark.parametrize("event", [{}, {"sender": {}}, {"sender": {"id": ""}}, {"timestamp": "x"}, {"timestamp": None}])
@pytest.mark.parametrize("place", ["messaging", "standby"])
async def test_routing_events_of_any_shape_are_acknowledged(page: Page, event: dict[str, object], place: str):
    """Junk moves nobody."""
    known = {"sender": {"id": ANN}, "recipient": {"id": NODES[page.channel]}, "timestamp": 1}
    for fields in ({"take_thread_control": None}, {"pass_thread_control": []}, {"message": {"is_echo": True}}):
        answer = await page.people.deliver_entry(**{place: [known | fields | event, "x", None]})
        assert answer.status_code == 200
    assert await page.line.count(EVENTS) == 0


async def test_receipts_of_the_platform_are_shown_with_the_message(page: Page):
    """Delivered by its id, read by the mark; never back."""
    await page.people.say(ANN, "hi")
    await page.answers("hello")
    page.clock.advance(timedelta(seconds=5))
    await page.people.receipt(ANN, "delivery")
    conversation = await page.conversation()
    assert [one.receipt for one in (await page.states.of_conversation(conversation)).values()] == ["delivered"]
    await page.people.receipt(ANN, "read")
    await page.people.receipt(ANN, "delivery")
    assert [one.receipt for one in (await page.states.of_conversation(conversation)).values()] == ["read"]
