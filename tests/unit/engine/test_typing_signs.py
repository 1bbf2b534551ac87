"""Typing signs: shown when an answer takes long, not too often, and never in the answer's way."""

from __future__ import annotations

import asyncio
import contextlib

from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Sent
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.messages import OutboundMessage
from bot.engine.typing_signs import TypingPace, TypingSigns

AT_ONCE = TypingPace(after_s=0, again_s=0.01)
ANN = Addressee("main", "ann", ConversationId("c1"), "bot")
PATIENCE_S = 60


class Platform:
    """A channel that shows typing; ``problem`` is raised instead, ``shown`` is set from the ``enough``-th time on."""

    name = "platform"
    capabilities = Capabilities(100)

    def __init__(self, problem: Exception | None = None, enough: int = 1) -> None:
        self.told: list[tuple[str, str]] = []
        self.shown = asyncio.Event()
        self._problem = problem
        self._enough = enough

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take it."""
        del to, message, outbox_id
        return Sent()

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Note it."""
        self.told.append((to.channel_user_id, answering))
        if len(self.told) >= self._enough:
            self.shown.set()
        if self._problem is not None:
            raise self._problem


class Silent:
    """A channel that shows none."""

    name = "platform"
    capabilities = Capabilities(100)

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take it."""
        del to, message, outbox_id
        return Sent()


async def test_quick_answer_shows_nothing():
    """What is done before its time is over asks nothing of the platform."""
    platform = Platform()
    signs = TypingSigns({"platform": platform}, TypingPace(after_s=0.05))
    with signs.while_answering("platform", ANN, "m1"):
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    assert platform.told == []


async def test_long_answer_is_shown_again_until_it_is_there():
    """Each time with the message that is being answered; afterwards no more."""
    platform = Platform(enough=3)
    signs = TypingSigns({"platform": platform}, AT_ONCE)
    with signs.while_answering("platform", ANN, "m1"):
        await asyncio.wait_for(platform.shown.wait(), PATIENCE_S)
    await signs.settle()
    assert platform.told[:3] == [("ann", "m1")] * 3
    told = len(platform.told)
    await asyncio.sleep(0.05)
    assert len(platform.told) == told


async def test_conversation_is_shown_typing_once_in_its_time():
    """However often it is asked for; another conversation has a time of its own."""
    platform = Platform()
    signs = TypingSigns({"platform": platform}, TypingPace(again_s=60))
    for _ in range(5):
        signs.show("platform", ANN, "m1")
        await signs.settle()
    signs.show("platform", Addressee("main", "bob", ConversationId("c2"), "agent"), "")
    await signs.settle()
    assert platform.told == [("ann", "m1"), ("bob", "")]


async def test_fault_of_the_platform_is_none_of_the_answer():
    """Whatever the platform raises, the work goes on and typing is tried again."""
    platform = Platform(RuntimeError("boom"), enough=2)
    signs = TypingSigns({"platform": platform}, AT_ONCE)
    with signs.while_answering("platform", ANN, ""):
        await asyncio.wait_for(platform.shown.wait(), PATIENCE_S)


async def test_failed_work_ends_it_too():
    """An answer that fails leaves nobody typing for ever."""
    platform = Platform()
    signs = TypingSigns({"platform": platform}, AT_ONCE)
    with contextlib.suppress(ValueError), signs.while_answering("platform", ANN, ""):
        await asyncio.wait_for(platform.shown.wait(), PATIENCE_S)
        raise ValueError("no answer")
    await asyncio.wait_for(signs.settle(), PATIENCE_S)


async def test_platform_that_hangs_holds_up_nothing():
    """The call is given up once the answer is there."""

    class Hanging(Platform):
        async def show_typing(self, to: Addressee, answering: str) -> None:
            await super().show_typing(to, answering)
            await asyncio.sleep(3600)

    platform = Hanging()
    signs = TypingSigns({"platform": platform}, AT_ONCE)
    with signs.while_answering("platform", ANN, ""):
        await asyncio.wait_for(platform.shown.wait(), PATIENCE_S)
    await asyncio.wait_for(signs.settle(), PATIENCE_S)


async def test_channel_without_typing_costs_nothing():
    """Neither a timer nor a task."""
    signs = TypingSigns({"platform": Silent()}, AT_ONCE)
    with signs.while_answering("platform", ANN, "m1"), signs.while_answering("unknown", ANN, "m1"):
        signs.show("platform", ANN, "m1")
        assert len(asyncio.all_tasks()) == 1
