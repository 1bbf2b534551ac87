"""The picture that simulated people send: a broken mug, drawn for this."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from importlib import resources

from bot.simulators.media import HeldFile, MediaHold
from bot.simulators.phones.screen import Shown

NAME = "cup.png"
MIME = "image/png"


def read_picture() -> bytes:
    """Read the picture."""
    return resources.files("bot.simulators.phones").joinpath("static", NAME).read_bytes()


def keep_picture(hold: MediaHold) -> str:
    """Let a platform hold the picture as one that was just sent; give its id, a number that was not there before."""
    number = str(10**17 + secrets.randbelow(9 * 10**17))
    return hold.hold(number, HeldFile(read_picture(), MIME, NAME))


def shown_files(hold: MediaHold) -> Iterator[tuple[str, Shown]]:
    """Give the files the shop has sent since the last call, as (person's id, what is shown of them)."""
    while hold.sent:
        to, file = hold.sent.pop(0)
        yield to, Shown(f"📎 {file.name}".rstrip())
