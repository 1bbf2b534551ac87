"""`xiaoer channels check` and `connect`: what is wrong is named with what to do, against the simulators."""

from __future__ import annotations

import httpx
import pytest
from starlette.types import ASGIApp

from bot.channels._meta.check import check_meta
from bot.channels._meta.settings import MetaSettings
from bot.channels.findings import Finding
from bot.channels.line.send import LineSettings
from bot.channels.line.webhook import check_line
from bot.channels.telegram.parse import TelegramSettings
from bot.channels.telegram.send import TelegramAdapter
from bot.channels.telegram.webhook import check_telegram
from bot.channels.wechat_oa.check import check_wechat_oa
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.clock import ManualClock
from bot.simulators.line.server import LineServer
from bot.simulators.network import SimulatedNetwork
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.wechat_oa.server import WechatServer
from tests.integration.channels.platforms import APP, LINE_SECRET, LINE_TOKEN, NODES
from tests.integration.channels.test_platform_contract import Town
from tests.unit.channels.doubles import NOON

HOOK = "https://shop.example/webhooks/"
TOKEN = "700100:test-token"


class TwoPlaces(httpx.AsyncBaseTransport):
    """A network of a platform and of our own server."""

    def __init__(self, platform: ASGIApp, ours: httpx.AsyncClient) -> None:
        self._platform = SimulatedNetwork(platform)
        self._ours = ours

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on by its host."""
        if request.url.host == "shop.example":
            return await self._ours.request(request.method, str(request.url))
        return await self._platform.handle_async_request(request)


class Nowhere(httpx.AsyncBaseTransport):
    """A network that is down."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Refuse."""
        raise httpx.ConnectError("no route", request=request)


def to_do(found: tuple[Finding, ...]) -> str:
    """Join what is to be done."""
    return " | ".join(f"{one.what}: {one.fix}" for one in found if not one.good)


async def test_telegram_is_checked_connected_and_good():
    """Not set, then set by connect, then nothing to do."""
    server = TelegramServer(TOKEN, ManualClock(NOON))
    network = SimulatedNetwork(server)
    settings = TelegramSettings(TOKEN, "xiaoer_demo_bot")
    assert "run `xiaoer channels connect telegram`" in to_do(await check_telegram(settings, HOOK + "telegram", network))
    adapter = TelegramAdapter(settings, network)
    await adapter.set_webhook(HOOK + "telegram", "secret")
    await adapter.close()
    assert to_do(await check_telegram(settings, HOOK + "telegram", network)) == ""
    assert "XIAOER_TELEGRAM_TOKEN" in to_do(await check_telegram(TelegramSettings("1:x"), HOOK, network))
    assert "public_url" in to_do(await check_telegram(settings, "", network))
    assert "not https" in to_do(await check_telegram(settings, "http://shop.example", network))
    other = TelegramSettings(TOKEN, "other_bot")
    assert "username to xiaoer_demo_bot" in to_do(await check_telegram(other, HOOK + "telegram", network))


async def test_line_is_checked_point_by_point():
    """Token, address, and whether it is in use."""
    server = LineServer(LINE_TOKEN, ManualClock(NOON))
    network = SimulatedNetwork(server)
    settings = LineSettings(LINE_SECRET, LINE_TOKEN)
    assert "set the Webhook URL" in to_do(await check_line(settings, HOOK + "line", network))
    server.webhook = {"endpoint": HOOK + "line", "active": False}
    assert "turn Use webhook on" in to_do(await check_line(settings, HOOK + "line", network))
    server.webhook["active"] = True
    assert to_do(await check_line(settings, HOOK + "line", network)) == ""
    assert "XIAOER_LINE_TOKEN" in to_do(await check_line(LineSettings(LINE_SECRET, "x"), HOOK + "line", network))


@pytest.mark.parametrize("name", ["whatsapp", "messenger", "instagram"])
async def test_meta_is_checked_up_to_our_own_webhook(name: str):
    """Token, app secret, id, subscription, and our webhook as the dashboard asks it."""
    town = Town(name)
    network = TwoPlaces(town.server, town.http)
    settings = MetaSettings(name, NODES[name], APP.token, APP.secret, APP.verify_token)
    assert to_do(await check_meta(settings, HOOK + name, network)) == ""
    town.server.subscribed = False
    missing = to_do(await check_meta(settings, HOOK + name, network))
    assert ("subscribe to messages, messaging_postbacks" in missing) == (name != "whatsapp")
    wrong = MetaSettings(name, NODES[name], APP.token, "other", APP.verify_token)
    assert "XIAOER_META_APP_SECRET" in to_do(await check_meta(wrong, HOOK + name, network))
    wrong = MetaSettings(name, NODES[name], APP.token, APP.secret, "other")
    assert "XIAOER_META_VERIFY_TOKEN" in to_do(await check_meta(wrong, HOOK + name, network))
    wrong = MetaSettings(name, "999", APP.token, APP.secret, APP.verify_token)
    assert "check the id" in to_do(await check_meta(wrong, HOOK + name, network))
    town.server.knobs.token_expired = True
    assert f"XIAOER_{name.upper()}_TOKEN" in to_do(await check_meta(settings, HOOK + name, network))
    await town.http.aclose()
    await town.adapter.close()


async def test_wechat_is_checked_for_its_credentials():
    """A wrong AppSecret is named by what to do."""
    server = WechatServer("wx1", "secret", ManualClock(NOON))
    network = SimulatedNetwork(server)
    right = WechatOaSettings("wx1", "secret", "callbacktoken")
    assert to_do(await check_wechat_oa(right, HOOK + "wechat_oa", network)) == ""
    wrong = WechatOaSettings("wx1", "other", "callbacktoken")
    assert "XIAOER_WECHAT_OA_APP_SECRET" in to_do(await check_wechat_oa(wrong, HOOK, network))


async def test_platform_that_cannot_be_reached_is_a_finding():
    """No traceback, no secret in the sentence."""
    found = [
        *await check_telegram(TelegramSettings(TOKEN), HOOK, Nowhere()),
        *await check_line(LineSettings(LINE_SECRET, LINE_TOKEN), HOOK, Nowhere()),
        *await check_meta(MetaSettings("whatsapp", "1", APP.token, APP.secret, "v"), HOOK, Nowhere()),
        *await check_wechat_oa(WechatOaSettings("wx1", "secret", "callbacktoken"), HOOK, Nowhere()),
    ]
    assert len(found) == 4
    assert all("cannot be reached" in one.what and not one.good for one in found)
    assert not any(secret in str(found) for secret in (TOKEN, LINE_TOKEN, APP.token, APP.secret))
