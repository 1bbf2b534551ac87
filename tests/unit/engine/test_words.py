"""The engine's own few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine import words
from bot.engine.locales import parse_locale


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("２", 2),
        ("第二个", 2),
        ("第2个吧", 2),
        ("选第三个", 3),
        ("我要第一个", 1),
        ("二", 2),
        ("the second one", 2),
        ("Second.", 2),
        ("option 3", 3),
        ("2nd", 2),
        ("22", 0),
        ("12345", 0),
        ("两天了", 0),
        ("one of them is broken", 0),
        ("", 0),
    ],
)
def test_ordinal_reads_choices_and_nothing_else(text: str, number: int):
    """A bare choice is read, a sentence with a number in it is not."""
    assert words.ordinal(text) == number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("原因改成太大了", "太大了"),
        ("the reason is too small", "too small"),
        ("不对，是顺丰", "顺丰"),
        ("I meant the red one", "the red one"),
        ("改成", ""),
        ("随便", ""),
    ],
)
def test_new_value_is_what_follows(text: str, value: str):
    """The words of correction are cut off, the rest is the value."""
    assert words.new_value(text) == value


@pytest.mark.parametrize("text", ["不对，订单号是1", "no, it's 2", "改成3", "actually 4", "说错了", "sorry, W5"])
def test_correction_is_seen(text: str):
    """The usual beginnings of a correction."""
    assert words.may_correct(text)


@pytest.mark.parametrize("text", ["nothing works", "notebook", "你们不对我负责吗", "好的", "it's broken"])
def test_correction_is_not_seen_where_there_is_none(text: str):
    """Words that only look alike."""
    assert not words.corrects(text)
    assert not words.may_correct(text)


@given(st.text(max_size=80))
def test_words_never_raise(text: str):
    """Any characters at all."""
    for read in (
        words.ordinal,
        words.corrects,
        words.may_correct,
        words.wants_change,
        words.named_slots,
        words.new_value,
        words.asks,
        words.skips,
        words.says_yes,
        words.says_no,
        words.is_simplified,
    ):
        read(text)
    assert not (words.says_yes(text) and words.says_no(text))


@pytest.mark.parametrize(
    ("name", "locale"),
    [("zh", "zh"), ("zh_CN", "zh"), ("zh-TW", "zh-Hant"), ("zh-Hant-HK", "zh-Hant"), ("en-GB", "en"), ("fr", None)],
)
def test_parse_locale_knows_what_platforms_send(name: str, locale: str | None):
    """Both separators, regions and scripts; other languages are not ours."""
    assert parse_locale(name) == locale


@pytest.mark.parametrize(
    "text",
    [
        "转人工，想问问多久能退",
        "麻烦帮我找个真人，这个我说不清",
        "轉人工",
        "Please get me a human, this is about two parcels",
        "can i speak to an agent about the mug",
    ],
)
def test_asks_for_human_hears_an_outright_request(text: str):
    """Whatever else the message holds."""
    assert words.asks_for_human(text)


@pytest.mark.parametrize(
    "text", ["不用转人工了", "我不想找人工", "don't transfer me to an agent", "人工智能是什么", "our agency sells tea"]
)
def test_asks_for_human_is_not_fooled(text: str):
    """A refusal or another trade's word is no request."""
    assert not words.asks_for_human(text)
