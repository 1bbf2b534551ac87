"""The four jobs over the simulated platforms: real webhook, real engine, real database, real adapter."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import httpx
import pytest
from fastapi import FastAPI

from bot.app import House, demo_orders, import_orders, make_routers, open_house
from bot.config import Secrets, parse
from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.desk_ports import NewPerson
from bot.domain.ids import ConversationId
from bot.domain.people import Role
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.wechat_oa.people import WechatPeople
from bot.simulators.wechat_oa.server import WechatServer
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.server import KfServer
from intents.embedded import EmbeddedRecogniser
from tests.conversations.conftest import clock, model_folder, recogniser
from tests.unit.channels.doubles import serving

__all__ = ["clock", "model_folder", "recogniser"]

SECRETS = Secrets(
    secret_key="a key for tests, long enough to sign with",
    telegram_token="700100:test-token",
    telegram_secret="a_secret-for-the-webhook",
    wechat_oa_app_secret="app-secret-for-tests",
    wechat_oa_token="callbacktoken",
    wechat_oa_aes_key="abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
    wecom_kf_secret="kf-secret-for-tests",
    wecom_kf_token="kfcallbacktoken",
    wecom_kf_aes_key="abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG",
)
SETTINGS = {
    "telegram": {},
    "wechat_oa": {"app_id": "wxdemo0000000001"},
    "wecom_kf": {"corp_id": "wwdemo0000000001"},
}
CHAT = 42
OPENID = "oLi_0000000000000000000000001"
CUSTOMER = "wmLi_00000000000001"
STORY = "收到的杯子是碎的"


class Shopper(Protocol):
    """A person on a platform: says, chooses by what the platform shows, reads the screen."""

    async def say(self, text: str) -> None:
        """Write."""

    async def choose(self, label: str) -> None:
        """Take an offered choice."""

    def screen(self) -> list[str]:
        """Read everything that was said to him."""


class OnTelegram:
    """Presses inline buttons."""

    def __init__(self, people: TelegramPeople) -> None:
        self._people = people
        people.meet(CHAT, "小李")

    async def say(self, text: str) -> None:
        """Write."""
        assert (await self._people.say(CHAT, text)).status_code == 200

    async def choose(self, label: str) -> None:
        """Press the button."""
        assert (await self._people.press(CHAT, label)).status_code == 200

    def screen(self) -> list[str]:
        """Read the chat."""
        return self._people.screen(CHAT)


class OnWechat:
    """Answers numbered choices with the bare number."""

    def __init__(self, people: WechatPeople) -> None:
        self._people = people

    async def say(self, text: str) -> None:
        """Write."""
        assert (await self._people.say(OPENID, text)).status_code == 200
        assert self._people.notices == []

    async def choose(self, label: str) -> None:
        """Look the number up on the screen and write it."""
        shown = "\n".join(self.screen())
        found = re.findall(rf"^(\d+)\. {re.escape(label)}$", shown, re.MULTILINE)
        assert found, f"{label!r} is not offered in {self.screen()[-2:]}"
        await self.say(found[-1])

    def screen(self) -> list[str]:
        """Read the chat."""
        return self._people.screen(OPENID)


class OnKf:
    """Presses entries of menus, and reads only once everything is pulled."""

    def __init__(self, people: KfPeople) -> None:
        self._people = people

    async def say(self, text: str) -> None:
        """Write."""
        answer = await self._people.say(CUSTOMER, text)
        assert answer is not None
        assert answer.text == "success"

    async def choose(self, label: str) -> None:
        """Press the entry."""
        await self._people.press(CUSTOMER, label)

    def screen(self) -> list[str]:
        """Read the chat."""
        return self._people.screen(CUSTOMER)


class Scene:
    """An open house and a shopper of one platform."""

    def __init__(self, house: House, shopper: Shopper, time: ManualClock) -> None:
        self.house = house
        self.shopper = shopper
        self._time = time
        self._read = 0

    async def says(self, text: str) -> str:
        """Let the shopper write; gives what he reads next."""
        await self.shopper.say(text)
        return await self.reads()

    async def chooses(self, label: str) -> str:
        """Let the shopper take a choice; gives what he reads next."""
        await self.shopper.choose(label)
        return await self.reads()

    async def reads(self) -> str:
        """Give what is new on the screen once the house is quiet."""
        if self.house.puller is not None:
            await self.house.puller.settle()
        await self.house.dispatcher.settle()
        self._time.advance(timedelta(seconds=3))
        new = self.shopper.screen()[self._read :]
        self._read += len(new)
        return "\n".join(new)

    async def conversation(self) -> ConversationId:
        """Find the only conversation."""
        (found,) = await self.house.stores.database.read(
            lambda on: on.exec_driver_sql("SELECT id FROM conversations").scalars().all()
        )
        return ConversationId(found)


@asynccontextmanager
async def opened(
    channel: str, database: Path, time: ManualClock, recogniser: EmbeddedRecogniser
) -> AsyncIterator[Scene]:
    """Open the house with one platform simulated on a loopback port."""
    platform = _platform(channel, time)
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(serving(platform))
        settings = {"enabled": True, "api_base": base} | SETTINGS[channel]
        shop = {
            "database": {"url": f"sqlite:///{database}"},
            "turns": {"quiet_time_s": 0},
            "channels": {channel: settings},
        }
        house = await stack.enter_async_context(open_house(parse({"xiaoer": shop}, "test"), SECRETS, time, recogniser))
        await import_orders(house.stores, demo_orders(time), time, lambda _done: None)
        app = FastAPI()
        for router in make_routers(house):
            app.include_router(router)
        transport = httpx.ASGITransport(app)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="https://shop.example"))
        yield Scene(house, _shopper(platform, http), time)


def _platform(channel: str, time: ManualClock) -> TelegramServer | WechatServer | KfServer:
    if channel == "telegram":
        return TelegramServer(SECRETS.telegram_token, time)
    if channel == "wecom_kf":
        return KfServer("wwdemo0000000001", SECRETS.wecom_kf_secret, time)
    return WechatServer("wxdemo0000000001", SECRETS.wechat_oa_app_secret, time)


def _shopper(platform: TelegramServer | WechatServer | KfServer, http: httpx.AsyncClient) -> Shopper:
    if isinstance(platform, TelegramServer):
        return OnTelegram(TelegramPeople(platform, http, "/webhooks/telegram", SECRETS.telegram_secret))
    if isinstance(platform, KfServer):
        return OnKf(KfPeople(platform, http, "/webhooks/wecom_kf", SECRETS.wecom_kf_token, SECRETS.wecom_kf_aes_key))
    people = WechatPeople(platform, http, "/webhooks/wechat_oa", SECRETS.wechat_oa_token, SECRETS.wechat_oa_aes_key)
    return OnWechat(people)


@pytest.fixture(params=["telegram", "wechat_oa", "wecom_kf"])
async def scene(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    tmp_path: Path,
    clock: ManualClock,
    recogniser: EmbeddedRecogniser,
) -> AsyncIterator[Scene]:
    database = Path(shutil.copy(sqlite_template, tmp_path / "shop.db"))
    async with opened(request.param, database, clock, recogniser) as made:
        yield made


async def test_question_is_answered(scene: Scene) -> None:
    """An everyday question gets the shop's rule."""
    assert "24 小时" in await scene.says("退款多久到账？")


