"""Normalising, language, pinyin, urgency, mood: what is told without a model."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.understanding import Language, Script, Urgency
from intents.language import detect
from intents.normalising import MAX_TEXT_CHARS, fold, meaning
from intents.pinyin import is_pinyin, segment, sound
from intents.sentiment import read_sentiment


@pytest.mark.parametrize(
    ("text", "language", "script"),
    [
        ("我的快递到哪了", Language.ZH, Script.HANS),
        ("我的快遞到哪了", Language.ZH, Script.HANT),
        ("唔該幫我查下張單", Language.ZH, Script.HANT),
        ("where is my parcel", Language.EN, Script.LATIN),
        ("wo de kuaidi dao na le", Language.ZH, Script.PINYIN),
        ("tuikuan shenmeshihou dao", Language.ZH, Script.PINYIN),
        ("我的order什么时候ship啊", Language.MIXED, Script.HANS),
        ("XL码还有货吗", Language.ZH, Script.HANS),
        ("can you make the sale late", Language.EN, Script.LATIN),
        ("ok", Language.EN, Script.LATIN),
        ("مرحبا كيف حالك", Language.OTHER, Script.OTHER),
        ("สวัสดีครับ", Language.OTHER, Script.OTHER),
        ("12345", Language.OTHER, Script.OTHER),
        ("", Language.OTHER, Script.OTHER),
        ("😡😡", Language.OTHER, Script.OTHER),
    ],
)
def test_language_and_script_are_told(text: str, language: Language, script: Script) -> None:
    """The letters decide; pinyin is Chinese."""
    assert detect(text) == (language, script)


@pytest.mark.parametrize(
    "text",
    [
        "please change the size", "i hate the game", "take me home", "fine", "same here", "is the sale on", "hello",
        "cancel", "be nice", "i need a human", "are you open", "the tape came undone", "no one came", "make a date",
    ],
)  # fmt: skip
def test_english_is_not_taken_for_pinyin(text: str) -> None:
    """English words that fall into syllables do not make a Chinese sentence."""
    assert not is_pinyin(text)


def test_sound_is_the_same_for_homophones_scripts_and_pinyin() -> None:
    """A homophone typo, the traditional form and the pinyin spelling sound alike."""
    assert sound("退款") == sound("退宽") == sound("tui kuan") == "tuikuan"
    assert sound("什么时候") == sound("shen me shi hou")


def test_segment_cuts_words_into_syllables() -> None:
    """Joined pinyin falls into its syllables; English does not."""
    assert segment("kuaidi") == ("kuai", "di")
    assert segment("refund") == ()


@given(st.text(max_size=200))
def test_folding_keeps_the_way_back(text: str) -> None:
    """Every folded character knows where it stood; both folded forms have one length."""
    folded = fold(text)
    assert len(folded.offsets) == len(folded.text) + 1 == len(folded.simplified) + 1
    assert list(folded.offsets) == sorted(folded.offsets)
    assert all(0 <= offset <= len(text) for offset in folded.offsets)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("軟體壞了", "软件坏了"),
        ("我想退貨嘅", "我想退货的"),
        ("點解仲未到", "为什么仲未到"),
        ("soooo slooow!!!!", "soo sloow!"),
        ("哈哈哈哈哈", "哈哈"),
        ("Ｗｈｅｒｅ　ｉｓ　ｉｔ", "where is it"),
        ("我\u200b要\u202e退款", "我要退款"),
        ("1000000", "1000000"),
    ],
)
def test_meaning_is_plain_mainland_wording(text: str, expected: str) -> None:
    """Width, script, dialect, shouting and invisible characters fold away; digits stay."""
    assert meaning(fold(text).text, chinese=True) == expected


@pytest.mark.parametrize(
    ("text", "urgency"),
    [
        ("我要打12315投诉你们", Urgency.AUTHORITY),
        ("再不处理我就找律师起诉", Urgency.LEGAL),
        ("我已经报警了", Urgency.POLICE),
        ("我要找记者曝光你们", Urgency.PRESS),
        ("用了你们的面霜脸上过敏了", Urgency.HEALTH),
        ("充电器着火了", Urgency.HEALTH),
        ("我不想活了", Urgency.SELF_HARM),
        ("你们就是骗子", Urgency.ANGRY),
        ("再唔處理我就報警", Urgency.POLICE),
        ("I'm calling my lawyer", Urgency.LEGAL),
        ("I will report you to the police", Urgency.POLICE),
        ("I'm going to the press with this", Urgency.PRESS),
        ("my son got a rash from the shirt", Urgency.HEALTH),
        ("it exploded while charging", Urgency.HEALTH),
        ("I want to kill myself", Urgency.SELF_HARM),
        ("this is bullshit", Urgency.ANGRY),
        ("I'll contact trading standards", Urgency.AUTHORITY),
    ],
)
def test_urgent_words_are_flagged(text: str, urgency: Urgency) -> None:
    """Threats, danger and fury are seen in both languages."""
    assert read_sentiment(fold(text).simplified).urgency is urgency


@pytest.mark.parametrize(
    "text",
    [
        "我不会起诉你们的，就想换个颜色",
        "这个面霜敏感肌会过敏吗",
        "宝宝穿了会过敏吗",
        "does this cream cause a rash?",
        "订单12315678",
        "滚筒洗衣机能洗吗",
        "想死你们家的蛋糕了",
        "i'm not going to sue, just want my size",
        "我要退款",
        "这个电饭煲好用得不得了",
        "客服态度很好",
        "do you have a joke book",
        "can I get a price match",
        "I'm mad about this dress",
        "这家店的东西好吃哭了",
        "告诉我订单到哪了",
        "告你一声，我换地址了",
        "the press machine is great",
        "给律师朋友买的礼物什么时候到",
        "I bought it for my lawyer friend",
    ],
)
def test_calm_words_are_not_flagged(text: str) -> None:
    """A wrong alarm costs an agent: questions, denials and look-alikes stay quiet."""
    assert read_sentiment(fold(text).simplified).urgency is Urgency.NONE


@pytest.mark.parametrize(
    ("glad", "bitter"),
    [
        ("太棒了，非常满意", "太差了，非常失望"),
        ("客服很耐心，谢谢", "客服爱理不理，差评"),
        ("great service, thank you", "terrible service, very disappointed"),
        ("not bad at all", "not good at all"),
        ("质量不错", "质量不好"),
    ],
)
def test_mood_has_the_right_sign(glad: str, bitter: str) -> None:
    """Praise lies above zero, blame below."""
    assert read_sentiment(glad).score > 0 > read_sentiment(bitter).score


@pytest.mark.parametrize(
    "piece", ["0", "一", "a", "1 ", "a1", "@", "a@", "$1", "1/5 ", "ﷺ", "zhuang", "don't ", "上", "\ud800", "漏"]
)
def test_long_text_is_folded_in_time(piece: str) -> None:
    """No pattern runs away on a repeated piece, and what is folded is bounded."""
    taken = []
    for shorter_by in range(3):  # never the same text, which might be remembered
        text = piece * (100_000 // len(piece) - shorter_by)
        started = time.thread_time()
        folded = fold(text)
        detect(folded.text)
        read_sentiment(folded.simplified)
        taken.append(time.thread_time() - started)
        assert len(folded.text) < MAX_TEXT_CHARS + 20
    assert min(taken) < 0.5
