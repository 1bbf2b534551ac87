"""``/healthz`` (the process answers), ``/readyz`` (it can work), ``/metrics`` (Prometheus)."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.domain.health_ports import LineGauge
from bot.health.numbers import CONTENT_TYPE, Numbers

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Health:
    """What the probes look at.

    ``needed`` must all hold for the process to be ready; ``wanted`` are told, but their absence is lived with; what
    ``told`` gives is shown under its name.
    """

    numbers: Numbers
    gauge: LineGauge
    clock: Clock
    needed: Mapping[str, Probe]
    wanted: Mapping[str, Probe]
    metrics_token: str = ""
    told: Mapping[str, Callable[[], Mapping[str, Any]]] = field(default_factory=dict)


def build_router(health: Health) -> APIRouter:
    """Build the three routes; ``/metrics`` asks for the token as a bearer when there is one."""
    router = APIRouter(include_in_schema=False)

    async def alive(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers={"Cache-Control": "no-store"})

    async def ready(_request: Request) -> Response:
        needed = {name: await _holds(probe) for name, probe in health.needed.items()}
        wanted = {name: await _holds(probe) for name, probe in health.wanted.items()}
        is_ready = all(needed.values())
        parts = {name: "ok" if holds else "away" for name, holds in (needed | wanted).items()}
        return JSONResponse(
            {"ready": is_ready, "parts": parts} | {name: dict(tell()) for name, tell in health.told.items()},
            status_code=200 if is_ready else 503,
            headers={"Cache-Control": "no-store"},
        )

    async def metrics(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if health.metrics_token and not hmac.compare_digest(token.encode(), health.metrics_token.encode()):
            return PlainTextResponse("a bearer token is needed\n", status_code=401)
        try:
            health.numbers.note(await health.gauge.read(health.clock.now()))
        except StorageError:
            return PlainTextResponse("the database cannot be used now\n", status_code=503)
        return Response(health.numbers.text(), media_type=CONTENT_TYPE)

    for path, endpoint in (("/healthz", alive), ("/readyz", ready), ("/metrics", metrics)):
        router.add_api_route(path, endpoint, methods=["GET"])
    return router


async def _holds(probe: Probe) -> bool:
    try:
        return await probe()
    except Exception:  # noqa: BLE001 - whatever is wrong, the answer is no
        return False