async def test_order_is_told_only_after_the_proof(scene: Scene) -> None:
    """The number alone tells nothing; with the phone's last digits the parcel is told."""
    first = await scene.says("我的快递到哪了，订单号 W1234567")
    assert "中通" not in first
    assert "后四位" in first
    assert "中通" in await scene.says("0001")


async def test_complaint_ends_in_a_ticket_the_shopper_can_quote(scene: Scene) -> None:
    """The form is walked with the platform's own kind of choices and ends in a number."""
    await scene.says("我要投诉")
    await scene.chooses("破损漏液")
    await scene.says("W1234567")
    await scene.says(STORY)
    await scene.says("跳过")
    assert STORY in await scene.chooses("换货")
    number = re.search(r"TK\d{8}", await scene.chooses("对，提交"))
    assert number
    assert number[0] in await scene.says(f"{number[0]} 处理得怎么样了")


async def test_human_takes_over_and_gives_back(scene: Scene) -> None:
    """An agent reads, answers in the same chat while the bot is silent, and hands the chat back."""
    people = scene.house.stores.desk.people
    agent = await people.add(NewPerson("mei", "小美", Role.AGENT, password_hash="none"), scene.house.clock.now())
    await people.mark_seen(agent.id, scene.house.clock.now())
    assert await scene.says("转人工")
    conversation = await scene.conversation()
    desk = scene.house.desk.actions
    await desk.take(conversation, agent)
    await scene.reads()
    await desk.reply(conversation, agent, "您好，我是小美", "key-1")
    assert "您好，我是小美" in await scene.reads()
    assert await scene.says("退款多久到账？") == ""
    await desk.give_back(conversation, agent)
    await scene.reads()
    assert "24 小时" in await scene.says("退款多久到账？")
    events = await scene.house.stores.desk.conversations.events(conversation)
    said = [event.text for _, _, event in events if isinstance(event, ev.CustomerUttered)]
    assert said == ["转人工", "退款多久到账？", "退款多久到账？"]
