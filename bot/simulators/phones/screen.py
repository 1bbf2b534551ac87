"""What stands on a phone's screen, whose phone it is, and what its holder does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.simulators.media import HeldFile


class Act(StrEnum):
    """What a person can do.

    ``press`` takes the label of a choice, ``menu`` the key of an entry, ``edit`` the new words; ``edit`` and ``recall``
    concern a message of one's own.
    """

    TEXT = "text"
    PRESS = "press"
    MENU = "menu"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    STICKER = "sticker"
    LOCATION = "location"
    EDIT = "edit"
    RECALL = "recall"
    FOLLOW = "follow"
    BLOCK = "block"
    UNBLOCK = "unblock"


FILES = frozenset({Act.IMAGE, Act.VOICE, Act.VIDEO, Act.FILE})
SILENT = frozenset({Act.FOLLOW, Act.BLOCK, Act.UNBLOCK})
"""What puts a note on the screen, not a message."""
REVISIONS = frozenset({Act.EDIT, Act.RECALL})
RETURNS = frozenset({Act.FOLLOW, Act.UNBLOCK})
"""What somebody who has blocked the shop can still do."""


class Move(StrEnum):
    """What the shop's people do on the platform itself: take a chat, write in it, leave it to the bot again."""

    TAKE = "take"
    SAY = "say"
    LEAVE = "leave"


STAFF_WORDS = {
    "zh": "您好，我是店里的同事，换我来接待您。",
    "en": "Hello, I'm a colleague at the shop; I'll take it from here.",
}


class Mark(StrEnum):
    """How far a message has come: a person's to the shop, the shop's to what the platform reports of it."""

    SENDING = "sending"
    DELIVERED = "delivered"
    READ = "read"
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
    ``list`` behind a button, ``menu`` as links in the bubble. ``id`` is the platform's, where receipts name it;
    ``file`` is what came with it.
    """

    text: str
    choices: tuple[str, ...] = ()
    style: str = "keys"
    id: str = ""
    file: HeldFile | None = None


@dataclass(slots=True)
class Bubble:
    """Something on the screen: a person's act, the shop's message, or a note of the platform (its key as the text).

    ``id`` is the platform's; ``file`` the page's id of what came with it, ``mime`` its type and ``called`` its name.
    """

    number: int
    at: datetime
    by: str
    kind: str
    text: str
    choices: tuple[str, ...] = ()
    style: str = ""
    mark: Mark | None = None
    id: str = ""
    file: str = ""
    mime: str = ""
    called: str = ""
    edited: bool = False

    def can_become(self, act: Act) -> bool:
        """Tell whether it can be edited or taken back, now that it has arrived: words alone are edited."""
        return bool(self.id) and self.kind != "recalled" and (act is Act.RECALL or self.kind == "text")

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
            "file": self.file,
            "mime": self.mime,
            "called": self.called,
            "edited": self.edited,
            "changeable": self.by == "me" and bool(self.id) and self.mark in {Mark.DELIVERED, Mark.READ},
        }


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person is doing: the act, its words, its file; ``about`` is the own message it concerns.

    ``bubble`` is where it stands on the screen; whoever delivers it writes the platform's id there.
    """

    act: Act
    bubble: Bubble
    text: str = ""
    file: HeldFile | None = None
    about: Bubble | None = None

    @property
    def enclosed(self) -> HeldFile:
        """Give the file of a deed that has one; LookupError."""
        if self.file is None:
            raise LookupError(f"{self.act.value!r} came without a file")
        return self.file

    @property
    def concerned(self) -> str:
        """Give the platform's id of the message an edit or recall is about; LookupError."""
        if self.about is None or not self.about.id:
            raise LookupError(f"{self.act.value!r} names no message")
        return self.about.id


@dataclass(frozen=True, slots=True)
class Room:
    """What the platform lets the shop send a person: until when (None: not now), how many (None: not counted)."""

    until: datetime | None
    left: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Shape it for the page."""
        return {"until": self.until.isoformat() if self.until else "", "left": self.left}


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

    def said(self, number: int) -> Bubble | None:
        """Find a message of his own on the screen."""
        return next((each for each in self.bubbles if each.number == number and each.by == "me"), None)
