"""Which language a turn is answered in."""

from __future__ import annotations

import pytest

from bot.domain.replies import Locale
from bot.domain.understanding import IntentScore, Language, Recognition, Script, Verdict
from bot.engine.locales import choose_locale


def english(verdict: Verdict) -> Recognition:
    return Recognition((IntentScore("track_order", 0.5),), verdict, language=Language.EN, script=Script.LATIN)


@pytest.mark.parametrize("text", ["asdkjhaskjdh", "ok", "W1234567", "qwertyuiop 123"])
def test_choose_locale_keeps_the_language_when_a_single_latin_word_says_nothing(text: str):
    """A cat on the keyboard does not turn a Chinese conversation English."""
    assert choose_locale(text, english(Verdict.ABSTAIN), Locale.ZH_HANT, firm=True) is Locale.ZH_HANT


def test_choose_locale_learns_nothing_from_a_command():
    """Telegram's start button writes "/start" on every phone; the phone's own language counts."""
    assert choose_locale("/start", english(Verdict.SURE), Locale.ZH, firm=False) is Locale.ZH


def test_choose_locale_follows_a_word_that_was_understood():
    """One English word that means something is enough."""
    assert choose_locale("refund", english(Verdict.SURE), Locale.ZH, firm=True) is Locale.EN


def test_choose_locale_follows_a_sentence_that_was_not_understood():
    """An English sentence is answered in English even by an apology."""
    said = "colourless green ideas sleep furiously"
    assert choose_locale(said, english(Verdict.ABSTAIN), Locale.ZH, firm=True) is Locale.EN
