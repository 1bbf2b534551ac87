"""Addresses of agents' pictures: nobody can guess, change or outlive one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.clock import ManualClock
from bot.domain.ids import new_id
from bot.domain.media import MediaId
from bot.engine.showing import GOOD_FOR, Seal

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
MEDIA = MediaId("0123456789abcdef01234567")


def test_token_names_its_attachment_until_its_end():
    """Good for at least a week and at most a day longer, whatever the hour."""
    clock = ManualClock(NOW)
    seal = Seal("secret", clock)
    token = seal.sign(MEDIA)
    assert seal.check(token) == seal.check(f"{token}.png") == MEDIA
    clock.advance(GOOD_FOR)
    assert seal.check(token) == MEDIA
    clock.advance(timedelta(days=1))
    assert seal.check(token) is None


def test_token_is_the_same_all_day():
    """A platform that is called again is given the same call; the next day begins another address."""
    clock = ManualClock(NOW)
    seal = Seal("secret", clock)
    first = seal.sign(MEDIA)
    clock.advance(timedelta(hours=14))
    assert seal.sign(MEDIA) == first
    clock.advance(timedelta(hours=1))
    assert seal.sign(MEDIA) != first


def test_changed_token_shows_nothing():
    """Another attachment, a later end, another signature, another house's secret."""
    seal = Seal("secret", ManualClock(NOW))
    media, ends_at, signature = seal.sign(MEDIA).split("-")
    other = MediaId(new_id())
    later = str(int(ends_at) + 86400)
    for changed in (
        f"{other}-{ends_at}-{signature}",
        f"{media}-{later}-{signature}",
        f"{media}-0{ends_at}-{signature}",
        f"{media}-{ends_at}-{'0' * 64}",
        f"{media}-{ends_at}-{signature[:-1]}",
        f"{media}-{ends_at}-{signature.upper()}",
        f"{media}-{ends_at}",
        Seal("other", ManualClock(NOW)).sign(MEDIA),
    ):
        assert seal.check(changed) is None


@pytest.mark.parametrize(
    "token",
    ["", "-", ".png", "a" * 500, "../../etc/passwd", "0123456789abcdef01234567-9-" + "g" * 64,
     "0123456789abcdef01234567-٩-" + "0" * 64, "0123456789abcdef01234567-9-" + "0" * 64 + "\n", "\x00"],
)  # fmt: skip
def test_token_of_no_shape_shows_nothing(token: str):
    """Whatever is asked for, nothing raises."""
    assert Seal("secret", ManualClock(NOW)).check(token) is None


def test_shoppers_attachment_has_no_address():
    """Theirs are named in another way, so that even a signature of ours would not fit."""
    seal = Seal("secret", ManualClock(NOW))
    assert seal.check(seal.sign(MediaId("0123456789abcdef0123456789abcdef"))) is None
