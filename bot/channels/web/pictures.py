"""Pictures on the shop's own page: taken from a visitor, and shown to the one they belong to."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from bot.channels.web.sentences import Declined, Problem
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.errors import NotFound
from bot.domain.media import Kept, MediaFile, MediaId, MediaRefused, uploaded_reference
from bot.domain.media_types import PLAYED_TYPES, SHOWN_TYPES, UNKNOWN
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender

_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_RATE = "12/minute"


class ShopperMedia(Protocol):
    """What a visitor's page needs of attachments."""

    async def keep(self, chunks: AsyncIterator[bytes], kind: MessageKind | None = None) -> Kept:
        """Keep a stream; MediaRefused when it is not taken."""
        ...

    async def of_shopper(self, sender: Sender, media_id: MediaId) -> MediaFile:
        """Find an attachment of this shopper's own conversations; NotFound otherwise."""
        ...

    def read(self, content: str, start: int = 0) -> AsyncIterator[bytes]:
        """Stream a content's bytes."""
        ...


class Pictures:
    """The endpoints; ``admit`` tells who asks and counts it against a rate."""

    def __init__(
        self,
        media: ShopperMedia,
        on_messages: OnMessages,
        clock: Clock,
        admit: Callable[[Request, str], Awaitable[Sender]],
    ) -> None:
        self._media = media
        self._on_messages = on_messages
        self._clock = clock
        self._admit = admit

    async def take(self, request: Request) -> Response:
        """Take one picture as the body, with the page's id of the message in ``?id=``; 202 once it is committed."""
        sender = await self._admit(request, _RATE)
        client_id = request.query_params.get("id", "")
        if not _CLIENT_ID.fullmatch(client_id):
            raise Declined(Problem.BAD_FIELD, field="id")
        attachment = await self._kept(request)
        message = InboundMessage(
            sender=sender,
            dedupe_key=f"{sender.channel_user_id}:{client_id}",
            kind=MessageKind.IMAGE,
            sent_at=self._clock.now(),
            attachments=(attachment,),
        )
        (accepted,) = await self._on_messages([message])
        return JSONResponse({"id": client_id, "duplicate": accepted.duplicate}, status_code=202)

    async def show(self, request: Request) -> Response:
        """Give a picture or file of the visitor's own conversation."""
        sender = await self._admit(request, "120/minute")
        try:
            file = await self._media.of_shopper(sender, MediaId(str(request.path_params["media_id"])))
        except NotFound as missing:
            raise Declined(Problem.NOT_THERE) from missing
        inline = file.mime in SHOWN_TYPES | PLAYED_TYPES
        headers = {
            "Content-Disposition": "inline" if inline else "attachment",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=600",
        }
        kind = file.mime if inline else UNKNOWN
        chunks = self._media.read(file.content)
        try:
            # Read before the answer begins, so that bytes that are gone are told as such.
            first = await anext(chunks)
        except (NotFound, StopAsyncIteration) as missing:
            raise Declined(Problem.NOT_THERE) from missing
        return StreamingResponse(_all(first, chunks), headers=headers, media_type=kind)

    async def _kept(self, request: Request) -> Attachment:
        try:
            kept = await self._media.keep(request.stream(), MessageKind.IMAGE)
        except MediaRefused as refused:
            raise Declined(Problem.NOT_TAKEN) from refused
        if not kept.mime.startswith("image/"):
            raise Declined(Problem.NOT_TAKEN)
        return Attachment(MessageKind.IMAGE, uploaded_reference(kept.content, kept.size), kept.mime)


async def _all(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk
