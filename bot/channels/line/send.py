"""Sending on LINE: the free reply first, then the billed push.

Source: https://developers.line.biz/en/reference/messaging-api/#send-push-message and
.../docs/messaging-api/retrying-api-request/ (``X-Line-Retry-Key``: a UUID, good for 24 hours; 409: already accepted).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import httpx

from bot.channels._api import TIMEOUT_S, Answer, Lost, Unreached, call, listing, text_of
from bot.channels._http import silence_request_logs
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade, measure
from bot.channels.line.media import LineMedia
from bot.channels.line.settings import CHANNEL, LineSettings
from bot.channels.line.tokens import ReplyToken, ReplyTokens
from bot.channels.parts import PartsSent
from bot.domain.channel_ports import (
    Addressee,
    Capabilities,
    Deferred,
    Delivery,
    Failed,
    Refusal,
    Refused,
    SendPolicy,
    Sent,
    Unclear,
)
from bot.domain.clock import Clock
from bot.domain.ids import OutboxId
from bot.domain.messages import OutboundMessage

MAX_MESSAGES_A_CALL = 5
MAX_QUICK_REPLIES = 13
MAX_TEMPLATE_ACTIONS = 4
MAX_TEMPLATE_TEXT = 160
MAX_ALT_TEXT = 400
MAX_LABEL = 20
_UNIT = "utf16"  # Source: .../docs/messaging-api/text-character-count/ (UTF-16 code units)
_RETRY_KEYS = UUID("6f0f2f0a-7d0e-4a2b-9b55-2f1d3a3f7c11")
_DEFAULT_WAIT_S = 5.0
_CONFLICT, _TOO_MANY = 409, 429
_REFUSALS = {
    401: "the channel access token is not valid; issue another in the LINE Developers Console",
    403: "the account or its plan does not permit this",
}
# Repeats are safe for a push, which has its retry key, but not for a reply that was begun before a restart.
_SENDING = SendPolicy(repeats_safely=False, per_second=1000)


def render(message: OutboundMessage) -> tuple[dict[str, Any], ...]:
    """Shape a message as LINE's message objects, each within its limits."""
    message = clean_message(message)
    fits = all(measure(button.label, _UNIT) <= MAX_LABEL for button in message.buttons)
    abilities = LineAdapter.capabilities if fits else replace(LineAdapter.capabilities, max_buttons=0)
    return tuple(_shape(part) for part in degrade(message, abilities) if part.text)


def _shape(part: OutboundMessage) -> dict[str, Any]:
    if not part.buttons:
        return {"type": "text", "text": part.text}
    actions = [
        {"type": "postback", "label": button.label, "data": button.payload, "displayText": button.label}
        for button in part.buttons
    ]
    if len(actions) <= MAX_TEMPLATE_ACTIONS and measure(part.text, _UNIT) <= MAX_TEMPLATE_TEXT:
        template = {"type": "buttons", "text": part.text, "actions": actions}
        return {"type": "template", "altText": part.text, "template": template}
    items = [{"type": "action", "action": action} for action in actions]
    return {"type": "text", "text": part.text, "quickReply": {"items": items}}


class LineAdapter:
    """The ``line`` channel of one account; ``transport`` replaces the network in tests."""

    name = CHANNEL
    capabilities = Capabilities(5000, _UNIT, MAX_QUICK_REPLIES, images=False, sending=_SENDING)

    def __init__(self, settings: LineSettings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        silence_request_logs()
        self.settings = settings
        self.tokens = ReplyTokens(clock)
        headers = {"Authorization": f"Bearer {settings.access_token}"}
        self._http = httpx.AsyncClient(
            base_url=settings.api_url, headers=headers, timeout=TIMEOUT_S, transport=transport
        )
        self.parts = PartsSent()
        self._media = LineMedia(settings, transport)
        self.download = self._media.download

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send up to five messages a call; a repeat goes on after the calls already taken."""
        if message.attachments:
            return Refused("LINE takes pictures only from a public address; send words instead")
        shaped = render(message)
        calls = [shaped[at : at + MAX_MESSAGES_A_CALL] for at in range(0, len(shaped), MAX_MESSAGES_A_CALL)]
        delivery: Delivery = Sent()
        for number in range(self.parts.count(outbox_id), len(calls)):
            key = uuid5(_RETRY_KEYS, f"{self.settings.account}:{to.conversation_id}:{outbox_id}:{number}")
            try:
                delivery = await self._one(to.channel_user_id, calls[number], key)
            except Unreached as error:
                return Failed(f"LINE cannot be reached: {error}", retryable=True)
            if not isinstance(delivery, Sent):
                return delivery
            self.parts.note(outbox_id)
        self.parts.forget(outbox_id)
        return delivery

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()
        await self._media.close()

    async def _one(self, address: str, messages: Sequence[dict[str, Any]], key: UUID) -> Delivery:
        token = self.tokens.take(address)
        replied = await self._reply(token, messages) if token else None
        return replied or await self._push(address.partition("/")[0], messages, key)

    async def _reply(self, token: ReplyToken, messages: Sequence[dict[str, Any]]) -> Delivery | None:
        """Answer with the token; None when it is no longer good and nothing was sent.

        A token works once, so it tells what became of a lost call: when the same call is refused for its token, the
        first one had arrived.
        """
        body = {"replyToken": token.value, "messages": messages}
        lost = False
        for _ in range(2):
            try:
                answer = await call(self._http, self._http.build_request("POST", "/v2/bot/message/reply", json=body))
            except Lost:
                lost = True
                continue
            if answer.broken:
                lost = True
                continue
            if _token_refused(answer):
                return Sent() if lost else None
            return _delivery(answer)
        return Unclear("the connection to LINE was lost twice while the reply was sent")

    async def _push(self, to: str, messages: Sequence[dict[str, Any]], key: UUID) -> Delivery:
        body = {"to": to, "messages": messages}
        headers = {"X-Line-Retry-Key": str(key)}
        request = self._http.build_request("POST", "/v2/bot/message/push", json=body, headers=headers)
        try:
            return _delivery(await call(self._http, request))
        except Lost as error:
            # The retry key makes another try harmless.
            return Failed(f"the connection to LINE was lost: {error}", retryable=True)


def _token_refused(answer: Answer) -> bool:
    return answer.status == httpx.codes.BAD_REQUEST and "reply token" in text_of(answer.data, "message").lower()


def _delivery(answer: Answer) -> Delivery:
    if answer.good or answer.status == _CONFLICT:
        sent = listing(answer.data, "sentMessages")
        return Sent(text_of(sent[-1], "id") if sent else "")
    said = text_of(answer.data, "message")
    if answer.status == _TOO_MANY:
        if "monthly limit" in said.lower():
            return Refused("the account's messages of this month are used up; raise its plan", Refusal.QUOTA)
        return Deferred(answer.wait_s or _DEFAULT_WAIT_S, "LINE asks to wait")
    if answer.broken:
        return Failed(f"LINE is in trouble (HTTP {answer.status})", retryable=True)
    if answer.status in _REFUSALS:
        # Retried: an operator can mend it while the message waits.
        return Failed(f"LINE refuses: {_REFUSALS[answer.status]}", retryable=True)
    return Failed(f"LINE does not take the message: {said[:100]}", retryable=False)
