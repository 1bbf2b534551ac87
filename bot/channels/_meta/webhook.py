"""Meta's webhook: answer the dashboard's challenge, verify the raw bytes, parse, commit, acknowledge.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started (``hub.challenge``;
``X-Hub-Signature-256``: HMAC-SHA256 of the raw body with the app secret; anything but 200 is delivered again for days).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._http import check_echo, check_header, echo, read_body, take_in, webhook_router
from bot.channels._meta.settings import MetaSettings
from bot.channels.reading import listing, read_object
from bot.domain.channel_ports import Addressee, OnMessages
from bot.domain.conversation import Owner
from bot.domain.errors import BadPayload, BadSignature
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage
from bot.domain.receipts import OnReceipts, Receipt
from bot.domain.staff import OnStaffWords, OnThreadMove, StaffWords, ThreadMove
from bot.domain.thread_ports import Handed

SIGNATURE_HEADER = "X-Hub-Signature-256"
MAX_BODY_BYTES = 3 * 1024 * 1024  # Source: .../whatsapp/cloud-api/guides/set-up-webhooks (payloads up to 3 MB)
_MAX_CHALLENGE_CHARS = 256

Found = InboundMessage | Receipt | StaffWords | ThreadMove | str


@dataclass(frozen=True, slots=True)
class Batch:
    """What a body holds for us, and why the rest is passed over.

    ``staff`` is what was written in another app of the shop, ``moves`` whose a thread is now.
    """

    messages: tuple[InboundMessage, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    ignored: tuple[str, ...] = ()
    staff: tuple[StaffWords, ...] = ()
    moves: tuple[ThreadMove, ...] = ()

    @classmethod
    def of(cls, found: Sequence[Found]) -> Batch:
        """Sort what was found in a body by its kind; texts are the reasons."""
        return cls(
            messages=tuple(each for each in found if isinstance(each, InboundMessage)),
            receipts=tuple(each for each in found if isinstance(each, Receipt)),
            ignored=tuple(each for each in found if isinstance(each, str)),
            staff=tuple(each for each in found if isinstance(each, StaffWords)),
            moves=tuple(each for each in found if isinstance(each, ThreadMove)),
        )


Parse = Callable[[bytes, MetaSettings], Batch]


@dataclass(frozen=True, slots=True)
class MetaPorts:
    """What a webhook hands on to; ``give`` passes a thread to the inbox that asked for it."""

    on_messages: OnMessages
    on_receipts: OnReceipts
    on_staff: OnStaffWords | None = None
    on_move: OnThreadMove | None = None
    give: Callable[[Addressee], Awaitable[Handed]] | None = None


def sign(secret: str, body: bytes) -> str:
    """Sign a body as Meta does."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def read_entries(body: bytes, wanted_object: str) -> Iterator[Mapping[str, Any]]:
    """Give the entries of a body; BadPayload when it is not the webhook object of this channel."""
    data = read_object(body, "Meta")
    if data.get("object") != wanted_object or not isinstance(data.get("entry"), list):
        raise BadPayload(f"the body is no webhook of {wanted_object!r}; subscribe this address to that object only")
    return iter(listing(data, "entry"))


class _Webhook:
    """The endpoints, bound to their channel."""

    def __init__(self, settings: MetaSettings, parse: Parse, ports: MetaPorts) -> None:
        self._settings = settings
        self._parse = parse
        self._ports = ports

    async def challenge(self, request: Request) -> Response:
        """Prove to the dashboard that this address is ours."""
        query = request.query_params
        token = query.get("hub.verify_token", "").encode("utf-8", "surrogatepass")
        right = hmac.compare_digest(token, self._settings.verify_token.encode())
        if query.get("hub.mode") != "subscribe" or not right:
            raise BadSignature("the verify token is not ours; give the dashboard the one of XIAOER_META_VERIFY_TOKEN")
        return echo(check_echo(query.get("hub.challenge", ""), "hub.challenge", _MAX_CHALLENGE_CHARS))

    async def receive(self, request: Request) -> Response:
        """Take one batch; 200 once its messages are committed."""
        body = await read_body(request, MAX_BODY_BYTES)
        right = sign(self._settings.app_secret, body)
        check_header(request, SIGNATURE_HEADER, right, "does not fit the body; check the app secret")
        batch = self._parse(body, self._settings)
        await self._move(batch.moves)
        await take_in(self._settings.channel, batch.messages, batch.ignored, self._ports.on_messages)
        if batch.messages:
            # A message in standby may just have opened its conversation.
            await self._move([move for move in batch.moves if move.owner is Owner.WITH_AGENT])
        if batch.receipts:
            await self._ports.on_receipts(batch.receipts)
        for words in batch.staff:
            if self._ports.on_staff is not None:
                await self._ports.on_staff(words)
        return JSONResponse({})

    async def _move(self, moves: Sequence[ThreadMove]) -> None:
        """Hand on whose threads are now; it may be told twice."""
        for move in moves:
            moved = self._ports.on_move is not None and await self._ports.on_move(move)
            if moved and move.asked and self._ports.give is not None:
                # Should this not work: who asked for the thread gets it by answering in it.
                to = Addressee(move.sender.account, move.sender.channel_user_id, ConversationId(""))
                await self._ports.give(to)


def build_meta_router(settings: MetaSettings, parse: Parse, ports: MetaPorts, path: str) -> APIRouter:
    """Build a channel's routes."""
    webhook = _Webhook(settings, parse, ports)
    return webhook_router(settings.channel, path, webhook.receive, webhook.challenge)
