"""The house's own engine and stores, with a platform of faults in the place of its channels."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from bot.config import Config, Secrets, parse
from bot.domain.channel_ports import (
    Addressee,
    Capabilities,
    Deferred,
    Delivery,
    Failed,
    SendPolicy,
    Sent,
    Unclear,
)
from bot.domain.clock import Clock, SystemClock
from bot.domain.ids import OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.engine.boundaries import Line
from bot.engine.delivery import BackOff
from bot.engine.dispatcher import EmbeddedDispatcher, Pace
from bot.engine.intake import Intake
from bot.wiring.house import make_engine, open_knowing, open_parts
from bot.wiring.stores import Stores
from tests.durability.script import ScriptedRecogniser

CHANNEL = "platform"
SECRETS = Secrets(secret_key="a key for tests, long enough to sign with")
QUICK_RETRIES = BackOff(first_s=0.02, longest_s=0.5, max_tries=40)


@dataclass(frozen=True)
class Faults:
    """How often (0..1) the platform misbehaves: asks to wait, fails, or takes a message and loses the connection."""

    busy: float = 0.0
    broken: float = 0.0
    lost: float = 0.0
    longest_delay_s: float = 0.0


@dataclass
class FaultyPlatform:
    """A platform without idempotency key; what arrives is a line in ``screen``, whichever process sends it."""

    screen: Path
    faults: Faults = Faults()
    chance: Random = field(default_factory=lambda: Random(7))  # noqa: S311 - repeatable
    name: str = CHANNEL
    capabilities: Capabilities = field(default=Capabilities(max_text=4000, max_buttons=9, sending=SendPolicy()))

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take a message, or not."""
        if self.faults.longest_delay_s:
            await asyncio.sleep(self.chance.random() * self.faults.longest_delay_s)
        fate = self.chance.random()
        if fate < self.faults.busy:
            return Deferred(0.01 + self.chance.random() * 0.05, "429")
        if fate < self.faults.busy + self.faults.broken:
            return Failed("502", retryable=True)
        self._show(to, message, outbox_id)
        if fate > 1 - self.faults.lost:
            return Unclear("the connection was lost")
        return Sent(f"p{outbox_id}")

    def arrived(self) -> list[dict[str, Any]]:
        """List what arrived, in order."""
        return [json.loads(line) for line in self.screen.read_text().splitlines()] if self.screen.exists() else []

    def _show(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> None:
        line = json.dumps({"to": to.channel_user_id, "text": message.text, "outbox": outbox_id}) + "\n"
        screen = os.open(self.screen, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        try:
            # One write of a short line is not mixed with another's.
            os.write(screen, line.encode())
        finally:
            os.close(screen)


@dataclass(frozen=True)
class Workshop:
    """The message line at work."""

    stores: Stores
    intake: Intake
    dispatcher: EmbeddedDispatcher

    async def accept(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        """Take messages in as a webhook does."""
        return await self.intake.accept(messages)


def configuration(url: str, **more: Any) -> Config:
    """Give the configuration of a house on a database."""
    return parse({"xiaoer": {"database": {"url": url}, **more}}, "durability")


@asynccontextmanager
async def open_workshop(
    url: str, platform: FaultyPlatform, pace: Pace, clock: Clock | None = None
) -> AsyncIterator[Workshop]:
    """Open the embedded house with ``platform`` as its one channel."""
    async with AsyncExitStack() as stack:
        opening = open_parts(configuration(url), SECRETS, clock or SystemClock(), None, hears=True)
        opened = await stack.enter_async_context(opening)
        knowing = await stack.enter_async_context(open_knowing(opened, ScriptedRecogniser()))
        line = Line(opened.line.inbox, opened.line.turns, opened.line.outbox, {CHANNEL: platform})
        engine = make_engine(replace(opened, line=line), knowing)
        engine.delivery.back_off = QUICK_RETRIES
        dispatcher = EmbeddedDispatcher(line.turns, engine.turns, engine.delivery, pace)
        await dispatcher.start()
        try:
            intake = Intake(line.inbox, dispatcher, opened.shared.live, opened.clock)
            yield Workshop(opened.stores, intake, dispatcher)
        finally:
            await dispatcher.stop()


def written(person: str, number: int, text: str) -> InboundMessage:
    """Make a person's ``number``-th message, counted by the platform from 1."""
    sender = Sender(CHANNEL, "main", person)
    now = SystemClock().now()
    return InboundMessage(sender, f"{person}:{number}", MessageKind.TEXT, now, f"{text}#{number}", sequence=number)
