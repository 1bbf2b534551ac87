"""Payload fixtures: what the platforms' documentation shows, and what we make of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bot.domain.messages import InboundMessage

FOLDER = Path(__file__).parents[2] / "fixtures" / "channels"


def fixtures(channel: str) -> list[Path]:
    """List a channel's fixtures."""
    found = sorted((FOLDER / channel).glob("*.json"))
    assert len(found) >= 12, f"{channel} has {len(found)} payload fixtures; write at least 12"
    return found


def read(path: Path) -> dict[str, Any]:
    """Read one: ``source``, ``payload`` and ``expect``."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    assert found["source"].startswith("https://"), path
    return found


def shown(message: InboundMessage, names: set[str]) -> dict[str, Any]:
    """Shape the named fields of a message as fixtures write them."""
    every = {
        "kind": message.kind.value,
        "text": message.text,
        "payload": message.payload,
        "dedupe_key": message.dedupe_key,
        "sender": message.sender.channel_user_id,
        "name": message.sender.display_name,
        "concerns": message.concerns,
        "attachments": [[each.kind.value, each.reference, each.mime] for each in message.attachments],
    }
    return {name: value for name, value in every.items() if name in names}


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List the paths of all fields and list items."""
    found = [at] if at else []
    if isinstance(value, dict):
        for name, inner in value.items():
            found += paths(inner, (*at, name))
    if isinstance(value, list):
        for place, inner in enumerate(value):
            found += paths(inner, (*at, place))
    return found


def replaced(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    """Copy ``value`` with another value at ``path``."""
    if not path:
        return new
    if isinstance(value, dict):
        return {**value, path[0]: replaced(value[path[0]], path[1:], new)}
    place = int(path[0])
    return [*value[:place], replaced(value[place], path[1:], new), *value[place + 1 :]]
