"""The widget's HTTP: what comes in, and what a person meets when it cannot be taken."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from bot.channels.web.gate import MAX_BODY_BYTES
from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from bot.channels.web.tokens import VisitorTokens
from bot.domain.clock import ManualClock
from bot.domain.errors import StorageError
from bot.domain.messages import Button, MessageKind, Sender
from tests.unit.channels.doubles import NOON, MemoryInbox, MemoryLiveFeed, MemoryShopperStream

ORIGIN = "https://friend.example"


class Room:
    """A widget with its doubles."""

    def __init__(self, settings: WidgetSettings) -> None:
        self.clock = ManualClock(NOON)
        self.inbox = MemoryInbox()
        self.live = MemoryLiveFeed()
        self.stream = MemoryShopperStream(self.live, self.clock)
        self.tokens = VisitorTokens("a-secret-of-the-shop-for-tests", settings.account, self.clock, max_age_s=3600)
        ports = WidgetPorts(self.inbox, self.stream, self.live, self.clock)
        self.app = FastAPI()
        self.app.include_router(build_router(settings, ports, self.tokens))
        transport = httpx.ASGITransport(self.app, client=("203.0.113.9", 1))
        self.http = httpx.AsyncClient(
            transport=transport, base_url="https://shop.example", headers={"Accept-Language": "zh-CN,en;q=0.5"}
        )

    async def token(self) -> str:
        """Get a token as the widget does."""
        answer = await self.http.post("/widget/session", json={})
        return str(answer.json()["token"])

    async def post(self, body: bytes | dict[str, object], **headers: str) -> httpx.Response:
        """Send a message with a fresh token."""
        headers.setdefault("Authorization", f"Bearer {await self.token()}")
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post("/widget/messages", content=content, headers=headers)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    made = Room(WidgetSettings(origins=(ORIGIN,)))
    yield made
    await made.http.aclose()


def message(text: str = "我的单到哪了", key: str = "abcdefgh01", **more: object) -> dict[str, object]:
    return {"id": key, "text": text, **more}


def declined(answer: httpx.Response, room: Room, status: int, sentence: str) -> None:
    """The person gets this sentence, and nothing is stored."""
    assert answer.status_code == status
    assert answer.json()["message"] == sentence
    assert room.inbox.messages == []


async def test_message_reaches_the_inbox_as_the_visitor_wrote_it(room: Room):
    """A text comes in once, with the visitor's id, his locale and the clock's time."""
    answer = await room.post(message(locale="zh"))
    assert answer.status_code == 202
    (kept,) = room.inbox.messages
    assert (kept.kind, kept.text, kept.sent_at) == (MessageKind.TEXT, "我的单到哪了", NOON)
    assert kept.sender.channel == "web"
    assert kept.sender.locale_hint == "zh"
    assert kept.dedupe_key == f"{kept.sender.channel_user_id}:abcdefgh01"


async def test_same_client_id_twice_is_one_message(room: Room):
    """A repeated post is told to be a duplicate."""
    token = f"Bearer {await room.token()}"
    first = await room.post(message(), Authorization=token)
    second = await room.post(message(), Authorization=token)
    assert (first.json()["duplicate"], second.json()["duplicate"]) == (False, True)
    assert len(room.inbox.messages) == 1


async def test_visitors_cannot_occupy_each_others_ids(room: Room):
    """The same client id of two visitors is two messages."""
    await room.post(message())
    await room.post(message())
    assert len(room.inbox.messages) == 2


async def test_button_carries_payload_and_label(room: Room):
    """A pressed quick reply is a BUTTON with the words that were on it."""
    await room.post(message("转人工", payload="/request_human"))
    (kept,) = room.inbox.messages
    assert (kept.kind, kept.payload, kept.text) == (MessageKind.BUTTON, "/request_human", "转人工")


async def test_one_megabyte_is_too_large(room: Room):
    """413 with the limit in words."""
    answer = await room.post(message("长" * 350_000))
    declined(answer, room, 413, "消息太长了，最多 64 KB，请分几条发送。")


async def test_body_at_the_limit_is_taken_and_cut(room: Room):
    """Up to 64 KB comes in; beyond 4,000 characters it is cut and marked."""
    body = json.dumps(message("x")).encode()
    answer = await room.post(body.replace(b'"x"', b'"' + b"x" * (MAX_BODY_BYTES - len(body) + 1) + b'"'))
    assert answer.status_code == 202
    assert answer.json()["truncated"] is True
    assert len(room.inbox.messages[0].text) == 4000


@pytest.mark.parametrize("text", ["", "   \n", "\u200b\u200d", "\x00\x07\x1b"])
async def test_empty_message_is_told_to_be_empty(room: Room, text: str):
    """422, also for what only looks like something."""
    answer = await room.post(message(text))
    declined(answer, room, 422, "消息是空的，请输入文字后再发送。")


async def test_control_characters_are_dropped_and_the_rest_kept(room: Room):
    """Words between control characters come in clean."""
    await room.post(b'{"id": "abcdefgh01", "text": "\\u0000w123\\u0007\\ud83d 4567\\u202e"}')
    assert room.inbox.messages[0].text == "w123 4567"


@pytest.mark.parametrize("junk", [b"{", b"\xff\xfe\x00", b"[1]", b'"x"', b"[" * 60_000, b'{"id":' + b"9" * 9000 + b"}"])
async def test_junk_json_is_a_sentence(room: Room, junk: bytes):
    """400, never 500."""
    answer = await room.post(junk)
    declined(answer, room, 400, "请求不是有效的 JSON，消息没有发出，请重试。")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "hi"}, "id"),
        ({"id": "short", "text": "hi"}, "id"),
        ({"id": "a" * 65, "text": "hi"}, "id"),
        ({"id": "abcdefgh01", "text": 5}, "text"),
        ({"id": "abcdefgh01", "text": "hi", "payload": "no-slash"}, "payload"),
        ({"id": "abcdefgh01", "text": "hi", "payload": "/" + "单" * 22}, "payload"),
        ({"id": "abcdefgh01", "text": "hi", "payload": "/\ud83d"}, "payload"),
    ],
)
async def test_wrong_field_is_named(room: Room, body: dict[str, object], field: str):
    """422 names the field."""
    answer = await room.post(body)
    declined(answer, room, 422, f"请求里的“{field}”不正确，消息没有发出，请刷新页面后重试。")


@pytest.mark.parametrize("token", ["", "Bearer", "Bearer x", "Bearer v000.aaa.bbb", "Basic abc"])
async def test_forged_token_is_refused(room: Room, token: str):
    """401 with what to do, on every way in."""
    answer = await room.post(message(), Authorization=token)
    declined(answer, room, 401, "会话凭证无效或已过期，请刷新页面重新打开聊天。")
    for path in ("/widget/history", "/widget/stream"):
        assert (await room.http.get(path, headers={"Authorization": token})).status_code == 401


async def test_expired_token_is_refused_in_the_visitors_language(room: Room):
    """An old token gets 401, in English for an English browser."""
    token = await room.token()
    room.clock.advance(timedelta(hours=2))
    answer = await room.post(message(), Authorization=f"Bearer {token}", **{"Accept-Language": "en-GB"})
    expected = "This chat session is not valid or has expired. Please reload the page and open the chat again."
    declined(answer, room, 401, expected)


async def test_unlisted_origin_is_refused_without_cors(room: Room):
    """A page of another site gets 403 and no permission to read it."""
    answer = await room.post(message(), Origin="https://evil.example")
    declined(answer, room, 403, "这个网站没有被允许使用此聊天窗口，请联系店铺管理员。")
    assert "access-control-allow-origin" not in answer.headers


async def test_listed_origin_is_allowed_to_ask_and_to_post(room: Room):
    """A preflight and the request itself carry the origin, also when the request is declined."""
    asked = await room.http.options("/widget/messages", headers={"Origin": ORIGIN})
    assert asked.status_code == 204
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    for body, status in ((message(), 202), (message(""), 422)):
        answer = await room.post(body, Origin=ORIGIN)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert "Origin" in answer.headers["vary"]


async def test_preflight_of_an_unlisted_origin_is_refused(room: Room):
    """No permission, no request."""
    asked = await room.http.options("/widget/session", headers={"Origin": "null"})
    assert asked.status_code == 403
    assert "access-control-allow-origin" not in asked.headers


async def test_own_origin_needs_no_listing(room: Room):
    """The shop's own page posts with its own Origin."""
    assert (await room.post(message(), Origin="https://shop.example")).status_code == 202


