"""Sending on LINE: the free reply first, then the billed push.

Source: https://developers.line.biz/en/reference/messaging-api/#send-push-message and
.../docs/messaging-api/retrying-api-request/ (``X-Line-Retry-Key``: a UUID, good for 24 hours; 409: already accepted).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

import httpx

from bot.channels._api import DEFAULT_WAIT_S, Answer, Lost, Unreached, call, open_http
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import card_parts, degrade, measure, split_text
from bot.channels.fetching import Downloads, MediaHosts, check_number
from bot.channels.line.parse import CHANNEL
from bot.channels.public_pictures import PictureLimits, public_picture
from bot.channels.reading import listing, text_of
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
from bot.domain.errors import ConfigError
from bot.domain.ids import OutboxId
from bot.domain.media import ShowFile
from bot.domain.messages import OutboundMessage
from bot.domain.windows import ReplyTokens

DEFAULT_API_URL = "https://api.line.me"
DATA_URL = "https://api-data.line.me"
MAX_MESSAGES_A_CALL = 5
MAX_QUICK_REPLIES = 13
MAX_TEMPLATE_ACTIONS = 4
MAX_TEMPLATE_TEXT = 160
MAX_ALT_TEXT = 400
MAX_CARD_TEXT = 2000
MAX_LABEL = 20
_UNIT = "utf16"  # Source: .../docs/messaging-api/text-character-count/ (UTF-16 code units)
# Source: .../reference/messaging-api/#image-message (JPEG or PNG; the preview, the same here, of 1 MB at most).
_PICTURES = PictureLimits("LINE", frozenset({"image/jpeg", "image/png"}), 1)
_RETRY_KEYS = UUID("6f0f2f0a-7d0e-4a2b-9b55-2f1d3a3f7c11")
_LOADING_S = 5
_CONFLICT, _TOO_MANY = 409, 429
_REFUSALS = {
    401: "the channel access token is not valid; issue another in the LINE Developers Console",
    403: "the account or its plan does not permit this",
}
# Repeats are safe for a push, which has its retry key, but not for a reply that was begun before a restart.
_SENDING = SendPolicy(repeats_safely=False, per_second=1000)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """One Messaging API channel: its secret signs webhooks, its access token sends."""

    channel_secret: str = field(repr=False)
    access_token: str = field(repr=False)
    account: str = "main"
    api_url: str = DEFAULT_API_URL

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.channel_secret or not self.access_token:
            raise ConfigError(
                "LINE needs the channel secret and the channel access token; copy both from the LINE Developers Console"
            )


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
    title, text = card_parts(part)
    if title and len(actions) <= MAX_TEMPLATE_ACTIONS and measure(text, _UNIT) <= MAX_CARD_TEXT:
        return {
            "type": "flex",
            "altText": split_text(title, MAX_ALT_TEXT, _UNIT)[0],
            "contents": _bubble(title, text, actions),
        }
    if len(actions) <= MAX_TEMPLATE_ACTIONS and measure(part.text, _UNIT) <= MAX_TEMPLATE_TEXT:
        template = {"type": "buttons", "text": part.text, "actions": actions}
        return {"type": "template", "altText": part.text, "template": template}
    items = [{"type": "action", "action": action} for action in actions]
    return {"type": "text", "text": part.text, "quickReply": {"items": items}}


def _bubble(title: str, text: str, actions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lay a card out.

    Source: https://developers.line.biz/en/reference/messaging-api/#bubble (? a text of 2000 characters at most).
    """
    heading = {"type": "text", "text": title, "weight": "bold", "wrap": True}
    words = {"type": "text", "text": text, "size": "sm", "wrap": True}
    keys = [{"type": "button", "height": "sm", "action": action} for action in actions]
    return {
        "type": "bubble",
        "body": {"type": "box", "layout": "vertical", "spacing": "md", "contents": [heading, words]},
        "footer": {"type": "box", "layout": "vertical", "contents": keys},
    }


