"""A person's messages as platforms deliver them: raw bodies of webhooks, read by the real parsers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.channels._meta.settings import MetaSettings
from bot.channels.line.parse import parse_webhook as parse_line
from bot.channels.messenger.parse import parse_webhook as parse_messenger
from bot.channels.telegram.parse import TelegramSettings, parse_update
from bot.channels.wechat_oa.parse import parse_callback
from bot.channels.whatsapp.parse import parse_webhook as parse_whatsapp
from bot.domain.messages import InboundMessage, Sender
from tests.durability.workshop import CHANNEL

START_S = 1_777_896_000
NODE = "1234567890"


def _telegram(person: int, number: int, text: str) -> InboundMessage | None:
    who = {"id": 1000 + person, "is_bot": False, "first_name": "Li"}
    chat = {"id": 1000 + person, "type": "private", "first_name": "Li"}
    # Telegram's clock tells seconds; the order is in the numbers of the updates.
    message = {"message_id": number, "date": START_S, "from": who, "chat": chat, "text": text}
    body = {"update_id": 100_000 * (person + 1) + number, "message": message}
    now = datetime.fromtimestamp(START_S, UTC)
    return parse_update(_bytes(body), TelegramSettings("700100:token", "shop_bot", "main"), now).messages[0]


def _line(person: int, number: int, text: str) -> InboundMessage | None:
    event = {
        "type": "message",
        "mode": "active",
        "timestamp": 1000 * START_S + number,
        "webhookEventId": f"01H{person:04}{number:04}",
        "source": {"type": "user", "userId": f"U{person:032x}"},
        "replyToken": "r",
        "deliveryContext": {"isRedelivery": False},
        "message": {"id": f"{person}{number:04}", "type": "text", "text": text},
    }
    (parsed,) = parse_line(_bytes({"destination": "x", "events": [event]}), "main")
    return parsed.message


def _whatsapp(person: int, number: int, text: str) -> InboundMessage | None:
    message = {
        "from": f"86138{person:08}",
        "id": f"wamid.{person}.{number}",
        "timestamp": str(START_S + number),
        "type": "text",
        "text": {"body": text},
    }
    value = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NODE}, "messages": [message]}
    entry = {"id": "1", "changes": [{"field": "messages", "value": value}]}
    body = {"object": "whatsapp_business_account", "entry": [entry]}
    (parsed,) = parse_whatsapp(_bytes(body), _meta("whatsapp")).messages
    return parsed


def _messenger(person: int, number: int, text: str) -> InboundMessage | None:
    event = {
        "sender": {"id": str(5000 + person)},
        "recipient": {"id": NODE},
        "timestamp": 1000 * START_S + number,
        "message": {"mid": f"m_{person}_{number}", "text": text},
    }
    body = {"object": "page", "entry": [{"id": NODE, "time": START_S, "messaging": [event]}]}
    (parsed,) = parse_messenger(_bytes(body), _meta("messenger")).messages
    return parsed


def _wechat(person: int, number: int, text: str) -> InboundMessage | None:
    fields = {
        "ToUserName": "gh_shop",
        "FromUserName": f"openid{person:04}",
        "CreateTime": str(START_S + number),
        "MsgType": "text",
        "Content": text,
        "MsgId": f"{person + 1}{number:010}",
    }
    return parse_callback(fields, "main").message


def _meta(channel: str) -> MetaSettings:
    return MetaSettings(channel, NODE, "token", "secret", "verify")


def _bytes(body: Any) -> bytes:
    return json.dumps(body).encode()


READERS: dict[str, Callable[[int, int, str], InboundMessage | None]] = {
    "telegram": _telegram,
    "line": _line,
    "whatsapp": _whatsapp,
    "messenger": _messenger,
    "wechat_oa": _wechat,
}


def delivered(platform: str, person: int, number: int, text: str) -> InboundMessage:
    """Give a person's ``number``-th message as its platform delivers it, on the tests' own channel."""
    read = READERS[platform](person, number, f"{text}#{number}")
    assert read is not None
    return replace(read, sender=Sender(CHANNEL, "main", read.sender.channel_user_id))
