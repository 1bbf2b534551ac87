"""LINE's message objects, checked as strictly as the platform's reference describes them.

Source: https://developers.line.biz/en/reference/messaging-api/#message-objects
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_TEXT = 5000
MAX_TEMPLATE_TEXT = 160
MAX_ALT_TEXT = 400
MAX_FLEX_TEXT = 2000
MAX_LABEL = 20
MAX_DATA = 300
MAX_ACTIONS = 4
MAX_QUICK_REPLIES = 13
MAX_MESSAGES = 5
MAX_ADDRESS = 2000


class Invalid(Exception):
    """A message object the platform refuses; the text names the property."""


@dataclass(frozen=True)
class ShownMessage:
    """What a friend sees: the text and the buttons as (label, postback data).

    ``quick`` buttons stand below the chat and go with the next message; ``picture`` is the address it is fetched from.
    """

    text: str
    buttons: tuple[tuple[str, str], ...]
    quick: bool = False
    picture: str = ""


def read_messages(messages: Any) -> tuple[ShownMessage, ...]:
    """Check one call's messages; Invalid names what is wrong."""
    if not isinstance(messages, list) or not 1 <= len(messages) <= MAX_MESSAGES:
        raise Invalid("Size must be between 1 and 5 [messages]")
    return tuple(_read(message, f"messages[{place}]") for place, message in enumerate(messages))


def _read(message: Any, at: str) -> ShownMessage:
    if not isinstance(message, dict):
        raise Invalid(f"must be an object [{at}]")
    if message.get("type") == "text":
        _only(message, {"type", "text", "quickReply"}, at)
        quick = _quick_replies(message.get("quickReply"), at)
        return ShownMessage(_text(message, "text", MAX_TEXT, at), quick, quick=bool(quick))
    if message.get("type") == "template":
        _only(message, {"type", "altText", "template"}, at)
        _text(message, "altText", MAX_ALT_TEXT, at)
        return _template(message.get("template"), f"{at}.template")
    if message.get("type") == "flex":
        _only(message, {"type", "altText", "contents"}, at)
        _text(message, "altText", MAX_ALT_TEXT, at)
        return _bubble(message.get("contents"), f"{at}.contents")
    if message.get("type") == "image":
        _only(message, {"type", "originalContentUrl", "previewImageUrl", "quickReply"}, at)
        _address(message, "previewImageUrl", at)
        return ShownMessage("", (), picture=_address(message, "originalContentUrl", at))
    raise Invalid(f"unknown type [{at}.type]")


def _template(template: Any, at: str) -> ShownMessage:
    if not isinstance(template, dict) or template.get("type") != "buttons":
        raise Invalid(f"only the buttons template is simulated [{at}.type]")
    _only(template, {"type", "text", "actions"}, at)
    actions = template.get("actions")
    if not isinstance(actions, list) or not 1 <= len(actions) <= MAX_ACTIONS:
        raise Invalid(f"Size must be between 1 and 4 [{at}.actions]")
    buttons = tuple(_action(action, f"{at}.actions[{place}]") for place, action in enumerate(actions))
    return ShownMessage(_text(template, "text", MAX_TEMPLATE_TEXT, at), buttons)


def _bubble(bubble: Any, at: str) -> ShownMessage:
    """Read a card of texts over buttons."""
    if not isinstance(bubble, dict) or bubble.get("type") != "bubble":
        raise Invalid(f"only the bubble is simulated [{at}.type]")
    _only(bubble, {"type", "body", "footer"}, at)
    texts, keys = (_boxed(bubble.get(part), f"{at}.{part}") for part in ("body", "footer"))
    for text in texts:
        _only(text, {"type", "text", "weight", "size", "wrap"}, f"{at}.body")
    for key in keys:
        _only(key, {"type", "height", "action"}, f"{at}.footer")
    if {text.get("type") for text in texts} != {"text"} or {key.get("type") for key in keys} != {"button"}:
        raise Invalid(f"unknown type [{at}]")
    read = "\n".join(_text(text, "text", MAX_FLEX_TEXT, f"{at}.body") for text in texts)
    return ShownMessage(read, tuple(_action(key.get("action"), f"{at}.footer") for key in keys))


def _boxed(box: Any, at: str) -> list[dict[str, Any]]:
    if not isinstance(box, dict) or (box.get("type"), box.get("layout")) != ("box", "vertical"):
        raise Invalid(f"must be a vertical box [{at}]")
    _only(box, {"type", "layout", "spacing", "contents"}, at)
    inside = box.get("contents")
    if not isinstance(inside, list) or not inside or not all(isinstance(one, dict) for one in inside):
        raise Invalid(f"must have contents [{at}.contents]")
    return inside


def _quick_replies(quick: Any, at: str) -> tuple[tuple[str, str], ...]:
    if quick is None:
        return ()
    items = quick.get("items") if isinstance(quick, dict) else None
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_QUICK_REPLIES:
        raise Invalid(f"Size must be between 1 and 13 [{at}.quickReply.items]")
    if any(not isinstance(item, dict) or item.get("type") != "action" for item in items):
        raise Invalid(f"must be action [{at}.quickReply.items.type]")
    return tuple(_action(item.get("action"), f"{at}.quickReply") for item in items)


def _action(action: Any, at: str) -> tuple[str, str]:
    if not isinstance(action, dict) or action.get("type") != "postback":
        raise Invalid(f"only postback actions are simulated [{at}.type]")
    _only(action, {"type", "label", "data", "displayText"}, at)
    _text(action, "displayText", MAX_DATA, at)
    return _text(action, "label", MAX_LABEL, at), _text(action, "data", MAX_DATA, at)


def _text(holder: dict[str, Any], name: str, limit: int, at: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Invalid(f"May not be empty [{at}.{name}]")
    if len(value.encode("utf-16-le")) // 2 > limit:
        raise Invalid(f"Length must be between 0 and {limit} [{at}.{name}]")
    return value


def _address(holder: dict[str, Any], name: str, at: str) -> str:
    value = _text(holder, name, MAX_ADDRESS, at)
    if not value.startswith("https://"):
        raise Invalid(f"invalid uri scheme [{at}.{name}]")
    return value


def _only(holder: dict[str, Any], known: set[str], at: str) -> None:
    if unknown := set(holder) - known:
        raise Invalid(f"unknown property {min(unknown)} [{at}]")
