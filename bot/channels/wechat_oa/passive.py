"""The answer within five seconds: waits for the turn, joins the platform's repeats, and leaves in time.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Passive_user_reply_message.html (WeChat
hangs up after five seconds and calls again with the same MsgId, up to three times; ? whether the first call is one of
the three is told differently, so the third is the last that is waited for). ``success`` or an empty answer stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog

from bot.channels.wechat_oa.reply import compose, rejoin
from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.domain.exchange_ports import ExchangeKey, Exchanges, Look
from bot.domain.ids import ConversationId
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage
from bot.domain.ports import LiveEvent, LiveFeed

_LOOK_EVERY_S = 0.5
_GRACE_S = 1.0
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PassivePace:
    """How long to wait for an answer, in seconds since the call arrived.

    ``answer_within_s`` of a call an answer is given; after that WeChat has hung up, or is about to, and the call is
    kept until ``hang_up_s`` so that it calls again. What is written after ``heard_within_s`` nobody hears. The last of
    ``calls`` is answered ``success`` instead.
    """

    answer_within_s: float = 4.5
    heard_within_s: float = 5.0
    hang_up_s: float = 5.5
    calls: int = 3


@dataclass(frozen=True, slots=True)
class PassivePorts:
    """What the passive reply needs: the record, the bells, and ``ring`` for the delivery of what it leaves."""

    exchanges: Exchanges
    live: LiveFeed
    clock: Clock
    ring: Callable[[ConversationId], Awaitable[None]]
    pace: PassivePace = PassivePace()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a call is answered: ``answer``, else ``success``, or with nothing because WeChat calls again.

    ``call`` numbers the calls of the message from 1; after ``until_s`` on the loop's clock nobody hears the answer.
    """

    answer: str = ""
    again: bool = False
    call: int = 0
    until_s: float = 0.0


class PassiveReplies:
    """Waits for the answers of one account; ``alone`` tells whether it has no other way to send."""

    def __init__(self, ports: PassivePorts, alone: Callable[[], Awaitable[bool]]) -> None:
        self._ports = ports
        self._alone = alone
        self._lookout = _Lookout(ports.exchanges, ports.live)

    async def answer(self, message: InboundMessage, accepted: Accepted, since_s: float) -> Verdict:
        """Give the answer of a committed message, or how to leave the call without one.

        ``since_s`` is when the call arrived, on the loop's clock. The message is safe whatever happens here, so that a
        database in trouble is no reason to let the shopper see an error.
        """
        try:
            return await self._answer(message, accepted, since_s)
        except StorageError:
            _LOG.exception("passive_answer_not_found", conversation=accepted.conversation_id)
            return Verdict()

    async def _answer(self, message: InboundMessage, accepted: Accepted, since_s: float) -> Verdict:
        key, pace, now = exchange_key(message), self._ports.pace, self._ports.clock.now()
        until = now + timedelta(seconds=pace.hang_up_s + _GRACE_S)
        call = await self._ports.exchanges.begin(key, accepted.conversation_id, now, until)
        last = call >= pace.calls
        look = await self._wait(key, call, accepted.conversation_id, since_s + pace.answer_within_s)
        if look.answer:
            return Verdict(look.answer, call=call, until_s=since_s + pace.heard_within_s)
        if look.superseded:
            return Verdict(again=True)
        if look.waiting and not last:
            await asyncio.sleep(max(since_s + pace.hang_up_s - asyncio.get_running_loop().time(), 0))
            return Verdict(again=True)
        await self.leave(key, accepted.conversation_id)
        return Verdict()

    async def leave(self, key: ExchangeKey, conversation_id: ConversationId) -> None:
        """End an exchange, and let what is left go by other ways."""
        await self._ports.exchanges.end(key, self._ports.clock.now())
        await self._ports.ring(conversation_id)

    async def told(self, key: ExchangeKey, conversation_id: ConversationId, call: int, *, heard: bool) -> None:
        """Record whether the answer in the response was heard; what was not is for the next call, or another way."""
        try:
            if heard:
                await self._ports.exchanges.written(key, self._ports.clock.now())
            elif await self._ports.exchanges.take_back(key, call, rejoin) and call >= self._ports.pace.calls:
                await self._ports.exchanges.end(key, self._ports.clock.now())
            await self._ports.ring(conversation_id)
        except StorageError:
            # What was being sent stays in doubt, and is flagged as such.
            _LOG.exception("passive_answer_not_recorded", conversation=conversation_id, heard=heard)

    async def _wait(self, key: ExchangeKey, call: int, conversation_id: ConversationId, end_s: float) -> Look:
        """Look when there is reason to, until there is an answer, nothing to wait for, or no time left."""
        loop, hurry = asyncio.get_running_loop(), call >= self._ports.pace.calls
        async with self._lookout.watching(key, conversation_id) as rung:
            while True:
                left_s = end_s - loop.time()
                put = partial(compose, alone=await self._alone())
                look = await self._ports.exchanges.look(key, call, put, hurry=hurry and left_s <= 0)
                if not look.waiting or left_s <= 0:
                    return look
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), left_s)
                rung.clear()


class _Lookout:
    """Wakes who waits: at a bell of the conversation, and, lest one was lost, once a turn has taken the message.

    One question to the record every half a second does for all who wait, so that waiting costs nothing.
    """

    def __init__(self, exchanges: Exchanges, live: LiveFeed) -> None:
        self._exchanges = exchanges
        self._live = live
        self._waiting: dict[asyncio.Event, ExchangeKey] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def watching(self, key: ExchangeKey, conversation_id: ConversationId) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set whenever it is worth looking at the exchange."""
        rung = asyncio.Event()
        bells = self._live.subscribe([f"conversation:{conversation_id}"])
        listening = asyncio.create_task(_listen(bells, rung))
        self._waiting[rung] = key
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield rung
        finally:
            del self._waiting[rung]
            if not self._waiting and self._looking is not None:
                self._looking.cancel()
                self._looking = None
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            close = getattr(bells, "aclose", None)
            if close is not None:
                await close()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            with contextlib.suppress(StorageError):
                unanswered = await self._exchanges.unanswered(set(self._waiting.values()))
                for rung, key in self._waiting.items():
                    if key not in unanswered:
                        rung.set()


async def _listen(bells: AsyncIterator[LiveEvent], rung: asyncio.Event) -> None:
    async for _ in bells:
        rung.set()


def exchange_key(message: InboundMessage) -> ExchangeKey:
    """Tell the exchange of a message apart, as the inbox does."""
    return ExchangeKey(message.sender.channel, message.sender.account, message.dedupe_key)
