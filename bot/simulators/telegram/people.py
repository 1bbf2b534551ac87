"""People on the simulated Telegram: they write, press, block; the platform delivers, and again until 2xx."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from bot.simulators.telegram.server import TelegramServer

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name


class TelegramPeople:
    """Delivers updates to the bot's webhook as Telegram does, and again after ``retry_after_s`` until a 2xx."""

    def __init__(self, server: TelegramServer, http: httpx.AsyncClient, webhook: str, secret: str) -> None:
        self.server = server
        self.secret = secret
        self.updates: list[dict[str, Any]] = []
        self.languages: dict[int, str] = {}
        self.retry_after_s: tuple[float, ...] = ()
        self._http = http
        self._webhook = webhook

    def meet(self, chat_id: int, name: str) -> None:
        """Let a person (or a group, negative id) exist."""
        self.server.chats[chat_id] = name

    async def say(self, chat_id: int, text: str, **more: Any) -> httpx.Response:
        """Write a text to the bot; ``more`` adds or replaces fields of the message."""
        return await self.deliver({"message": self.message(chat_id, text=text, **more)})

    async def press(self, chat_id: int, label: str) -> httpx.Response:
        """Press the newest button of that label."""
        for sent in reversed(self.server.sent):
            data = dict(sent.buttons).get(label)
            if sent.chat_id == chat_id and data is not None:
                query_id = f"q{len(self.updates) + 1}"
                self.server.open_presses.add(query_id)
                query = {
                    "id": query_id,
                    "from": self.person(chat_id),
                    "chat_instance": "1",
                    "data": data,
                    "message": self.server.message_json(sent),
                }
                return await self.deliver({"callback_query": query})
        raise LookupError(f"no button {label!r} is shown in chat {chat_id}")

    async def block(self, chat_id: int) -> httpx.Response:
        """Block the bot."""
        self.server.blocked.add(chat_id)
        kicked = {"user": self.server.me(), "status": "kicked", "until_date": 0}
        return await self._membership(chat_id, {"user": self.server.me(), "status": "member"}, kicked)

    async def unblock(self, chat_id: int) -> httpx.Response:
        """Let the bot write again."""
        self.server.blocked.discard(chat_id)
        kicked = {"user": self.server.me(), "status": "kicked", "until_date": 0}
        return await self._membership(chat_id, kicked, {"user": self.server.me(), "status": "member"})

    async def _membership(self, chat_id: int, before: dict[str, Any], after: dict[str, Any]) -> httpx.Response:
        change = {
            "chat": self.server.chat_json(chat_id),
            "from": self.person(chat_id),
            "date": int(self.server.clock.now().timestamp()),
            "old_chat_member": before,
            "new_chat_member": after,
        }
        return await self.deliver({"my_chat_member": change})

    async def deliver(self, update: dict[str, Any]) -> httpx.Response:
        """Post a new update with the next number."""
        numbered = {"update_id": 1000 + len(self.updates), **update}
        self.updates.append(numbered)
        answer = await self.post(numbered)
        for wait_s in self.retry_after_s:
            if answer.is_success:
                break
            await asyncio.sleep(wait_s)
            answer = await self.post(numbered)
        return answer

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Post an update a second time, as after a lost acknowledgement."""
        return await self.post(self.updates[number])

    async def post(self, update: Any) -> httpx.Response:
        """Post any JSON with the bot's secret."""
        return await self._http.post(self._webhook, json=update, headers={SECRET_HEADER: self.secret})

    def message(self, chat_id: int, **fields: Any) -> dict[str, Any]:
        """Shape a person's message."""
        return {
            "message_id": 5000 + len(self.updates),
            "from": self.person(chat_id),
            "chat": self.server.chat_json(chat_id),
            "date": int(self.server.clock.now().timestamp()),
            **fields,
        }

    def person(self, chat_id: int) -> dict[str, Any]:
        """Shape the author: in a private chat its id is the chat's."""
        name = self.server.chats[chat_id]
        language = self.languages.get(chat_id, "zh-hans")
        return {"id": abs(chat_id), "is_bot": False, "first_name": name, "language_code": language}

    def screen(self, chat_id: int) -> list[str]:
        """List what the bot has said in a chat."""
        return [sent.text for sent in self.server.sent if sent.chat_id == chat_id]