class LineAdapter(PlatformAdapter):
    """The ``line`` channel of one account; ``transport`` replaces the network in tests."""

    name, platform = CHANNEL, "LINE"
    capabilities = Capabilities(5000, _UNIT, MAX_QUICK_REPLIES, images=True, cards=True, typing=True, sending=_SENDING)

    def __init__(
        self,
        settings: LineSettings,
        tokens: ReplyTokens,
        clock: Clock,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.settings = settings
        self._tokens = tokens
        self._clock = clock
        self.shown: ShowFile | None = None
        api = settings.api_url.rstrip("/")
        self._data_url = DATA_URL if api == DEFAULT_API_URL else api
        self._http = open_http(api, transport, token=settings.access_token)
        super().__init__(Downloads(MediaHosts(self._data_url), self._find, transport), self._http.aclose)

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send up to five messages a call."""
        shaped = render(message)
        if message.attachments:
            address = await public_picture(self.shown, message.attachments[0], _PICTURES)
            if isinstance(address, Refused):
                return address
            shaped = ({"type": "image", "originalContentUrl": address, "previewImageUrl": address}, *shaped)
        calls = [shaped[at : at + MAX_MESSAGES_A_CALL] for at in range(0, len(shaped), MAX_MESSAGES_A_CALL)]

        async def send_one(numbered: tuple[int, Sequence[dict[str, Any]]]) -> Delivery:
            number, messages = numbered
            key = uuid5(_RETRY_KEYS, f"{self.settings.account}:{to.conversation_id}:{outbox_id}:{number}")
            return await self._one(to, messages, key)

        return await self.parts.send(outbox_id, list(enumerate(calls)), send_one)

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Show the loading animation, to one person only: groups have none.

        Source: https://developers.line.biz/en/docs/messaging-api/use-loading-indicator/ (5 to 60 seconds, a multiple
        of 5; it goes away with the next message).
        """
        del answering
        if "/" not in to.channel_user_id:
            body = {"chatId": to.channel_user_id, "loadingSeconds": _LOADING_S}
            await call(self._http, self._http.build_request("POST", "/v2/bot/chat/loading/start", json=body))

    async def _find(self, number: str, most_bytes: int) -> tuple[str, Mapping[str, str]]:
        """Tell where the content of a message lies.

        Source: https://developers.line.biz/en/reference/messaging-api/#get-content (202 while a film or sound is
        prepared; 410 or 404 once it is gone).
        """
        del most_bytes
        check_number(number)
        headers = {"Authorization": f"Bearer {self.settings.access_token}"}
        return f"{self._data_url}/v2/bot/message/{number}/content", headers

    async def _one(self, to: Addressee, messages: Sequence[dict[str, Any]], key: UUID) -> Delivery:
        token = await self._tokens.take(to.conversation_id, self._clock.now())
        replied = await self._reply(token, messages) if token else None
        return replied or await self._push(to.channel_user_id.partition("/")[0], messages, key)

    async def _reply(self, token: str, messages: Sequence[dict[str, Any]]) -> Delivery | None:
        """Answer with the token; None when it is no longer good and nothing was sent.

        A token works once, so it tells what became of a lost call: when the same call is refused for its token, the
        first one had arrived. Whatever else is said to the second call says nothing of the first.
        """
        body = {"replyToken": token, "messages": messages}
        for again in (False, True):
            try:
                answer = await call(self._http, self._http.build_request("POST", "/v2/bot/message/reply", json=body))
            except (Lost, Unreached) as error:
                if isinstance(error, Unreached) and not again:
                    raise
                continue
            if _token_refused(answer):
                return Sent() if again else None
            if answer.good or not (again or answer.broken):
                return _delivery(answer)
        return Unclear("LINE does not say whether the reply arrived: the answer to its first try was lost")

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
        return Deferred(answer.wait_s or DEFAULT_WAIT_S, "LINE asks to wait")
    if answer.broken:
        return Failed(f"LINE is in trouble (HTTP {answer.status})", retryable=True)
    if answer.status in _REFUSALS:
        # Retried: an operator can mend it while the message waits.
        return Failed(f"LINE refuses: {_REFUSALS[answer.status]}", retryable=True)
    return Failed(f"LINE does not take the message: {said[:100]}", retryable=False)
