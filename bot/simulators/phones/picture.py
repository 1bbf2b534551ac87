"""The picture that simulated people send: a broken mug, drawn for this."""

from __future__ import annotations

from importlib import resources

NAME = "cup.png"
MIME = "image/png"


def read_picture() -> bytes:
    """Read the picture."""
    return resources.files("bot.simulators.phones").joinpath("static", NAME).read_bytes()
