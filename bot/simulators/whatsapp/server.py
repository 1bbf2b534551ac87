"""The Cloud API's messages of one number, stricter than the real one.

Source: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages and
https://developers.facebook.com/documentation/business-messaging/whatsapp/business-scoped-user-ids
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.domain.clock import Clock
from bot.domain.windows import MessageTemplate
from bot.simulators.media import HeldFile, MediaHold
from bot.simulators.meta.graph import Declined, GraphServer, MetaApp, ShownMessage, only, short_text
from bot.simulators.typing_shown import TypingShown

WINDOW = timedelta(hours=24)
PAIR_GAP = timedelta(seconds=6)
MAX_TEXT = 4096
MAX_INTERACTIVE = 1024
MAX_CAPTION = 1024
MAX_TITLE = 24
_FILES = ("image", "document", "video", "audio")
_MB = 1024 * 1024
# Source: https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media#supported-media-types
_MOST_BYTES = {"image": 5 * _MB, "audio": 16 * _MB, "video": 16 * _MB, "document": 100 * _MB}


class WhatsappServer(GraphServer):
    """Takes messages for one phone number; ``customers`` maps a number to when it last wrote.

    ``received`` maps the id of a customer's message to who wrote it; ``read`` lists those that were marked as read.

    ``named`` maps the id of a message of ours to the name we gave it.
    ``templates`` maps (name, language) to the number of its parameters; only these are approved.
    ``wordings`` maps the same to their text, where it is to be shown as a person reads it.
    """

    def __init__(self, app: MetaApp, phone_number_id: str, clock: Clock, hold: MediaHold | None = None) -> None:
        super().__init__(app, phone_number_id, clock, hold)
        self.customers: dict[str, datetime] = {}
        self.received: dict[str, str] = {}
        self.read: list[str] = []
        self.typing = TypingShown(clock, lasts_s=25)
        self.blocked: set[str] = set()
        self.templates: dict[tuple[str, str], int] = {}
        self.wordings: dict[tuple[str, str], str] = {}
        self.named: dict[str, str] = {}
        self._last_to: dict[str, datetime] = {}
        self._take = self._taken
        self._edges = {"media": self._upload}

    def _taken(self, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("messaging_product") != "whatsapp" or body.get("recipient_type", "individual") != "individual":
            raise Declined(400, 100, "Invalid parameter: messaging_product")
        if "status" in body:
            return self._mark_read(body)
        to, kind = _recipient(body), short_text(body, "type", 20)
        only(body, "messaging_product", "recipient_type", "to", "recipient", "type", kind, "biz_opaque_callback_data")
        readers = {"text": _text, "interactive": _interactive}
        buttons: list[tuple[str, str]] = []
        if kind == "template":
            text = self._template(body["template"])
        elif kind in _FILES:
            text = self._file(kind, body[kind])
        elif kind in readers:
            text, buttons = readers[kind](body[kind])
        else:
            raise Declined(400, 131051, "Unsupported message type")
        self._permit(to, kind)
        number = f"wamid.{to}.{len(self.shown) + 1:06d}"
        if "biz_opaque_callback_data" in body:
            self.named[number] = short_text(body, "biz_opaque_callback_data", 512)
        style = "list" if kind == "interactive" and body[kind]["type"] == "list" else "keys"
        media = str(body[kind]["id"]) if kind in _FILES else ""
        self.shown.append(ShownMessage(number, to, text, tuple(buttons), style=style, media=media))
        self.typing.stop(to)
        known = {"user_id" if "recipient" in body else "wa_id": to}
        return {
            "messaging_product": "whatsapp",
            "contacts": [{"input": to, **known}],
            "messages": [{"id": number}],
        }

    def _upload(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take a file, to be sent by its id."""
        only(body, "messaging_product", "type", "file")
        file = body["file"]
        if body["messaging_product"] != "whatsapp" or not isinstance(file, HeldFile) or body["type"] != file.mime:
            raise Declined(400, 100, "Invalid parameter: a file, its type and messaging_product are needed")
        if not 0 < len(file.data) <= _MOST_BYTES["document"]:
            raise Declined(400, 100, "Invalid parameter: the file is empty or too large")
        return {"id": self.hold.take(file)}

    def _file(self, kind: str, content: dict[str, Any]) -> str:
        """Read a message with a file that was uploaded; gives its caption."""
        only(content, "id", *({"document": ("caption", "filename"), "audio": ()}.get(kind, ("caption",))))
        file = self.hold.there(short_text(content, "id", 64))
        if file is None:
            raise Declined(400, 100, f"Param {kind}['id'] is not a valid media attachment ID")
        if kind != "document" and not file.mime.startswith(f"{kind}/"):
            raise Declined(400, 131053, f"Media upload error: {file.mime} is no {kind}")
        if len(file.data) > _MOST_BYTES[kind]:
            raise Declined(400, 131053, f"Media upload error: too large for {kind}")
        return short_text(content, "caption", MAX_CAPTION) if "caption" in content else ""

    def _mark_read(self, body: dict[str, Any]) -> dict[str, Any]:
        """Mark a message as read, with ``typing_indicator`` showing that an answer is being made.

        Source: https://developers.facebook.com/docs/whatsapp/cloud-api/typing-indicators
        """
        only(body, "messaging_product", "status", "message_id", "typing_indicator")
        number = short_text(body, "message_id", 200)
        if body["status"] != "read" or number not in self.received:
            raise Declined(400, 100, "Invalid parameter: message_id")
        self.read.append(number)
        if "typing_indicator" in body:
            if body["typing_indicator"] != {"type": "text"}:
                raise Declined(400, 100, "Invalid parameter: typing_indicator")
            self.typing.show(self.received[number])
        return {"success": True}

    def _permit(self, to: str, kind: str) -> None:
        now = self.clock.now()
        if to not in self.customers or to in self.blocked:
            raise Declined(400, 131026, "Message undeliverable")
        if kind != "template" and (self.knobs.window_closed or now - self.customers[to] > WINDOW):
            raise Declined(400, 131047, "Re-engagement message")
        last = self._last_to.get(to)
        if self.knobs.pair_rate and last is not None and now - last < PAIR_GAP:
            raise Declined(400, 131056, "(Business Account, Consumer Account) pair rate limit hit")
        self._last_to[to] = now

    def _template(self, template: dict[str, Any]) -> str:
        only(template, "name", "language", "components")
        name, language = short_text(template, "name", 512), short_text(template["language"], "code", 10)
        wanted = self.templates.get((name, language))
        if wanted is None:
            raise Declined(404, 132001, "Template does not exist in the translation")
        values = [
            short_text(each, "text", 1024) for part in template.get("components", []) for each in part["parameters"]
        ]
        if len(values) != wanted:
            raise Declined(400, 132000, "Number of parameters does not match the expected number of params")
        wording = self.wordings.get((name, language))
        if wording:
            return MessageTemplate(name, language, wording).fill(tuple(values))
        return " ".join([f"[{name}]", *values])


