"""What every webhook does the same way: bounded bodies, and refusals as a status with a sentence."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.domain.errors import BadSignature, RefusedInput, StorageError, TooLarge

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


def silence_request_logs() -> None:
    """Keep the HTTP client from logging addresses: Telegram's and WeChat's carry the token in them."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def raw_header(request: Request, name: str) -> bytes:
    """Give a header's bytes as they came, ``b""`` when it is absent."""
    wanted = name.lower().encode("ascii")
    return next((value for key, value in request.headers.raw if key.lower() == wanted), b"")


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
