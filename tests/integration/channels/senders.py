"""The platforms' side of a webhook: each makes rightly signed requests of messages and of any payload."""

from __future__ import annotations

import itertools
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bot.channels.web.tokens import VisitorTokens
from bot.config import Config, Secrets
from bot.domain.clock import SystemClock
from bot.simulators.line.people import LinePeople
from bot.simulators.line.server import LineServer
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.wechat_oa.people import WechatPeople
from bot.simulators.wechat_oa.people import to_xml as wechat_xml
from bot.simulators.wechat_oa.server import WechatServer
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.people import to_xml as kf_xml
from bot.simulators.wecom_kf.server import KfServer
from bot.simulators.whatsapp.people import WhatsappPeople
from bot.simulators.whatsapp.server import WhatsappServer
from bot.wiring.simulation import KF_ACCOUNT

CHANNELS = ("web", "telegram", "wechat_oa", "wecom_kf", "line", "whatsapp", "messenger")
FIXTURES = Path(__file__).parents[2] / "fixtures" / "channels"
SHOPPERS = 200
Request = tuple[str, str, dict[str, str], bytes]
"""Path, query, headers and body."""


class Caught(httpx.AsyncBaseTransport):
    """Catches what the simulated platforms post, to be given to the house by hand."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Keep it, and answer as if all were well."""
        self.requests.append((request.url.path, request.url.query.decode(), dict(request.headers), request.content))
        return httpx.Response(200, text="success", request=request)


@dataclass
class Channel:
    """How a platform says something, and how it posts any payload rightly signed."""

    name: str
    say: Callable[[str], Awaitable[Any]]
    post: Callable[[Any], Awaitable[Any]]
    samples: Sequence[Any]
    caught: Caught

    async def next_request(self, text: str) -> Request:
        """Make the signed request of a new message."""
        await self.say(text)
        return self.caught.requests.pop()


class _Platforms:
    """Makes the simulated people of every channel."""

    def __init__(self, config: Config, secrets: Secrets) -> None:
        self._channels = config.channels
        self._secrets = secrets
        self._clock = SystemClock()
        self._turn = itertools.count()

    def _one_of(self, first: int) -> int:
        """Name the next of many shoppers."""
        return first + next(self._turn) % SHOPPERS

    def make(self, name: str) -> Channel:
        """Make a channel's people before a wire of their own."""
        caught = Caught()
        http = httpx.AsyncClient(transport=caught, base_url="https://shop.example")
        say, post, samples = getattr(self, name)(http)
        return Channel(name, say, post, samples, caught)

    def web(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        numbers = itertools.count()
        tokens = VisitorTokens(self._secrets.secret_key, "shop", self._clock)

        async def post(body: Any) -> None:
            # A visitor of his own for each, so that no limit of one visitor is met.
            headers = {"authorization": f"Bearer {tokens.issue().token}"}
            await http.post("/widget/messages", json=body, headers=headers)

        samples = [{"id": "m-1", "text": "hi"}, {"id": "m-2", "payload": "=quality", "text": "Quality"}]
        return lambda text: post({"id": f"message-{next(numbers)}", "text": text}), post, samples

    def telegram(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        server = TelegramServer(self._secrets.telegram_token, self._clock)
        people = TelegramPeople(server, http, "/webhooks/telegram", self._secrets.telegram_secret)
        for number in range(SHOPPERS):
            people.meet(77 + number, "Wei")
        update = {"message": people.message(77, text="hi", caption="a", photo=[{"file_id": "1"}])}
        press = {"id": "q", "from": people.person(77), "data": "=a", "chat_instance": "1"}
        samples = [update | {"update_id": 5}, {"update_id": 6, "callback_query": press | update}]
        return lambda text: people.say(self._one_of(77), text), people.post, samples

    def wechat_oa(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        server = WechatServer(self._channels.wechat_oa.app_id, self._secrets.wechat_oa_app_secret, self._clock)
        keys = (self._secrets.wechat_oa_token, self._secrets.wechat_oa_aes_key)
        people = WechatPeople(server, http, "/webhooks/wechat_oa", *keys)

        async def post(fields: Any) -> None:
            words = {str(name): str(value) for name, value in fields.items()} if isinstance(fields, dict) else {}
            await people.post(wechat_xml(words) if words else str(fields))

        return lambda text: people.say(f"oUser{self._one_of(0):023}", text), post, _fixtures("wechat_oa")

    def wecom_kf(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        channel = self._channels.wecom_kf
        server = KfServer(channel.corp_id, self._secrets.wecom_kf_secret, self._clock, channel.accounts)
        people = KfPeople(
            server, http, "/webhooks/wecom_kf", self._secrets.wecom_kf_token, self._secrets.wecom_kf_aes_key
        )

        async def post(fields: Any) -> None:
            words = {str(name): str(value) for name, value in fields.items()} if isinstance(fields, dict) else {}
            await people.post(kf_xml(words) if words else str(fields))

        now = str(int(self._clock.now().timestamp()))
        call = {"ToUserName": channel.corp_id, "CreateTime": now, "Event": "kf_msg_or_event", "OpenKfId": KF_ACCOUNT}
        samples = [call | {"MsgType": "event", "Token": "t"}]
        return lambda text: people.say(f"wmUser{self._one_of(0)}", text, KF_ACCOUNT), post, samples

    def line(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        server = LineServer(self._secrets.line_token, self._clock)
        people = LinePeople(server, http, "/webhooks/line", self._secrets.line_channel_secret)
        return lambda text: people.say(f"U{self._one_of(0):032x}", text), _json(people), _fixtures("line")

    def whatsapp(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        app = MetaApp(self._secrets.whatsapp_token, self._secrets.meta_app_secret, self._secrets.meta_verify_token)
        server = WhatsappServer(app, self._channels.whatsapp.phone_number_id, self._clock)
        people = WhatsappPeople(server, http, "/webhooks/whatsapp")
        return lambda text: people.say(str(self._one_of(16505550000)), text), _json(people), _fixtures("whatsapp")

    def messenger(self, http: httpx.AsyncClient) -> tuple[Any, Any, Sequence[Any]]:
        app = MetaApp(self._secrets.messenger_token, self._secrets.meta_app_secret, self._secrets.meta_verify_token)
        server = MessengerServer(app, self._channels.messenger.page_id, self._clock)
        people = MessengerPeople(server, http, "/webhooks/messenger")
        return lambda text: people.say(str(self._one_of(7295384610293847)), text), _json(people), _fixtures("messenger")


def channels_of(config: Config, secrets: Secrets) -> list[Channel]:
    """Make the people of every channel of a simulation."""
    platforms = _Platforms(config, secrets)
    return [platforms.make(name) for name in CHANNELS]


def _json(people: Any) -> Callable[[Any], Awaitable[Any]]:
    async def post(body: Any) -> None:
        await people.courier.post(json.dumps(body).encode())

    return post


def _fixtures(channel: str) -> list[Any]:
    return [
        json.loads(path.read_text(encoding="utf-8"))["payload"] for path in sorted((FIXTURES / channel).glob("*.json"))
    ]
