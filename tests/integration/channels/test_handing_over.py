"""A conversation that goes to the inbox of Messenger or Instagram and comes back, through the whole house."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from bot.channels._meta import releasing
from bot.desk.transcripts import transcribe
from bot.domain.clock import ManualClock
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.server import MessengerServer
from tests.integration.channels.shoppers import OnPlatform
from tests.integration.channels.stage import opened
from tests.integration.channels.test_contract import Sleeper
from tests.unit.channels.doubles import NOON


@pytest.mark.parametrize("name", ["messenger", "instagram"])
async def test_conversation_goes_to_the_inbox_and_comes_back(
    name: str, sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Passed on, answered there, taken back, ended, let go; every word is on record, the bot says none in between."""
    monkeypatch.setattr(releasing, "LOOK_EVERY_S", 0.05)
    clock, awake = ManualClock(NOON), Sleeper()
    awake.released.set()
    database = Path(shutil.copy(sqlite_template, tmp_path / "shop.db"))
    async with opened({name: "en"}, database, clock, awake) as stage:
        ann, server = stage.shoppers[name], stage.platforms[name].server
        assert isinstance(ann, OnPlatform)
        assert isinstance(server, MessengerServer)
        people, user = ann.people, stage.platforms[name].shopper
        assert isinstance(people, MessengerPeople)
        desk, agent = stage.house.desk, await stage.agent()
        await stage.play([{"says": "hello?"}, {"agent": "take"}])
        number = await stage.conversation(name)
        said = await ann.screen()
        clock.advance(timedelta(minutes=1))

        await desk.threads.pass_on(number, agent)
        await people.standby(user, "is anybody there?")
        await people.inbox_says(user, "yes, we are")
        await stage.house.dispatcher.settle()
        assert await ann.screen() == said

        clock.advance(timedelta(minutes=1))
        await desk.threads.take_back(number, agent)
        await stage.play([{"agent": "reply", "text": "Mei again"}])
        assert (await ann.screen())[-1] == "Mei again"
        clock.advance(timedelta(minutes=1))
        await desk.actions.resolve(number, agent)
        async with asyncio.timeout(20):
            while server.released != [user]:
                await stage.house.dispatcher.settle()
                await asyncio.sleep(0.05)
        lines = transcribe(await stage.house.stores.desk.conversations.events(number))
        heard = [line.text for line in lines if line.speaker in {"customer", "agent"}]
        assert heard == ["hello?", "is anybody there?", "yes, we are", "Mei again"]
        marks = [line.mark for line in lines if line.mark.startswith("owner_")]
        assert marks == ["owner_with_agent", "owner_passed", "owner_with_agent", "owner_resolved"]
