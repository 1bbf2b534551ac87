"""WhatsApp's webhook -> messages and receipts (pure).

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/webhooks/components; ``revoke`` and ``edit`` come only
to numbers also used in the WhatsApp Business app: .../webhooks/reference/messages/revoke and .../messages/edit; what is
written in that app comes as .../webhooks/reference/smb_message_echoes.
Who hides his number behind a username is named by his business-scoped user id alone:
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import Batch, Found, read_entries
from bot.channels.reading import (
    UNREADABLE,
    Content,
    attached,
    in_words,
    inbound,
    listing,
    mapping,
    moment,
    one_line,
    place,
    pressed,
    text_of,
)
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.receipts import Receipt, ReceiptState
from bot.domain.staff import StaffWords

CHANNEL = "whatsapp"
_OBJECT = "whatsapp_business_account"
# What happens without the shopper saying anything, as a changed number or a chat that was only opened.
_SILENT = frozenset({"system", "ephemeral", "request_welcome"})
# "played" is a voice message that was listened to.
_STATES = {state.value: state for state in ReceiptState} | {"played": ReceiptState.READ}
# Source: .../cloud-api/reference/messages (given back in the statuses of the message).
NAME_OF_OURS = "biz_opaque_callback_data"
_APP_NAME = "WhatsApp Business app"
_FILES = {
    "image": MessageKind.IMAGE,
    "video": MessageKind.VIDEO,
    "audio": MessageKind.VOICE,
    "voice": MessageKind.VOICE,
    "document": MessageKind.FILE,
    "sticker": MessageKind.STICKER,
}


def parse_webhook(body: bytes, settings: MetaSettings) -> Batch:
    """Read every change of every entry; BadPayload when the body is no webhook of WhatsApp.

    What cannot be read is passed over with its reason: the rest of its batch must not be lost with it.
    """
    found: list[Found] = []
    for entry in read_entries(body, _OBJECT):
        for change in listing(entry, "changes"):
            value = mapping(change, "value")
            read = _FIELDS.get(text_of(change, "field"))
            if read is None:
                found.append(f"field {text_of(change, 'field')[:40]}")
            elif text_of(mapping(value, "metadata"), "phone_number_id") != settings.node:
                found.append("another phone number")
            else:
                found += read(value, settings)
    return Batch.of(found)


def _read_value(value: Mapping[str, Any], settings: MetaSettings) -> Iterator[Found]:
    names = _names(value)
    for raw in listing(value, "messages"):
        yield _message(raw, names, settings)
    for raw in listing(value, "statuses"):
        yield from _receipts(raw, settings.account)
    yield from (f"error report {text_of(error, 'code')[:16]}".rstrip() for error in listing(value, "errors"))


def _read_echoes(value: Mapping[str, Any], settings: MetaSettings) -> Iterator[Found]:
    """Read what the shop's people wrote to customers in the WhatsApp Business app."""
    for raw in listing(value, "message_echoes"):
        to = text_of(raw, "to") or text_of(raw, "to_user_id")
        kind, number, at = text_of(raw, "type"), text_of(raw, "id"), moment(raw, "timestamp")
        if not to or not kind or not number or at is None:
            yield "malformed"
            continue
        yield StaffWords(settings.sender(to), number, in_words(_content(kind, raw)), _APP_NAME, at)


def _names(value: Mapping[str, Any]) -> dict[str, str]:
    """Map each writer, by number and by business-scoped id, to the name he shows, or his username."""
    names: dict[str, str] = {}
    for one in listing(value, "contacts"):
        profile = mapping(one, "profile")
        shown = text_of(profile, "name") or text_of(profile, "username")
        names |= {number: shown for key in ("user_id", "wa_id") if (number := text_of(one, key))}
    return names


def _message(raw: Mapping[str, Any], names: Mapping[str, str], settings: MetaSettings) -> InboundMessage | str:
    """Read one message, or say why there is none."""
    kind, number = text_of(raw, "type"), text_of(raw, "id")
    # The number first, where it is told: by it the customer is known since before there were other ids.
    scoped = text_of(raw, "from_user_id")
    sender = text_of(raw, "from") or scoped
    sent_at = moment(raw, "timestamp")
    if not kind or not number or not sender or sent_at is None:
        return "malformed"
    if kind in _SILENT:
        return f"message {kind}"
    if text_of(raw, "group_id"):
        return "said in a group"
    content = _content(kind, raw)
    writer = settings.sender(sender, one_line(names.get(sender, "")))
    if scoped != sender:
        writer = replace(writer, other_id=scoped)
    return inbound(writer, number, sent_at, content, number)


