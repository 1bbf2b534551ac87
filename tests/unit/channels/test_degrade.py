"""degrade: every message fits, nothing is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.degrade import degrade, measure, number_options, split_text
from bot.domain.channel_ports import Capabilities
from bot.domain.messages import Attachment, Button, MessageKind, OutboundMessage

TELEGRAM = Capabilities(max_text=4096, text_unit="utf16", max_buttons=20)
NUMBERS_ONLY = Capabilities(max_text=600, text_unit="bytes", max_buttons=0)

texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("。！？.\n 👩🏽\u200d👧é中文字")), max_size=600)
buttons = st.lists(
    st.builds(Button, label=st.text(st.characters(codec="utf-8"), max_size=30), payload=st.text(max_size=40).map(str)),
    max_size=12,
).map(tuple)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@given(texts, st.integers(4, 200), st.sampled_from(["chars", "utf16", "bytes"]))
def test_split_text_keeps_every_part_within_the_limit_and_loses_nothing(text: str, limit: int, unit: str):
    """Parts fit, are not empty, and together hold every visible character in order."""
    parts = split_text(text, limit, unit)
    assert all(0 < measure(part, unit) <= limit for part in parts)
    assert squeezed("".join(parts)) == squeezed(text)


@given(texts, buttons, st.integers(4, 300), st.sampled_from(["chars", "utf16", "bytes"]), st.integers(0, 8))
def test_degrade_fits_whatever_comes(text: str, choices: tuple[Button, ...], limit: int, unit: str, max_buttons: int):
    """Text, number and size of buttons are within the channel's abilities; every label can be read somewhere."""
    capabilities = Capabilities(limit, unit, max_buttons)
    messages = degrade(OutboundMessage(text, choices), capabilities)
    assert all(1 <= measure(message.text, unit) <= limit for message in messages)
    shown = squeezed("".join(message.text for message in messages))
    for message in messages:
        assert len(message.buttons) <= max_buttons
        assert all(1 <= len(button.payload.encode()) <= 64 for button in message.buttons)
    offered = messages[-1].buttons if messages else ()
    assert offered == choices or all(squeezed(choice.label) in shown for choice in choices)


def test_split_text_prefers_sentence_ends():
    """A long answer breaks where a sentence ends."""
    text = "您的订单已发货。预计明天送达，请保持电话畅通。如有问题请联系我们。"
    assert split_text(text, 24, "chars") == ("您的订单已发货。预计明天送达，请保持电话畅通。", "如有问题请联系我们。")


def test_split_text_counts_utf16_units():
    """An emoji is two units for Telegram."""
    assert [len(part) for part in split_text("🙂" * 10, 8, "utf16")] == [4, 4, 2]


def test_split_text_keeps_joined_emoji_together():
    """A family of one emoji is not torn apart."""
    family = "👩\u200d👧"
    assert split_text("aa" + family + "b", 4, "chars")[0] == "aa"


def test_split_text_refuses_a_limit_that_holds_nothing():
    """A limit of 3 bytes cannot hold an emoji."""
    with pytest.raises(ValueError, match="at least 4"):
        split_text("x", 3, "bytes")


def test_buttons_stay_buttons_where_they_fit():
    """On Telegram two choices are two buttons under the last part."""
    message = OutboundMessage("x。" * 3000, (Button("是", "/affirm"), Button("否", "/deny")))
    first, *_, last = degrade(message, TELEGRAM)
    assert first.buttons == ()
    assert last.buttons == message.buttons


def test_buttons_become_numbers_in_their_order():
    """Without buttons the same choices are numbered, with a hint in the text's language."""
    choices = (Button("质量问题", "=quality"), Button("物流破损", "=damaged"))
    (zh,) = degrade(OutboundMessage("请问是哪一类？", choices), NUMBERS_ONLY)
    assert zh.text == "请问是哪一类？\n\n1. 质量问题\n2. 物流破损\n（回复数字即可选择）"
    english = number_options("Which one?", (Button("Quality", "=quality"),))
    assert english == "Which one?\n\n1. Quality\n(Reply with a number to choose.)"


def test_nothing_to_say_gives_no_message():
    """An empty message is not sent; a picture alone is."""
    assert degrade(OutboundMessage("  "), TELEGRAM) == ()
    picture = Attachment(MessageKind.IMAGE, "ref")
    (only,) = degrade(OutboundMessage("", attachments=(picture,)), TELEGRAM)
    assert only.attachments == (picture,)
