"""What channels declare is what their adapters do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest

from bot.channels.adapter import PlatformAdapter
from bot.channels.plug import Lent
from bot.config import parse
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import Capabilities, ShowsTyping
from bot.domain.clock import ManualClock
from bot.domain.media import SendsFiles, ShowsFiles
from bot.wiring.platforms import PLATFORMS, plug_of
from tests.integration.channels.platforms import SECRETS, SHOPPERS, simulated
from tests.unit.channels.doubles import NOON, MemoryInbox, MemoryReplyTokens

ROUNDS = {"whatsapp", "messenger", "instagram"}
"""Those whose webhooks tell what was delivered and read."""
REVISED = {"telegram", "whatsapp", "messenger", "instagram"}
"""Those that tell when a shopper changes his words."""


@pytest.fixture
async def adapters() -> AsyncIterator[Mapping[str, PlatformAdapter]]:
    clock = ManualClock(NOON)
    assert set(SHOPPERS) == set(PLATFORMS)
    sections = {name: simulated(name, clock).section("https://api.example") for name in PLATFORMS}
    config = parse({"xiaoer": {"channels": sections}}, "test")
    lent = Lent(clock, MemoryReplyTokens(MemoryInbox()), MemoryFirstMark(clock))
    made = {name: plug_of(config, SECRETS, name).adapter(lent) for name in PLATFORMS}
    yield made
    for adapter in made.values():
        await adapter.close()


def declared(adapters: Mapping[str, PlatformAdapter], ability: str) -> set[str]:
    """Name the platforms that declare an ability."""
    found: Mapping[str, Capabilities] = {name: each.capabilities for name, each in adapters.items()}  # type: ignore[attr-defined]
    return {name for name, abilities in found.items() if getattr(abilities, ability)}


def test_typing_is_declared_where_it_can_be_shown(adapters: Mapping[str, PlatformAdapter]) -> None:
    """WeCom customer service has no such call."""
    able = {name for name, adapter in adapters.items() if isinstance(adapter, ShowsTyping)}
    assert declared(adapters, "typing") == able == set(PLATFORMS) - {"wecom_kf"}


def test_pictures_are_declared_where_they_can_be_sent(adapters: Mapping[str, PlatformAdapter]) -> None:
    """By a file of ours, or by an address from which the platform fetches it."""
    able = {name for name, adapter in adapters.items() if isinstance(adapter, SendsFiles | ShowsFiles)}
    assert declared(adapters, "images") == able == set(PLATFORMS)


def test_what_is_told_is_declared(adapters: Mapping[str, PlatformAdapter]) -> None:
    """Receipts and edits are those that the parsers read."""
    assert declared(adapters, "receipts") == ROUNDS
    assert declared(adapters, "edits") == REVISED


def test_names_of_the_wiring_are_those_of_the_adapters(adapters: Mapping[str, PlatformAdapter]) -> None:
    """Messages of a channel go out by the adapter of its name."""
    assert {name: adapter.name for name, adapter in adapters.items()} == {name: name for name in PLATFORMS}  # type: ignore[attr-defined]
