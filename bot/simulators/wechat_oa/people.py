"""Followers of the simulated account: they write, follow, scan, press menus; WeChat calls back, and calls again.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Passive_user_reply_message.html
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

import httpx
import xmltodict  # type: ignore[import-untyped]
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import WeChatException

from bot.simulators.wechat_oa.server import Follower, WechatServer

OUT_OF_ORDER = "该公众号提供的服务出现故障，请稍后再试"
MAX_REPLY_BYTES = 2048
_NO_ANSWER = frozenset({"success", ""})


@dataclass
class CallKnobs:
    """How WeChat calls.

    ``hang_up_s`` after which it hangs up, ``calls`` in all before the follower sees it out of order; ``deaf`` calls
    whose answer is lost on the way back, so that WeChat calls again.
    """

    hang_up_s: float = 5.0
    calls: int = 4
    deaf: int = 0


class WechatPeople:
    """Delivers callbacks as WeChat does, in safe mode when ``encoding_aes_key`` is given."""

    def __init__(
        self, server: WechatServer, http: httpx.AsyncClient, webhook: str, token: str, encoding_aes_key: str = ""
    ) -> None:
        self.server = server
        self.token = token
        self.notices: list[tuple[str, str]] = []
        self.callbacks: list[dict[str, str]] = []
        self.knobs = CallKnobs()
        self.passive: list[tuple[str, str]] = []
        self._http = http
        self._webhook = webhook
        self._crypto = WeChatCrypto(token, encoding_aes_key, server.app_id) if encoding_aes_key else None
        self._next_id = 23_000_000_000_000_000

    async def follow(self, openid: str) -> httpx.Response:
        """Follow the account."""
        self.server.followers[openid] = Follower()
        self.server.open_briefly(openid)
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

    async def press_menu(self, openid: str, key: str) -> httpx.Response:
        """Press an entry of the menu; opens its own short window."""
        self.server.open_briefly(openid)
        return await self.event(openid, "CLICK", EventKey=key)

    async def scan_by_menu(self, openid: str, key: str, result: str) -> httpx.Response:
        """Scan something by an entry of the menu, which opens the same window as a press."""
        self.server.open_briefly(openid)
        return await self.event(openid, "scancode_waitmsg", EventKey=key, ScanResult=result)

    async def scan(self, openid: str, scene: str) -> httpx.Response:
        """Scan the account's code as a follower; opens its own short window."""
        self.server.open_briefly(openid)
        return await self.event(openid, "SCAN", EventKey=scene, Ticket="gQ-demo")

    async def event(self, openid: str, event: str, **fields: str) -> httpx.Response:
        """Let an event happen; events have no MsgId."""
        return await self.deliver(openid, MsgType="event", Event=event, **fields)

    async def deliver(self, openid: str, **fields: str) -> httpx.Response:
        """Call back, and again while the answer is not one WeChat takes; then the follower sees it out of order."""
        now = str(int(self.server.clock.now().timestamp()))
        callback = {"ToUserName": "gh_demo", "FromUserName": openid, "CreateTime": now, **fields}
        self.callbacks.append(callback)
        return await self._call(openid, to_xml(callback))

    async def _call(self, openid: str, xml: str) -> httpx.Response:
        answer = httpx.Response(504)
        for _ in range(self.knobs.calls):
            try:
                answer = await self.post(xml)
            except httpx.TransportError:
                # WeChat hangs up, or nobody answers.
                answer = httpx.Response(504)
                continue
            if self.knobs.deaf:
                self.knobs.deaf -= 1
                continue
            if answer.status_code == httpx.codes.OK and self._hears(openid, answer.text):
                return answer
        self.notices.append((openid, OUT_OF_ORDER))
        return answer

    def _hears(self, openid: str, text: str) -> bool:
        """Show a right answer to the follower; False for one WeChat does not take."""
        if text in _NO_ANSWER:
            return True
        try:
            said = self._read_reply(openid, text)
        except (KeyError, ValueError, TypeError, ExpatError, WeChatException):
            return False
        self.passive.append((openid, said))
        self.server.typing.stop(openid)
        self.server.sent.append((openid, said))
        return True

    def _read_reply(self, openid: str, text: str) -> str:
        fields = xmltodict.parse(text)["xml"]
        if self._crypto is not None:
            signed = (fields["MsgSignature"], fields["TimeStamp"], fields["Nonce"])
            fields = xmltodict.parse(self._crypto.decrypt_message(text, *signed))["xml"]
        said = fields["Content"]
        wanted = {"ToUserName": openid, "FromUserName": "gh_demo", "MsgType": "text"}
        wrong = [name for name, value in wanted.items() if fields[name] != value]
        if wrong or not fields["CreateTime"].isdecimal() or not said.strip() or len(said.encode()) > MAX_REPLY_BYTES:
            raise ValueError(f"not a reply to this follower: {wrong}")
        return str(said)

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Call back a second time with the same MsgId."""
        callback = self.callbacks[number]
        return await self._call(callback["FromUserName"], to_xml(callback))

    async def post(self, xml: str) -> httpx.Response:
        """Sign (and in safe mode encrypt) any XML and post it."""
        query = self.signed()
        if self._crypto is None:
            return await self._send(query, xml, xml)
        sealed = self._crypto.encrypt_message(xml, query["nonce"], query["timestamp"])
        encrypted = sealed.split("<Encrypt><![CDATA[")[1].split("]]>")[0]
        query |= {"encrypt_type": "aes", "msg_signature": self.sign(query["timestamp"], query["nonce"], encrypted)}
        body = to_xml({"ToUserName": "gh_demo", "Encrypt": encrypted})
        return await self._send(query, body, xml)

    async def _send(self, query: dict[str, str], body: str, plain: str) -> httpx.Response:
        patience, shown = self.knobs.hang_up_s, {"plain": plain}
        return await self._http.post(
            self._webhook, params=query, content=body.encode(), timeout=patience, extensions=shown
        )

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
