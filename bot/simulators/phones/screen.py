"""What stands on a phone's screen, and whose phone it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Act(StrEnum):
    """What a person can do; ``press`` takes the label of a choice, ``menu`` the key of an entry."""

    TEXT = "text"
    PRESS = "press"
    MENU = "menu"
    IMAGE = "image"
    STICKER = "sticker"
    LOCATION = "location"
    FOLLOW = "follow"
    BLOCK = "block"


class Mark(StrEnum):
    """How far a person's message has come: to the platform, and from there to the shop."""

    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a simulated person is, in one language."""

    name: str
    address: str
    latitude: float = 31.2304
    longitude: float = 121.4737


PLACES = {
    "zh": Place("人民广场", "上海市黄浦区人民大道"),
    "en": Place("People's Square", "Renmin Avenue, Huangpu, Shanghai"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the shop as its platform shows it.

    ``style`` tells how the choices stand: ``keys`` under the bubble, ``quick`` below the chat until the next message,
    ``list`` behind a button, ``menu`` as links in the bubble. ``id`` is the platform's, where receipts name it.
    """

    text: str
    choices: tuple[str, ...] = ()
    style: str = "keys"
    id: str = ""


@dataclass(slots=True)
class Bubble:
    """Something on the screen: a person's act, the shop's message, or a note of the platform (its key as the text)."""

    number: int
    at: datetime
    by: str
    kind: str
    text: str
    choices: tuple[str, ...] = ()
    style: str = ""
    mark: Mark | None = None

    def as_json(self) -> dict[str, Any]:
        """Shape it for the page."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "by": self.by,
            "kind": self.kind,
            "text": self.text,
            "choices": list(self.choices),
            "style": self.style,
            "mark": self.mark.value if self.mark else "",
        }


@dataclass(slots=True)
class Person:
    """A simulated shopper; ``id`` is the platform's, ``language`` that of his phone."""

    id: str
    name: str
    language: str = "zh"
    met: bool = False
    blocking: bool = False
    typing: bool = False
    bubbles: list[Bubble] = field(default_factory=list)

    @property
    def place(self) -> Place:
        """Tell where he is, in his language."""
        return PLACES[self.language]
