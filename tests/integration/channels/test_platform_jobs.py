"""The four jobs over LINE, WhatsApp, Messenger and Instagram, each written once a language."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fastapi import FastAPI

from bot.app import House, demo_orders, import_orders, make_routers, open_house
from bot.config import Secrets, parse
from bot.domain.clock import ManualClock
from bot.domain.desk_ports import NewPerson
from bot.domain.ids import ConversationId
from bot.domain.people import Role
from intents.embedded import EmbeddedRecogniser
from tests.conversations.conftest import clock, model_folder, recogniser
from tests.integration.channels.platforms import APP, LINE_SECRET, LINE_TOKEN, NODES, People, Platform, simulated
from tests.unit.channels.doubles import serving

__all__ = ["clock", "model_folder", "recogniser"]

FOLDER = Path(__file__).parents[2] / "fixtures" / "dialogues"
LANGUAGES = {"line": "zh", "whatsapp": "en", "messenger": "en", "instagram": "en"}
JOBS = [
    pytest.param(name, job["steps"], id=f"{name}: {job['job']}")
    for name, language in LANGUAGES.items()
    for job in yaml.safe_load((FOLDER / f"four_jobs.{language}.yml").read_text(encoding="utf-8"))
]
SECRETS = Secrets(
    secret_key="a key for tests, long enough to sign with",
    line_channel_secret=LINE_SECRET,
    line_token=LINE_TOKEN,
    meta_app_secret=APP.secret,
    meta_verify_token=APP.verify_token,
    whatsapp_token=APP.token,
    messenger_token=APP.token,
    instagram_token=APP.token,
)
NODE_KEYS = {"whatsapp": "phone_number_id", "messenger": "page_id", "instagram": "user_id"}


class Stage:
    """An open house, one platform, and a shopper who follows a script."""

    def __init__(self, house: House, platform: Platform, people: People, time: ManualClock) -> None:
        self.house = house
        self.platform = platform
        self.people = people
        self._time = time
        self._read = 0
        self._ticket = ""

    async def play(self, step: dict[str, Any]) -> None:
        """Do one step and check what the shopper reads."""
        if "says" in step:
            answer = await self.people.say(self.platform.shopper, step["says"].replace("{ticket}", self._ticket))
            assert answer.status_code == 200
        elif "chooses" in step:
            await self._choose(step["chooses"])
        else:
            await self._at_the_desk(step)
        read = await self._reads()
        assert (read == "") if step.get("silent") else (read or "agent" in step), f"nothing is said after {step}"
        if step.get("ticket"):
            found = re.search(r"TK\d{8}", read)
            assert found, read
            self._ticket = found[0]
        for words in step.get("reads", ()):
            assert words.replace("{ticket}", self._ticket).lower() in read.lower()
        for words in step.get("hides", ()):
            assert words not in read

    async def _choose(self, label: str) -> None:
        """Press the button of that label, or where choices are numbered write the number."""
        shopper = self.platform.shopper
        shown = self.people.screen(shopper)[-1]
        number = re.search(rf"^(\d+)\. {re.escape(label)}$", shown, re.MULTILINE)
        doing = self.people.say(shopper, number[1]) if number else self.people.press(shopper, label)
        assert (await doing).status_code == 200

    async def _at_the_desk(self, step: dict[str, Any]) -> None:
        people = self.house.stores.desk.people
        now = self._time.now()
        known = await people.by_login("mei")
        agent = known.agent if known else await people.add(NewPerson("mei", "Mei", Role.AGENT, "none"), now)
        await people.mark_seen(agent.id, now)
        (found,) = await self.house.stores.database.read(
            lambda on: on.exec_driver_sql("SELECT id FROM conversations").scalars().all()
        )
        conversation, actions = ConversationId(found), self.house.desk.actions
        if step["agent"] == "reply":
            await actions.reply(conversation, agent, step["text"], "key-1")
        else:
            await (actions.take if step["agent"] == "take" else actions.give_back)(conversation, agent)

    async def _reads(self) -> str:
        await self.house.dispatcher.settle()
        self._time.advance(timedelta(seconds=10))
        new = self.people.screen(self.platform.shopper)[self._read :]
        self._read += len(new)
        return "\n".join(new)


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    tmp_path: Path,
    clock: ManualClock,
    recogniser: EmbeddedRecogniser,
) -> AsyncIterator[Stage]:
    name: str = request.param
    platform = simulated(name, clock)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(serving(platform.server))
        section = {"enabled": True, "api_base": base if name == "line" else f"{base}/v23.0"}
        section |= {NODE_KEYS[name]: NODES[name]} if name in NODES else {}
        shop = {
            "database": {"url": f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'shop.db')}"},
            "turns": {"quiet_time_s": 0},
            "channels": {name: section},
        }
        house = await stack.enter_async_context(open_house(parse({"xiaoer": shop}, "test"), SECRETS, clock, recogniser))
        await import_orders(house.stores, demo_orders(clock), clock, lambda _done: None)
        app = FastAPI()
        for router in make_routers(house):
            app.include_router(router)
        transport = httpx.ASGITransport(app)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="https://shop.example"))
        yield Stage(house, platform, platform.people(http), clock)


@pytest.mark.parametrize(("stage", "steps"), JOBS, indirect=["stage"])
async def test_job_is_done_over_the_platform(stage: Stage, steps: list[dict[str, Any]]) -> None:
    """From the signed webhook through the real house to the shopper's screen."""
    for step in steps:
        await stage.play(step)


@pytest.mark.parametrize("stage", ["whatsapp", "instagram"], indirect=True)
async def test_closed_window_is_refused_without_asking_the_platform(stage: Stage, clock: ManualClock) -> None:
    """A notice a day later is recorded as refused for its window; no call is made."""
    start = clock.now()
    await stage.play({"says": "could I speak to a real person please"})
    calls = stage.platform.server.calls
    clock.advance(timedelta(hours=24, minutes=1))
    try:
        await stage.play({"agent": "take", "silent": True})
        states = await stage.house.stores.database.read(
            lambda on: on.exec_driver_sql("SELECT state FROM outbox ORDER BY id DESC LIMIT 1").scalars().all()
        )
    finally:
        clock.advance(start - clock.now())
    assert stage.platform.server.calls == calls
    assert states == ["refused"]
