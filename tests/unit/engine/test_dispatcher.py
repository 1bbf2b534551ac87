"""The dispatcher: one drainer a conversation, lost bells, faults, stopping."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from bot.domain.ids import ConversationId
from bot.domain.line_ports import PendingTurn, TurnCommit, TurnOutbox
from bot.engine.dispatcher import EmbeddedDispatcher, Pace

ONE, TWO = ConversationId("one"), ConversationId("two")
PATIENCE_S = 60


class Work:
    """Store, turns and delivery in one: counts messages that wait and what was done side by side."""

    def __init__(self) -> None:
        self.waiting: dict[ConversationId, int] = {}
        self.turns: list[tuple[ConversationId, int]] = []
        self.delivered: list[ConversationId] = []
        self.busy: dict[ConversationId, int] = {}
        self.most_busy = 0
        self.most_at_once = 0
        self.gate: asyncio.Event | None = None
        self.started = asyncio.Event()
        self.delivered_again = asyncio.Event()
        self.faults = 0
        self.waits: list[float] = []
        self.looks = 0

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List what waits."""
        self.looks += 1
        return tuple(name for name, count in self.waiting.items() if count)

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Nobody loads here."""
        raise AssertionError(conversation_id)

    async def commit_turn(self, commit: TurnCommit) -> TurnOutbox:
        """Nobody commits here."""
        raise AssertionError(commit)

    async def run(self, conversation_id: ConversationId) -> TurnOutbox | None:
        """Take all that waits as one turn."""
        self.busy[conversation_id] = self.busy.get(conversation_id, 0) + 1
        self.most_busy = max(self.most_busy, self.busy[conversation_id])
        self.most_at_once = max(self.most_at_once, sum(self.busy.values()))
        try:
            return await self._run(conversation_id)
        finally:
            self.busy[conversation_id] -= 1

    async def _run(self, conversation_id: ConversationId) -> TurnOutbox | None:
        if self.faults:
            self.faults -= 1
            raise RuntimeError("the database is away")
        count = self.waiting.get(conversation_id, 0)
        if not count:
            return None
        self.started.set()
        if self.gate is not None:
            await self.gate.wait()
        else:
            await asyncio.sleep(0)
        self.waiting[conversation_id] -= count
        self.turns.append((conversation_id, count))
        return TurnOutbox()

    async def deliver(self, conversation_id: ConversationId, put: TurnOutbox | None = None) -> float | None:
        """Note it."""
        del put
        self.delivered.append(conversation_id)
        if len(self.delivered) > 1:
            self.delivered_again.set()
        return self.waits.pop(0) if self.waits else None

    def add(self, conversation_id: ConversationId, count: int = 1) -> None:
        """Put messages in."""
        self.waiting[conversation_id] = self.waiting.get(conversation_id, 0) + count


def dispatcher(work: Work, **pace: float) -> EmbeddedDispatcher:
    """Make a dispatcher over the work."""
    defaults: dict[str, float] = {"sweep_s": 60, "retry_s": 0.01}
    return EmbeddedDispatcher(work, work, work, Pace(**(defaults | pace)))  # type: ignore[arg-type]


async def test_long_wait_costs_nothing_meanwhile():
    """A message that waits for days is nobody's timer: the sweep finds it when it is due."""
    work = Work()
    work.waits = [7 * 86_400.0]
    bell = dispatcher(work)
    await bell.ring(ONE)
    await bell.settle()
    assert (work.delivered, bell._timers) == ([ONE], {})


async def test_ring_runs_the_turn_and_delivers():
    """One bell, one turn, one delivery."""
    work = Work()
    bell = dispatcher(work)
    work.add(ONE)
    await bell.ring(ONE)
    await bell.settle()
    assert work.turns == [(ONE, 1)]
    assert work.delivered == [ONE]


async def test_bells_during_a_turn_are_not_lost_and_never_run_side_by_side():
    """A burst while the first turn runs becomes the next turn."""
    work = Work()
    work.gate = asyncio.Event()
    bell = dispatcher(work)
    work.add(ONE)
    await bell.ring(ONE)
    await work.started.wait()
    for _ in range(5):
        work.add(ONE)
        await bell.ring(ONE)
    work.gate.set()
    await bell.settle()
    assert sum(count for _, count in work.turns) == 6
    assert len(work.turns) == 2
    assert work.most_busy == 1


async def test_quiet_time_makes_a_burst_one_turn():
    """What comes within the quiet time is answered together."""
    work = Work()
    bell = dispatcher(work, quiet_s=0.05)
    for _ in range(4):
        work.add(ONE)
        await bell.ring(ONE)
    await bell.settle()
    assert work.turns == [(ONE, 4)]


