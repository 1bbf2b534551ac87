"""Followers of the simulated account: they write, follow, press menus; WeChat calls back, up to three times more."""

from __future__ import annotations

import hashlib
import secrets
from xml.sax.saxutils import escape

import httpx
from wechatpy.crypto import WeChatCrypto

from bot.simulators.wechat_oa.server import Follower, WechatServer

OUT_OF_ORDER = "该公众号提供的服务出现故障，请稍后再试"
_RETRIES = 3
_RIGHT_ANSWERS = frozenset({"success", ""})


class WechatPeople:
    """Delivers callbacks as WeChat does, in safe mode when ``encoding_aes_key`` is given."""

    def __init__(
        self, server: WechatServer, http: httpx.AsyncClient, webhook: str, token: str, encoding_aes_key: str = ""
    ) -> None:
        self.server = server
        self.token = token
        self.notices: list[tuple[str, str]] = []
        self.callbacks: list[dict[str, str]] = []
        self._http = http
        self._webhook = webhook
        self._crypto = WeChatCrypto(token, encoding_aes_key, server.app_id) if encoding_aes_key else None
        self._next_id = 23_000_000_000_000_000

    async def follow(self, openid: str) -> httpx.Response:
        """Follow the account."""
        self.server.followers[openid] = Follower(spoke_at=self.server.clock.now())
        return await self.event(openid, "subscribe")

    async def unfollow(self, openid: str) -> httpx.Response:
        """Stop following."""
        self.server.followers[openid].following = False
        return await self.event(openid, "unsubscribe")

    async def say(self, openid: str, text: str) -> httpx.Response:
        """Write a text."""
        return await self.message(openid, "text", Content=text)

    async def message(self, openid: str, kind: str, **fields: str) -> httpx.Response:
        """Send a message of any type; opens the window anew."""
        person = self.server.followers.setdefault(openid, Follower())
        person.spoke_at, person.used = self.server.clock.now(), 0
        self._next_id += 1
        return await self.deliver(openid, MsgType=kind, MsgId=str(self._next_id), **fields)

    async def event(self, openid: str, event: str, **fields: str) -> httpx.Response:
        """Let an event happen; events have no MsgId."""
        return await self.deliver(openid, MsgType="event", Event=event, **fields)

    async def deliver(self, openid: str, **fields: str) -> httpx.Response:
        """Call back, and again while the answer is not one WeChat takes; then the follower sees it out of order."""
        now = str(int(self.server.clock.now().timestamp()))
        callback = {"ToUserName": "gh_demo", "FromUserName": openid, "CreateTime": now, **fields}
        self.callbacks.append(callback)
        for _ in range(1 + _RETRIES):
            answer = await self.post(to_xml(callback))
            if answer.status_code == httpx.codes.OK and answer.text in _RIGHT_ANSWERS:
                return answer
        self.notices.append((openid, OUT_OF_ORDER))
        return answer

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Call back a second time with the same MsgId."""
        return await self.post(to_xml(self.callbacks[number]))

    async def post(self, xml: str) -> httpx.Response:
        """Sign (and in safe mode encrypt) any XML and post it."""
        query = self.signed()
        if self._crypto is None:
            return await self._http.post(self._webhook, params=query, content=xml.encode())
        sealed = self._crypto.encrypt_message(xml, query["nonce"], query["timestamp"])
        encrypted = sealed.split("<Encrypt><![CDATA[")[1].split("]]>")[0]
        query |= {"encrypt_type": "aes", "msg_signature": self.sign(query["timestamp"], query["nonce"], encrypted)}
        body = to_xml({"ToUserName": "gh_demo", "Encrypt": encrypted})
        return await self._http.post(self._webhook, params=query, content=body.encode())

    def signed(self) -> dict[str, str]:
        """Make a signed query."""
        timestamp, nonce = str(int(self.server.clock.now().timestamp())), str(secrets.randbelow(10**9))
        return {"signature": self.sign(timestamp, nonce), "timestamp": timestamp, "nonce": nonce}

    def sign(self, *parts: str) -> str:
        """Sign as WeChat does."""
        joined = "".join(sorted([self.token, *parts]))
        return hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324 - the platform's scheme

    def screen(self, openid: str) -> list[str]:
        """List what a follower has been told."""
        return [text for to, text in self.server.sent if to == openid]


def to_xml(fields: dict[str, str]) -> str:
    """Write a callback's XML; values with ``]]>`` are escaped instead of put into CDATA."""
    parts = []
    for name, value in fields.items():
        body = escape(value) if "]]>" in value else f"<![CDATA[{value}]]>"
        parts.append(f"<{name}>{body}</{name}>")
    return f"<xml>{''.join(parts)}</xml>"
