"""The embedded Dispatcher: bells in this process, one drainer a conversation, a sweep for bells that were lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import Protocol

from bot.domain.ids import ConversationId
from bot.domain.line_ports import TurnOutbox
from bot.engine.faults import describe
from bot.engine.timers import Timers

_LOG = logging.getLogger(__name__)
_MAX_WAIT_S = 60.0


class RunTurn(Protocol):
    """Runs one turn of a conversation."""

    async def run(self, conversation_id: ConversationId) -> TurnOutbox | None:
        """Handle what is pending and tell what is to be delivered of it; None when nothing was pending."""
        ...


class Deliver(Protocol):
    """Delivers a conversation's outbox."""

    async def deliver(self, conversation_id: ConversationId, put: TurnOutbox | None = None) -> float | None:
        """Send what is due (``put``: by the turn before it); return the seconds until the next try, None: no need."""
        ...


class Pending(Protocol):
    """Tells which conversations have something left to do."""

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List conversations with unhandled inbox or undelivered outbox rows."""
        ...


class Guard(Protocol):
    """Lets one process at a time drain a conversation."""

    async def enter(self, conversation_id: ConversationId) -> bool:
        """Take the conversation; False when another process has it (that one looks again when it lets go)."""
        ...

    async def leave(self, conversation_id: ConversationId, *, waiting: bool) -> bool:
        """Let go, then look once more; True when something is to be done at once.

        ``waiting`` tells that the outbox is held back on purpose, so that only the inbox counts.
        """
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How the dispatcher works.

    ``quiet_s`` waits after a bell so that a burst becomes one turn, and each further bell puts it off again, until
    ``longest_wait_s`` after the first; ``sweep_s`` is the time between looks for lost bells; ``at_once`` conversations
    are drained side by side; ``retry_s`` doubles after each failure of a conversation, up to a minute.
    """

    quiet_s: float = 0.0
    longest_wait_s: float = 2.0
    sweep_s: float = 2.0
    at_once: int = 16
    retry_s: float = 1.0


class _Burst:
    """The bells of one conversation since its last turn, and when to stop waiting for more."""

    def __init__(self, loop: asyncio.AbstractEventLoop, longest_wait_s: float) -> None:
        self.over: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._last = loop.time() + longest_wait_s
        self._timer: asyncio.TimerHandle | None = None

    def put_off(self, quiet_s: float) -> None:
        """Wait from now, but not beyond the bound."""
        if self._timer is not None:
            self._timer.cancel()
        due = min(self._loop.time() + quiet_s, self._last)
        if quiet_s <= 0:
            self.end()
        else:
            self._timer = self._loop.call_at(due, self.end)

    def end(self) -> None:
        """Wait no longer."""
        if not self.over.done():
            self.over.set_result(None)


