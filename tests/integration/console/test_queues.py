"""A conversation in WeCom's queue, or with WeCom's staff: shown with who answers, and not to be taken here."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.desk.counter import DeskSecurity, make_desk
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.messages import Sender
from bot.domain.staff import Follower, ThreadMove
from bot.domain.thread_ports import Place
from storage.platform_moves import SqlPlatformMoves
from storage.platform_sessions import SqlPlatformSessions
from storage.thread_holders import SqlThreadHolders
from tests.integration.console.shop import HASHER, Browser, Shop

MIN = timedelta(minutes=1)


class Queue:
    """A shop whose WeCom sessions are answered by WeCom's staff."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.moves = SqlPlatformMoves(shop.database)
        self.sessions = SqlPlatformSessions(shop.database)

    async def waiting(self, channel: str = "wecom_kf") -> ConversationId:
        """Let Ann wait for a human."""
        return await self.shop.exchange("wmAnn", "转人工", channel=channel, name="Ann", handoff=("asked", "", ""))

    async def queued(self, number: ConversationId) -> None:
        """Let WeCom take the session into its queue."""
        found = await self.shop.stores.conversations.get(number)
        follower = Follower(number, found.account, found.channel_user_id, found.owner, found.epoch)
        await self.sessions.mark("wecom_kf", follower, self.shop.clock.now())

    async def taken_there(self) -> None:
        """Let somebody in WeCom take it."""
        self.shop.clock.advance(MIN)
        at = self.shop.clock.now()
        await self.moves.follow(ThreadMove(Sender("wecom_kf", "main", "wmAnn"), Owner.WITH_AGENT, at, "lisi", "e1"), at)

    async def owner(self, number: ConversationId) -> Owner:
        """Tell who has it."""
        return (await self.shop.stores.conversations.get(number)).owner


@pytest.fixture
def queue(shop: Shop) -> Queue:
    """Give the shop, whose desk knows of the queue."""
    stores = replace(shop.stores, queues={"wecom_kf": Place.WECOM}, holders=SqlThreadHolders(shop.database))
    security = DeskSecurity("a secret of the tests", hasher=HASHER)
    made = make_desk(stores, security, shop.dispatcher, shop.live, shop.clock)
    for name in ("stores", "threads"):
        object.__setattr__(shop.desk, name, getattr(made, name))
    return Queue(shop)


@pytest.mark.parametrize(
    ("locale", "chip", "why"),
    [
        ("en", "Waits in WeCom<", "Waits in WeCom; answer it there"),
        ("zh", "在企业微信排队<", "在企业微信排队，请在那里接待"),
    ],
)
async def test_conversation_in_the_queue_shows_it_and_is_not_offered(
    queue: Queue, li: Browser, locale: str, chip: str, why: str
) -> None:
    """On its page and in the list, in both languages; it can still be ended."""
    await queue.shop.desk.people.set_preferences(queue.shop.agents["li"], locale, "UTC")
    number = await queue.waiting()
    await queue.queued(number)
    queue.shop.clock.advance(60 * MIN)
    shown = (await li.get(f"/conversations/{number}")).text
    state = shown[shown.index('id="state"') : shown.index('id="lines"')]
    assert chip in state
    assert why in state
    assert "/take" not in state
    assert "/give-back" not in state
    assert "/resolve" in state
    assert 'data-reply="no"' in state
    assert chip in (await li.get("/inbox?view=waiting")).text
    assert (await li.post(f"/conversations/{number}/resolve")).status_code == 303
    assert await queue.owner(number) is Owner.RESOLVED


async def test_page_that_was_open_before_takes_and_gives_back_nothing(queue: Queue, li: Browser, zhao: Browser) -> None:
    """The press is refused with where to answer, and the conversation stays where it is."""
    number = await queue.waiting()
    await queue.queued(number)
    for action in ("take", "give-back"):
        await li.get(f"/conversations/{number}")
        answer = await li.post(f"/conversations/{number}/{action}")
        assert answer.status_code == 400
        assert "Answer it there, or resolve it." in answer.text
    assert await queue.owner(number) is Owner.WAITING_FOR_AGENT
    await queue.taken_there()
    await zhao.get(f"/conversations/{number}")
    for action in ("take", "give-back"):
        assert (await zhao.post(f"/conversations/{number}/{action}")).status_code == 400
    assert await queue.owner(number) is Owner.WITH_AGENT


async def test_who_wecoms_staff_has_is_shown_as_theirs(queue: Queue, zhao: Browser) -> None:
    """A manager may end it, not give it to the bot."""
    number = await queue.waiting()
    await queue.queued(number)
    await queue.taken_there()
    shown = (await zhao.get(f"/conversations/{number}")).text
    state = shown[shown.index('id="state"') : shown.index('id="lines"')]
    assert "With WeCom<" in state
    assert "Only WeCom, who has it, replies" in state
    assert "/resolve" in state
    assert "/take" not in state
    assert "/give-back" not in state


@pytest.mark.parametrize(("waited", "offered"), [(0, False), (59, False), (61, True)])
async def test_conversation_that_the_queue_does_not_take_can_be_taken_here(
    queue: Queue, li: Browser, waited: int, offered: bool
) -> None:
    """A minute is for the queueing; who is not in it by then would wait for nobody."""
    number = await queue.waiting()
    queue.shop.clock.advance(timedelta(seconds=waited))
    shown = (await li.get(f"/conversations/{number}")).text
    assert (f"/conversations/{number}/take" in shown) is offered
    assert (await li.post(f"/conversations/{number}/take")).status_code == (303 if offered else 400)


async def test_session_that_may_have_ended_by_itself_can_be_taken(queue: Queue) -> None:
    """After two days nobody knows that it is still queued."""
    number = await queue.waiting()
    await queue.queued(number)
    queue.shop.clock.advance(47 * 60 * MIN)
    conversation = await queue.shop.stores.conversations.get(number)
    assert await queue.shop.desk.threads.queue(conversation) is Place.WECOM
    queue.shop.clock.advance(2 * 60 * MIN)
    assert await queue.shop.desk.threads.queue(conversation) is None
    await queue.shop.desk.threads.check_here(number)


async def test_other_conversations_are_taken_as_ever(queue: Queue, li: Browser) -> None:
    """The bot's own on WeCom, whose session the shop still has, and those of other channels."""
    await li.get("/inbox")
    theirs = await queue.shop.exchange("wmBob", "在吗", channel="wecom_kf", name="Bob")
    elsewhere = await queue.waiting("web")
    for number in (theirs, elsewhere):
        assert (await li.post(f"/conversations/{number}/take")).status_code == 303
        assert await queue.owner(number) is Owner.WITH_AGENT
    assert (await li.post(f"/conversations/{theirs}/give-back")).status_code == 303
