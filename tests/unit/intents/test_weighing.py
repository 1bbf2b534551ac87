"""Clauses: what is denied does not count, a second wish is seen, and disagreement asks instead of acting."""

from __future__ import annotations

import numpy as np
import pytest

from intents.clauses import Clause, split_clauses, what_is_kept
from intents.fusion import Thresholds
from intents.weighing import Judgement, Weigher

_INTENTS = ("cancel_order", "greet", "request_exchange", "request_refund", "track_order")
_WEIGHER = Weigher(_INTENTS, Thresholds((), 0.0, sure=0.5, clarify=0.3))


def _judged(trust: float, **chances: float) -> Judgement:
    return Judgement(np.array([chances.get(name, 0.01) for name in _INTENTS], np.float32), trust)


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("我不取消,你们赶紧寄就行", "你们赶紧寄就行"),
        ("不换,只要钱", "只要钱"),
        ("换货就不必了,把钱给我", "把钱给我"),
        ("地址没错,是尺码要改", "是尺码要改"),
        ("i don't want a refund, send a new one", "send a new one"),
        ("the size is fine, change the address", "change the address"),
        ("no exchange please, only the money", "only the money"),
        ("i haven't ordered yet, how long does it take", "how long does it take"),
    ],
)
def test_denied_clause_is_told_from_the_wish(message: str, kept: str) -> None:
    """In both languages, whichever way the shopper says no."""
    assert what_is_kept(split_clauses(message)) == kept


@pytest.mark.parametrize(
    "message",
    ["不能退吗,我才买了一天", "你们不退款,我就投诉你们", "没有收到货,什么情况", "is it not here yet, where is it"],
)
def test_question_and_complaint_are_no_denial(message: str) -> None:
    """A "not" that belongs to the grievance is part of the wish."""
    assert not any(clause.denied for clause in split_clauses(message))


@pytest.mark.parametrize(
    ("message", "clauses"),
    [
        ("make it blue and send it to my office", ("make it blue", "send it to my office")),
        ("退款到账了吗,顺便帮我开发票", ("退款到账了吗", "帮我开发票")),
        ("black and white", ()),
    ],
)
def test_wishes_are_cut_apart(message: str, clauses: tuple[str, ...]) -> None:
    """Where two things are asked, and not inside of one."""
    assert tuple(clause.text for clause in split_clauses(message)) == clauses


def test_kept_wish_wins_over_the_denied_one() -> None:
    """What is kept is acted on when it is clear."""
    parts = [
        (Clause("no refund", denied=True), _judged(0.9, request_refund=0.9)),
        (Clause("a new one", denied=False), _judged(0.8, request_exchange=0.8)),
    ]
    kept = _judged(0.8, request_exchange=0.8)
    meant, second = _WEIGHER.weigh(_judged(0.9, request_refund=0.9), parts, kept)
    assert (_INTENTS[meant.best], meant.trust, second) == ("request_exchange", 0.8, "")


def test_unclear_rest_of_a_denial_asks() -> None:
    """The denied intent is not acted on, nor is a guess."""
    parts = [(Clause("no refund", denied=True), _judged(0.9, request_refund=0.9))]
    whole = _judged(0.9, request_refund=0.8, track_order=0.1)
    meant, _ = _WEIGHER.weigh(whole, parts, _judged(0.2, cancel_order=0.3, track_order=0.2))
    assert _INTENTS[meant.best] != "request_refund"
    assert meant.trust < _WEIGHER.thresholds.sure


def test_two_sure_clauses_are_two_wishes() -> None:
    """The whole agrees with one of them; the other is the second."""
    parts = [
        (Clause("a", denied=False), _judged(0.8, track_order=0.9)),
        (Clause("b", denied=False), _judged(0.7, cancel_order=0.9)),
    ]
    meant, second = _WEIGHER.weigh(_judged(0.4, track_order=0.5, cancel_order=0.4), parts, None)
    assert (_INTENTS[meant.best], second) == ("track_order", "cancel_order")
    assert meant.trust >= _WEIGHER.thresholds.sure


def test_one_clause_does_not_pull_a_strange_message_in() -> None:
    """A message the gate shuts out stays out for one clause that sounds like us."""
    parts = [(Clause("a", denied=False), _judged(0.8, track_order=0.9))]
    meant, _ = _WEIGHER.weigh(_judged(0.05, track_order=0.3), parts, None)
    assert meant.trust < _WEIGHER.thresholds.clarify


def test_greeting_gives_way_to_the_wish() -> None:
    """Hello and a wish is the wish."""
    parts = [
        (Clause("hello", denied=False), _judged(0.9, greet=0.9)),
        (Clause("b", denied=False), _judged(0.7, cancel_order=0.9)),
    ]
    meant, second = _WEIGHER.weigh(_judged(0.6, greet=0.8), parts, None)
    assert (_INTENTS[meant.best], second) == ("cancel_order", "")
