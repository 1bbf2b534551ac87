"""Cut a message into tokens: a Chinese character each, and the words of every other script. Standard library only."""

from __future__ import annotations

import re

_CJK = "㐀-䶿一-鿿豈-﫿"
_TOKEN = re.compile(
    rf"[{_CJK}]"  # one Chinese character
    rf"|(?:[^\W_{_CJK}])+(?:['’.@+-](?:[^\W_{_CJK}])+)*"  # a word, number, address or code
    r"|[\U0001F300-\U0001FAFF\u2600-\u27BF]"  # an emoji
)


def cut(text: str) -> list[tuple[str, int]]:
    """Cut a text into (token, start); a text without any word is one token, an empty one none."""
    found = [(match.group(), match.start()) for match in _TOKEN.finditer(text)]
    bare = text.strip()
    return found or ([(bare, text.index(bare))] if bare else [])
