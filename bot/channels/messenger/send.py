"""Sending on Messenger and Instagram.

Source: https://developers.facebook.com/docs/messenger-platform/reference/send-api (text 2000),
.../send-messages/quick-replies (13 of 20 characters), .../reference/templates/button (text 640, 3 buttons of 20),
.../instagram/features/send-message (text of 1000 bytes), .../policy/policy-overview (24 hours; HUMAN_AGENT 7 days, for
answers written by a person; automation is disclosed at a conversation's start), .../error-codes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx

from bot.channels._api import Answer
from bot.channels._meta.graph import ErrorTable, GraphApi, post_message, weighed
from bot.channels._meta.media import by_address
from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.threads import ThreadHands
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade, measure
from bot.channels.messenger.parse import INSTAGRAM, MESSENGER
from bot.channels.parts import PartsSent
from bot.channels.public_pictures import PictureLimits, public_picture
from bot.channels.reading import text_of
from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Refusal, Refused, SendPolicy, Sent
from bot.domain.ids import OutboxId
from bot.domain.media import ShowFile
from bot.domain.messages import OutboundMessage
from bot.domain.shared_ports import FirstMark

MAX_QUICK_REPLIES = 13
MAX_LABEL = 20
MAX_TEMPLATE_BUTTONS = 3
MAX_TEMPLATE_TEXT = 640
AGENT = "agent"
_SENDING = SendPolicy(per_second=100)
_INSTAGRAM = Capabilities(
    1000, "bytes", MAX_QUICK_REPLIES, images=True, typing=True, receipts=True, edits=True, sending=_SENDING
)
_CAPABILITIES = {
    MESSENGER: replace(_INSTAGRAM, max_text=2000, text_unit="utf16", files=True),
    INSTAGRAM: _INSTAGRAM,
}
# Source: .../docs/messenger-platform/instagram/features/upload-attachment (PNG, JPEG and GIF of 8 MB at most).
_PICTURES = PictureLimits("Instagram", frozenset({"image/jpeg", "image/png", "image/gif"}), 8)
_DISCLOSED_FOR_S = 24 * 3600
_CJK = re.compile("[\u3400-\u9fff]")
_DISCLOSURE_ZH = "（您正在与自动客服对话，随时可以说“转人工”。）"
_DISCLOSURE_EN = '(You are chatting with an automated assistant; say "human" at any time.)'
_ERRORS = ErrorTable(
    refused={
        (10, 2018278): (Refusal.WINDOW, "window closed: more than 24 hours since the customer's last message"),
        (10, 2018065): (Refusal.WINDOW, "window closed: more than 24 hours since the customer's last message"),
        (10, 2534022): (Refusal.WINDOW, "window closed: more than 24 hours since the customer's last message"),
        (100, 2018001): (Refusal.BLOCKED, "nobody of this id has written to this account"),
        (10, 2018300): (Refusal.HUMAN_ONLY, "another app or a person in the Page's inbox holds this conversation"),
        (200, 1545041): (Refusal.BLOCKED, "the customer does not receive messages of this account"),
        (200, 2018108): (Refusal.BLOCKED, "the customer does not receive messages now"),
        551: (Refusal.BLOCKED, "the customer is not available to this account"),
    },
    waits_s={1200: 5.0},
)


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Says at the start of a conversation, and once a day of it, that a machine answers; ``marks`` remembers where."""

    marks: FirstMark
    wanted: bool = True


def render(message: OutboundMessage, channel: str = MESSENGER) -> tuple[dict[str, Any], ...]:
    """Shape a message as message objects of the Send API, each within its limits."""
    message = clean_message(message)
    abilities = _CAPABILITIES[channel]
    if any(measure(button.label, "utf16") > MAX_LABEL for button in message.buttons):
        abilities = replace(abilities, max_buttons=0)
    return tuple(_shape(part) for part in degrade(message, abilities) if part.text)


def _shape(part: OutboundMessage) -> dict[str, Any]:
    if not part.buttons:
        return {"text": part.text}
    if len(part.buttons) <= MAX_TEMPLATE_BUTTONS and measure(part.text, "utf16") <= MAX_TEMPLATE_TEXT:
        keys = [{"type": "postback", "title": each.label, "payload": each.payload} for each in part.buttons]
        payload = {"template_type": "button", "text": part.text, "buttons": keys}
        return {"attachment": {"type": "template", "payload": payload}}
    replies = [{"content_type": "text", "title": each.label, "payload": each.payload} for each in part.buttons]
    return {"text": part.text, "quick_replies": replies}


def disclose(message: OutboundMessage) -> OutboundMessage:
    """Put the line that a machine answers before a message, in the message's language."""
    line = _DISCLOSURE_ZH if _CJK.search(message.text) else _DISCLOSURE_EN
    return replace(message, text=f"{line}\n{message.text}")


