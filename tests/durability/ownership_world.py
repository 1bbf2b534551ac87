"""One shop for the exploration of ownership: real stores and engine, stepped by hand, with a clock that is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from bot.domain.channel_ports import Addressee, Delivery
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.desk_ports import NewPerson
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import OutboxStore, TurnCommit, TurnStore
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.people import Agent, Role
from bot.engine.boundaries import Boundary, Line, WatchedOutbox, WatchedTurns
from bot.engine.delivery import Deliverer
from bot.engine.turn import TurnRunner
from bot.wiring.house import Engine, Opened, make_engine, open_knowing, open_parts
from bot.wiring.timers import make_timers
from storage.tables import CONVERSATIONS, IDENTITIES, OUTBOX
from tests.durability.script import ScriptedRecogniser
from tests.durability.workshop import CHANNEL, SECRETS, FaultyPlatform, configuration

# Late in the evening in the shop's time zone: its humans have gone home.
NIGHT = datetime(2026, 3, 2, 16, 0, tzinfo=UTC)
T = TypeVar("T")
Interruption = Callable[[], Awaitable[None]]


class _WitnessedPlatform(FaultyPlatform):
    """A platform that looks, at the very moment of sending, who owns the conversation."""

    world: World

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Note a stale message: what is raised here would only count as a failed try."""
        await self.world.check_fresh(outbox_id)
        return await super().send(to, message, outbox_id)


class _NoBell:
    """A dispatcher that forgets; the next look at the tables finds everything."""

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Forget."""


class World:
    """The shop; ``interruption`` happens at the next boundary of that name, once."""

    def __init__(self, url: str, screen: Path) -> None:
        self.clock = ManualClock(NIGHT)
        self.interruptions: dict[Boundary, Interruption] = {}
        self.agents: list[Agent] = []
        self.stale: list[dict[str, Any]] = []
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._platform = _WitnessedPlatform(screen)
        self._platform.world = self
        self._engine: Engine
        self._opened: Opened
        self._turns: TurnRunner
        self._delivery: Deliverer
        self.run(self._open(url))

    def run(self, step: Any) -> Any:
        """Run one step to its end."""
        return self._runner.run(step)

    def close(self) -> None:
        """Close everything."""
        self.run(self._stack.aclose())
        self._runner.close()

    async def _open(self, url: str) -> None:
        opening = open_parts(configuration(url), SECRETS, self.clock, None, hears=True)
        opened = await self._stack.enter_async_context(opening)
        self.stores = opened.stores
        self._opened = opened
        line = Line(
            opened.line.inbox,
            _InterruptedTurns(opened.line.turns, self),
            _InterruptedOutbox(opened.line.outbox, self),
            {CHANNEL: self._platform},
        )
        knowing = await self._stack.enter_async_context(open_knowing(opened, ScriptedRecogniser()))
        self._engine = make_engine(replace(opened, line=line), knowing)
        self.restart()
        for login in ("mei", "chen"):
            person = NewPerson(login, login.title(), Role.AGENT, password_hash="none")
            self.agents.append(await self.stores.desk.people.add(person, self.clock.now()))

    def restart(self) -> None:
        """Forget everything that only the process knew."""
        before = self._engine.delivery
        self._turns = TurnRunner(self._engine.turns._turns._parts)  # type: ignore[attr-defined]
        self._delivery = Deliverer(before._outbox, before._channels, before._feed, self.clock, before._chance)

        opened = self._opened
        database = self.stores.database
        self._timers = make_timers(opened.config, database, self.clock, opened.renderer, opened.shared.live)

    async def look_for_due_dates(self) -> None:
        """Do what is due by the clock."""
        await self._timers.sweep(_NoBell())

    async def turn(self, conversation_id: ConversationId) -> None:
        """Let the bot take its turn."""
        await self._turns.run(conversation_id)

    async def deliver(self, conversation_id: ConversationId) -> None:
        """Deliver what is due."""
        await self._delivery.deliver(conversation_id)

    async def writes(self, person: str, number: int, text: str) -> ConversationId:
        """Let a shopper write; every message is delivered twice."""
        sender = Sender(CHANNEL, "main", person)
        message = InboundMessage(sender, f"{person}:{number}", MessageKind.TEXT, self.clock.now(), text)
        taken = await self.stores.inbox.accept([message, message], self.clock.now())
        return taken[0].conversation_id

    async def interrupt(self, boundary: Boundary) -> None:
        """Let happen what was to happen here."""
        happens = self.interruptions.pop(boundary, None)
        if happens is not None:
            await happens()

    async def rows(self, statement: Any) -> list[dict[str, Any]]:
        """List rows."""
        return await self.stores.database.read(lambda on: [dict(row) for row in on.execute(statement).mappings()])

    async def conversations(self, person: str) -> list[dict[str, Any]]:
        """List a person's conversations, oldest first."""
        joined = select(CONVERSATIONS).join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        mine = joined.where(IDENTITIES.c.channel_user_id == person)
        return await self.rows(mine.order_by(CONVERSATIONS.c.opened_at, CONVERSATIONS.c.resolved_at.desc()))

    async def of(self, table: Any, conversation_id: str) -> list[dict[str, Any]]:
        """List a table's rows of a conversation."""
        mine = select(table).where(table.c.conversation_id == conversation_id)
        return await self.rows(mine.order_by(*table.primary_key.columns))

    async def check_fresh(self, outbox_id: OutboxId) -> None:
        """Note a send with a stale epoch."""
        epoch = select(OUTBOX.c.sender, OUTBOX.c.epoch, CONVERSATIONS.c.epoch.label("now"))
        joined = epoch.join(CONVERSATIONS, CONVERSATIONS.c.id == OUTBOX.c.conversation_id)
        (row,) = await self.rows(joined.where(OUTBOX.c.id == outbox_id))
        if row["sender"] == "bot" and row["epoch"] != row["now"]:
            self.stale.append(row)


def _unwatched(boundary: Boundary) -> None:
    """Notice nothing."""
    del boundary


class _InterruptedTurns(WatchedTurns):
    """Lets an agent act between a turn's decision and its commit."""

    def __init__(self, turns: TurnStore, world: World) -> None:
        super().__init__(turns, _unwatched)
        self._world = world

    async def commit_turn(self, commit: TurnCommit) -> None:
        """Commit, after what happens first; a bot that owns the conversation always says something."""
        await self._world.interrupt(Boundary.BEFORE_TURN_COMMIT)
        before = await self._world.stores.desk.conversations.get(commit.conversation_id)
        await super().commit_turn(commit)
        if before.owner is Owner.WITH_BOT and before.epoch == commit.expected_epoch:
            assert commit.outbox, "the bot had nothing to say"


class _InterruptedOutbox(WatchedOutbox):
    """Lets an agent act between choosing a message and beginning to send it."""

    def __init__(self, outbox: OutboxStore, world: World) -> None:
        super().__init__(outbox, _unwatched)
        self._world = world

    async def mark_sending(self, item: OutboxId, at: datetime) -> bool:
        """Begin, after what happens first."""
        await self._world.interrupt(Boundary.BEFORE_SENDING_COMMIT)
        return await super().mark_sending(item, at)
