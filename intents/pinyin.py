"""Chinese by its sound: toneless syllables of characters, and Latin text that is really pinyin."""

from __future__ import annotations

import re
from functools import lru_cache

from pypinyin import Style, lazy_pinyin
from pypinyin.constants import PINYIN_DICT
from pypinyin.style import convert as convert_style

from intents.normalising import is_cjk

_MIN_SYLLABLES = 2
_MIN_SHARE = 0.6
_LATIN_WORD = re.compile(r"[a-z']+")
_INTERJECTIONS = frozenset({"n", "ng", "m", "hm", "hng", "ê", "a", "o", "e", "yo", "lo", "eh", "ei"})
# English words that also read as pinyin; the rest of English does not fall into syllables.
_ENGLISH = frozenset(
    """
    a an can you me he she men women long like make take
    sale size late date hate same name line nine mine ban fan
    sun run gun pan tan den hen pen pin ping bin lie die china data page manage shame shake share shine here sure care
    rare tire mile tile pile rule mute cute minute route site bite polite suite dude made fade side ride tide guide
    nude bike cake lake sake wake fake bake duke maze gaze huge tune june dine lane pane sane sang song hang bang gang
    tong wan won yen die pie tie men main rain gain pain hai shang de le la ha wen ten ran fen sell wait mama papa
    banana panda nice dice mice fence hence
    pence mace menu due sue bingo mango lingo tango gate bang cane sane tape wine dance chance face pace lace race
    man ma pa sun she chi tai hang cheng wide hide re
    bug hug mug rug gale tale male pale whale mean bean lean dean jean chain again lang ming ding king ring sing wing
    hen then hang dun bun fun nun pun hue cue yue yang ying sheng li lee lei fei""".split()  # noqa: SIM905
)


@lru_cache(maxsize=1)
def syllables() -> frozenset[str]:
    """List every toneless syllable of Mandarin, ``ü`` written ``v``."""
    found: set[str] = set()
    for readings in PINYIN_DICT.values():
        for reading in readings.split(","):
            found.add(convert_style(reading, Style.NORMAL, strict=False).replace("ü", "v"))
    return frozenset(syllable for syllable in found if syllable.isascii() and syllable.isalpha()) - _INTERJECTIONS


@lru_cache(maxsize=8_192)
def segment(word: str) -> tuple[str, ...]:
    """Cut a lower-case Latin word into the fewest syllables; empty when it is not made of them."""
    known = syllables()
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            before = best[start]
            piece = word[start:end]
            if before is None or (piece not in known and not (piece == "a" and start and end == len(word))):
                continue
            shortest = best[end]
            if shortest is None or len(before) + 1 < len(shortest):
                best[end] = (*before, piece)
    return best[-1] or ()


def is_pinyin(text: str) -> bool:
    """Tell whether lower-case text without Chinese characters is Chinese written in Latin letters."""
    words = [word.replace("'", "") for word in _LATIN_WORD.findall(text)]
    letters = sum(map(len, words))
    read = [word for word in words if len(word) <= 40 and word not in _ENGLISH and segment(word)]  # noqa: PLR2004
    count = sum(len(segment(word)) for word in read)
    ambiguous = [word for word in words if word in _ENGLISH and segment(word)]
    if count < _MIN_SYLLABLES or not letters:
        return False
    share = (sum(map(len, read)) + 0.5 * sum(map(len, ambiguous))) / letters
    return share >= _MIN_SHARE


@lru_cache(maxsize=20_000)
def _char_sound(char: str) -> str:
    return lazy_pinyin(char, style=Style.NORMAL, v_to_u=False)[0]


def sound(text: str) -> str:
    """Write text as its sound: syllables without spaces, fuzzy pairs folded (zh=z, ch=c, sh=s, final ng=n).

    Latin letters stay as they are; everything that is neither is a break, written as one space.
    """
    pieces: list[str] = []
    for char in text:
        if is_cjk(char):
            pieces.append(_char_sound(char))
        elif char.isascii() and char.isalnum():
            pieces.append(char)
        elif char not in {" ", "'"}:
            pieces.append(" ")
    joined = "".join(pieces)
    return _fuzzy(joined)


_FUZZY = re.compile(r"([zcs])h|(?<=[aeiou])ng")


def _fuzzy(joined: str) -> str:
    return _FUZZY.sub(lambda found: found.group(1) or "n", joined)
