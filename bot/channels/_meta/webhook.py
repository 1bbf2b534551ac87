"""Meta's webhook: answer the dashboard's challenge, verify the raw bytes, parse, commit, acknowledge.

Source: https://developers.facebook.com/docs/graph-api/webhooks/getting-started (``hub.challenge``;
``X-Hub-Signature-256``: HMAC-SHA256 of the raw body with the app secret; anything but 200 is delivered again for days).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from bot.channels._api import listing
from bot.channels._http import guard_webhook, raw_header, read_body
from bot.channels._meta.settings import MetaSettings
from bot.domain.channel_ports import OnMessages
from bot.domain.conversation import Owner
from bot.domain.errors import BadPayload, BadSignature
from bot.domain.messages import InboundMessage
from bot.domain.receipts import OnReceipts, Receipt
from bot.domain.staff import OnStaffWords, OnThreadMove, StaffWords, ThreadMove

SIGNATURE_HEADER = "X-Hub-Signature-256"
MAX_BODY_BYTES = 3 * 1024 * 1024  # Source: .../whatsapp/cloud-api/guides/set-up-webhooks (payloads up to 3 MB)
_MAX_CHALLENGE_CHARS = 256
_LOG = structlog.get_logger(__name__)


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


Parse = Callable[[bytes, MetaSettings], Batch]


@dataclass(frozen=True, slots=True)
class MetaPorts:
    """What a webhook hands on to."""

    on_messages: OnMessages
    on_receipts: OnReceipts
    on_staff: OnStaffWords | None = None
    on_move: OnThreadMove | None = None


def sign(secret: str, body: bytes) -> str:
    """Sign a body as Meta does."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def read_entries(body: bytes, wanted_object: str) -> Iterator[Mapping[str, Any]]:
    """Give the entries of a body; BadPayload when it is not the webhook object of this channel."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPayload("the body is not JSON; send the webhook object Meta describes") from error
    if not isinstance(data, dict) or data.get("object") != wanted_object or not isinstance(data.get("entry"), list):
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
        challenge = query.get("hub.challenge", "")
        if not challenge or len(challenge) > _MAX_CHALLENGE_CHARS:
            raise BadPayload(f"hub.challenge is missing or longer than {_MAX_CHALLENGE_CHARS} characters")
        return PlainTextResponse(challenge, headers={"X-Content-Type-Options": "nosniff"})

    async def receive(self, request: Request) -> Response:
        """Take one batch; 200 once its messages are committed."""
        body = await read_body(request, MAX_BODY_BYTES)
        right = sign(self._settings.app_secret, body).encode("ascii")
        if not hmac.compare_digest(raw_header(request, SIGNATURE_HEADER), right):
            raise BadSignature(f"the header {SIGNATURE_HEADER} does not fit the body; check the app secret")
        batch = self._parse(body, self._settings)
        for reason, count in Counter(batch.ignored).items():
            _LOG.info("meta_event_without_message", channel=self._settings.channel, reason=reason, count=count)
        await self._move(batch.moves)
        if batch.messages:
            await self._ports.on_messages(batch.messages)
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
            if self._ports.on_move is not None:
                await self._ports.on_move(move)


def build_meta_router(settings: MetaSettings, parse: Parse, ports: MetaPorts, path: str) -> APIRouter:
    """Build a channel's routes."""
    webhook = _Webhook(settings, parse, ports)
    router = APIRouter(include_in_schema=False)
    router.add_api_route(path, guard_webhook(settings.channel, webhook.challenge), methods=["GET"])
    router.add_api_route(path, guard_webhook(settings.channel, webhook.receive), methods=["POST"])
    return router
