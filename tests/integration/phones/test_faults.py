"""The knobs: what goes wrong on the wire or at the platform, and what the person sees of it."""

from __future__ import annotations

import time

import pytest

from tests.integration.phones.conftest import Hand, Shop

pytestmark = pytest.mark.xdist_group("phones")
QUESTION = "how long does a refund take?"
PHONES = ["wechat_oa", "wecom_kf", "telegram", "whatsapp", "messenger", "instagram", "line", "web"]


def knob(hand: Hand, name: str) -> bool:
    """Tell whether a knob is on."""
    return {each["name"]: each["on"] for each in hand.phone["knobs"]}[name]


@pytest.mark.parametrize("name", PHONES)
def test_message_delivered_twice_is_answered_once(shop: Shop, name: str) -> None:
    """Two calls of one message, one answer."""
    hand = Hand(shop, name, "en")
    calls = hand.phone["calls"][0]["number"] if hand.phone["calls"] else 0
    hand.turn("twice")
    try:
        hand.act("text", QUESTION)
        hand.hears("refund")
        webhooks = [call for call in hand.calls("shop") if call["number"] > calls and "refund" in call["body"]]
        assert len(webhooks) == 2 or name in {"wechat_oa", "wecom_kf"}  # theirs are sealed
        time.sleep(0.5)
        assert len([bubble for bubble in hand.heard if "refund" in bubble["text"].lower()]) == 1
    finally:
        hand.turn("twice", on=False)


@pytest.mark.parametrize("name", ["telegram", "whatsapp", "messenger", "line", "wecom_kf"])
def test_answer_taken_before_the_line_broke_is_shown_once(shop: Shop, name: str) -> None:
    """The platform took it and the connection fell: nothing comes twice, and the knob is off again."""
    hand = Hand(shop, name, "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    before = len(hand.heard)
    calls = hand.phone["calls"][0]["number"]
    hand.turn("drop")
    hand.act("text", "how much is delivery?")

    def dropped() -> bool:
        return any(call["outcome"] == "dropped" and call["number"] > calls for call in hand.calls("platform"))

    hand.until(dropped, "the line to break")
    hand.until(lambda: not knob(hand, "drop"), "the knob to be used up")
    time.sleep(1.5)
    texts = [bubble["text"] for bubble in hand.heard[before:]]
    assert len(texts) == len(set(texts)), "something was said twice"


def test_platform_that_is_busy_gets_the_answer_a_little_later(shop: Shop) -> None:
    """429 is waited out."""
    hand = Hand(shop, "telegram", "en")
    hand.turn("busy")
    hand.act("text", QUESTION)
    hand.hears("refund")
    own = [call["outcome"] for call in hand.calls("platform") if hand.phone["person"] in call["body"]]
    assert own == ["200", "429"]


@pytest.mark.parametrize("name", ["messenger", "whatsapp"])
def test_answer_through_a_closed_window_is_not_shown(shop: Shop, name: str) -> None:
    """The platform refuses, the phone stays empty, the journal tells it."""
    hand = Hand(shop, name, "en")
    hand.turn("closed")
    try:
        hand.act("text", QUESTION)
        hand.until(lambda: "400" in {call["outcome"] for call in hand.calls("platform")[:3]}, "a refusal")
        assert hand.heard == []
    finally:
        hand.turn("closed", on=False)


def test_two_messages_arrive_in_the_wrong_order(shop: Shop) -> None:
    """The first is held back until the second is through."""
    hand = Hand(shop, "telegram", "en")
    hand.turn("reorder")
    try:
        hand.act("text", "first words of two")
        hand.act("text", "second words of two")
        hand.until(lambda: all(bubble["mark"] in {"delivered", "read"} for bubble in hand.phone["bubbles"][:2]), "both")
    finally:
        hand.turn("reorder", on=False)
    bodies = [call["body"] for call in reversed(hand.calls("shop")) if "words of two" in call["body"]]
    assert ["second" in body for body in bodies] == [True, False]


@pytest.mark.parametrize("name", ["telegram", "line", "wechat_oa", "whatsapp", "instagram"])
def test_who_blocks_the_shop_hears_no_more(shop: Shop, name: str) -> None:
    """Nothing appears on the screen of a person who has blocked the shop."""
    hand = Hand(shop, name, "en")
    hand.act("text", QUESTION)
    hand.hears("refund")
    hand.act("block")
    hand.until(lambda: hand.phone["blocking"], "the block")
    assert hand.phone["bubbles"][-1]["kind"] == "note"


@pytest.mark.parametrize("name", ["whatsapp", "wecom_kf"])
def test_platform_takes_an_answer_and_tells_later_that_it_failed(shop: Shop, name: str) -> None:
    """The person sees nothing of it, and the next answer arrives."""
    hand = Hand(shop, name, "en")
    calls = hand.phone["calls"][0]["number"] if hand.phone["calls"] else 0
    hand.turn("refused_later")
    hand.act("text", QUESTION)
    hand.until(lambda: not knob(hand, "refused_later"), "the knob to be used up")
    if name == "whatsapp":

        def told() -> bool:
            later = [call for call in hand.calls("shop") if call["number"] > calls]
            return any('"failed"' in call["body"] for call in later)

        hand.until(told, "the failure to be told")
    hand.act("text", "how much is delivery?")
    hand.hears("deliver")
    assert not [bubble for bubble in hand.heard if "refund" in bubble["text"].lower()]


def test_token_that_is_over_is_renewed(shop: Shop) -> None:
    """WeCom takes a new token and the answer arrives."""
    hand = Hand(shop, "wecom_kf")
    hand.turn("expired")
    hand.act("text", "退款多久到账？")
    hand.hears("24 小时")
