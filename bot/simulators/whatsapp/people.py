"""Customers of the simulated number: they write, choose, react; WhatsApp calls the webhook in batches."""

from __future__ import annotations

import json
from typing import Any

import httpx

from bot.simulators.courier import Courier
from bot.simulators.meta.graph import sign
from bot.simulators.whatsapp.server import MAX_TITLE, WhatsappServer, is_scoped_id


class WhatsappPeople:
    """Delivers messages and statuses to the number's webhook; ``courier`` has the knobs of delivery."""

    def __init__(self, server: WhatsappServer, http: httpx.AsyncClient, webhook: str) -> None:
        self.server = server
        self.courier = Courier(http, webhook, lambda body: sign(server.app.secret, body))
        self.bodies: list[bytes] = []
        self.names: dict[str, str] = {}
        self._numbers = 0

    async def say(self, user: str, text: str) -> httpx.Response:
        """Write a text."""
        return await self.send(user, "text", text={"body": text})

    async def send(self, user: str, kind: str, **content: Any) -> httpx.Response:
        """Send a message of any type."""
        return await self.deliver(self.message(user, kind, **content))

    async def press(self, user: str, label: str) -> httpx.Response:
        """Press the newest reply button, or choose the newest row, of that label; a long one is a row's description."""
        for shown in reversed(self.server.shown):
            payload = dict(shown.buttons).get(label)
            if shown.to == user and payload is not None:
                kind = "list_reply" if shown.style == "list" else "button_reply"
                row = {"id": payload, "title": label}
                if len(label) > MAX_TITLE:
                    row |= {"title": f"{label[: MAX_TITLE - 1]}…", "description": label}
                reply = {"type": kind, kind: row}
                context = {"from": "15550783881", "id": shown.id}
                return await self.send(user, "interactive", interactive=reply, context=context)
        raise LookupError(f"no choice {label!r} is shown to {user}")

    def message(self, user: str, kind: str, **content: Any) -> dict[str, Any]:
        """Shape a message; it opens the 24 hours anew."""
        self._numbers += 1
        self.server.customers[user] = self.server.clock.now()
        number = f"wamid.HBgL{user}FQIAEhg{self._numbers:06d}"
        self.server.received[number] = user
        writer = {"from_user_id" if is_scoped_id(user) else "from": user}
        return {**writer, "id": number, "timestamp": self._now(), "type": kind, **content}

    async def status(self, number: str, status: str, **more: Any) -> httpx.Response:
        """Report what became of a message of ours."""
        user = next(shown.to for shown in self.server.shown if shown.id == number)
        whom = {"recipient_user_id" if is_scoped_id(user) else "recipient_id": user}
        named = {"biz_opaque_callback_data": name} if (name := self.server.named.get(number)) else {}
        report = {"id": number, "status": status, "timestamp": self._now(), **whom, **named, **more}
        return await self.deliver_value(statuses=[report])

    async def deliver(self, *messages: dict[str, Any]) -> httpx.Response:
        """Deliver messages as one change."""
        writers = [message.get("from") or message.get("from_user_id", "") for message in messages[:1]]
        contacts = [
            {"profile": {"name": self.names.get(each, "Ann")}, "user_id" if is_scoped_id(each) else "wa_id": each}
            for each in writers
        ]
        return await self.deliver_value(contacts=contacts, messages=list(messages))

    async def deliver_value(self, **value: Any) -> httpx.Response:
        """Deliver one change of the field ``messages``."""
        about = {"display_phone_number": "15550783881", "phone_number_id": self.server.node}
        change = {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": about, **value}}
        data = {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
        body = json.dumps(data, ensure_ascii=False).encode()
        self.bodies.append(body)
        return await self.courier.deliver(body)

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Deliver a body a second time."""
        return await self.courier.post(self.bodies[number])

    def screen(self, user: str) -> list[str]:
        """List what a customer has been told."""
        return [shown.text for shown in self.server.shown if shown.to == user]

    def _now(self) -> str:
        return str(int(self.server.clock.now().timestamp()))
