"""Dialogues over platforms: an open house with its channels, shoppers, an agent, and a script that they follow."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import yaml
from fastapi import FastAPI
from sqlalchemy import select

from bot.app import House, make_routers, open_house
from bot.channels.wecom_kf.webhook import WecomKfPlug
from bot.config import parse
from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.desk_ports import NewPerson
from bot.domain.ids import ConversationId
from bot.domain.people import Agent, Role
from bot.domain.ports import Recogniser
from storage.tables import CONVERSATIONS, IDENTITIES
from tests.integration.channels.platforms import SECRETS, Platform, simulated
from tests.integration.channels.shoppers import OnPage, OnPlatform, Shopper
from tests.unit.channels.doubles import serving

FOLDER = Path(__file__).parents[2] / "fixtures" / "dialogues"
DOING = {"says", "chooses", "agent"}
CHECKS = {"over", "text", "reads", "hides", "silent", "ticket", "owner", "hears"}

Step = Mapping[str, Any]


def script(name: str) -> list[dict[str, Any]]:
    """Read a dialogue of ``tests/fixtures/dialogues``: parts with a name and steps."""
    parts: list[dict[str, Any]] = yaml.safe_load((FOLDER / f"{name}.yml").read_text(encoding="utf-8"))
    for part in parts:
        for step in part["steps"]:
            assert len(DOING & set(step)) == 1, f"{name}: {step} does not say what is done"
            assert set(step) <= DOING | CHECKS, f"{name}: {set(step) - DOING - CHECKS} of {step} is unknown"
    return parts


class Stage:
    """An open house; ``platforms`` and ``shoppers`` by channel, the first of them speaks where a step names none."""

    def __init__(self, house: House, time: ManualClock, platforms: Mapping[str, Platform]) -> None:
        self.house = house
        self.platforms = platforms
        self.shoppers: dict[str, Shopper] = {}
        self._time = time
        self._read: dict[str, int] = {}
        self._tickets: dict[str, str] = {}
        self._replies = 0
        self._agent: Agent | None = None

    async def play(self, steps: Sequence[Step]) -> None:
        """Do steps one after the other, and check after each what the shopper reads and who is in charge."""
        for step in steps:
            channel = step.get("over", next(iter(self.shoppers)))
            await self._do(step, channel)
            read = await self.reads(channel)
            self._check(step, read)
            if "owner" in step:
                found = await self.house.stores.desk.conversations.get(await self.conversation(channel))
                assert found.owner.value == step["owner"], f"after {step} it is {found.owner.value}"
            if "hears" in step:
                assert await self.said(channel) == step["hears"]

    async def reads(self, channel: str) -> str:
        """Give what is new on a screen once the house is quiet."""
        await self.pulled()
        await self.house.dispatcher.settle()
        self._time.advance(timedelta(seconds=10))
        screen = await self.shoppers[channel].screen()
        new = screen[self._read.get(channel, 0) :]
        self._read[channel] = len(screen)
        return "\n".join(new)

    async def pulled(self) -> None:
        """Wait until what is to be pulled has been pulled."""
        for plug in self.house.plugs.values():
            if isinstance(plug, WecomKfPlug) and plug.puller is not None:
                await plug.puller.settle()

    async def conversation(self, channel: str) -> ConversationId:
        """Find the newest conversation of a channel."""
        statement = (
            select(CONVERSATIONS.c.id)
            .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
            .where(IDENTITIES.c.channel == channel)
            .order_by(CONVERSATIONS.c.opened_at.desc())
        )
        found = await self.house.stores.database.read(lambda on: on.execute(statement).scalars().first())
        assert found is not None, f"nobody has written over {channel}"
        return ConversationId(found)

    async def said(self, channel: str) -> list[str]:
        """List what the shopper has said, as it stands in the conversation."""
        events = await self.house.stores.desk.conversations.events(await self.conversation(channel))
        return [event.text for _, _, event in events if isinstance(event, ev.CustomerUttered)]

    async def agent(self) -> Agent:
        """Give the agent, who is signed in."""
        people, now = self.house.stores.desk.people, self._time.now()
        if self._agent is None:
            self._agent = await people.add(NewPerson("mei", "Mei", Role.AGENT, "none"), now)
        await people.mark_seen(self._agent.id, now)
        return self._agent

    async def _do(self, step: Step, channel: str) -> None:
        shopper = self.shoppers[channel]
        if "says" in step:
            await shopper.say(self._named(step["says"]))
        elif "chooses" in step:
            await shopper.choose(step["chooses"])
        else:
            await self._at_the_desk(step, await self.conversation(channel))

    async def _at_the_desk(self, step: Step, conversation: ConversationId) -> None:
        agent, actions = await self.agent(), self.house.desk.actions
        if step["agent"] == "reply":
            self._replies += 1
            await actions.reply(conversation, agent, step["text"], f"key-{self._replies}")
        else:
            await {"take": actions.take, "give_back": actions.give_back}[step["agent"]](conversation, agent)

    def _check(self, step: Step, read: str) -> None:
        if step.get("silent"):
            assert read == "", f"after {step}"
        assert read or step.get("silent") or "agent" in step, f"nothing is said after {step}"
        if step.get("ticket"):
            found = re.search(r"TK\d{8}", read)
            assert found, read
            self._tickets[step["ticket"]] = found[0]
        for words in step.get("reads", ()):
            assert self._named(words).lower() in read.lower(), f"after {step}: {read}"
        for words in step.get("hides", ()):
            assert self._named(words).lower() not in read.lower(), f"after {step}: {read}"

    def _named(self, words: str) -> str:
        return words.format(**self._tickets)


@asynccontextmanager
async def opened(
    channels: Mapping[str, str],
    database: Path,
    time: ManualClock,
    recogniser: Recogniser,
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[Stage]:
    """Open the house over a database with orders; ``channels``: the language spoken on each, ``more``: their keys."""
    async with AsyncExitStack() as stack:
        platforms = {name: simulated(name, time) for name in channels if name != "web"}
        sections = {
            name: platform.section(await stack.enter_async_context(serving(platform)))
            | dict((more or {}).get(name, {}))
            for name, platform in platforms.items()
        }
        shop = {
            "database": {"url": f"sqlite:///{database}"},
            "turns": {"quiet_time_s": 0},
            "channels": {"web": {"enabled": "web" in channels}} | sections,
        }
        house = await stack.enter_async_context(open_house(parse({"xiaoer": shop}, "test"), SECRETS, time, recogniser))
        app = FastAPI()
        for router in make_routers(house):
            app.include_router(router)
        made = Stage(house, time, platforms)
        for name, language in channels.items():
            if name == "web":
                page = OnPage(await stack.enter_async_context(serving(app)), time, language)
                stack.push_async_callback(page.leave)
                made.shoppers[name] = page
            else:
                made.shoppers[name] = await _meet(platforms[name], app, stack, language)
        yield made


async def _meet(platform: Platform, app: FastAPI, stack: AsyncExitStack, language: str) -> Shopper:
    transport = httpx.ASGITransport(app)
    http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="https://shop.example"))
    people = platform.people(http)
    if platform.name == "telegram":
        people.languages[platform.shopper] = {"zh": "zh-hans"}.get(language, language)
    return OnPlatform(people, platform.shopper)
