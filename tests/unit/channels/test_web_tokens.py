"""VisitorTokens."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.web.tokens import VisitorTokens
from bot.domain.clock import ManualClock
from bot.domain.errors import BadSignature, ConfigError
from tests.unit.channels.doubles import NOON

SECRET = "a-secret-of-the-shop-for-tests"


def make(account: str = "shop", secret: str = SECRET, clock: ManualClock | None = None) -> VisitorTokens:
    return VisitorTokens(secret, account, clock or ManualClock(NOON), max_age_s=3600)


def test_token_names_its_visitor():
    """What was issued is read back."""
    tokens = make()
    issued = tokens.issue()
    assert tokens.read(issued.token) == issued.visitor_id


def test_token_of_another_secret_or_account_is_refused():
    """A token is worth nothing elsewhere."""
    token = make().issue().token
    for other in (make(account="other"), make(secret=SECRET + "!")):
        with pytest.raises(BadSignature, match="forged or has expired"):
            other.read(token)


def test_token_expires_by_the_clock():
    """Too old, or signed in the future, is refused."""
    clock = ManualClock(NOON)
    tokens = make(clock=clock)
    token = tokens.issue().token
    clock.advance(timedelta(seconds=3600))
    tokens.read(token)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(BadSignature):
        tokens.read(token)
    early = make(clock=ManualClock(NOON - timedelta(hours=1)))
    with pytest.raises(BadSignature):
        early.read(make().issue().token)


def test_token_cannot_carry_another_visitor():
    """Changing the visitor id breaks the signature."""
    tokens = make()
    mine, other = tokens.issue(), tokens.issue()
    with pytest.raises(BadSignature):
        tokens.read(mine.token.replace(mine.visitor_id, other.visitor_id))


@given(st.text(max_size=400))
def test_reading_junk_is_only_ever_a_bad_signature(junk: str):
    """No text makes the reader fail in another way."""
    with pytest.raises(BadSignature):
        make().read(junk)


def test_renewing_keeps_the_visitor_and_moves_the_end():
    """A fresh token for the same visitor outlives the first."""
    clock = ManualClock(NOON)
    tokens = make(clock=clock)
    first = tokens.issue()
    clock.advance(timedelta(minutes=50))
    second = tokens.renew(first.token)
    clock.advance(timedelta(minutes=50))
    assert tokens.read(second.token) == first.visitor_id


def test_renewing_a_forged_token_makes_a_new_visitor():
    """Nobody becomes a visitor he cannot prove to be."""
    tokens = make()
    visitor = tokens.issue().visitor_id
    assert tokens.renew(f"{visitor}.aaaa.bbbb").visitor_id != visitor


def test_short_secret_is_refused_with_its_length():
    """A weak secret is told at start."""
    with pytest.raises(ConfigError, match="5 characters"):
        make(secret="short")
