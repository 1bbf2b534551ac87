"""Bring any text into one shape before it is understood, and keep the way back to the original."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Protocol, cast

import opencc

MAX_TEXT_CHARS = 2000
"""What is longer is cut: nobody asks a shop a question in more."""

_KEPT_CONTROLS = {"\n": " ", "\t": " ", "\r": " "}
_LONG_REPEAT = re.compile(r"([^\W\d])\1{2,}")
_REPEATED_MARK = re.compile(r"([^\w\s])\1+")
_SPACES = re.compile(r"\s+")
_EMOJI_WORDS: dict[str, tuple[str, str]] = {
    "😡": ("生气", "angry"),
    "🤬": ("生气", "angry"),
    "😠": ("生气", "angry"),
    "😤": ("生气", "angry"),
    "💢": ("生气", "angry"),
    "👎": ("差评", "bad"),
    "💩": ("差评", "bad"),
    "👍": ("好评", "great"),
    "👏": ("好评", "great"),
    "💯": ("好评", "great"),
    "🌟": ("星", "star"),
    "⭐": ("星", "star"),
    "👌": ("好的", "ok"),
    "🆗": ("好的", "ok"),
    "✅": ("对", "yes"),
    "❌": ("不对", "no"),
    "🙏": ("谢谢", "thanks"),
    "💐": ("谢谢", "thanks"),
    "🌹": ("谢谢", "thanks"),
    "👋": ("你好", "hello"),
    "🙋": ("你好", "hello"),
    "📦": ("包裹", "parcel"),
    "🚚": ("快递", "delivery"),
    "🚛": ("快递", "delivery"),
    "💰": ("钱", "money"),
    "💸": ("钱", "money"),
    "💵": ("钱", "money"),
    "💳": ("支付", "payment"),
    "🧾": ("发票", "invoice"),
    "🎫": ("优惠券", "coupon"),
    "🎟": ("优惠券", "coupon"),
    "🤖": ("机器人", "robot"),
    "📞": ("电话", "phone"),
    "☎": ("电话", "phone"),
    "📧": ("邮箱", "email"),
    "❓": ("?", "?"),
    "❗": ("!", "!"),
}
_DIALECT: tuple[tuple[str, str], ...] = (
    ("唔该", "请"),
    ("多谢", "谢谢"),
    ("几时", "什么时候"),
    ("几耐", "多久"),
    ("点解", "为什么"),
    ("点样", "怎么"),
    ("点先", "怎么"),
    ("点搞", "怎么办"),
    ("点算", "怎么办"),
    ("边度", "哪里"),
    ("边个", "谁"),
    ("乜嘢", "什么"),
    ("咩事", "什么事"),
    ("而家", "现在"),
    ("依家", "现在"),
    ("寻日", "昨天"),
    ("琴日", "昨天"),
    ("听日", "明天"),
    ("今日", "今天"),
    ("有冇", "有没有"),
    ("系咪", "是不是"),
    ("可唔可以", "可不可以"),
    ("得唔得", "行不行"),
    ("唔使", "不用"),
    ("唔好", "不要"),
    ("唔要", "不要"),
    ("唔系", "不是"),
    ("唔得", "不行"),
    ("冇人", "没人"),
    ("冇", "没有"),
    ("佢", "他"),
    ("哋", "们"),
    ("嘅", "的"),
    ("喺", "在"),
    ("咗", "了"),
    ("唔", "不"),
    ("嘢", "东西"),
    ("俾", "给"),
    ("畀", "给"),
    ("睇", "看"),
    ("啱啱", "刚刚"),
    ("搵", "找"),
    ("攞", "拿"),
    ("嚟", "来"),
    ("咁", "这么"),
    ("呢个", "这个"),
    ("嗰个", "那个"),
    ("买左", "买了"),
    ("咩", "什么"),
    ("啲", "些"),
    ("靓", "好"),
    ("单嘢", "订单"),
    ("平啲", "便宜"),
    ("真人客服", "人工客服"),
    ("亲", ""),
)
_DIALECT_WORDS = dict(_DIALECT)
_DIALECT_PATTERN = re.compile("|".join(sorted(map(re.escape, _DIALECT_WORDS), key=len, reverse=True)))


class _Converter(Protocol):
    def convert(self, text: str) -> str: ...


@cache
def _converter(name: str) -> _Converter:
    return cast("_Converter", opencc.OpenCC(name))


@lru_cache(maxsize=20_000)
def simplified_char(char: str) -> str:
    """Turn one character into its simplified form; always one character."""
    if not is_cjk(char):
        return char
    converted = _converter("t2s").convert(char)
    return converted if len(converted) == 1 else char


@lru_cache(maxsize=20_000)
def traditional_char(char: str) -> str:
    """Turn one character into its traditional form; always one character."""
    if not is_cjk(char):
        return char
    converted = _converter("s2t").convert(char)
    return converted if len(converted) == 1 else char


def is_cjk(char: str) -> bool:
    """Tell whether a character is a Han ideograph."""
    return "\u4e00" <= char <= "\u9fff" or "\u3400" <= char <= "\u4dbf" or "\U00020000" <= char <= "\U0003134f"


@dataclass(frozen=True, slots=True)
class Folded:
    """A text with width and invisible characters folded away.

    ``text`` is NFKC with its case kept, ``simplified`` the same length in lower-case simplified characters;
    ``offsets[i]`` is where character ``i`` of either stood in the original, with one more for the end.
    """

    text: str
    simplified: str
    offsets: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a span of ``text`` to the original; the end is after the last character it covers."""
        return self.offsets[start], self.offsets[end - 1] + 1 if end > start else self.offsets[start]