class MessengerAdapter(PlatformAdapter):
    """The ``messenger`` channel of a Page or the ``instagram`` channel of an account, as the settings name it."""

    platform = "Meta"

    def __init__(
        self, settings: MetaSettings, disclosure: Disclosure, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.name = settings.channel
        self.capabilities = _CAPABILITIES[settings.channel]
        self.settings = settings
        self._disclosure = disclosure
        self._graph = GraphApi(settings, transport)
        hands = ThreadHands(self._graph, settings, _ERRORS)
        self.inbox, self.pass_thread = hands.inbox, hands.pass_thread
        self.take_thread, self.release_thread = hands.take_thread, hands.release_thread
        self._opening = PartsSent()
        self.shown: ShowFile | None = None
        super().__init__(by_address(settings, transport), self._graph.close)

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send a file and what is said with it, or words; the first words of a day tell that a machine answers."""
        if message.attachments:
            parts = (None, *render(replace(message, attachments=()), self.name))
            return await self.parts.send(
                outbox_id, parts, lambda part: self._part(to, part) if part else self._send_file(to, message)
            )
        opens = await self._opens(to, outbox_id)
        parts = render(disclose(message) if opens else message, self.name)
        delivery = await self.parts.send(outbox_id, parts, lambda part: self._part(to, part))
        if isinstance(delivery, Sent):
            self._opening.forget(outbox_id)
        elif opens and not self.parts.count(outbox_id):
            self._opening.forget(outbox_id)
            await self._disclosure.marks.forget(self._mark(to))
        return delivery

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Show "typing" until the answer or for 20 seconds.

        Source: https://developers.facebook.com/docs/messenger-platform/send-messages/sender-actions
        """
        del answering
        body = {"recipient": {"id": to.channel_user_id}, "sender_action": "typing_on"}
        await self._graph.post(f"{self.settings.node}/messages", body)

    async def _send_file(self, to: Addressee, message: OutboundMessage) -> Delivery:
        """Send a file in one form with its message; Instagram takes pictures only, and fetches them itself."""
        if not self.capabilities.files:
            address = await public_picture(self.shown, message.attachments[0], _PICTURES)
            if isinstance(address, Refused):
                return address
            return await self._part(to, {"attachment": {"type": "image", "payload": {"url": address}}})
        file = await self.read_file(message.attachments[0])
        family = file.mime.partition("/")[0]
        kind = family if family in {"image", "audio", "video"} else "file"
        form = {
            "recipient": json.dumps({"id": to.channel_user_id}),
            "message": json.dumps({"attachment": {"type": kind, "payload": {"is_reusable": False}}}),
        }
        path = f"{self.settings.node}/messages"

        async def post(how: Mapping[str, str]) -> Delivery:
            found = await weighed(self._graph.upload(path, form | dict(how), "filedata", file), _ERRORS)
            return Sent(text_of(found.data, "message_id")) if isinstance(found, Answer) else found

        return await _as_permitted(to, post)

    async def _opens(self, to: Addressee, outbox_id: OutboxId) -> bool:
        """Tell whether this message carries the disclosure; a repeat says the same, so that its parts stay the same."""
        if self._opening.count(outbox_id):
            return True
        if not self._disclosure.wanted or to.sender == AGENT or self.parts.count(outbox_id):
            return False
        first = await self._disclosure.marks.is_first(self._mark(to), _DISCLOSED_FOR_S)
        if first:
            self._opening.note(outbox_id)
        return first

    def _mark(self, to: Addressee) -> str:
        return f"disclosed:{self.name}:{to.account}:{to.channel_user_id}"

    async def _part(self, to: Addressee, part: Mapping[str, Any]) -> Delivery:
        """Send one part."""
        body = {"recipient": {"id": to.channel_user_id}, "message": part}
        return await _as_permitted(to, lambda how: self._post(body | dict(how)))

    async def _post(self, body: Mapping[str, Any]) -> Delivery:
        found = await post_message(self._graph, f"{self.settings.node}/messages", body, _ERRORS)
        return Sent(text_of(found.data, "message_id")) if isinstance(found, Answer) else found


async def _as_permitted(to: Addressee, post: Callable[[Mapping[str, str]], Awaitable[Delivery]]) -> Delivery:
    """Send as an answer; when the window is closed, a person's words may still go out with the tag for them."""
    delivery = await post({"messaging_type": "RESPONSE"})
    closed = isinstance(delivery, Refused) and delivery.kind is Refusal.WINDOW
    if closed and to.sender == AGENT:
        return await post({"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"})
    return delivery
