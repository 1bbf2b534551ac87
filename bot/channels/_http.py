"""What every webhook does the same way: bounded bodies, signatures, commit, refusals as a status with a sentence."""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bot.domain.channel_ports import OnMessages
from bot.domain.errors import BadPayload, BadSignature, RefusedInput, StorageError, TooLarge
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage

Endpoint = Callable[[Request], Awaitable[Response]]

_DRAINED_BYTES = 4 * 1024 * 1024
_LOG = structlog.get_logger(__name__)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body of at most ``max_bytes``; TooLarge beyond.

    A larger body is still read to its end (up to 4 MB) and thrown away, so that the sender sees the answer instead of
    a broken connection.
    """
    kept = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            kept += chunk
        elif size > _DRAINED_BYTES:
            break
    if size > max_bytes:
        raise TooLarge(f"the body is larger than {max_bytes // 1024} KB; send less")
    return bytes(kept)


def raw_header(request: Request, name: str) -> bytes:
    """Give a header's bytes as they came, ``b""`` when it is absent."""
    wanted = name.lower().encode("ascii")
    return next((value for key, value in request.headers.raw if key.lower() == wanted), b"")


def check_header(request: Request, name: str, right: str, otherwise: str) -> None:
    """Compare a header with what it should be, in constant time; BadSignature says ``otherwise``."""
    if not hmac.compare_digest(raw_header(request, name), right.encode("ascii")):
        raise BadSignature(f"the header {name} {otherwise}")


def check_echo(text: str, name: str, most_chars: int) -> str:
    """Give what a platform's console wants to hear back, to prove that an address is ours; BadPayload when none."""
    if not text or len(text) > most_chars:
        raise BadPayload(f"{name} is missing or longer than {most_chars} characters")
    return text


def echo(text: str) -> Response:
    """Say it back, as nothing but text."""
    return PlainTextResponse(text, headers={"X-Content-Type-Options": "nosniff"})


async def take_in(
    channel: str, messages: Sequence[InboundMessage], ignored: Iterable[str], on_messages: OnMessages
) -> tuple[Accepted, ...]:
    """Commit what a webhook brought, and log why the rest of it is passed over."""
    for reason, count in Counter(ignored).items():
        _LOG.info("webhook_without_message", channel=channel, reason=reason, count=count)
    return await on_messages(messages) if messages else ()


def webhook_router(channel: str, path: str, receive: Endpoint, prove: Endpoint | None = None) -> APIRouter:
    """Build a webhook's routes: ``receive`` takes what is posted, ``prove`` answers a console that asks by GET."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route(path, guard_webhook(channel, receive), methods=["POST"])
    if prove is not None:
        router.add_api_route(path, guard_webhook(channel, prove), methods=["GET"])
    return router


def guard_webhook(channel: str, endpoint: Endpoint) -> Endpoint:
    """Answer refused input by 4xx and a failing database by 503 (the platform delivers again), each with a sentence."""

    async def guarded(request: Request) -> Response:
        try:
            return await endpoint(request)
        except RefusedInput as error:
            _LOG.warning("webhook_refused", channel=channel, error=type(error).__name__)
            return JSONResponse({"code": type(error).__name__, "message": str(error)}, status_code=_status(error))
        except StorageError:
            _LOG.exception("webhook_not_stored", channel=channel)
            message = "the message could not be stored; deliver it again later"
            return JSONResponse({"code": "StorageError", "message": message}, status_code=503)

    return guarded


def _status(error: RefusedInput) -> int:
    if isinstance(error, BadSignature):
        return 401
    return 413 if isinstance(error, TooLarge) else 400
