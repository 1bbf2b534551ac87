"""clean_text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.channels.cleaning import clean_text
from bot.domain.messages import MAX_TEXT_CHARS


def test_clean_text_drops_control_characters_and_keeps_lines():
    """Bells, NUL and escape codes go; tabs and unified line breaks stay."""
    assert clean_text("a\x00b\x07\x1b[31mc\r\nd\te").text == "ab[31mc\nd\te"


def test_clean_text_drops_lone_surrogates_and_bidi_overrides():
    """Half an emoji cannot be stored; an override would show an agent other words than were written."""
    assert clean_text("单\ud83d号\u202e123\u2066").text == "单号123"


def test_clean_text_gives_nothing_for_invisible_text():
    """A message of spaces and zero-width characters is empty."""
    assert clean_text(" \n\u200b\u200d\u3164\ufeff ").text == ""


def test_clean_text_keeps_joined_emoji():
    """Zero-width joiners inside emoji stay."""
    assert clean_text("👩\u200d👧 好").text == "👩\u200d👧 好"


def test_clean_text_cuts_and_says_so():
    """More than the limit is cut and marked."""
    cut = clean_text("长" * (MAX_TEXT_CHARS + 1))
    assert len(cut.text) == MAX_TEXT_CHARS
    assert cut.truncated
    assert not clean_text("长" * MAX_TEXT_CHARS).truncated


@given(st.text(st.characters()))
def test_clean_text_always_gives_storable_text(raw: str):
    """Whatever comes in can be encoded, holds no NUL, and is stable under a second cleaning."""
    text = clean_text(raw).text
    text.encode("utf-8")
    assert "\x00" not in text
    assert clean_text(text).text == text
