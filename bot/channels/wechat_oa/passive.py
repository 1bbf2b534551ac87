"""The answer within five seconds: waits for the turn, joins the platform's repeats, and leaves in time.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Passive_user_reply_message.html (WeChat
hangs up after five seconds and calls again with the same MsgId, up to three times; ? whether the first call is one of
the three is told differently, so the third is the last that is waited for). ``success`` or an empty answer stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.channels.wechat_oa.reply import compose
from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.domain.exchange_ports import Composed, ExchangeKey, Exchanges, Look
from bot.domain.ids import ConversationId
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage, OutboundMessage
from bot.domain.ports import LiveEvent, LiveFeed

_LOOK_EVERY_S = 0.5
_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class PassivePace:
    """How long to wait for an answer.

    ``answer_within_s`` of a call an answer is given; after that WeChat has hung up, or is about to, and the call is
    kept until ``hang_up_s`` so that it calls again. The last of ``calls`` is answered ``success`` instead.
    """

    answer_within_s: float = 4.5
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
    """How a call is answered: ``answer``, else ``success``, or with nothing because WeChat calls again."""

    answer: str = ""
    again: bool = False


class PassiveReplies:
    """Waits for the answers of one account; ``alone`` tells whether it has no other way to send."""

    def __init__(self, ports: PassivePorts, alone: Callable[[], bool]) -> None:
        self._ports = ports
        self._alone = alone
        self._lookout = _Lookout(ports.exchanges, ports.live)

    async def answer(self, message: InboundMessage, accepted: Accepted) -> Verdict:
        """Give the answer of a committed message, or how to leave the call without one."""
        key, pace, now = exchange_key(message), self._ports.pace, self._ports.clock.now()
        until = now + timedelta(seconds=pace.hang_up_s + _GRACE_S)
        call = await self._ports.exchanges.begin(key, accepted.conversation_id, now, until)
        last = call >= pace.calls
        look = await self._wait(key, call, accepted.conversation_id, hurry=last)
        if look.answer:
            return Verdict(look.answer)
        if look.superseded:
            return Verdict(again=True)
        if look.waiting and not last:
            await asyncio.sleep(max(pace.hang_up_s - pace.answer_within_s, 0))
            return Verdict(again=True)
        await self.leave(key, accepted.conversation_id)
        return Verdict()

    async def leave(self, key: ExchangeKey, conversation_id: ConversationId) -> None:
        """End an exchange, and let what is left go by other ways."""
        await self._ports.exchanges.end(key, self._ports.clock.now())
        await self._ports.ring(conversation_id)

    async def written(self, key: ExchangeKey, conversation_id: ConversationId) -> None:
        """Record that the answer is in the response."""
        await self._ports.exchanges.written(key, self._ports.clock.now())
        await self._ports.ring(conversation_id)

    async def _wait(self, key: ExchangeKey, call: int, conversation_id: ConversationId, *, hurry: bool) -> Look:
        """Look when there is reason to, until there is an answer, nothing to wait for, or no time left."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._ports.pace.answer_within_s
        async with self._lookout.watching(key, conversation_id) as rung:
            while True:
                left_s = end - loop.time()
                look = await self._ports.exchanges.look(key, call, self._compose, hurry=hurry and left_s <= 0)
                if not look.waiting or left_s <= 0:
                    return look
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(rung.wait(), left_s)
                rung.clear()

    def _compose(self, waiting: Sequence[OutboundMessage]) -> Composed | None:
        if any(message.attachments for message in waiting):
            return None  # what is attached goes by customer-service message, and keeps its place among the words
        return compose(waiting, alone=self._alone())


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
            if not self._waiting:
                self._looking.cancel()
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
