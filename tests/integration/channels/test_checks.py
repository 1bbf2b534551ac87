"""`xiaoer channels check` and `connect`: what is wrong is named with what to do, against the simulators."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from starlette.types import ASGIApp

from bot.channels._api import open_http
from bot.channels._meta.check import check_meta
from bot.channels._meta.connect import connect_meta
from bot.channels._meta.settings import MetaSettings
from bot.channels.findings import Finding, told
from bot.channels.line.send import LineSettings
from bot.channels.line.webhook import check_line
from bot.channels.telegram.parse import TelegramSettings
from bot.channels.telegram.send import TelegramAdapter
from bot.channels.telegram.webhook import check_telegram
from bot.channels.web.check import check_web
from bot.channels.wechat_oa.check import check_wechat_oa
from bot.channels.wecom_kf.check import check_wecom_kf
from bot.channels.wecom_kf.settings import WecomKfSettings
from bot.domain.clock import ManualClock
from bot.domain.errors import ConfigError
from bot.simulators.line.server import LineServer
from bot.simulators.network import SimulatedNetwork
from bot.simulators.telegram.server import TelegramServer
from tests.integration.channels import test_wechat_oa as oa
from tests.integration.channels.kf_town import KfTown, database_url, town
from tests.integration.channels.platforms import APP, CORP_ID, LINE_SECRET, LINE_TOKEN, NODES, SECRETS
from tests.integration.channels.test_platform_contract import Town
from tests.unit.channels.doubles import NOON

__all__ = ["database_url", "town"]

HOOK = "https://shop.example/webhooks/"
TOKEN = "700100:test-token"
CLOCK = ManualClock(NOON)


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


class Answering(httpx.AsyncBaseTransport):
    """A network where every address gives the same answer; none: it is down."""

    def __init__(self, status: int = 0, body: bytes = b"", **headers: str) -> None:
        self._answer = (status, body, headers)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        status, body, headers = self._answer
        if not status:
            raise httpx.ConnectError("no route", request=request)
        return httpx.Response(status, content=body, headers=headers, request=request)


def to_do(found: tuple[Finding, ...]) -> str:
    """Join what is to be done."""
    return " | ".join(f"{one.what}: {one.fix}" for one in found if not one.good)


def meta(name: str, **changes: str) -> MetaSettings:
    """Set a channel of the app up."""
    return replace(MetaSettings(name, NODES[name], APP.token, APP.secret, APP.verify_token), **changes)


LINE = LineSettings(LINE_SECRET, LINE_TOKEN)
KF = WecomKfSettings(CORP_ID, SECRETS.wecom_kf_secret, SECRETS.wecom_kf_token, SECRETS.wecom_kf_aes_key)
OA = oa.WechatOaSettings(oa.APP, oa.SECRET, oa.TOKEN, oa.AES_KEY)
Check = Callable[[httpx.AsyncBaseTransport], Awaitable[tuple[Finding, ...]]]
CHECKS: dict[str, Check] = {
    "telegram": lambda network: check_telegram(TelegramSettings(TOKEN), HOOK + "telegram", network),
    "line": lambda network: check_line(LINE, HOOK + "line", network),
    "wechat_oa": lambda network: check_wechat_oa(OA, HOOK + "wechat_oa", network, CLOCK),
    "wecom_kf": lambda network: check_wecom_kf(KF, HOOK + "wecom_kf", CLOCK, network),
    "whatsapp": lambda network: check_meta(meta("whatsapp"), HOOK + "whatsapp", network, CLOCK),
    "messenger": lambda network: check_meta(meta("messenger"), HOOK + "messenger", network, CLOCK),
    "instagram": lambda network: check_meta(meta("instagram"), HOOK + "instagram", network, CLOCK),
}
BAD_DAYS = {
    "down": Answering(),
    "a gateway's page": Answering(502, b"<html>Bad gateway</html>"),
    "somebody's home page": Answering(200, b"<html>Welcome</html>"),
    "a list": Answering(200, b"[1, 2]"),
    "nothing": Answering(200),
    "too many requests": Answering(429, b'{"message": "slow down"}'),
    "numbers for words": Answering(200, b'{"ok": 1, "result": 7, "data": 3, "errcode": "x", "account_list": 5}'),
}


@pytest.mark.parametrize("day", BAD_DAYS)
@pytest.mark.parametrize("name", CHECKS)
async def test_platform_that_answers_anything_is_a_finding(name: str, day: str) -> None:
    """No traceback, always something to do, and no secret in it."""
    found = await CHECKS[name](BAD_DAYS[day])
    assert to_do(found)
    if day != "numbers for words":
        assert "cannot be reached" in found[0].what
    everything = str(found)
    values = [str(value) for value in SECRETS.model_dump().values() if value]
    assert not [secret for secret in (*values, TOKEN, oa.SECRET, oa.AES_KEY) if secret in everything]


async def test_telegram_is_checked_connected_and_good() -> None:
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
    for name in ("other_bot", "@other_bot"):
        left = to_do(await check_telegram(TelegramSettings(TOKEN, name), HOOK + "telegram", network))
        assert "username to xiaoer_demo_bot" in left
    assert to_do(await check_telegram(TelegramSettings(TOKEN, "@Xiaoer_Demo_bot"), HOOK + "telegram", network)) == ""


async def test_telegram_tells_what_it_could_not_deliver() -> None:
    """A failure is named while something waits for it; one that is over is not."""
    server = TelegramServer(TOKEN, CLOCK)
    network = SimulatedNetwork(server)
    settings = TelegramSettings(TOKEN)
    adapter = TelegramAdapter(settings, network)
    await adapter.set_webhook(HOOK + "telegram", "secret")
    await adapter.close()
    server.webhook |= {"last_error_message": "Wrong response from the webhook: 401 Unauthorized"}
    assert to_do(await check_telegram(settings, HOOK + "telegram", network)) == ""
    server.webhook |= {"pending_update_count": 3}
    failing = to_do(await check_telegram(settings, HOOK + "telegram", network))
    assert "3 updates wait: Wrong response from the webhook: 401" in failing
    assert "the secret differs" in failing


async def test_line_is_checked_point_by_point() -> None:
    """Token, address, whether it is in use, and whether LINE reaches it."""
    server = LineServer(LINE_TOKEN, CLOCK)
    network = SimulatedNetwork(server)
    assert "run `xiaoer channels connect line`" in to_do(await check_line(LINE, HOOK + "line", network))
    server.webhook = {"endpoint": HOOK + "line", "active": False}
    assert "turn Use webhook on" in to_do(await check_line(LINE, HOOK + "line", network))
    server.webhook["active"] = True
    assert to_do(await check_line(LINE, HOOK + "line", network)) == ""
    server.trial = {"success": False, "statusCode": 401, "reason": "ERROR_STATUS_CODE", "detail": "401"}
    assert "LINE's try failed: ERROR_STATUS_CODE 401: start the server" in to_do(
        await check_line(LINE, HOOK + "line", network)
    )
    assert "XIAOER_LINE_TOKEN" in to_do(await check_line(LineSettings(LINE_SECRET, "x"), HOOK + "line", network))


async def test_line_is_told_where_we_are() -> None:
    """Its address is set; what LINE says against it is passed on."""
    server = LineServer(LINE_TOKEN, CLOCK)
    path = "/v2/bot/channel/webhook/endpoint"

    def line(network: httpx.AsyncBaseTransport) -> httpx.AsyncClient:
        return open_http("https://api.line.me", network, token=LINE_TOKEN)

    await told("LINE", line(SimulatedNetwork(server)), "PUT", path, {"endpoint": HOOK + "line"})
    assert server.webhook["endpoint"] == HOOK + "line"
    with pytest.raises(ConfigError, match=r"does not take http://shop\.example: Invalid webhook .* \(HTTP 400\)"):
        await told("LINE", line(SimulatedNetwork(server)), "PUT", path, {"endpoint": "http://shop.example"})
    with pytest.raises(ConfigError, match="LINE cannot be reached"):
        await told("LINE", line(Answering()), "PUT", path, {"endpoint": HOOK + "line"})


@pytest.fixture(params=["whatsapp", "messenger", "instagram"])
async def graph(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    made = Town(request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()


async def test_meta_is_checked_up_to_our_own_webhook(graph: Town) -> None:
    """Token, app secret, id, subscription, and our webhook as the dashboard asks it."""
    name = graph.platform.name
    network = TwoPlaces(graph.server, graph.http)

    async def left(**changes: str) -> str:
        return to_do(await check_meta(meta(name, **changes), HOOK + name, network, CLOCK))

    assert await left() == ""
    graph.server.dashboard.fields = ()
    assert f"run `xiaoer channels connect {name}`" in await left()
    assert "XIAOER_META_APP_SECRET" in await left(app_secret="other")
    if name == "instagram":
        own_login = await left(app_secret="other", api_url="https://graph.instagram.com/v23.0")
        assert "XIAOER_INSTAGRAM_APP_SECRET" in own_login
    assert "XIAOER_META_VERIFY_TOKEN" in await left(verify_token="other")
    assert "check the id" in await left(node="999")
    graph.server.knobs.token_expired = True
    assert f"XIAOER_{name.upper()}_TOKEN" in await left()


async def test_meta_token_is_looked_at_for_its_permissions_and_its_end(graph: Town) -> None:
    """The token of the first day ends tomorrow; one without a permission says which."""
    name, dashboard = graph.platform.name, graph.server.dashboard
    network = TwoPlaces(graph.server, graph.http)
    dashboard.expires_at = int((NOON + timedelta(hours=23)).timestamp())
    ending = to_do(await check_meta(meta(name), HOOK + name, network, CLOCK))
    assert "the token ends on 2026-05-05 11:00 UTC: make one that does not expire" in ending
    dashboard.expires_at = int((NOON + timedelta(days=50)).timestamp())
    assert to_do(await check_meta(meta(name), HOOK + name, network, CLOCK)) == ""
    dashboard.scopes = ("public_profile",)
    assert "the token lacks" in to_do(await check_meta(meta(name), HOOK + name, network, CLOCK))


async def test_subscriptions_that_meta_does_not_tell_are_a_permission(graph: Town) -> None:
    """It is not taken for a subscription that is missing."""
    if graph.platform.name == "whatsapp":
        return
    graph.server.dashboard.withheld = True
    network = TwoPlaces(graph.server, graph.http)
    left = to_do(await check_meta(meta(graph.platform.name), HOOK + graph.platform.name, network, CLOCK))
    assert "does not tell what the app is subscribed to (error 200): give the token" in left


async def test_subscription_of_another_app_is_not_taken_for_ours(graph: Town) -> None:
    """An app that answered for the Page or number before is still subscribed: nothing comes to us for that."""
    name, dashboard = graph.platform.name, graph.server.dashboard
    if name == "instagram":
        return
    network = TwoPlaces(graph.server, graph.http)
    dashboard.others, dashboard.fields = ("1234567",), ()
    left = to_do(await check_meta(meta(name), HOOK + name, network, CLOCK))
    assert f"run `xiaoer channels connect {name}`" in left


async def test_whatsapp_number_is_looked_at(graph: Town) -> None:
    """Its quality and registration, and the faults that WhatsApp itself names."""
    if graph.platform.name != "whatsapp":
        return
    number = graph.server.dashboard.number
    network = TwoPlaces(graph.server, graph.http)
    number |= {"quality_rating": "RED", "code_verification_status": "EXPIRED", "status": "PENDING"}
    left = to_do(await check_meta(meta("whatsapp"), HOOK + "whatsapp", network, CLOCK))
    for words in ("quality rating is RED", "code verification status is EXPIRED", "status is PENDING"):
        assert words in left


async def test_meta_is_told_where_we_are(graph: Town) -> None:
    """The account is subscribed to all the fields, and the app is given the address; then nothing is left to do."""
    name, dashboard = graph.platform.name, graph.server.dashboard
    network = TwoPlaces(graph.server, graph.http)
    dashboard.fields = ()
    await connect_meta(meta(name), HOOK + name, network)
    (callback,) = dashboard.callbacks.values()
    assert (callback["callback_url"], callback["verify_token"]) == (HOOK + name, APP.verify_token)
    assert {"messages"} <= set(callback["fields"].split(","))
    assert to_do(await check_meta(meta(name), HOOK + name, network, CLOCK)) == ""
    dashboard.callback_fails = True
    with pytest.raises(ConfigError, match=r"HTTP Status Code = 404.*start the server first"):
        await connect_meta(meta(name), HOOK + name, network)
    with pytest.raises(ConfigError, match="Meta cannot be reached"):
        await connect_meta(meta(name), HOOK + name, Answering())


@pytest.fixture
async def account() -> AsyncIterator[oa.Town]:
    made = oa.Town(oa.AES_KEY)
    yield made
    await made.http.aclose()
    await made.adapter.close()


async def test_wechat_is_checked_for_its_credentials(account: oa.Town) -> None:
    """Credentials, the address WeChat sees, what may be sent, and our own answer to its console."""
    network = TwoPlaces(account.server, account.http)

    async def left(**changes: str) -> str:
        return to_do(await check_wechat_oa(replace(OA, **changes), HOOK + "wechat_oa", network, CLOCK))

    assert await left() == ""
    assert "XIAOER_WECHAT_OA_APP_SECRET" in await left(app_secret="other")
    assert "app_id" in await left(app_id="wxother")
    assert "XIAOER_WECHAT_OA_TOKEN" in await left(token="othertoken")
    account.server.knobs.permission = False
    assert await left() == ""
    assert "replies to both" in await left(replies="service")
    assert await left(replies="passive", app_secret="") == ""
    seen = b'{"errcode": 40164, "errmsg": "invalid ip 203.0.113.7 ipv6 ::ffff:203.0.113.7, not in whitelist rid: 1"}'
    unknown = to_do(await check_wechat_oa(OA, HOOK + "wechat_oa", Answering(200, seen), CLOCK))
    assert "errcode 40164; WeChat sees 203.0.113.7" in unknown
    assert "IP 白名单" in unknown


async def test_customer_service_is_checked_for_its_accounts(town: KfTown) -> None:
    """Credentials, the address WeCom sees, accounts the app may manage, and our own answer to its console."""
    network, hook = TwoPlaces(town.server, town.http), HOOK + "wecom_kf"
    right = await check_wecom_kf(town.settings, hook, town.clock, network)
    assert to_do(right) == ""
    assert "wkDemo01" in right[1].what
    other = replace(town.settings, accounts=("wkOther",))
    assert "may not manage wkOther" in to_do(await check_wecom_kf(other, hook, town.clock, network))
    wrong = await check_wecom_kf(replace(town.settings, secret="wrong"), hook, town.clock, network)
    assert "XIAOER_WECOM_KF_SECRET" in to_do(wrong)
    assert "wrong" not in str(wrong)
    key = replace(town.settings, token="othertoken")
    assert "XIAOER_WECOM_KF_TOKEN" in to_do(await check_wecom_kf(key, hook, town.clock, network))


async def test_customer_service_is_looked_for_among_all_accounts(town: KfTown) -> None:
    """WeCom lists a hundred at a time."""
    town.server.accounts = (*(f"wkMore{number:03}" for number in range(100)), *town.server.accounts)
    ours = replace(town.settings, accounts=("wkDemo01",))
    network = TwoPlaces(town.server, town.http)
    assert to_do(await check_wecom_kf(ours, HOOK + "wecom_kf", town.clock, network)) == ""


async def test_widget_is_checked_from_outside() -> None:
    """Who may embed it, whether its script is there, and the secret a site vouches with."""
    script = Answering(200, b"x", **{"content-type": "text/javascript"})
    shop, address, secret = ("https://www.shop.example",), "https://shop.example", "s" * 32
    assert to_do(await check_web(shop, secret, address, script)) == ""
    assert "any site" in to_do(await check_web(("*",), secret, address, script))
    for short in ("short", f"{secret} short", " "):
        assert "too short" in to_do(await check_web(shop, short, address, script))
    assert to_do(await check_web(shop, f"{secret} {secret[::-1]}", address, script)) == ""
    assert "not https" in to_do(await check_web(shop, secret, "http://shop.example", script))
    assert "something else answers" in to_do(await check_web(shop, secret, address, Answering(200, b"<html>")))
    assert "cannot be reached" in to_do(await check_web(shop, secret, address, Answering()))


async def test_redirect_before_our_webhook_is_named(account: oa.Town) -> None:
    """Platforms follow none."""
    redirect = Answering(301, b"{}", location="https://www.shop.example/")
    assert "platforms follow none" in to_do(await check_wechat_oa(OA, HOOK + "wechat_oa", redirect, CLOCK))
