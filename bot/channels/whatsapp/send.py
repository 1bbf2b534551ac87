"""Sending on WhatsApp.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/messages (text 4096; interactive body 1024; three reply
buttons of 20 characters; a list of ten rows of 24 and 72), .../cloud-api/overview#throughput (80 a second; one pair one
message in six seconds, 45 in a burst that is paid back), .../cloud-api/support/error-codes, and for customers without a
number https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from bot.channels._api import Answer
from bot.channels._meta.graph import ErrorTable, GraphApi, post_message, weighed
from bot.channels._meta.media import by_id
from bot.channels._meta.settings import MetaSettings
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import card_parts, degrade, measure, split_text
from bot.channels.reading import listing, text_of
from bot.channels.whatsapp.parse import CHANNEL, NAME_OF_OURS
from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Failed, Refusal, SendPolicy, Sent, Unclear
from bot.domain.ids import OutboxId
from bot.domain.messages import Attachment, Button, OutboundMessage, TemplateUse

MAX_INTERACTIVE_TEXT = 1024
MAX_HEADER = 60
MAX_REPLY_BUTTONS = 3
MAX_REPLY_LABEL = 20
MAX_ROWS = 10
MAX_ROW_TITLE = 24
MAX_ROW_DESCRIPTION = 72
MAX_CAPTION = 1024
_UNIT = "utf16"
_MB = 1024 * 1024
# Of the media types WhatsApp shows as such (.../cloud-api/reference/media); everything else, and what is too large for
# that, goes as a document.
_MOST_BYTES = {"image": 5 * _MB, "video": 16 * _MB, "audio": 16 * _MB}
_FILE_TYPES = {
    "image/jpeg": "image", "image/png": "image", "video/mp4": "video", "video/3gpp": "video", "audio/aac": "audio",
    "audio/mp4": "audio", "audio/mpeg": "audio", "audio/amr": "audio", "audio/ogg": "audio",
}  # fmt: skip
# Two letters of a country and letters or digits; with ENT between for several portfolios of one company.
_SCOPED_ID = re.compile(r"[A-Z]{2}\.(ENT\.)?[0-9A-Za-z]{1,128}")
_CHOOSE_ZH, _CHOOSE_EN = "请选择", "Choose"
_SENDING = SendPolicy(per_second=80, chat_per_second=1 / 6, chat_burst=20)
_NO_MARKETING = (Refusal.QUOTA, "WhatsApp holds marketing back from this customer; try no sooner than in a day")
_OTHER_VALUES = (Refusal.TEMPLATE, "the template does not take these values, or becomes too long with them")
_BAD_QUALITY = (Refusal.TEMPLATE, "the template, or its flow, is paused or disabled for its quality")
_ERRORS = ErrorTable(
    refused={
        130497: (Refusal.OTHER, "the business account may not write to customers in this country"),
        131026: (Refusal.BLOCKED, "the number cannot be delivered to: not on WhatsApp, too old a version, or blocked"),
        131030: (Refusal.OTHER, "the number is not among those that a test number may write to; take the app live"),
        131031: (Refusal.OTHER, "the business account is locked"),
        131037: (Refusal.OTHER, "the number's display name is not approved yet; see WhatsApp Manager"),
        131042: (Refusal.OTHER, "the account cannot pay; see the payment settings in WhatsApp Manager"),
        131047: (Refusal.WINDOW, "window closed: more than 24 hours since the customer's last message"),
        131050: (Refusal.BLOCKED, "the customer stopped marketing messages of this business"),
        131062: (Refusal.TEMPLATE, "this kind of message needs the customer's phone number, which is hidden from us"),
        132000: (Refusal.TEMPLATE, "the template has another number of parameters"),
        132001: (Refusal.TEMPLATE, "the template does not exist in this language or is not approved"),
        132007: (Refusal.TEMPLATE, "the template's content breaks a policy"),
        133010: (Refusal.OTHER, "the shop's number is not registered; register it in the app's dashboard"),
        **dict.fromkeys((130472, 131049), _NO_MARKETING),
        **dict.fromkeys((132005, 132012, 132018), _OTHER_VALUES),
        **dict.fromkeys((132015, 132016, 132068, 132069), _BAD_QUALITY),
    },
    waits_s={130429: 1.0, 131056: 6.0, 131048: 600.0},
    passing=frozenset({131000, 131016, 131057, 133004}),
)


def render(message: OutboundMessage) -> tuple[dict[str, Any], ...]:
    """Shape a message as bodies of type ``text`` or ``interactive``, each within its limits."""
    message = clean_message(message)
    # Ids have to differ, and a label has to have a place; else the choices are numbered.
    told_apart = len({button.payload for button in message.buttons}) == len(message.buttons)
    fits = told_apart and all(_units(button.label) <= MAX_ROW_DESCRIPTION for button in message.buttons)
    abilities = WhatsappAdapter.capabilities if fits else replace(WhatsappAdapter.capabilities, max_buttons=0)
    shaped: list[dict[str, Any]] = []
    for part in degrade(message, abilities):
        title, text = card_parts(part)
        if part.buttons and 0 < _units(title) <= MAX_HEADER and _units(text) <= MAX_INTERACTIVE_TEXT:
            (card,) = _with_choices(text, part.buttons)
            card["interactive"]["header"] = {"type": "text", "text": title}
            shaped.append(card)
        elif part.buttons:
            shaped += _with_choices(part.text, part.buttons)
        elif part.text:
            shaped.append(_text(part.text))
    return tuple(shaped)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": text, "preview_url": False}}


def _with_choices(text: str, buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """Put the choices under the last piece of the text: an interactive body is shorter than a plain one."""
    *before, last = split_text(text, MAX_INTERACTIVE_TEXT, _UNIT)
    few = len(buttons) <= MAX_REPLY_BUTTONS and all(_units(button.label) <= MAX_REPLY_LABEL for button in buttons)
    # Titles that the phone could not tell apart are not taken.
    distinct = len({button.label for button in buttons}) == len(buttons)
    action = _reply_buttons(buttons) if few and distinct else _rows(last, buttons)
    kind = "button" if few and distinct else "list"
    interactive = {"type": kind, "body": {"text": last}, "action": action}
    return [*map(_text, before), {"type": "interactive", "interactive": interactive}]


def _reply_buttons(buttons: Sequence[Button]) -> dict[str, Any]:
    return {"buttons": [{"type": "reply", "reply": {"id": each.payload, "title": each.label}} for each in buttons]}


def _rows(text: str, buttons: Sequence[Button]) -> dict[str, Any]:
    opener = _CHOOSE_EN if text.isascii() else _CHOOSE_ZH
    return {"button": opener, "sections": [{"title": opener, "rows": [*map(_row, buttons)]}]}


def _row(button: Button) -> dict[str, Any]:
    """Shape a row; a label too long for its title stands whole in the description."""
    if _units(button.label) <= MAX_ROW_TITLE:
        return {"id": button.payload, "title": button.label}
    title = f"{split_text(button.label, MAX_ROW_TITLE - 1, _UNIT)[0]}…"
    return {"id": button.payload, "title": title, "description": button.label}


def _units(label: str) -> int:
    """Count a label as strictly as WhatsApp may: its lists do not say what a character is (?)."""
    return measure(label, _UNIT)


def _shown_as(mime: str, size: int = 0) -> str:
    """Tell as what WhatsApp shows a file of so many bytes."""
    kind = _FILE_TYPES.get(mime, "document")
    return kind if size <= _MOST_BYTES.get(kind, size) else "document"


class WhatsappAdapter(PlatformAdapter):
    """The ``whatsapp`` channel of one phone number; ``transport`` replaces the network in tests."""

    name, platform = CHANNEL, "WhatsApp"
    capabilities = Capabilities(
        max_text=4096,
        text_unit=_UNIT,
        max_buttons=MAX_ROWS,
        listed_from=MAX_REPLY_BUTTONS,
        images=True,
        files=True,
        cards=True,
        typing=True,
        receipts=True,
        edits=True,
        sending=_SENDING,
    )

    def __init__(self, settings: MetaSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        self._graph = GraphApi(settings, transport)
        super().__init__(by_id(settings, self._graph, transport), self._graph.close)

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send a template, a file with its words, or words with their choices."""
        if message.template is not None:
            return await self.send_template(to, message.template)
        whom = to.channel_user_id
        if message.attachments:
            return await self._send_file(whom, message, outbox_id)
        parts = render(message)
        # Of several parts the row's name would not tell which: only a message of one carries it.
        ours = {NAME_OF_OURS: str(outbox_id)} if len(parts) == 1 else {}
        return await self.parts.send(outbox_id, parts, lambda part: self._post(whom, part | ours))

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Mark the message that is being answered as read, and show "typing" until the answer or for 25 seconds.

        Source: https://developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators
        """
        del to
        if answering:
            body = {"messaging_product": "whatsapp", "status": "read", "message_id": answering}
            await self._graph.post(f"{self.settings.node}/messages", body | {"typing_indicator": {"type": "text"}})

    async def send_template(self, to: Addressee, use: TemplateUse) -> Delivery:
        """Send an approved template, the only thing a closed window lets through; its values fill the body."""
        parameters = [{"type": "text", "text": value} for value in use.values]
        template: dict[str, Any] = {"name": use.name, "language": {"code": use.language}}
        if parameters:
            template["components"] = [{"type": "body", "parameters": parameters}]
        return await self._post(to.channel_user_id, {"type": "template", "template": template})

    async def _send_file(self, to: str, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Upload a file and send it by its id, its words under it; what cannot stand there follows as a message."""
        words = replace(clean_message(message), attachments=())
        under = not words.buttons and _units(words.text) <= MAX_CAPTION
        after = () if under and _shown_as(message.attachments[0].mime) != "audio" else render(words)

        async def send_one(part: dict[str, Any] | None) -> Delivery:
            if part is not None:
                return await self._post(to, part)
            found = await self._upload(message.attachments[0], "" if after else words.text)
            return await self._post(to, found) if isinstance(found, dict) else found

        return await self.parts.send(outbox_id, (None, *after), send_one)

    async def _upload(self, attachment: Attachment, caption: str) -> dict[str, Any] | Delivery:
        """Upload a file; the message that shows it, or what became of the upload."""
        file = await self.read_file(attachment)
        form = {"messaging_product": "whatsapp", "type": file.mime}
        uploaded = await weighed(self._graph.upload(f"{self.settings.node}/media", form, "file", file), _ERRORS)
        if isinstance(uploaded, Unclear):
            return Failed(uploaded.reason, retryable=True)  # nothing was sent yet
        if not isinstance(uploaded, Answer):
            return uploaded
        kind = _shown_as(file.mime, len(file.data))
        media = {"id": text_of(uploaded.data, "id")}
        if caption:
            media["caption"] = caption
        if kind == "document":
            media["filename"] = file.name
        return {"type": kind, kind: media}

    async def _post(self, to: str, part: dict[str, Any]) -> Delivery:
        # A number in its field, the id of a hidden number in its own: in the other's it is taken and never delivered.
        whom = {"recipient" if _SCOPED_ID.fullmatch(to) else "to": to}
        body = {"messaging_product": "whatsapp", "recipient_type": "individual", **whom, **part}
        found = await post_message(self._graph, f"{self.settings.node}/messages", body, _ERRORS)
        if not isinstance(found, Answer):
            return found
        taken = listing(found.data, "messages")
        return Sent(text_of(taken[0], "id") if taken else "")
