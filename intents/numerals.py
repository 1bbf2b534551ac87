"""Numbers as people write them: Chinese numerals, English words, digits read one by one."""

from __future__ import annotations

import re

CHINESE_DIGITS = {
    "零": 0,
    "〇": 0,
    "一": 1,
    "幺": 1,
    "壹": 1,
    "二": 2,
    "两": 2,
    "俩": 2,
    "贰": 2,
    "三": 3,
    "叁": 3,
    "四": 4,
    "肆": 4,
    "五": 5,
    "伍": 5,
    "六": 6,
    "陆": 6,
    "七": 7,
    "柒": 7,
    "八": 8,
    "捌": 8,
    "九": 9,
    "玖": 9,
}
_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000, "仟": 1000}
ENGLISH_NUMBERS = {
    "zero": 0,
    "oh": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
    "a": 1,
    "an": 1,
    "a couple of": 2,
    "fourteen": 14,
    "fifteen": 15,
    "twenty": 20,
    "thirty": 30,
    "fifty": 50,
}
CHINESE_NUMBER = "[零〇一二两三四五六七八九十百千万]{1,9}"
NUMBER = rf"(?:(?<!\d)\d{{1,9}}(?:\.\d{{1,2}})?|{CHINESE_NUMBER})"
ENGLISH_NUMBER = r"(?:(?<!\d)\d{1,4}|a couple of|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_SINGLE = re.compile(r"\d+|[零〇一二三四五六七八九幺两]|zero|oh|one|two|three|four|five|six|seven|eight|nine")


def read_number(words: str) -> float | None:
    """Read digits, a Chinese numeral (``三百二``, ``两千``, ``一万五``) or a small English number word."""
    words = words.strip().replace(",", "")
    if re.fullmatch(r"\d+(?:\.\d+)?", words):
        return float(words)
    if words in ENGLISH_NUMBERS:
        return float(ENGLISH_NUMBERS[words])
    if words and all(char in CHINESE_DIGITS for char in words):
        return float("".join(str(CHINESE_DIGITS[char]) for char in words))
    return _read_chinese(words)


def _read_chinese(words: str) -> float | None:
    total = section = digit = 0
    last_unit = 1
    for char in words:
        if char in CHINESE_DIGITS:
            digit = CHINESE_DIGITS[char]
            last_unit = 10 if char in "零〇" else last_unit
        elif char in _UNITS:
            section += (digit or 1) * _UNITS[char]
            last_unit, digit = _UNITS[char], 0
        elif char == "万":
            total += (section + digit or 1) * 10_000
            section = digit = 0
            last_unit = 10_000
        else:
            return None
    return float(total + section + digit * (last_unit // 10 if last_unit > 10 else 1)) if words else None  # noqa: PLR2004


def join_digits(run: str) -> str:
    """Join digits, Chinese digits and English digit words of a run: ``1 3 8``, ``一三八``, ``one three eight``."""
    digits = []
    for piece in _SINGLE.findall(run):
        if piece.isascii() and piece.isdigit():
            digits.append(piece)
        else:
            digits.append(str(CHINESE_DIGITS.get(piece, ENGLISH_NUMBERS.get(piece, 0))))
    return "".join(digits)


def plain(number: float) -> str:
    """Write a number without a needless fraction: ``12.5``, ``199``."""
    return f"{number:.2f}".rstrip("0").rstrip(".")
