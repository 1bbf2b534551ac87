"""WhatsApp's webhook -> messages and receipts (pure).

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components; ``revoke`` and ``edit`` come only
to numbers also used in the WhatsApp Business app: .../webhooks/reference/messages/revoke and .../messages/edit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.channels._api import listing, mapping, text_of
from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import Batch, read_entries
from bot.channels.cleaning import clean_text
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender, sequence_of
from bot.domain.receipts import Receipt, ReceiptState

CHANNEL = "whatsapp"
_OBJECT = "whatsapp_business_account"
_MAX_NAME_CHARS = 100
_MAX_PAYLOAD_BYTES = 64
_MAX_DIGITS = 12
# What happens without the shopper saying anything, as a changed number.
_SILENT = frozenset({"system", "ephemeral"})
_FILES = {
    "image": MessageKind.IMAGE,
    "video": MessageKind.VIDEO,
    "audio": MessageKind.VOICE,
    "voice": MessageKind.VOICE,
    "document": MessageKind.FILE,
    "sticker": MessageKind.STICKER,
}


@dataclass(frozen=True, slots=True)
class _Content:
    kind: MessageKind
    words: str = ""
    attachment: Attachment | None = None
    payload: str = ""
    concerns: str = ""


def parse_webhook(body: bytes, settings: MetaSettings) -> Batch:
    """Read every change of every entry; BadPayload when the body is no webhook of WhatsApp.

    What cannot be read is passed over with its reason: the rest of its batch must not be lost with it.
    """
    messages: list[InboundMessage] = []
    receipts: list[Receipt] = []
    ignored: list[str] = []
    for entry in read_entries(body, _OBJECT):
        for change in listing(entry, "changes"):
            value = mapping(change, "value")
            if change.get("field") != "messages":
                ignored.append(f"field {text_of(change, 'field')[:40]}")
            elif text_of(mapping(value, "metadata"), "phone_number_id") != settings.node:
                ignored.append("another phone number")
            else:
                _read_value(value, settings, (messages, receipts, ignored))
    return Batch(tuple(messages), tuple(receipts), tuple(ignored))


def _read_value(
    value: Mapping[str, Any],
    settings: MetaSettings,
    into: tuple[list[InboundMessage], list[Receipt], list[str]],
) -> None:
    messages, receipts, ignored = into
    names = {text_of(one, "wa_id"): text_of(mapping(one, "profile"), "name") for one in listing(value, "contacts")}
    for raw in listing(value, "messages"):
        found = _message(raw, names, settings.account)
        if isinstance(found, InboundMessage):
            messages.append(found)
        else:
            ignored.append(found)
    for raw in listing(value, "statuses"):
        receipt = _receipt(raw, settings.account)
        if receipt:
            receipts.append(receipt)
        else:
            ignored.append("status without meaning")
    ignored += ["error report" for _ in listing(value, "errors")]


def _message(raw: Mapping[str, Any], names: Mapping[str, str], account: str) -> InboundMessage | str:
    """Read one message, or say why there is none."""
    kind, number, sender = text_of(raw, "type"), text_of(raw, "id"), text_of(raw, "from")
    sent_at = _time(raw)
    if not kind or not number or not sender or sent_at is None:
        return "malformed"
    if kind in _SILENT:
        return f"message {kind}"
    if text_of(raw, "group_id"):
        return "said in a group"
    content = _of_file(kind, raw) if kind in _FILES else _READERS.get(kind, _unknown)(raw)
    words = clean_text(content.words)
    shown = MessageKind.UNKNOWN if content.kind is MessageKind.TEXT and not words.text else content.kind
    name = clean_text(names.get(sender, "").replace("\n", " "), _MAX_NAME_CHARS).text
    return InboundMessage(
        sender=Sender(CHANNEL, account, sender, name),
        dedupe_key=number,
        kind=shown,
        sent_at=sent_at,
        text=words.text,
        payload=content.payload,
        attachments=(content.attachment,) if content.attachment else (),
        truncated=words.truncated,
        platform_id="" if content.concerns else number,
        concerns=content.concerns,
        sequence=sequence_of(sent_at),
    )


def _receipt(raw: Mapping[str, Any], account: str) -> Receipt | None:
    number, at = text_of(raw, "id"), _time(raw)
    state = text_of(raw, "status")
    if not number or at is None or state not in set(ReceiptState):
        return None
    codes = ", ".join(text_of(error, "code") for error in listing(raw, "errors"))
    to = text_of(raw, "recipient_id")
    return Receipt(CHANNEL, account, ReceiptState(state), at, to, number, reason=f"error {codes}" if codes else "")


def _time(raw: Mapping[str, Any]) -> datetime | None:
    digits = text_of(raw, "timestamp")
    if not digits.isascii() or not digits.isdigit() or len(digits) > _MAX_DIGITS:
        return None
    try:
        return datetime.fromtimestamp(int(digits), UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _unknown(_raw: Mapping[str, Any]) -> _Content:
    return _Content(MessageKind.UNKNOWN)


def _text(raw: Mapping[str, Any]) -> _Content:
    return _Content(MessageKind.TEXT, text_of(mapping(raw, "text"), "body"))


def _of_file(kind: str, raw: Mapping[str, Any]) -> _Content:
    """Attach a file by its media id, which is asked for its address when it is fetched."""
    media = mapping(raw, kind)
    mime = text_of(media, "mime_type")
    name = clean_text(text_of(media, "filename").replace("\n", " "), _MAX_NAME_CHARS).text
    shown = _FILES[kind]
    if shown is MessageKind.FILE and mime.startswith("image/"):
        shown = MessageKind.IMAGE
    return _Content(shown, text_of(media, "caption"), Attachment(shown, text_of(media, "id"), mime, name))


def _location(raw: Mapping[str, Any]) -> _Content:
    place = mapping(raw, "location")
    named = " ".join(part for part in (text_of(place, "name"), text_of(place, "address")) if part)
    return _Content(MessageKind.LOCATION, f"{text_of(place, 'latitude')},{text_of(place, 'longitude')} {named}")


def _contacts(raw: Mapping[str, Any]) -> _Content:
    lines = []
    for card in listing(raw, "contacts"):
        phones = [text_of(phone, "phone") for phone in listing(card, "phones")]
        lines.append(" ".join(part for part in (text_of(mapping(card, "name"), "formatted_name"), *phones) if part))
    return _Content(MessageKind.TEXT, "\n".join(lines))


def _interactive(raw: Mapping[str, Any]) -> _Content:
    reply = mapping(raw, "interactive")
    chosen = mapping(reply, text_of(reply, "type"))
    return _pressed(text_of(chosen, "title"), text_of(chosen, "id"))


def _template_button(raw: Mapping[str, Any]) -> _Content:
    button = mapping(raw, "button")
    return _pressed(text_of(button, "text"), text_of(button, "payload"))


def _pressed(label: str, payload: str) -> _Content:
    if not payload.startswith(("/", "=")) or len(payload.encode("utf-8", "surrogatepass")) > _MAX_PAYLOAD_BYTES:
        # A template's button of the merchant's own: its words are what was said.
        return _Content(MessageKind.TEXT, label)
    return _Content(MessageKind.BUTTON, label or payload, payload=payload)


def _order(raw: Mapping[str, Any]) -> _Content:
    """Write a cart sent from the catalogue as lines."""
    order = mapping(raw, "order")
    items = [
        f"{text_of(item, 'quantity')} × {text_of(item, 'product_retailer_id')}"
        for item in listing(order, "product_items")
    ]
    return _Content(MessageKind.TEXT, "\n".join([text_of(order, "text"), *items]))


def _reaction(raw: Mapping[str, Any]) -> _Content:
    reaction = mapping(raw, "reaction")
    return _Content(MessageKind.REACTION, text_of(reaction, "emoji"), concerns=text_of(reaction, "message_id"))


def _revoke(raw: Mapping[str, Any]) -> _Content:
    return _Content(MessageKind.RECALL, concerns=text_of(mapping(raw, "revoke"), "original_message_id"))


def _edit(raw: Mapping[str, Any]) -> _Content:
    """Read an edit: the words, or a picture's caption, as they are now."""
    edit = mapping(raw, "edit")
    message = mapping(edit, "message")
    kind = text_of(message, "type")
    words = text_of(mapping(message, kind), "body") or text_of(mapping(message, kind), "caption")
    return _Content(MessageKind.EDIT, words, concerns=text_of(edit, "original_message_id"))


_READERS: dict[str, Callable[[Mapping[str, Any]], _Content]] = {
    "text": _text,
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _template_button,
    "order": _order,
    "reaction": _reaction,
    "revoke": _revoke,
    "edit": _edit,
}