class EmbeddedDispatcher:
    """Drains conversations in this process; the default twin of the port ``Dispatcher``."""

    def __init__(
        self, store: Pending, turns: RunTurn, delivery: Deliver, pace: Pace | None = None, guard: Guard | None = None
    ) -> None:
        """Drain what ``store`` says is left; ``guard`` where other processes drain the same conversations.

        Set ``timers`` to have due dates looked for at each sweep.
        """
        self.timers: Timers | None = None
        self._store = store
        self._guard = guard
        self._turns = turns
        self._delivery = delivery
        self._pace = pace or Pace()
        self._room = asyncio.Semaphore(self._pace.at_once)
        self._drains: dict[ConversationId, asyncio.Task[None]] = {}
        self._bursts: dict[ConversationId, _Burst] = {}
        self._failures: dict[ConversationId, int] = {}
        self._timers: dict[ConversationId, asyncio.TimerHandle] = {}
        self._stopping = asyncio.Event()
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Pick up what an earlier run left, then sweep until stopped."""
        self._stopping.clear()
        self._sweeper = asyncio.create_task(self._sweep(), name="dispatcher-sweep")

    async def stop(self, timeout_s: float = 30.0) -> None:
        """Take no new bells, finish the turns and sends in hand; what takes longer than the time is cancelled."""
        self._stopping.set()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for burst in self._bursts.values():
            burst.end()
        tasks = {task for task in (*self._drains.values(), self._sweeper) if task is not None}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sweeper = None

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Ask for the conversation to be drained after a quiet time (None: the usual), so that a burst is one turn.

        A bell without quiet time is answered at once; one that rings during a drain is looked at after it.
        """
        self._ring(conversation_id, quiet_s)

    async def drain(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Ring and wait until the conversation has been drained once."""
        self._ring(conversation_id, quiet_s)
        task = self._drains.get(conversation_id)
        if task is not None:
            await asyncio.wait({task})

    async def settle(self) -> None:
        """Wait until no conversation is being drained; for tests and for the terminal."""
        while self._drains:
            await asyncio.wait(set(self._drains.values()))

    def _ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        if self._stopping.is_set():
            return
        timer = self._timers.pop(conversation_id, None)
        if timer is not None:
            timer.cancel()
        burst = self._bursts.get(conversation_id)
        if burst is None:
            burst = _Burst(asyncio.get_running_loop(), self._pace.longest_wait_s)
            self._bursts[conversation_id] = burst
        burst.put_off(self._pace.quiet_s if quiet_s is None else quiet_s)
        if conversation_id not in self._drains:
            self._start(conversation_id)

    def _start(self, conversation_id: ConversationId) -> None:
        task = asyncio.create_task(self._drain(conversation_id), name=f"drain-{conversation_id}")
        self._drains[conversation_id] = task

    async def _drain(self, conversation_id: ConversationId) -> None:
        wait_s: float | None = None
        try:
            await self._bursts[conversation_id].over
            async with self._room:
                # From here on a bell begins another burst: one turn takes all that is pending.
                self._bursts.pop(conversation_id, None)
                wait_s = await self._drain_guarded(conversation_id)
            self._failures.pop(conversation_id, None)
        except Exception as problem:  # noqa: BLE001 - one conversation's fault must not stop the others
            wait_s = self._failed(conversation_id)
            _LOG.error(
                "draining %s failed (%s); it is tried again in %.0f s", conversation_id, describe(problem), wait_s
            )
        finally:
            # Nothing is awaited between the last look and this, so no bell can fall in between.
            del self._drains[conversation_id]
        self._go_on(conversation_id, wait_s)

    def _go_on(self, conversation_id: ConversationId, wait_s: float | None) -> None:
        """See to what is left after a drain: a burst that has begun, or a time to come again."""
        if conversation_id not in self._bursts:
            self._ring_in(conversation_id, wait_s)
        elif conversation_id in self._failures:
            del self._bursts[conversation_id]
            self._ring_in(conversation_id, wait_s)
        elif not self._stopping.is_set():
            self._start(conversation_id)

    async def _drain_guarded(self, conversation_id: ConversationId) -> float | None:
        if self._guard is None:
            return await self._drain_once(conversation_id)
        if not await self._guard.enter(conversation_id):
            return None
        wait_s: float | None = None
        try:
            wait_s = await self._drain_once(conversation_id)
        finally:
            left = await self._guard.leave(conversation_id, waiting=wait_s is not None)
        return 0.0 if left else wait_s

    async def _drain_once(self, conversation_id: ConversationId) -> float | None:
        put = None if self._stopping.is_set() else await self._turns.run(conversation_id)
        return await self._delivery.deliver(conversation_id, put)

    def _failed(self, conversation_id: ConversationId) -> float:
        failures = self._failures.get(conversation_id, 0) + 1
        self._failures[conversation_id] = failures
        return min(_MAX_WAIT_S, self._pace.retry_s * 2.0 ** min(failures - 1, 10))

    def _ring_in(self, conversation_id: ConversationId, wait_s: float | None) -> None:
        if wait_s is None or self._stopping.is_set():
            return
        if wait_s <= 0:
            self._ring(conversation_id, 0.0)
            return
        # What waits longer (for days, until the shopper's next word) is found by the sweep when it is due.
        if wait_s <= _MAX_WAIT_S:
            loop = asyncio.get_running_loop()
            self._timers[conversation_id] = loop.call_later(wait_s, self._ring_timed, conversation_id)

    def _ring_timed(self, conversation_id: ConversationId) -> None:
        self._timers.pop(conversation_id, None)
        self._ring(conversation_id, 0.0)

    async def _sweep(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.timers is not None:
                    await self.timers.sweep(self)
                await self._ring_left()
            except Exception as problem:  # noqa: BLE001 - the database may come back
                _LOG.error("looking for pending conversations failed: %s", describe(problem))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pace.sweep_s)

    async def _ring_left(self) -> None:
        for conversation_id in await self._store.pending_conversations():
            # One with a timer waits for its time on purpose; one being drained looks again by itself.
            if conversation_id not in self._drains and conversation_id not in self._timers:
                self._ring(conversation_id)
