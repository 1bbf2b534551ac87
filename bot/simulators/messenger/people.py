"""People who write to the simulated Page or account; the platform calls the webhook."""

from __future__ import annotations

import json
from typing import Any

import httpx

from bot.simulators.courier import Courier
from bot.simulators.messenger.server import INBOX_APPS, MessengerServer
from bot.simulators.meta.graph import sign

_OBJECTS = {"messenger": "page", "instagram": "instagram"}


class MessengerPeople:
    """Delivers events to the webhook; ``courier`` has the knobs of delivery."""

    def __init__(self, server: MessengerServer, http: httpx.AsyncClient, webhook: str) -> None:
        self.server = server
        self.courier = Courier(http, webhook, lambda body: sign(server.app.secret, body))
        self.bodies: list[bytes] = []
        self._numbers = 0

    async def say(self, user: str, text: str) -> httpx.Response:
        """Write a text."""
        return await self.send(user, text=text)

    async def send(self, user: str, **message: Any) -> httpx.Response:
        """Send a message with any content."""
        self._numbers += 1
        mid = f"m_in_{user}_{self._numbers:06d}"
        return await self.deliver(self.event(user, message={"mid": mid, **message}))

    async def press(self, user: str, label: str) -> httpx.Response:
        """Press the newest button or quick reply of that label."""
        for shown in reversed(self.server.shown):
            payload = dict(shown.buttons).get(label)
            if shown.to == user and payload is not None:
                if shown.style == "quick":
                    return await self.send(user, text=label, quick_reply={"payload": payload})
                self._numbers += 1
                mid = f"m_in_{user}_{self._numbers:06d}"
                return await self.deliver(self.event(user, postback={"mid": mid, "title": label, "payload": payload}))
        raise LookupError(f"no button {label!r} is shown to {user}")

    async def echo(self, user: str, text: str) -> httpx.Response:
        """Deliver the echo of something the Page itself said."""
        event = self.event(user, message={"mid": "m_echo", "text": text, "is_echo": True, "app_id": 1})
        return await self.deliver(event | {"sender": {"id": self.server.node}, "recipient": {"id": user}})

    async def receipt(self, user: str, kind: str, *mids: str) -> httpx.Response:
        """Report that messages were delivered (``delivery``) or that all until now were read (``read``)."""
        stamp = int(self.server.clock.now().timestamp() * 1000)
        told = {"watermark": stamp} | ({"mids": list(mids)} if mids else {})
        who = {"sender": {"id": user}, "recipient": {"id": self.server.node}, "timestamp": stamp}
        return await self.deliver(who | {kind: told})

    async def standby(self, user: str, text: str) -> httpx.Response:
        """Write while another app holds the thread."""
        self._numbers += 1
        mid = f"m_standby_{user}_{self._numbers:06d}"
        return await self.deliver_entry(standby=[self.event(user, message={"mid": mid, "text": text})])

    async def inbox_says(self, user: str, text: str, place: str = "standby") -> httpx.Response:
        """Let a person in the inbox write; the app hears it in standby, or as an echo among its own (``messaging``)."""
        self._numbers += 1
        told = {"mid": f"m_inbox_{self._numbers:06d}", "text": text, "is_echo": True, "app_id": int(self._inbox)}
        now = int(self.server.clock.now().timestamp() * 1000)
        who = {"sender": {"id": self.server.node}, "recipient": {"id": user}, "timestamp": now}
        return await self.deliver_entry(**{place: [who | {"message": told}]})

    @property
    def _inbox(self) -> str:
        return INBOX_APPS[self.server.kind]

    async def takes_thread(self, user: str) -> httpx.Response:
        """Let a person in the Page's inbox take the thread from the app."""
        self.server.held_elsewhere.add(user)
        owners = {"previous_owner_app_id": "1", "new_owner_app_id": self._inbox, "metadata": ""}
        return await self.deliver(self._silent(user, take_thread_control=owners))

    async def asks_for_thread(self, user: str) -> httpx.Response:
        """Let a person in the inbox ask for the thread."""
        wanted = {"requested_owner_app_id": self._inbox, "metadata": ""}
        return await self.deliver(self._silent(user, request_thread_control=wanted))

    async def passes_thread(self, user: str) -> httpx.Response:
        """Give the thread back to the app."""
        self.server.held_elsewhere.discard(user)
        owners = {"previous_owner_app_id": self._inbox, "new_owner_app_id": "1", "metadata": ""}
        return await self.deliver(self._silent(user, pass_thread_control=owners))

    def _silent(self, user: str, **fields: Any) -> dict[str, Any]:
        """Shape an event that is nobody's word and opens nothing."""
        now = int(self.server.clock.now().timestamp() * 1000)
        return {"sender": {"id": user}, "recipient": {"id": self.server.node}, "timestamp": now, **fields}

    def event(self, user: str, **fields: Any) -> dict[str, Any]:
        """Shape an event; it opens the 24 hours anew."""
        now = self.server.clock.now()
        self.server.people[user] = now
        recipient = {"id": self.server.node}
        return {"sender": {"id": user}, "recipient": recipient, "timestamp": int(now.timestamp() * 1000), **fields}

    async def deliver(self, *events: dict[str, Any]) -> httpx.Response:
        """Deliver events as one entry."""
        return await self.deliver_entry(messaging=list(events))

    async def deliver_entry(self, **entry: Any) -> httpx.Response:
        """Deliver one entry."""
        stamp = int(self.server.clock.now().timestamp() * 1000)
        data = {"object": _OBJECTS[self.server.kind], "entry": [{"id": self.server.node, "time": stamp, **entry}]}
        body = json.dumps(data, ensure_ascii=False).encode()
        self.bodies.append(body)
        return await self.courier.deliver(body)

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Deliver a body a second time."""
        return await self.courier.post(self.bodies[number])

    def screen(self, user: str) -> list[str]:
        """List what a person has been told."""
        return [shown.text for shown in self.server.shown if shown.to == user]
