"""A shopper is asked how it was and answers, by a number or a button, through the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as ev
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.engine.live import MemoryLiveFeed
from bot.engine.timers import Timers
from bot.wiring.stores import make_renderer
from bot.wiring.timers import make_timers
from storage.tables import EVENTS, OUTBOX, SURVEYS
from tests.durability.ownership_world import World
from tests.durability.workshop import CHANNEL, configuration

LIN = "lin"


class DeliveringBell:
    """A dispatcher that delivers at once."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Deliver what is due."""
        del quiet_s
        await self._world.deliver(conversation_id)


@pytest.fixture
def world(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    """Give a shop at ten in the morning."""
    shop = World(sqlite_url, tmp_path / "screen")
    shop.clock.advance(timedelta(hours=10))
    yield shop
    shop.close()


@pytest.fixture
def timers(world: World, sqlite_url: str) -> Timers:
    """Give the shop's timers, which have looked once."""
    config = configuration(sqlite_url)
    renderer = make_renderer(config, world.clock)
    made = make_timers(config, world.stores.database, world.clock, renderer, MemoryLiveFeed())
    world.run(made.sweep(DeliveringBell(world)))
    return made


def passes(world: World, timers: Timers, minutes: int) -> None:
    """Let time pass, then look for due dates."""
    world.clock.advance(timedelta(minutes=minutes))
    world.run(timers.sweep(DeliveringBell(world)))


def says(world: World, number: int, text: str) -> ConversationId:
    """Let the shopper write and be answered."""
    conversation_id: ConversationId = world.run(world.writes(LIN, number, text))
    world.run(world.turn(conversation_id))
    world.run(world.deliver(conversation_id))
    return conversation_id


def rated(world: World, conversation_id: ConversationId) -> list[dict[str, Any]]:
    """List the scores given in a conversation."""
    return [row["data"] for row in world.run(world.of(EVENTS, conversation_id)) if row["kind"] == ev.Rated.kind]


def shown(world: World) -> list[str]:
    """Read the shopper's screen."""
    return [line["text"] for line in world._platform.arrived()]


def test_shopper_answers_the_bots_question_with_a_number(world: World, timers: Timers):
    """Asked in the same conversation after the quiet time; a bare number is the score; nothing is asked again."""
    conversation_id = says(world, 1, "退款多久到账")
    passes(world, timers, 9)
    assert len(shown(world)) == 1
    passes(world, timers, 2)
    assert "1 到 5" in shown(world)[-1]
    assert says(world, 2, "4") == conversation_id
    assert rated(world, conversation_id) == [{"score": 4, "words": ""}]
    for _ in range(5):
        passes(world, timers, 60)
    assert len(world.run(world.rows(SURVEYS.select()))) == 1
    assert len(shown(world)) == 3


def test_shopper_presses_a_score_after_an_agent_resolved(world: World, timers: Timers):
    """Asked in the conversation that his answer goes to; a low score offers to follow it up."""
    conversation_id = says(world, 1, "转人工")
    mei = world.agents[0]
    ownership = world.stores.desk.ownership
    world.run(ownership.take(conversation_id, mei, world.clock.now()))
    world.run(ownership.resolve(conversation_id, mei, world.clock.now()))
    passes(world, timers, 11)
    (survey,) = world.run(world.rows(SURVEYS.select()))
    asked_in = survey["asked_in"]
    assert asked_in != conversation_id
    (asked,) = [row["message"] for row in world.run(world.of(OUTBOX, asked_in))]
    assert [button["payload"] for button in asked["buttons"]] == [f"/rate_service=score:{n}" for n in (1, 2, 3, 4, 5)]
    press = InboundMessage(
        Sender(CHANNEL, "main", LIN), "press", MessageKind.BUTTON, world.clock.now(), "2", "/rate_service=score:2"
    )
    (taken,) = world.run(world.stores.inbox.accept([press], world.clock.now()))
    assert taken.conversation_id == asked_in
    world.run(world.turn(asked_in))
    assert rated(world, asked_in) == [{"score": 2, "words": ""}]


def test_shopper_who_asks_something_else_is_answered(world: World, timers: Timers):
    """The question holds nobody up: it is no form."""
    conversation_id = says(world, 1, "退款多久到账")
    passes(world, timers, 11)
    says(world, 2, "你好")
    handled = [row["data"]["intent"] for row in world.run(world.of(EVENTS, conversation_id)) if "intent" in row["data"]]
    assert handled[-1] == "greet"
    assert rated(world, conversation_id) == []
