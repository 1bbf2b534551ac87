"""A client that speaks ASGI to an application: a client library would cost more than what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One POST; header names in lower case."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    query: str = ""
    caller: str = "127.0.0.1"


async def post(application: Any, call: Call) -> int:
    """Give a call to the application; return the status."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": call.path,
        "raw_path": call.path.encode(),
        "root_path": "",
        "query_string": call.query.encode(),
        "headers": call.headers,
        "client": (call.caller, 40000),
        "server": ("shop", 80),
    }
    answered: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": call.body, "more_body": False}

    async def send(event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            answered.append(event["status"])

    await application(scope, receive, send)
    return answered[0]
