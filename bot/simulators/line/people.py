"""Friends of the simulated account: they write, press, follow, take back; LINE calls the webhook."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import httpx

from bot.simulators.courier import Courier
from bot.simulators.line.server import LineServer

DESTINATION = "Uxiaoer00000000000000000000000000"


class LinePeople:
    """Delivers events to the account's webhook; ``courier`` has the knobs of delivery."""

    def __init__(self, server: LineServer, http: httpx.AsyncClient, webhook: str, channel_secret: str) -> None:
        self.server = server
        self.secret = channel_secret
        self.courier = Courier(http, webhook, self._sign)
        self.bodies: list[bytes] = []
        self._numbers = 0

    async def say(self, user: str, text: str, **more: Any) -> httpx.Response:
        """Write a text; ``more`` adds or replaces fields of the message object."""
        return await self.send(user, type="text", text=text, quoteToken="q3Plxr4AgKd", **more)

    async def send(self, user: str, **message: Any) -> httpx.Response:
        """Send a message object of any type."""
        self._numbers += 1
        message = {"id": str(468_789_577_898_262_530 + self._numbers), **message}
        return await self.deliver(self.event(user, "message", message=message))

    async def press(self, user: str, label: str) -> httpx.Response:
        """Press the newest button of that label."""
        for shown in reversed(self.server.shown):
            data = dict(shown.message.buttons).get(label)
            if shown.to == user and data is not None:
                return await self.deliver(self.event(user, "postback", postback={"data": data}))
        raise LookupError(f"no button {label!r} is shown to {user}")

    async def follow(self, user: str) -> httpx.Response:
        """Add the account as a friend, or unblock it."""
        unblocked = user in self.server.blocked
        self.server.blocked.discard(user)
        return await self.deliver(self.event(user, "follow", follow={"isUnblocked": unblocked}))

    async def unfollow(self, user: str) -> httpx.Response:
        """Block the account; the event has no reply token."""
        self.server.blocked.add(user)
        event = self.event(user, "unfollow")
        del event["replyToken"]
        return await self.deliver(event)

    async def unsend(self, user: str, number: str) -> httpx.Response:
        """Take a message back; the event has no reply token."""
        event = self.event(user, "unsend", unsend={"messageId": number})
        del event["replyToken"]
        return await self.deliver(event)

    def event(self, user: str, kind: str, **fields: Any) -> dict[str, Any]:
        """Shape an event of a one-to-one chat."""
        self.server.friends.add(user)
        self._numbers += 1
        return {
            "type": kind,
            "mode": "active",
            "timestamp": int(self.server.clock.now().timestamp() * 1000),
            "source": {"type": "user", "userId": user},
            "webhookEventId": f"01FZ74A0TDDPYRVKNK77XK{self._numbers:04d}",
            "deliveryContext": {"isRedelivery": False},
            "replyToken": self.server.issue_reply_token(user),
            **fields,
        }

    async def deliver(self, *events: dict[str, Any]) -> httpx.Response:
        """Deliver events as one batch."""
        body = json.dumps({"destination": DESTINATION, "events": list(events)}, ensure_ascii=False).encode()
        self.bodies.append(body)
        return await self.courier.deliver(body, as_redelivery)

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Deliver a batch a second time, marked as LINE marks it."""
        return await self.courier.post(as_redelivery(self.bodies[number]))

    def screen(self, user: str) -> list[str]:
        """List what a friend has been told."""
        return [shown.message.text for shown in self.server.shown if shown.to == user]

    def buttons(self, user: str) -> Sequence[str]:
        """List the labels under the newest message."""
        newest = [shown.message for shown in self.server.shown if shown.to == user][-1]
        return [label for label, _ in newest.buttons]

    def _sign(self, body: bytes) -> dict[str, str]:
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).digest()
        return {"x-line-signature": base64.b64encode(digest).decode("ascii")}


def as_redelivery(body: bytes) -> bytes:
    """Mark every event of a body as delivered again."""
    data = json.loads(body)
    for event in data["events"]:
        event["deliveryContext"] = {"isRedelivery": True}
    return json.dumps(data, ensure_ascii=False).encode()
