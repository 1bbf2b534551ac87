"""The public addresses from which platforms fetch the pictures that agents send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from bot.domain.errors import NotFound
from bot.domain.media import MediaFile

_HEADERS = {
    "Content-Disposition": "inline",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=600",
}


class Shown(Protocol):
    """What addresses show."""

    async def open(self, token: str) -> MediaFile:
        """Find what an address shows; NotFound when it shows nothing."""
        ...

    def read(self, file: MediaFile) -> AsyncIterator[bytes]:
        """Stream its bytes."""
        ...


def build_router(shown: Shown, path: str) -> APIRouter:
    """Make the route ``path``/token; whatever is wrong with a token, the answer is the same 404."""
    router = APIRouter()

    async def show(request: Request) -> Response:
        try:
            file = await shown.open(str(request.path_params["token"]))
            chunks = shown.read(file)
            # Read before the answer begins, so that bytes that are gone are a 404 as well.
            first = await anext(chunks)
        except (NotFound, StopAsyncIteration):
            return PlainTextResponse("Not found", 404, {"Cache-Control": "no-store"})
        headers = _HEADERS | {"Content-Type": file.mime, "Content-Length": str(file.size)}
        return StreamingResponse(_all(first, chunks if request.method == "GET" else None), headers=headers)

    router.add_api_route(f"{path}/{{token}}", show, methods=["GET", "HEAD"], include_in_schema=False)
    return router


async def _all(first: bytes, chunks: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    """Give everything; the head of an answer has no body."""
    if chunks is not None:
        yield first
        async for chunk in chunks:
            yield chunk
