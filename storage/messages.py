"""Messages as the JSON that inbox and outbox keep."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.messages import Attachment, Button, InboundMessage, MessageKind, OutboundMessage, Sender, TemplateUse

_SELDOM = ("reply_token", "platform_id", "concerns", "concerns_seq", "network")
"""Fields that are kept only where they say something."""


def encode_inbound(message: InboundMessage) -> dict[str, Any]:
    """Shape an InboundMessage as JSON."""
    sender = message.sender
    return {
        "sender": {
            "channel": sender.channel,
            "account": sender.account,
            "channel_user_id": sender.channel_user_id,
            "display_name": sender.display_name,
            "locale_hint": sender.locale_hint,
        },
        "dedupe_key": message.dedupe_key,
        "kind": message.kind.value,
        "sent_at": message.sent_at.isoformat(),
        "text": message.text,
        "payload": message.payload,
        "attachments": [encode_attachment(attachment) for attachment in message.attachments],
        "truncated": message.truncated,
        "sequence": message.sequence,
        **{name: value for name in _SELDOM if (value := getattr(message, name))},
    }


def decode_inbound(data: Mapping[str, Any]) -> InboundMessage:
    """Make the InboundMessage again."""
    return InboundMessage(
        sender=Sender(**data["sender"]),
        dedupe_key=data["dedupe_key"],
        kind=MessageKind(data["kind"]),
        sent_at=datetime.fromisoformat(data["sent_at"]),
        text=data["text"],
        payload=data["payload"],
        attachments=tuple(_decode_attachment(attachment) for attachment in data["attachments"]),
        truncated=data["truncated"],
        sequence=data.get("sequence", 0),
        **{name: data[name] for name in _SELDOM if name in data},
    )


def encode_outbound(message: OutboundMessage) -> dict[str, Any]:
    """Shape an OutboundMessage as JSON."""
    return {
        "text": message.text,
        "buttons": [{"label": button.label, "payload": button.payload} for button in message.buttons],
        "attachments": [encode_attachment(attachment) for attachment in message.attachments],
        **({"template": _encode_template(message.template)} if message.template else {}),
        **({"card": True} if message.card else {}),
    }


def decode_outbound(data: Mapping[str, Any]) -> OutboundMessage:
    """Make the OutboundMessage again."""
    return OutboundMessage(
        text=data["text"],
        buttons=tuple(Button(button["label"], button["payload"]) for button in data["buttons"]),
        attachments=tuple(_decode_attachment(attachment) for attachment in data["attachments"]),
        template=_decode_template(data["template"]) if data.get("template") else None,
        card=data.get("card", False),
    )


def _encode_template(use: TemplateUse) -> dict[str, Any]:
    return {"name": use.name, "language": use.language, "values": list(use.values)}


def _decode_template(data: Mapping[str, Any]) -> TemplateUse:
    return TemplateUse(data["name"], data["language"], tuple(data["values"]))


def encode_attachment(attachment: Attachment) -> dict[str, str]:
    """Shape an attachment as JSON."""
    return {
        "kind": attachment.kind.value,
        "reference": attachment.reference,
        "mime": attachment.mime,
        "name": attachment.name,
    }


def _decode_attachment(data: Mapping[str, str]) -> Attachment:
    return Attachment(MessageKind(data["kind"]), data["reference"], data["mime"], data["name"])