def _fold_char(char: str) -> str:
    if char in _KEPT_CONTROLS:
        return " "
    category = unicodedata.category(char)
    if category in {"Cf", "Cc", "Cs", "Co", "Cn"} or "\ufe00" <= char <= "\ufe0f":
        return ""
    if "\u0300" <= char <= "\u036f" or "\U0001f3fb" <= char <= "\U0001f3ff":
        return ""
    folded = unicodedata.normalize("NFKC", char)
    return folded if folded.strip() else " "


_cached_fold = lru_cache(maxsize=20_000)(_fold_char)


def fold(original: str) -> Folded:
    """Fold width, compatibility forms and invisible characters; at most ``MAX_TEXT_CHARS`` characters are read."""
    if original.isascii() and original.isprintable():
        plain = original[:MAX_TEXT_CHARS]
        return Folded(plain, plain.lower(), tuple(range(len(plain) + 1)))
    pieces: list[str] = []
    offsets: list[int] = []
    for position, char in enumerate(original[:MAX_TEXT_CHARS]):
        folded = char if "!" <= char <= "~" else _cached_fold(char)
        pieces.append(folded)
        offsets.extend([position] * len(folded))
        if len(offsets) >= MAX_TEXT_CHARS:
            break
    text = "".join(pieces)
    offsets.append(offsets[-1] + 1 if offsets else 0)
    return Folded(text, "".join(map(_simplified_lower, text)), tuple(offsets))


def _simplified_lower(char: str) -> str:
    if char.isascii():
        return char.lower()
    lowered = simplified_char(char).lower()
    return lowered if len(lowered) == 1 else char


def _emoji_words(text: str, chinese: bool) -> str:
    if text.isascii():
        return text
    pieces = []
    for char in text:
        words = _EMOJI_WORDS.get(char)
        pieces.append(char if words is None else words[0] if chinese else f" {words[1]} ")
    return "".join(pieces)


def meaning(text: str, chinese: bool) -> str:
    """Shape folded text for the views of the recogniser: simplified mainland wording, lower case, no shouting.

    ``chinese`` chooses the language emoji are put into. Lengths change; spans are not kept.
    """
    words = _emoji_words(text, chinese).lower()
    if not words.isascii():
        words = _converter("tw2sp").convert(words)
        words = _DIALECT_PATTERN.sub(lambda found: _DIALECT_WORDS[found.group()], words)
    words = _LONG_REPEAT.sub(r"\1\1", words)
    words = _REPEATED_MARK.sub(r"\1", words)
    return _SPACES.sub(" ", words).strip()
