"""Waiting for a passive answer costs nothing, a bell ends it at once, and a lost bell soon after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from bot.channels.wechat_oa.passive import PassivePace, PassivePorts, PassiveReplies, Verdict
from bot.domain.clock import ManualClock
from bot.domain.errors import StorageError
from bot.domain.exchange_ports import Compose, ExchangeKey, Look, Rejoin
from bot.domain.ids import ConversationId, InboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.engine.live import MemoryLiveFeed, changed
from tests.unit.channels.doubles import NOON

PACE = PassivePace(answer_within_s=30, hang_up_s=30.01)


@dataclass
class Record:
    """Exchanges in memory; ``answers`` by the message's key."""

    answers: dict[str, str] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    looks: int = 0
    rounds: int = 0
    ended: list[str] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def begin(self, key: ExchangeKey, conversation_id: ConversationId, at: datetime, until: datetime) -> int:
        """Count the call."""
        del conversation_id, at, until
        self.calls[key.dedupe_key] = self.calls.get(key.dedupe_key, 0) + 1
        return self.calls[key.dedupe_key]

    async def look(self, key: ExchangeKey, call: int, compose: Compose, *, hurry: bool = False) -> Look:
        """Tell what there is."""
        del compose, hurry
        self.looks += 1
        self.asked.set()
        if call != self.calls[key.dedupe_key]:
            return Look(superseded=True)
        answer = self.answers.get(key.dedupe_key, "")
        return Look(answer, waiting=not answer)

    async def unanswered(self, keys: Collection[ExchangeKey]) -> frozenset[ExchangeKey]:
        """Tell who has no answer."""
        self.rounds += 1
        self.asked.set()
        return frozenset(key for key in keys if key.dedupe_key not in self.answers)

    async def written(self, key: ExchangeKey, at: datetime) -> None:
        """Forget."""

    async def take_back(self, key: ExchangeKey, call: int, rejoin: Rejoin) -> bool:
        """Tell that there is something to undo."""
        del rejoin
        return call == self.calls[key.dedupe_key]

    async def end(self, key: ExchangeKey, at: datetime) -> None:
        """Note it."""
        del at
        self.ended.append(key.dedupe_key)


@dataclass
class Shop:
    """Passive replies over a record in memory."""

    record: Record = field(default_factory=Record)
    feed: MemoryLiveFeed = field(default_factory=MemoryLiveFeed)
    rung: list[ConversationId] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Put it together."""

        async def ring(conversation_id: ConversationId) -> None:
            self.rung.append(conversation_id)

        bell: Callable[[ConversationId], Awaitable[None]] = ring

        async def alone() -> bool:
            return True

        self.replies = PassiveReplies(PassivePorts(self.record, self.feed, ManualClock(NOON), bell, PACE), alone)

    def call(self, key: str) -> asyncio.Task[Verdict]:
        """Let the platform call with a message."""
        sender = Sender("wechat_oa", "shop", f"o{key}")
        message = InboundMessage(sender, key, MessageKind.TEXT, NOON, "在吗")
        accepted = Accepted(ConversationId(f"c{key}"), InboxId(1), duplicate=False)
        since_s = asyncio.get_running_loop().time()
        return asyncio.create_task(self.replies.answer(message, accepted, since_s))

    async def waits(self, looks: int, rounds: int = 0) -> None:
        """Wait until this has been asked of the record."""
        while self.record.looks < looks or self.record.rounds < rounds:
            self.record.asked.clear()
            await self.record.asked.wait()


async def test_those_who_wait_ask_nothing_and_one_look_does_for_all():
    """Two hundred callers look once each; after that one question every half a second serves them all."""
    shop = Shop()
    calls = [shop.call(str(number)) for number in range(200)]
    await shop.waits(len(calls), rounds=2)
    assert shop.record.looks == len(calls)
    shop.record.answers = {str(number): "好" for number in range(200)}
    assert [verdict.answer for verdict in await asyncio.gather(*calls)] == ["好"] * len(calls)
    assert shop.record.looks == 2 * len(calls)


async def test_bell_wakes_only_its_own_caller_and_at_once():
    """The others sleep on."""
    shop = Shop()
    first, second = shop.call("1"), shop.call("2")
    await shop.waits(2)
    shop.record.answers = {"1": "好"}
    for bell in changed(ConversationId("c1")):
        await shop.feed.publish(bell)
    assert (await first).answer == "好"
    assert (shop.record.looks, shop.record.rounds) == (3, 0)
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_lost_bell_costs_half_a_second():
    """No bell rings at all, and the answer is found."""
    shop = Shop()
    call = shop.call("1")
    await shop.waits(1)
    shop.record.answers = {"1": "好"}
    async with asyncio.timeout(20):
        assert (await call).answer == "好"
    assert shop.record.rounds == 1


async def test_call_that_was_overtaken_leaves_the_exchange_to_the_next():
    """The platform hung up on it: it ends nothing that the later call still waits for."""
    shop = Shop()
    first = shop.call("1")
    await shop.waits(1)
    second = shop.call("1")
    await shop.waits(2)
    shop.record.answers = {"1": "好"}
    assert await first == Verdict(again=True)
    assert (await second).answer == "好"
    assert (shop.record.ended, shop.rung) == ([], [])


async def test_next_to_wait_is_looked_after_when_the_last_has_just_gone():
    """The one who leaves ends the looking; who comes in the same moment has a look of his own."""
    shop, gone = Shop(), asyncio.Event()
    lookout = shop.replies._lookout

    async def wait(name: str) -> None:
        if name == "2":
            await gone.wait()
        async with lookout.watching(ExchangeKey("wechat_oa", "shop", name), ConversationId(name)) as rung:
            await (gone if name == "1" else rung).wait()

    waiting = [asyncio.create_task(wait(name)) for name in ("1", "2")]
    await asyncio.sleep(0)
    shop.record.answers = {"2": "好"}
    gone.set()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)


async def test_database_in_trouble_is_no_error_to_the_shopper():
    """The message is safe: the call is left, and the answer goes by other ways."""
    shop = Shop()

    async def broken(*_: object) -> int:
        raise StorageError("the disk is full")

    shop.record.begin = broken  # type: ignore[method-assign]
    assert await shop.call("1") == Verdict()
    shop.record.written = shop.record.take_back = broken  # type: ignore[method-assign, assignment]
    key = ExchangeKey("wechat_oa", "shop", "1")
    for heard in (True, False):
        await shop.replies.told(key, ConversationId("c1"), 1, heard=heard)
    assert shop.rung == []


async def test_time_a_call_has_spent_before_counts():
    """The commit took all of the five seconds: the call is kept for the repeat at once."""
    shop = Shop()
    sender = Sender("wechat_oa", "shop", "o1")
    message = InboundMessage(sender, "1", MessageKind.TEXT, NOON, "在吗")
    accepted = Accepted(ConversationId("c1"), InboxId(1), duplicate=False)
    since_s = asyncio.get_running_loop().time() - PACE.hang_up_s
    async with asyncio.timeout(20):
        assert (await shop.replies.answer(message, accepted, since_s)).again


async def test_nobody_looks_when_nobody_waits():
    """After the last caller has gone nothing runs on."""
    shop = Shop()
    call = shop.call("1")
    await shop.waits(1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
