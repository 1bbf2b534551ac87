"""Which language a turn is answered in. Pure."""

from __future__ import annotations

import re

from bot.domain.replies import Locale
from bot.domain.understanding import Language, Recognition, Script, Verdict
from bot.engine import words

_LATIN_WORD = re.compile(r"[A-Za-z]+")
_CODE = re.compile(r"\S*\d\S*|\S+@\S+|https?://\S+")
_COMMAND = re.compile(r"/[a-z_]+")
_TELLING_LETTERS = 4
_TRADITIONAL_HINTS = ("hant", "tw", "hk", "mo")


def parse_locale(name: str) -> Locale | None:
    """Read ``zh``, ``zh-CN``, ``zh_TW``, ``zh-Hant``, ``en-GB``; None for ``""`` and for languages we do not speak."""
    parts = name.lower().replace("_", "-").split("-")
    if parts[0] == "zh":
        return Locale.ZH_HANT if any(part in _TRADITIONAL_HINTS for part in parts[1:]) else Locale.ZH
    return Locale.EN if parts[0] == "en" else None


def choose_locale(text: str, recognition: Recognition, kept: Locale, *, firm: bool) -> Locale:
    """Answer in the message's language; keep ``kept`` when the message does not tell.

    Digits, emoji, order numbers and other languages do not tell, nor does a single short Latin word ("ok") once a
    conversation has its language (``firm``), nor a single one that nobody understands ("asdfgh"), nor a command that
    the platform's own button wrote ("/start"). Mixed text is answered in the conversation's language.
    """
    if _COMMAND.fullmatch(text):
        return kept
    if recognition.language is Language.EN and _is_telling(text, recognition, firm=firm):
        return Locale.EN
    if recognition.language is Language.ZH:
        return _chinese(text, recognition.script, kept)
    if recognition.language is Language.MIXED and not firm:
        return _chinese(text, recognition.script, kept)
    return kept


def _is_telling(text: str, recognition: Recognition, *, firm: bool) -> bool:
    latin = _LATIN_WORD.findall(_CODE.sub(" ", text))
    if not firm:
        return bool(latin)
    gibberish = len(latin) == 1 and recognition.verdict is Verdict.ABSTAIN
    return sum(map(len, latin)) >= _TELLING_LETTERS and not gibberish


def _chinese(text: str, script: Script, kept: Locale) -> Locale:
    if script is Script.HANT:
        return Locale.ZH_HANT
    if kept is Locale.ZH_HANT and not words.is_simplified(text):
        return kept
    return Locale.ZH
