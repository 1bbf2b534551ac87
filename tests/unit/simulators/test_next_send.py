"""Faults of the next message: a call of another kind goes by without using them up."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from bot.domain.clock import ManualClock
from bot.simulators.line.server import LineServer
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import Declined, MetaApp
from bot.simulators.phones.levers import next_send, once
from bot.simulators.telegram.server import Declined as TelegramDeclined
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.wechat_oa.server import Follower, WechatServer
from bot.simulators.wecom_kf.server import BOT, KfServer
from bot.simulators.whatsapp.server import WhatsappServer

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
APP, ANN = MetaApp("token", "secret", "verify"), "16505550001"
PROOF = "?appsecret_proof=" + hmac.new(b"secret", b"token", hashlib.sha256).hexdigest()
BUSY = Declined(429, 613, "busy")


@dataclass
class Side:
    """A platform, what it answers when it is busy, a call that sends nothing and one that sends words."""

    server: Any
    busy: Any
    other: tuple[str, Mapping[str, Any]]
    send: tuple[str, Mapping[str, Any]]


def telegram() -> Side:
    """Typing and words."""
    server = TelegramServer("1:t", ManualClock(NOW))
    server.chats[77] = "Li"
    busy = TelegramDeclined(429, "Too Many Requests", retry_after=3)
    typing, words = {"chat_id": 77, "action": "typing"}, {"chat_id": 77, "text": "hi"}
    return Side(server, busy, ("/bot1:t/sendChatAction", typing), ("/bot1:t/sendMessage", words))


def line() -> Side:
    """The loading animation and a push."""
    server = LineServer("token", ManualClock(NOW))
    server.friends.add(ANN)
    push = {"to": ANN, "messages": [{"type": "text", "text": "hi"}]}
    loading = {"chatId": ANN, "loadingSeconds": 5}
    return Side(server, (429, "busy"), ("/v2/bot/chat/loading/start", loading), ("/v2/bot/message/push", push))


def messenger() -> Side:
    """A sender action and words."""
    server = MessengerServer(APP, "1", ManualClock(NOW))
    server.people[ANN] = NOW
    to, path = {"recipient": {"id": ANN}}, f"/v23.0/1/messages{PROOF}"
    words = {"message": {"text": "hi"}, "messaging_type": "RESPONSE"}
    return Side(server, BUSY, (path, to | {"sender_action": "typing_on"}), (path, to | words))


def whatsapp() -> Side:
    """A message marked as read, and words."""
    server = WhatsappServer(APP, "1", ManualClock(NOW))
    server.customers[ANN], server.received["wamid.1"] = NOW, ANN
    path, product = f"/v23.0/1/messages{PROOF}", {"messaging_product": "whatsapp"}
    read, words = {"status": "read", "message_id": "wamid.1"}, {"to": ANN, "type": "text", "text": {"body": "hi"}}
    return Side(server, BUSY, (path, product | read), (path, product | words))


def wechat_oa() -> Side:
    """Typing and words."""
    server = WechatServer("wx1", "secret", ManualClock(NOW))
    server.followers[ANN] = Follower(spoke_at=NOW)
    path, words = "/cgi-bin/message/custom", {"msgtype": "text", "text": {"content": "hi"}}
    typing = {"touser": ANN, "command": "Typing"}
    return Side(server, 45011, (f"{path}/typing", typing), (f"{path}/send", {"touser": ANN} | words))


def wecom_kf() -> Side:
    """A pull and words."""
    server = KfServer("ww1", "secret", ManualClock(NOW))
    session, account = server.session("wkDemo01", ANN), {"open_kfid": "wkDemo01"}
    session.state, session.spoke_at = BOT, NOW
    words = {"touser": ANN, "msgtype": "text", "text": {"content": "hi"}}
    return Side(server, 45009, ("/cgi-bin/kf/sync_msg", account), ("/cgi-bin/kf/send_msg", account | words))


async def token(http: httpx.AsyncClient, side: Side) -> str:
    """Ask for an access token where one is needed."""
    if isinstance(side.server, KfServer):
        return str((await http.get("/cgi-bin/gettoken?corpid=ww1&corpsecret=secret")).json()["access_token"])
    if isinstance(side.server, WechatServer):
        wanted = {"grant_type": "client_credential", "appid": "wx1", "secret": "secret"}
        return str((await http.post("/cgi-bin/stable_token", json=wanted)).json()["access_token"])
    return ""


async def post(http: httpx.AsyncClient, side: Side, what: tuple[str, Mapping[str, Any]]) -> bool:
    """Call the platform; tell whether it was taken."""
    path, body = what
    given = await token(http, side)
    where = f"{path}?access_token={given}" if given else path
    answer = await http.post(where, json=body, headers={"Authorization": "Bearer token"})
    return answer.is_success and answer.json().get("errcode", 0) == 0


MAKERS = (telegram, line, messenger, whatsapp, wechat_oa, wecom_kf)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
async def test_busy_platform_refuses_the_next_message_alone(maker: Any) -> None:
    """What shows typing, or pulls, goes through and leaves the fault to the message."""
    side = maker()
    lever = next_send(side.server.knobs, side.busy)
    lever.turn(True)  # noqa: FBT003 - as the page does it
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(side.server), base_url="http://platform.example"
    ) as http:
        assert await post(http, side, side.other)
        assert lever.is_on()
        assert not await post(http, side, side.send)
        assert not lever.is_on()
        assert await post(http, side, side.send)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
async def test_line_breaks_at_the_next_message_alone(maker: Any) -> None:
    """It was carried out; what came before it was answered."""
    side = maker()
    next_send(side.server.knobs, side.busy)
    lever = once(side.server.knobs, "drop_next")
    lever.turn(True)  # noqa: FBT003 - as the page does it
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(side.server), base_url="http://platform.example"
    ) as http:
        assert await post(http, side, side.other)
        with pytest.raises(ConnectionResetError):
            await post(http, side, side.send)
        assert not lever.is_on()
