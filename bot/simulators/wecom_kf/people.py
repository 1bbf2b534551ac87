"""Customers of the simulated customer service, and WeCom's own staff; WeCom calls back, sealed."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

import httpx
from wechatpy.crypto import WeChatCrypto

from bot.simulators.wecom_kf.server import BOT, ENDED, HUMAN, NEW, KfServer

_RETRIES = 3
_SUCCESS = "success"


class KfPeople:
    """Lets customers write and staff work; ``silent`` keeps callbacks back, as if they were lost."""

    def __init__(self, server: KfServer, http: httpx.AsyncClient, webhook: str, token: str, aes_key: str) -> None:
        self.server = server
        self.token = token
        self.silent = False
        self._http = http
        self._webhook = webhook
        self._crypto = WeChatCrypto(token, aes_key, server.corp_id)

    async def say(self, customer: str, text: str, account: str = "wkDemo01") -> httpx.Response | None:
        """Write a text."""
        return await self.message(customer, "text", {"content": text}, account)

    async def press(self, customer: str, label: str, account: str = "wkDemo01") -> httpx.Response | None:
        """Press an entry of the last menu."""
        found = [key for key, words in self.server.menus.get((account, customer), []) if words == label]
        if not found:
            raise LookupError(f"{label!r} is not offered")
        return await self.message(customer, "text", {"content": label, "menu_id": found[-1]}, account)

    async def message(
        self, customer: str, kind: str, body: dict[str, Any], account: str = "wkDemo01"
    ) -> httpx.Response | None:
        """Send a message of any type; opens the window anew, and an ended session."""
        self.write(customer, kind, body, account)
        return await self.call_back(account)

    def write(self, customer: str, kind: str, body: dict[str, Any], account: str = "wkDemo01") -> dict[str, Any]:
        """Put a message where it is pulled from, without calling back."""
        session = self.server.session(account, customer)
        session.spoke_at, session.used = self.server.clock.now(), 0
        if session.state == ENDED:
            session.state = NEW
        entry = {"open_kfid": account, "external_userid": customer, "origin": 3, "msgtype": kind, kind: body}
        return self.server.add(account, entry)

    async def enter(self, customer: str, account: str = "wkDemo01") -> httpx.Response | None:
        """Open the chat; who was not there for 48 hours can be welcomed."""
        code = self.server.welcome_code(account, customer)
        await self.event(
            customer, "enter_session", {"scene": "123"} | ({"welcome_code": code} if code else {}), account
        )
        return None

    async def refuse(self, customer: str, msgid: str, fail_type: int, account: str = "wkDemo01") -> None:
        """Let a message fail after it was taken."""
        await self.event(customer, "msg_send_fail", {"fail_msgid": msgid, "fail_type": fail_type}, account)

    async def take_over(self, customer: str, servicer: str = "lisi", account: str = "wkDemo01") -> None:
        """Let WeCom's staff accept a queued session."""
        session = self.server.session(account, customer)
        session.state, session.servicer = HUMAN, servicer
        change = {"change_type": 1, "new_servicer_userid": servicer, "msg_code": secrets.token_hex(8)}
        await self.event(customer, "session_status_change", change, account)

    async def end(self, customer: str, account: str = "wkDemo01") -> None:
        """Let WeCom's staff end a session."""
        ended = {"change_type": 3, "old_servicer_userid": "lisi", "msg_code": self.server.end(account, customer)}
        await self.event(customer, "session_status_change", ended, account)

    async def staff_says(self, customer: str, text: str, servicer: str = "lisi", account: str = "wkDemo01") -> None:
        """Let WeCom's staff write in their own client; to whose session is over this begins another."""
        session = self.server.session(account, customer)
        begins = session.state == ENDED
        session.state, session.servicer = HUMAN, servicer
        if begins:
            self.server.add(account, _event(customer, "session_status_change", account, {
                "change_type": 4, "new_servicer_userid": servicer,
            }))  # fmt: skip
        entry = {"open_kfid": account, "external_userid": customer, "origin": 5, "servicer_userid": servicer}
        self.server.add(account, entry | {"msgtype": "text", "text": {"content": text}})
        await self.call_back(account)

    async def event(self, customer: str, kind: str, more: dict[str, Any], account: str = "wkDemo01") -> None:
        """Let an event happen."""
        self.server.add(account, _event(customer, kind, account, more))
        await self.call_back(account)

    async def call_back(self, account: str = "wkDemo01") -> httpx.Response | None:
        """Call back, and again while the answer is not right."""
        if self.silent:
            return None
        now = str(int(self.server.clock.now().timestamp()))
        fields = {"ToUserName": self.server.corp_id, "CreateTime": now, "MsgType": "event", "Event": "kf_msg_or_event",
                  "Token": self.server.msg_token(), "OpenKfId": account}  # fmt: skip
        for _ in range(1 + _RETRIES):
            answer = await self.post(to_xml(fields))
            if answer.status_code == httpx.codes.OK and answer.text in {_SUCCESS, ""}:
                break
        return answer

    async def post(self, xml: str, **changes: str) -> httpx.Response:
        """Seal, sign and post any XML; ``changes`` spoil the query."""
        query, sealed = self.sealed(xml)
        body = to_xml({"ToUserName": self.server.corp_id, "AgentID": "", "Encrypt": sealed})
        content, plain = body.encode(), {"plain": xml}
        return await self._http.post(self._webhook, params=query | changes, content=content, extensions=plain)

    def sealed(self, text: str) -> tuple[dict[str, str], str]:
        """Seal a text; give the signed query and what is sealed."""
        timestamp, nonce = str(int(self.server.clock.now().timestamp())), str(secrets.randbelow(10**9))
        sealed = self._crypto.encrypt_message(text, nonce, timestamp).split("<Encrypt><![CDATA[")[1].split("]]>")[0]
        joined = "".join(sorted([self.token, timestamp, nonce, sealed]))
        signature = hashlib.sha1(joined.encode()).hexdigest()  # noqa: S324 - the platform's scheme
        return {"msg_signature": signature, "timestamp": timestamp, "nonce": nonce}, sealed

    def screen(self, customer: str) -> list[str]:
        """List what a customer has been told."""
        return [text for _, to, text in self.server.sent if to == customer]

    def is_with_bot(self, customer: str, account: str = "wkDemo01") -> bool:
        """Tell whether the session is the bot's."""
        return self.server.session(account, customer).state == BOT


def _event(customer: str, kind: str, account: str, more: dict[str, Any]) -> dict[str, Any]:
    event = {"event_type": kind, "open_kfid": account, "external_userid": customer} | more
    return {"origin": 4, "msgtype": "event", "event": event}


def to_xml(fields: dict[str, str]) -> str:
    """Write a callback's XML."""
    return f"<xml>{''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in fields.items())}</xml>"