def _recipient(body: dict[str, Any]) -> str:
    """Give whom a message is to: a number in ``to``, or the id of a hidden number in ``recipient``.

    The real one takes an id in ``to`` as well, answers with 200 and delivers nothing.
    """
    if "recipient" in body and "to" not in body:
        scoped = short_text(body, "recipient", 140)
        if not is_scoped_id(scoped):
            raise Declined(400, 100, "Invalid parameter: recipient is no business-scoped user id")
        return scoped
    number = short_text(body, "to", 20)
    if not number.isascii() or not number.isdigit():
        raise Declined(400, 131009, "Parameter value is not valid: to is no phone number")
    return number


def is_scoped_id(user: str) -> bool:
    """Tell whether a customer is named by the id of a hidden number."""
    country, dot, rest = user.partition(".")
    return bool(dot) and len(country) == 2 and country.isupper() and rest.removeprefix("ENT.").isalnum()  # noqa: PLR2004


def _text(text: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    only(text, "body", "preview_url")
    return short_text(text, "body", MAX_TEXT), []


def _interactive(message: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    only(message, "type", "header", "body", "action")
    text = short_text(message["body"], "text", MAX_INTERACTIVE)
    if "header" in message:
        text = f"{_header(message['header'])}\n{text}"
    if message.get("type") == "button":
        return text, _buttons(message["action"])
    if message.get("type") == "list":
        return text, _rows(message["action"])
    raise Declined(400, 100, "Invalid parameter: interactive type")


def _header(header: dict[str, Any]) -> str:
    """Read a title: plain text of one line."""
    only(header, "type", "text")
    title = short_text(header, "text", 60)
    if header["type"] != "text" or "\n" in title:
        raise Declined(400, 131009, "Invalid header: one line of text")
    return title


def _buttons(action: dict[str, Any]) -> list[tuple[str, str]]:
    only(action, "buttons")
    replies = [button["reply"] for button in action["buttons"] if button.get("type") == "reply"]
    if not 1 <= len(replies) <= 3 or len(replies) != len(action["buttons"]):  # noqa: PLR2004 - the platform's number
        raise Declined(400, 131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
    found = [(short_text(reply, "title", 20), short_text(reply, "id", 256)) for reply in replies]
    _distinct([title for title, _ in found], "button titles")
    _distinct([number for _, number in found], "button ids")
    return found


def _rows(action: dict[str, Any]) -> list[tuple[str, str]]:
    only(action, "button", "sections")
    short_text(action, "button", 20)
    found = []
    for section in action["sections"]:
        only(section, "title", "rows")
        short_text(section, "title", MAX_TITLE)
        for row in section["rows"]:
            only(row, "id", "title", "description")
            if "description" in row:
                short_text(row, "description", 72)
            found.append((short_text(row, "title", MAX_TITLE), short_text(row, "id", 200), row.get("description", "")))
    if not 1 <= len(found) <= 10:  # noqa: PLR2004 - the platform's number
        raise Declined(400, 131009, "Total row count exceed max allowed count: 10")
    _distinct([number for _, number, _ in found], "row ids")
    return [(description or title, number) for title, number, description in found]


def _distinct(values: list[str], what: str) -> None:
    if len(set(values)) != len(values):
        raise Declined(400, 131009, f"Duplicated {what} are not allowed")
