"""The platforms as a shopper meets them: one shape over their simulators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from bot.config import Secrets
from bot.domain.clock import Clock
from bot.simulators.line.people import LinePeople
from bot.simulators.line.server import LineServer
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.wechat_oa.people import WechatPeople
from bot.simulators.wechat_oa.server import WechatServer
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.server import KfServer
from bot.simulators.whatsapp.people import WhatsappPeople
from bot.simulators.whatsapp.server import WhatsappServer

LINE_SECRET, LINE_TOKEN = "line-channel-secret", "line-access-token"
APP = MetaApp("meta-access-token", "meta-app-secret", "meta-verify-token")
NODES = {"whatsapp": "106540352242922", "messenger": "682498302938465", "instagram": "17841405822304914"}
APP_ID, CORP_ID = "wxdemo0000000001", "wwdemo0000000001"
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
    line_channel_secret=LINE_SECRET,
    line_token=LINE_TOKEN,
    meta_app_secret=APP.secret,
    meta_verify_token=APP.verify_token,
    whatsapp_token=APP.token,
    messenger_token=APP.token,
    instagram_token=APP.token,
)
SHOPPERS: dict[str, Any] = {
    "telegram": 42,
    "wechat_oa": "oLi_0000000000000000000000001",
    "wecom_kf": "wmLi_00000000000001",
    "line": "U4af4980629f8d8e3e2b2f1a3c5d6e7f8",
    "whatsapp": "16505551234",
    "messenger": "7295384610293847",
    "instagram": "1237839264572394",
}
OTHERS: dict[str, Any] = {
    "telegram": 43,
    "wechat_oa": "oMa_0000000000000000000000002",
    "wecom_kf": "wmMa_00000000000002",
    "line": "U5bf5980629f8d8e3e2b2f1a3c5d6e7f9",
    "whatsapp": "16505559999",
    "messenger": "7295384610293848",
    "instagram": "1237839264572395",
}
SENDING = ("/sendMessage", "/message/custom/send", "/kf/send_msg", "/message/push", "/message/reply", "/messages")
_SECTIONS = {
    "wechat_oa": {"app_id": APP_ID},
    "wecom_kf": {"corp_id": CORP_ID},
    "whatsapp": {"phone_number_id": NODES["whatsapp"]},
    "messenger": {"page_id": NODES["messenger"]},
    "instagram": {"user_id": NODES["instagram"]},
}


@dataclass(frozen=True)
class Platform:
    """A simulated platform; ``people`` makes its people for a client of our webhook, ``asked`` lists what we asked."""

    name: str
    server: Any
    people: Callable[[httpx.AsyncClient], Any]
    asked: list[str] = field(default_factory=list)

    @property
    def shopper(self) -> Any:
        """Name the shopper of the tests."""
        return SHOPPERS[self.name]

    @property
    def sends(self) -> int:
        """Count how often we asked the platform to show a message."""
        return sum(path.endswith(SENDING) for path in self.asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the platform, and note what is asked of it."""
        self.asked.append(scope["path"])
        await self.server(scope, receive, send)

    @property
    def webhook(self) -> str:
        """Name our webhook."""
        return f"/webhooks/{self.name}"

    def section(self, base: str) -> dict[str, Any]:
        """Write the section of config.yml for a platform that is served at ``base``."""
        version = "/v23.0" if self.name in NODES else ""
        return {"enabled": True, "api_base": f"{base}{version}"} | _SECTIONS.get(self.name, {})


def simulated(name: str, clock: Clock) -> Platform:
    """Make a platform."""
    hook = f"/webhooks/{name}"
    if name == "line":
        line = LineServer(LINE_TOKEN, clock)
        return Platform(name, line, lambda http: LinePeople(line, http, hook, LINE_SECRET))
    if name == "whatsapp":
        whatsapp = WhatsappServer(APP, NODES[name], clock)
        return Platform(name, whatsapp, lambda http: WhatsappPeople(whatsapp, http, hook))
    if name in NODES:
        messenger = MessengerServer(APP, NODES[name], clock, name)
        return Platform(name, messenger, lambda http: MessengerPeople(messenger, http, hook))
    return {"telegram": _telegram, "wechat_oa": _wechat_oa, "wecom_kf": _wecom_kf}[name](hook, clock)


def _telegram(hook: str, clock: Clock) -> Platform:
    server = TelegramServer(SECRETS.telegram_token, clock)
    server.chats |= {SHOPPERS["telegram"]: "Wei", OTHERS["telegram"]: "Ann"}
    return Platform("telegram", server, lambda http: TelegramPeople(server, http, hook, SECRETS.telegram_secret))


def _wechat_oa(hook: str, clock: Clock) -> Platform:
    server = WechatServer(APP_ID, SECRETS.wechat_oa_app_secret, clock)
    keys = (SECRETS.wechat_oa_token, SECRETS.wechat_oa_aes_key)
    return Platform("wechat_oa", server, lambda http: WechatPeople(server, http, hook, *keys))


def _wecom_kf(hook: str, clock: Clock) -> Platform:
    server = KfServer(CORP_ID, SECRETS.wecom_kf_secret, clock)
    keys = (SECRETS.wecom_kf_token, SECRETS.wecom_kf_aes_key)
    return Platform("wecom_kf", server, lambda http: KfPeople(server, http, hook, *keys))
