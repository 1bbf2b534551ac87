"""Attachments over HTTP: shown, played or handed over, to people who are signed in and to nobody else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from urllib.parse import quote, unquote

from starlette.responses import Response, StreamingResponse

from bot.console.attachments import look, why
from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.desk.media import DeskMedia
from bot.desk.permits import permits
from bot.desk.refusals import Refusal
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId
from bot.domain.media import MediaFile, MediaId
from bot.domain.media_types import ENDINGS, UNKNOWN
from bot.domain.messages import MessageKind
from bot.domain.people import Agent

_POLICY = "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")
_UNSAFE = re.compile(r'[^A-Za-z0-9._ -]|["\\]')
_MAX_NAME_CHARS = 200


async def show(visit: Visit) -> Response:
    """Give an attachment's bytes, or the part of them a player asks for."""
    file = await _media(visit).get(_id(visit))
    first, last = _part(visit.request.headers.get("range", ""), file.size)
    headers = _headers(file)
    if headers["ETag"] in visit.request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if (first, last) != (0, file.size - 1):
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    headers["Content-Length"] = str(last - first + 1)
    status = 206 if "Content-Range" in headers else 200
    if visit.request.method == "HEAD":
        return Response(None, status, headers)
    chunks = await _begun(_media(visit).read(file, first))
    return StreamingResponse(_only(chunks, last - first + 1), status, headers)


async def retry(visit: Visit) -> Response:
    """Ask for an attachment again that could not be fetched."""
    conversation_id = await _media(visit).retry(_id(visit))
    if visit.wants_fragment:
        return Response(status_code=204, headers={"HX-Trigger": "changed"})
    return visit.go(f"/conversations/{conversation_id}")


async def take_and_send(visit: Visit, conversation_id: ConversationId, agent: Agent) -> None:
    """Take a file in and send it to the shopper; its name and the key against repeats come in headers.

    Conflict, before anything is taken, unless the agent holds the conversation.
    """
    conversation = await visit.desk.stores.conversations.get(conversation_id)
    if not permits(conversation, agent).reply:
        raise Conflict("the conversation is not yours; the file was not sent")
    name = unquote(visit.request.headers.get("x-file-name", ""))[:_MAX_NAME_CHARS]
    try:
        attachment = await _media(visit).take_in(conversation, name, visit.request.stream())
    except Refusal as refused:
        data = {key: why(str(value), visit.word) for key, value in refused.data.items()}
        raise Refusal(refused.key, str(refused), **data) from None
    key = visit.request.headers.get("x-send-key", "")
    try:
        await visit.desk.actions.send_file(conversation_id, agent, attachment, key)
    finally:
        await _media(visit).withdraw(attachment)


async def of_conversation(visit: Visit, conversation_id: ConversationId) -> Mapping[MediaId, MediaFile]:
    """List what is kept of a conversation's attachments; nothing in a house that keeps none."""
    return await visit.desk.media.of_conversation(conversation_id) if visit.desk.media else {}


def largest(visit: Visit) -> str:
    """Give the largest sizes that are taken, in bytes by kind, as JSON for the page."""
    limits = visit.desk.media.limits if visit.desk.media else None
    kinds = (MessageKind.IMAGE, MessageKind.VOICE, MessageKind.VIDEO, MessageKind.FILE)
    return json.dumps({kind.value: limits.largest_of(kind) for kind in kinds} if limits else {})


def _media(visit: Visit) -> DeskMedia:
    if visit.desk.media is None:
        raise NotFound("attachments are not kept here")
    return visit.desk.media


def _id(visit: Visit) -> MediaId:
    return MediaId(str(visit.request.path_params["media_id"]))


def _headers(file: MediaFile) -> dict[str, str]:
    """Say what it is: only what a browser cannot run is ever shown in place."""
    inline = look(file) not in {"file", "voice"}
    kind = "inline" if inline else "attachment"
    name = file.attachment.name or f"{file.attachment.kind.value}{ENDINGS.get(file.mime, '')}"
    plain = _UNSAFE.sub("_", name)
    return {
        "Content-Type": file.mime if inline else UNKNOWN,
        "Content-Disposition": f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": _POLICY,
        # Kept by the browser and asked for again each time, so that nobody sees it after the sign-out or its erasure.
        "Cache-Control": "private, no-cache",
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.content[:32]}"',
    }


def _part(asked: str, size: int) -> tuple[int, int]:
    """Read a Range of one part; all of it when there is none. Problem 416 when it lies behind the end."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None:
        return 0, size - 1
    first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if first > last:
        raise Problem(416, "error.refused")
    return first, last


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Read the first piece now, so that what is missing is told as such and not in the middle of an answer."""
    first = await anext(aiter(chunks), b"")

    async def rest() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return rest()


async def _only(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    left = size
    async for chunk in chunks:
        yield chunk[:left]
        left -= len(chunk)
        if left <= 0:
            return
