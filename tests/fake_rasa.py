"""A Rasa server that is stricter than the real one, with knobs for everything that can go wrong."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 409: "Conflict", 500: "Oops"}


@dataclass
class FakeRasa:
    """Answers ``POST /model/parse`` and ``GET /status`` on a loopback port; refuses whatever Rasa would refuse.

    ``answer`` is what a parse says; ``body`` (bytes) takes its place as it stands; ``status`` overrides 200;
    ``delay_s`` waits; ``hang_up`` closes the connection without a word.
    """

    token: str = ""
    port: int = 0
    answer: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    status: int = 200
    delay_s: float = 0.0
    hang_up: bool = False
    loaded: bool = True
    texts: list[str] = field(default_factory=list)
    asked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Give the address it listens on."""
        return f"http://127.0.0.1:{self.port}"

    def says(self, *ranking: tuple[str, float]) -> None:
        """Set the ranking of every parse."""
        ranked = [{"name": name, "confidence": confidence} for name, confidence in ranking]
        first = ranked[0] if ranked else {"name": None, "confidence": 0.0}
        self.answer = {"text": "", "intent": first, "entities": [], "intent_ranking": ranked}

    async def start(self) -> None:
        """Listen; on the same port as before after a stop."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Be gone: no port, no open connection."""
        if self._server is None:
            return
        self._server.close()
        for writer in tuple(self._open):
            writer.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def prepare(self, content: bytes) -> None:
        """Do what must be done before an answer; nothing here."""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ")
                headers = {
                    name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)
                }
                content = await reader.readexactly(int(headers.get("content-length", "0")))
                if self.hang_up:
                    break
                await self.prepare(content)
                status, answer = self._judge(method, target, headers, content)
                await asyncio.sleep(self.delay_s)
                start = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                writer.write(f"{start}Content-Length: {len(answer)}\r\n\r\n".encode() + answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    def _judge(self, method: str, target: str, headers: dict[str, str], content: bytes) -> tuple[int, bytes]:
        address = urlsplit(target)
        if self.token and parse_qs(address.query).get("token") != [self.token]:
            return 401, b'{"status": "failure", "reason": "NotAuthenticated"}'
        if not self.loaded:
            return 409, b'{"status": "failure", "reason": "Conflict"}'
        if (method, address.path) == ("GET", "/status"):
            return 200, b'{"model_file": "model.tar.gz", "model_id": "1", "num_active_training_jobs": 0}'
        if (method, address.path) != ("POST", "/model/parse"):
            return 404, b"{}"
        return self._parse(headers, content)

    def _parse(self, headers: dict[str, str], content: bytes) -> tuple[int, bytes]:
        if not headers.get("content-type", "").startswith("application/json"):
            return 400, b"{}"
        asked = json.loads(content)
        if set(asked) != {"text"} or not isinstance(asked["text"], str) or not asked["text"]:
            return 400, b'{"status": "failure", "reason": "BadRequest"}'
        self.texts.append(asked["text"])
        self.asked.release()
        return self.status, json.dumps(self.answer).encode() if self.body is None else self.body
