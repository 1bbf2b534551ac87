"""Spelling: slips are mended towards usual words, and nothing that anybody knows is touched."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intents.spelling import Speller, slips, write_out

_USUAL = ("return", "refund", "package", "order", "address", "invoice", "where", "installments", "please", "size")
_FOREIGN = frozenset({"oder", "pack"})


@pytest.fixture
def speller() -> Speller:
    """A speller that has read each usual word in ten examples, and "boots" in two."""
    return Speller(dict.fromkeys(_USUAL, 10) | {"boots": 2, "retrun": 1}, _FOREIGN.__contains__)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("retrun", "return"),
        ("pakage", "package"),
        ("reffund", "refund"),
        ("invoce", "invoice"),
        ("instalmnts", "installments"),
        ("sise", "size"),
        ("where is my pakage plaese", "where is my package please"),
    ],
)
def test_speller_mends_slips(speller: Speller, written: str, meant: str) -> None:
    """A letter missing, doubled, wrong or swapped; two of them in a long word."""
    assert speller.mend(written) == meant


@pytest.mark.parametrize("known", ["oder", "boots", "siz", "rfnd", "我要 retrn 吗", "kettle", "https", "x" * 3_000])
def test_speller_leaves_what_is_known_short_or_far(speller: Speller, known: str) -> None:
    """Words of other languages, words of the examples, short and strange ones stay as they are."""
    assert speller.mend(known) == known.replace("retrn", "return")


@pytest.mark.parametrize(
    ("short", "long"),
    [("pls cancel ur order", "please cancel your order"), ("wheres my msg", "where is my message"), ("urban", "urban")],
)
def test_short_forms_are_written_out(short: str, long: str) -> None:
    """Whole words only."""
    assert write_out(short) == long


@given(st.text(max_size=60))
def test_mending_never_raises_and_settles(text: str) -> None:
    """Any text is fine, and what is mended stays so."""
    speller = Speller(dict.fromkeys(_USUAL, 10), lambda _word: False)
    once = speller.mend(text)
    assert speller.mend(once) == once


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_slips_are_counted_alike_both_ways(one: str, other: str) -> None:
    """Symmetric, zero only for the same word, never more than the longer word has letters."""
    assert slips(one, other) == slips(other, one)
    assert (slips(one, other) == 0) == (one == other)
    assert slips(one, other) <= max(len(one), len(other))
