"""Language and script of a message, by its letters."""

from __future__ import annotations

import re

from bot.domain.understanding import Language, Script
from intents.normalising import is_cjk, simplified_char, traditional_char
from intents.pinyin import is_pinyin

_LATIN_WORD = re.compile(r"[a-zA-ZÀ-ɏ']+")
_ASCII_RUN = re.compile(r"[!-~]+")
_FOREIGN_SHARE = 0.5
_MIXED_FROM = 0.15
_MIXED_TO = 0.95
# What a Chinese sentence takes in without becoming a mixed one.
_NEUTRAL = frozenset("ok app vip xl xxl xs s m l id pc wifi sf ems jd logo a b c d u".split())  # noqa: SIM905


def detect(text: str) -> tuple[Language, Script]:
    """Name language and script of folded text; pinyin is Chinese in Latin letters."""
    plain = _ASCII_RUN.sub(_without_codes, text)
    chinese = [char for char in plain if is_cjk(char)]
    latin = [word for word in _LATIN_WORD.findall(plain) if word.lower() not in _NEUTRAL]
    others = sum(char.isalpha() and not is_cjk(char) and ord(char) > 0x24F for char in plain)  # noqa: PLR2004
    if others > _FOREIGN_SHARE * (len(chinese) + sum(map(len, latin)) + others):
        return Language.OTHER, Script.OTHER
    if chinese:
        share = len(chinese) / (len(chinese) + 2 * len(latin))
        language = Language.ZH if share >= _MIXED_TO else Language.MIXED if share >= _MIXED_FROM else Language.EN
        return language, _han_script(chinese)
    if is_pinyin(plain.lower()):
        return Language.ZH, Script.PINYIN
    if latin or _LATIN_WORD.search(plain):
        return Language.EN, Script.LATIN
    return Language.OTHER, Script.OTHER


def _without_codes(run: re.Match[str]) -> str:
    """Drop what is no word of any language: addresses, links, letters mixed with digits."""
    text = run.group()
    mixed = any(char.isdigit() for char in text) and any(char.isalpha() for char in text)
    return " " if mixed or "@" in text or "://" in text else text


def _han_script(chars: list[str]) -> Script:
    traditional = sum(simplified_char(char) != char for char in chars)
    simplified = sum(traditional_char(char) != char for char in chars)
    return Script.HANT if traditional > simplified else Script.HANS