async def test_rate_per_visitor_slows_him_and_nobody_else():
    """429 with seconds to wait; another visitor goes on."""
    room = Room(WidgetSettings(messages_per_visitor="2/minute"))
    token = f"Bearer {await room.token()}"
    for key in ("abcdefgh01", "abcdefgh02"):
        assert (await room.post(message(key=key), Authorization=token)).status_code == 202
    slowed = await room.post(message(key="abcdefgh03"), Authorization=token)
    assert slowed.status_code == 429
    assert 1 <= int(slowed.headers["retry-after"]) <= 60
    assert slowed.json()["message"].startswith("发送得太快了，请 ")
    assert (await room.post(message())).status_code == 202
    assert len(room.inbox.messages) == 3


async def test_rate_per_address_bounds_all_its_visitors():
    """One machine with many visitors is slowed too."""
    room = Room(WidgetSettings(messages_per_address="2/minute"))
    statuses = [(await room.post(message())).status_code for _ in range(3)]
    assert statuses == [202, 202, 429]


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("203.0.113.9", "203.0.113.10", False),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.10", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", True),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
        ("not an address", "another", False),
    ],
)
async def test_rate_per_address_knows_who_is_one_home(first: str, second: str, shared: bool):
    """An IPv6 home is its network, an IPv4 address is itself however it is written; nobody pays for strangers."""
    room = Room(WidgetSettings(sessions_per_address="1/minute"))
    codes = []
    for host in (first, second):
        transport = httpx.ASGITransport(room.app, client=(host, 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as http:
            codes.append((await http.post("/widget/session", json={})).status_code)
    assert codes == [200, 429 if shared else 200]


async def test_storage_that_fails_is_a_sentence():
    """A database in trouble gives 503 and no trace."""
    room = Room(WidgetSettings())

    async def broken(_messages: object) -> tuple[()]:
        raise StorageError("the disk is full at /data/xiaoer.db")

    ports = WidgetPorts(broken, room.stream, room.live, room.clock)  # type: ignore[arg-type]
    room.app.router.routes.clear()
    room.app.include_router(build_router(WidgetSettings(), ports, room.tokens))
    answer = await room.post(message())
    declined(answer, room, 503, "暂时无法接收消息，请稍后再试。")


async def test_history_shows_own_messages_by_their_client_id(room: Room):
    """The newest messages come oldest first, with the id the page gave its own."""
    token = await room.token()
    me = Sender("web", "shop", room.tokens.read(token))
    await room.stream.say(me, "customer", "在吗", client_key=f"{me.channel_user_id}:abcdefgh01")
    await room.stream.say(me, "bot", "在的", buttons=(Button("转人工", "/request_human"),))
    await room.stream.say(me, "agent", "我来了", agent_name="林晓")
    answer = await room.http.get("/widget/history?limit=2", headers={"Authorization": f"Bearer {token}"})
    bot, agent = answer.json()["items"]
    assert bot["buttons"] == [{"label": "转人工", "payload": "/request_human"}]
    assert (agent["sender"], agent["agent_name"]) == ("agent", "林晓")
    everything = await room.http.get("/widget/history?limit=junk", headers={"Authorization": f"Bearer {token}"})
    assert everything.json()["items"][0]["client_id"] == "abcdefgh01"


async def test_script_is_one_file_with_its_style_and_an_entity_tag(room: Room):
    """The script tag needs one request; the second is answered 304."""
    script = await room.http.get("/widget/widget.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "@@" not in script.text
    assert "innerHTML" not in script.text
    assert "attachShadow" in script.text
    again = await room.http.get("/widget/widget.js", headers={"If-None-Match": script.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(("lang", "words"), [("zh", "小二好物"), ("en", "Xiaoer Goods")])
async def test_shop_page_names_the_demo_order_in_both_languages(room: Room, lang: str, words: str):
    """The page carries the widget and the order to try, under a strict policy."""
    page = await room.http.get("/shop", params={"lang": lang})
    assert f"<title>{words}" in page.text
    assert "W1234567" in page.text
    assert "0001" in page.text
    assert 'src="/widget/widget.js"' in page.text
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "style=" not in page.text


async def test_shop_page_can_be_left_out():
    """A merchant's own installation need not show the demo."""
    room = Room(WidgetSettings(shop_page=False))
    assert (await room.http.get("/shop")).status_code == 404
