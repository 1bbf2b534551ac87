"""Who opens a WeCom customer service's chat is welcomed by the whole house, by the code that pays for one message."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.clock import ManualClock
from tests.integration.channels.platforms import SHOPPERS
from tests.integration.channels.shoppers import OnPlatform
from tests.integration.channels.stage import Stage, opened
from tests.integration.channels.test_contract import Sleeper
from tests.unit.channels.doubles import NOON

LI = SHOPPERS["wecom_kf"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def stage(sqlite_template: Path, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Stage]:
    sleeper = Sleeper()
    sleeper.released.set()
    database = Path(shutil.copy(sqlite_template, tmp_path / "shop.db"))
    async with opened({"wecom_kf": "zh"}, database, clock, sleeper) as made:
        yield made


async def enter(stage: Stage, clock: ManualClock, late: timedelta = timedelta()) -> list[str]:
    """Open the chat; what is on the screen then."""
    shopper = stage.shoppers["wecom_kf"]
    assert isinstance(shopper, OnPlatform)
    await shopper.people.enter(LI)
    clock.advance(late)
    await stage.pulled()
    await stage.house.dispatcher.settle()  # type: ignore[attr-defined]
    return await shopper.screen()


async def test_who_opens_the_chat_is_welcomed(stage: Stage, clock: ManualClock) -> None:
    """One message, by the code: no message of the customer's has opened a window yet."""
    assert len(await enter(stage, clock)) == 1
    await stage.shoppers["wecom_kf"].say("在吗")
    await stage.pulled()
    await stage.house.dispatcher.settle()  # type: ignore[attr-defined]
    assert len(await stage.shoppers["wecom_kf"].screen()) > 1


async def test_welcome_that_is_late_is_not_tried(stage: Stage, clock: ManualClock) -> None:
    """After twenty seconds the code is over, and nothing else may be sent."""
    assert await enter(stage, clock, timedelta(seconds=30)) == []
