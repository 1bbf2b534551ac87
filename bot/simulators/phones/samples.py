"""The picture, sound and sticker that simulated people send when they choose none of their own: made for this."""

from __future__ import annotations

import math
import secrets
import struct
import zlib
from importlib import resources

from bot.domain.media_types import UNKNOWN, sniff
from bot.domain.messages import MessageKind
from bot.simulators.media import HeldFile, MediaHold
from bot.simulators.phones.screen import Act

PICTURE = "cup.png"
SOUND = "voice.wav"
KEPT_FILES = 60
_THUMB = (
    "......##........",
    ".....#YY#.......",
    ".....#YY#.......",
    "....#YYY#.......",
    "....#YYY#.......",
    "...#YYYY######..",
    "###YYYYYYYYYYY#.",
    "#B#YYYYYYYYYYY#.",
    "#B#YYYYYYYYYY#..",
    "#B#YYYYYYYYYYY#.",
    "#B#YYYYYYYYYY#..",
    "#B#YYYYYYYYYY#..",
    "#B#YYYYYYYYY#...",
    "###YYYYYYYYY#...",
    "...#########....",
)
_COLOURS = {".": b"\0\0\0\0", "#": b"\x5a\x3b\x12\xff", "Y": b"\xff\xcf\x3f\xff", "B": b"\x2f\x6f\xd0\xff"}
_DOT = 10
_RATE_HZ = 8000
_NOTES_HZ = (660.0, 880.0, 660.0)
_NOTE_S = 0.22


def read_picture() -> bytes:
    """Read the picture: a broken mug."""
    return resources.files("bot.simulators.phones").joinpath("static", PICTURE).read_bytes()


def make_sticker() -> bytes:
    """Make the sticker, a thumb: a PNG of 160 by 150."""
    rows = [b"\0" + b"".join(_COLOURS[dot] * _DOT for dot in row) for row in _THUMB]
    pixels = zlib.compress(b"".join(row * _DOT for row in rows))
    head = struct.pack(">IIBBBBB", len(_THUMB[0]) * _DOT, len(_THUMB) * _DOT, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def make_sound() -> bytes:
    """Make the sound: three notes as a WAV of 8 kHz, 8 bits."""
    count = int(_RATE_HZ * _NOTE_S)
    samples = bytearray()
    for note in _NOTES_HZ:
        for at in range(count):
            fading = math.exp(-4 * at / count)
            samples.append(128 + int(90 * fading * math.sin(2 * math.pi * note * at / _RATE_HZ)))
    head = struct.pack(
        "<4sI4s4sIHHIIHH", b"RIFF", 36 + len(samples), b"WAVE", b"fmt ", 16, 1, 1, _RATE_HZ, _RATE_HZ, 1, 8
    )
    return head + struct.pack("<4sI", b"data", len(samples)) + bytes(samples)


def sample(act: Act) -> HeldFile | None:
    """Give what is sent for an act when the person has chosen nothing; None where there is no sample."""
    if act is Act.IMAGE:
        return HeldFile(read_picture(), "image/png", PICTURE)
    if act is Act.VOICE:
        return HeldFile(make_sound(), "audio/wav", SOUND)
    if act is Act.STICKER:
        return HeldFile(make_sticker(), "image/png", "thumb.png")
    return None


def own_file(data: bytes, name: str) -> tuple[Act, HeldFile]:
    """Tell what a person's own file is, by its bytes."""
    mime = sniff(data)
    family = mime.partition("/")[0]
    act = {"image": Act.IMAGE, "audio": Act.VOICE, "video": Act.VIDEO}.get(family, Act.FILE)
    return act, HeldFile(data, mime or UNKNOWN, name[-80:] or MessageKind(act.value).value)


def keep(hold: MediaHold, file: HeldFile) -> str:
    """Let a platform hold a file as one that was just sent; give its id, a number that was not there before."""
    number = str(10**17 + secrets.randbelow(9 * 10**17))
    while len(hold.files) >= KEPT_FILES:
        del hold.files[next(iter(hold.files))]
    return hold.hold(number, file)
