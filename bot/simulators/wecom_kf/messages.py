"""What the simulated customer service takes as a message, and what the customer sees of it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

MAX_TEXT_BYTES = 2048
MAX_HEAD_BYTES = 1024
MAX_ITEMS = 10
MAX_ITEM_BYTES = 128
MAX_ID_BYTES = 64
_ON_EVENT = frozenset({"text", "msgmenu"})
_FILES = frozenset({"image", "file"})


class ApiError(Exception):
    """An answer with an error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def check_on_event(body: dict[str, Any]) -> None:
    """Refuse what the platform would refuse as an answer to an event; ApiError."""
    if body.get("msgtype") not in _ON_EVENT:
        raise ApiError(40008, "invalid message type: an event is answered by a text or a menu")
    check_message(body, {"code"})


def check_message(body: dict[str, Any], address: AbstractSet[str] = frozenset({"touser", "open_kfid"})) -> None:
    """Refuse what the platform would refuse; ApiError."""
    kind = body.get("msgtype")
    unknown = body.keys() - address - {"msgid", "msgtype", kind}
    if unknown:
        raise ApiError(40058, f"unknown fields: {', '.join(sorted(unknown))}")
    if kind == "text":
        _text(_part(body, "text").get("content"), MAX_TEXT_BYTES)
    elif kind == "msgmenu":
        _check_menu(_part(body, "msgmenu"))
    elif kind in _FILES:
        _text(_part(body, str(kind)).get("media_id"), MAX_ITEM_BYTES)
    else:
        raise ApiError(40008, "invalid message type")


def shown(body: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Give the text and the (id, words) of each entry a customer can press."""
    if body["msgtype"] == "text":
        return str(body["text"]["content"]), []
    if body["msgtype"] in _FILES:
        return f"📎 {body[body['msgtype']]['media_id']}", []
    menu = body["msgmenu"]
    items = [(str(item["click"]["id"]), str(item["click"]["content"])) for item in menu["list"]]
    return str(menu.get("head_content", "")), items


def _check_menu(menu: dict[str, Any]) -> None:
    _text(menu.get("head_content"), MAX_HEAD_BYTES)
    items = menu.get("list")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_ITEMS:
        raise ApiError(95008, "wrong number of menu items")
    for item in items:
        if item.get("type") != "click":
            raise ApiError(95009, "invalid type of menu item")
        click = _part(item, "click")
        _text(click.get("content"), MAX_ITEM_BYTES)
        _text(click.get("id"), MAX_ID_BYTES)


def _part(body: dict[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name)
    if not isinstance(part, dict):
        raise ApiError(40058, f"missing {name}")
    return part


def _text(value: Any, most_bytes: int) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ApiError(44004, "content is empty")
    if len(value.encode()) > most_bytes:
        raise ApiError(45002, "content size out of limit")
