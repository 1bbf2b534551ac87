"""Platforms that outlive the house: what shoppers write is delivered until it is taken, and once more."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Protocol

import httpx
import uvicorn

from bot.channels.web.tokens import VisitorTokens
from bot.domain.clock import SystemClock
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import TelegramServer
from tests.durability.child import SECRETS

CHAT = 42
_TIMEOUT_S = 60.0


class Platform(Protocol):
    """A shopper on his platform."""

    async def deliver(self, text: str) -> bool:
        """Deliver a new message; False when the house did not take it."""
        ...

    async def deliver_again(self) -> bool:
        """Deliver the newest message once more."""
        ...

    async def screen(self) -> list[str]:
        """Read what the shop has said."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


@contextlib.contextmanager
def served_telegram() -> Iterator[tuple[TelegramServer, str]]:
    """Serve a simulated Telegram over loopback; give it and its address."""
    telegram = TelegramServer(SECRETS.telegram_token, SystemClock())
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(telegram, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield telegram, f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


async def _taken(request: httpx.Request, http: httpx.AsyncClient) -> bool:
    try:
        answer = await http.send(request)
    except httpx.TransportError:
        return False
    return answer.is_success


class OnTelegram:
    """A chat with a bot; Telegram has no idempotency key."""

    def __init__(self, telegram: TelegramServer, port: int) -> None:
        self._telegram = telegram
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S)
        webhook = f"http://127.0.0.1:{port}/webhooks/telegram"
        self._people = TelegramPeople(telegram, self._http, webhook, SECRETS.telegram_secret)
        self._people.meet(CHAT, "小林")

    async def deliver(self, text: str) -> bool:
        """Deliver a new update."""
        with contextlib.suppress(httpx.TransportError):
            return (await self._people.say(CHAT, text)).is_success
        return False

    async def deliver_again(self) -> bool:
        """Deliver the newest update again."""
        with contextlib.suppress(httpx.TransportError):
            return (await self._people.deliver_again()).is_success
        return False

    async def screen(self) -> list[str]:
        """Read the chat."""
        return self._people.screen(CHAT)

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()


class OnTheWeb:
    """The widget on a page: it repeats a message under the same id until it is taken."""

    def __init__(self, port: int) -> None:
        token = VisitorTokens(SECRETS.secret_key, "shop", SystemClock()).issue().token
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=_TIMEOUT_S
        )
        self._body: dict[str, str] = {}
        self._count = 0

    async def deliver(self, text: str) -> bool:
        """Post a new message."""
        self._count += 1
        self._body = {"id": f"message-{self._count}", "text": text}
        return await self.deliver_again()

    async def deliver_again(self) -> bool:
        """Post the newest message again."""
        return await _taken(self._http.build_request("POST", "/widget/messages", json=self._body), self._http)

    async def screen(self) -> list[str]:
        """Read the history."""
        answer = await self._http.get("/widget/history")
        return [item["text"] for item in answer.json()["items"] if item["sender"] != "customer"]

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()
