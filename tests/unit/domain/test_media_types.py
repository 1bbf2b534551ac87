"""What bytes are is told by the bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.media_types import KNOWN_TYPES, PLAYED_TYPES, SHOWN_TYPES, UNKNOWN, kind_of, sniff
from bot.domain.messages import MessageKind

SAMPLES = {
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "image/gif": b"GIF89a\1\0\1\0",
    "image/webp": b"RIFF\x24\0\0\0WEBPVP8 ",
    "image/heic": b"\0\0\0\x18ftypheic\0\0\0\0",
    "audio/amr": b"#!AMR\n\x3c",
    "audio/silk": b"\x02#!SILK_V3",
    "audio/ogg": b"OggS\0\2",
    "audio/mpeg": b"\xff\xfb\x90\x64",
    "audio/aac": b"\xff\xf1\x50\x80",
    "audio/wav": b"RIFF\x24\0\0\0WAVEfmt ",
    "audio/mp4": b"\0\0\0\x20ftypM4A \0\0\0\0",
    "video/mp4": b"\0\0\0\x20ftypisom\0\0\2\0",
    "video/webm": b"\x1a\x45\xdf\xa3\x9f\x42\x86webm",
    "application/pdf": b"%PDF-1.7\n",
    "application/zip": b"PK\x03\x04\x14\0\0\0",
    "text/plain": "订单号 2026，杯子碎了\n".encode(),
}
PAGES = {
    b"<!DOCTYPE html><script>alert(1)</script>": "text/html",
    b"\xef\xbb\xbf \n<html>": "text/html",
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>": "image/svg+xml",
    b"<?xml version='1.0'?><svg/>": "image/svg+xml",
    b"hello <script>alert(1)</script>": "text/html",
    b"<note/>": "text/xml",
}


@pytest.mark.parametrize("mime", SAMPLES)
def test_type_is_told_by_the_first_bytes(mime: str):
    """Each kind of file is known by its signature, and taken by default."""
    assert sniff(SAMPLES[mime] + bytes(40) * (mime != "text/plain")) == mime
    assert mime in KNOWN_TYPES


@pytest.mark.parametrize("page", PAGES)
def test_what_a_browser_would_run_is_never_taken(page: bytes):
    """Pages and drawings with scripts are called what they are, whatever their name."""
    assert sniff(page) == PAGES[page]
    assert PAGES[page] not in KNOWN_TYPES


@given(st.binary(max_size=300))
def test_any_bytes_have_a_type(head: bytes):
    """Nothing raises; nothing that holds a tag at its beginning is shown in place."""
    mime = sniff(head)
    assert mime == UNKNOWN or "/" in mime
    assert not (head.lstrip()[:1] == b"<" and mime in SHOWN_TYPES | PLAYED_TYPES)


def test_program_is_not_taken():
    """An executable is nothing we know."""
    assert sniff(b"MZ\x90\0\3\0\0\0\4\0") == UNKNOWN
    assert UNKNOWN not in KNOWN_TYPES


def test_kind_follows_the_type():
    """A picture is a picture, the rest is a file."""
    assert kind_of("image/png") is MessageKind.IMAGE
    assert kind_of("audio/amr") is MessageKind.VOICE
    assert kind_of("application/pdf") is MessageKind.FILE