async def test_conversations_run_side_by_side_within_the_bound():
    """Two of many at once, and everyone gets a turn."""
    work = Work()
    bell = dispatcher(work, at_once=2)
    names = [ConversationId(f"c{number}") for number in range(10)]
    for name in names:
        work.add(name)
        await bell.ring(name)
    await bell.settle()
    assert {name for name, _ in work.turns} == set(names)
    assert work.most_at_once == 2


async def test_start_picks_up_what_an_earlier_run_left():
    """A restart needs no bell."""
    work = Work()
    work.add(ONE)
    work.add(TWO, 3)
    bell = dispatcher(work)
    await bell.start()
    await work.started.wait()
    await bell.settle()
    await bell.stop()
    assert sorted(work.turns) == [(ONE, 1), (TWO, 3)]


async def test_lost_bell_is_found_by_the_sweep():
    """A message nobody rang for is found."""
    work = Work()
    bell = dispatcher(work, sweep_s=0.02)
    await bell.start()
    await asyncio.sleep(0)
    work.add(ONE)
    async with asyncio.timeout(PATIENCE_S):
        await work.started.wait()
    await bell.settle()
    await bell.stop()
    assert work.turns == [(ONE, 1)]


async def test_fault_is_tried_again_and_harms_no_other():
    """The database comes back: the conversation goes on by itself."""
    work = Work()
    work.faults = 2
    bell = dispatcher(work)
    work.add(ONE)
    await bell.ring(ONE)
    async with asyncio.timeout(PATIENCE_S):
        await work.started.wait()
    await bell.settle()
    assert work.turns == [(ONE, 1)]


async def test_deferred_delivery_is_tried_at_its_time():
    """The wait the delivery asks for is kept, without a bell."""
    work = Work()
    work.waits = [0.02]
    bell = dispatcher(work)
    await bell.ring(ONE)
    await bell.settle()
    assert work.delivered == [ONE]
    async with asyncio.timeout(PATIENCE_S):
        await work.delivered_again.wait()
    await bell.stop()


async def test_stop_finishes_the_turn_in_hand_and_takes_no_more():
    """The running turn ends in its commit; later bells stay in the tables."""
    work = Work()
    work.gate = asyncio.Event()
    bell = dispatcher(work)
    work.add(ONE)
    await bell.ring(ONE)
    await work.started.wait()
    stopping = asyncio.create_task(bell.stop())
    await asyncio.sleep(0)
    work.add(TWO)
    await bell.ring(TWO)
    assert not stopping.done()
    work.gate.set()
    await stopping
    assert work.turns == [(ONE, 1)]
    assert work.waiting[TWO] == 1


async def test_stop_does_not_wait_for_ever():
    """A turn that hangs is cancelled after the allowed time; its messages stay pending."""
    work = Work()
    work.gate = asyncio.Event()
    bell = dispatcher(work)
    work.add(ONE)
    await bell.ring(ONE)
    await work.started.wait()
    await bell.stop(timeout_s=0.02)
    assert work.turns == []
    assert work.waiting[ONE] == 1


async def test_idle_dispatcher_hardly_works():
    """Without bells it only looks as often as it sweeps, and uses no processor between."""
    work = Work()
    bell = dispatcher(work, sweep_s=0.1)
    await bell.start()
    gc.collect()
    gc.disable()  # what other tests have left is not this one's work
    try:
        used, began = time.thread_time(), time.monotonic()
        await asyncio.sleep(0.55)
        spent = (time.thread_time() - used) / (time.monotonic() - began)
    finally:
        gc.enable()
    await bell.stop()
    assert work.looks <= 7
    assert spent < 0.2


@pytest.mark.parametrize(
    ("bells", "longest_wait_s"),
    [
        pytest.param([None, None], 0.05, id="burst that goes on: not beyond the longest wait"),
        pytest.param([None, 0.0], 60.0, id="an agent's words: not after the shopper's burst"),
        pytest.param([0.01], 60.0, id="a channel with a quiet time of its own"),
    ],
)
async def test_quiet_time_is_cut_short(bells: list[float | None], longest_wait_s: float):
    """The usual one is long; what rings without it, or for the last time, is answered."""
    work = Work()
    bell = dispatcher(work, quiet_s=30.0, longest_wait_s=longest_wait_s)
    work.add(ONE)
    for quiet_s in bells:
        await bell.ring(ONE, quiet_s)
    await asyncio.wait_for(bell.settle(), PATIENCE_S)
    assert work.turns == [(ONE, 1)]
