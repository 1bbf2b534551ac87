"""The widget's JSON -> InboundMessage (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.channels.cleaning import clean_text
from bot.channels.web.sentences import Declined, Problem
from bot.domain.messages import InboundMessage, MessageKind, Sender

MAX_PAYLOAD_BYTES = 64
MAX_LABEL_CHARS = 200
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_PAYLOAD = re.compile(r"[/=][^\x00-\x1f\x7f]*")


def parse_message(data: Mapping[str, Any], sender: Sender, now: datetime) -> InboundMessage:
    """Make a message of ``{"id", "text"}`` or ``{"id", "payload", "text"}``; Declined when a field is wrong or empty.

    The visitor's id stands before the client's message id in the dedupe key, so that no visitor can occupy the ids
    of another.
    """
    client_id = _string(data, "id", "")
    if not _CLIENT_ID.fullmatch(client_id):
        raise Declined(Problem.BAD_FIELD, field="id")
    payload = _payload(data)
    words = clean_text(_string(data, "text", ""))
    if not words.text and not payload:
        raise Declined(Problem.EMPTY)
    return InboundMessage(
        sender=sender,
        dedupe_key=f"{sender.channel_user_id}:{client_id}",
        kind=MessageKind.BUTTON if payload else MessageKind.TEXT,
        sent_at=now,
        text=(words.text or payload)[:MAX_LABEL_CHARS] if payload else words.text,
        payload=payload,
        truncated=words.truncated,
    )


def _payload(data: Mapping[str, Any]) -> str:
    payload = _string(data, "payload", "")
    if not payload:
        return ""
    try:
        size = len(payload.encode())
    except UnicodeEncodeError as error:
        raise Declined(Problem.BAD_FIELD, field="payload") from error
    if size > MAX_PAYLOAD_BYTES or not _PAYLOAD.fullmatch(payload):
        raise Declined(Problem.BAD_FIELD, field="payload")
    return payload


def _string(data: Mapping[str, Any], field: str, default: str) -> str:
    value = data.get(field, default)
    if value is None:
        return default
    if not isinstance(value, str):
        raise Declined(Problem.BAD_FIELD, field=field)
    return value