def _content(kind: str, raw: Mapping[str, Any]) -> Content:
    return _of_file(kind, raw) if kind in _FILES else _READERS.get(kind, _unknown)(raw)


def _receipts(raw: Mapping[str, Any], account: str) -> Iterator[Receipt | str]:
    """Read a status, once for each id of the customer: which of them he was written to by is not told."""
    number, at = text_of(raw, "id"), moment(raw, "timestamp")
    state = _STATES.get(text_of(raw, "status"))
    if not number or at is None or state is None:
        yield "status without meaning"
        return
    why = "; ".join(_fault(error) for error in listing(raw, "errors"))
    told = [text_of(raw, "recipient_id"), text_of(raw, "recipient_user_id")]
    for to in [one for one in told if one] or [""]:
        yield Receipt(CHANNEL, account, state, at, to, number, reason=why, ours=text_of(raw, NAME_OF_OURS))


def _fault(error: Mapping[str, Any]) -> str:
    """Write why a message was not delivered, as WhatsApp's list of errors has it."""
    code, title = text_of(error, "code")[:16], one_line(text_of(error, "title"))
    return f"{title} (error {code})" if title else f"error {code}"


def _unknown(_raw: Mapping[str, Any]) -> Content:
    return UNREADABLE


def _text(raw: Mapping[str, Any]) -> Content:
    return Content(MessageKind.TEXT, text_of(mapping(raw, "text"), "body"))


def _of_file(kind: str, raw: Mapping[str, Any]) -> Content:
    """Attach a file by its media id, which is asked for its address when it is fetched."""
    number, mime, name, words = (text_of(raw.get(kind), key) for key in ("id", "mime_type", "filename", "caption"))
    return attached(_FILES[kind], number, mime, name, words)


def _location(raw: Mapping[str, Any]) -> Content:
    return place(*(text_of(raw.get("location"), key) for key in ("latitude", "longitude", "name", "address")))


def _contacts(raw: Mapping[str, Any]) -> Content:
    lines = []
    for card in listing(raw, "contacts"):
        phones = [text_of(phone, "phone") for phone in listing(card, "phones")]
        lines.append(" ".join(part for part in (text_of(mapping(card, "name"), "formatted_name"), *phones) if part))
    return Content(MessageKind.TEXT, "\n".join(lines))


def _interactive(raw: Mapping[str, Any]) -> Content:
    reply = mapping(raw, "interactive")
    chosen = mapping(reply, text_of(reply, "type"))
    # A label too long for a row's title stands whole in its description.
    title, whole = text_of(chosen, "title"), text_of(chosen, "description")
    return pressed(whole if whole.startswith(title.rstrip("…")) else title, text_of(chosen, "id"))


def _template_button(raw: Mapping[str, Any]) -> Content:
    button = mapping(raw, "button")
    return pressed(text_of(button, "text"), text_of(button, "payload"))


def _order(raw: Mapping[str, Any]) -> Content:
    """Write a cart sent from the catalogue as lines."""
    order = mapping(raw, "order")
    items = [(text_of(one, "quantity"), text_of(one, "product_retailer_id")) for one in listing(order, "product_items")]
    return Content(MessageKind.TEXT, "\n".join([text_of(order, "text"), *(f"{many} × {what}" for many, what in items)]))


def _reaction(raw: Mapping[str, Any]) -> Content:
    reaction = mapping(raw, "reaction")
    return Content(MessageKind.REACTION, text_of(reaction, "emoji"), concerns=text_of(reaction, "message_id"))


def _revoke(raw: Mapping[str, Any]) -> Content:
    return Content(MessageKind.RECALL, concerns=text_of(mapping(raw, "revoke"), "original_message_id"))


def _edit(raw: Mapping[str, Any]) -> Content:
    """Read an edit: the words, or a picture's caption, as they are now."""
    edit = mapping(raw, "edit")
    message = mapping(edit, "message")
    kind = text_of(message, "type")
    words = text_of(mapping(message, kind), "body") or text_of(mapping(message, kind), "caption")
    return Content(MessageKind.EDIT, words, concerns=text_of(edit, "original_message_id"))


_READERS: dict[str, Callable[[Mapping[str, Any]], Content]] = {
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
_FIELDS: dict[str, Callable[[Mapping[str, Any], MetaSettings], Iterator[Found]]] = {
    "messages": _read_value,
    "smb_message_echoes": _read_echoes,
}
