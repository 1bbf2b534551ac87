"""Why an attachment is not there, as sentences that are kept on record and can be read back. Pure.

A sentence is written once, in English, where the fault is found; pages read it back and say it in their own language,
with what a person can do about it. What no sentence here fits is shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SENTENCES: Mapping[str, str] = {
    "empty": "it is empty",
    "type": "things of type {type} are not taken here",
    "too_large": "it is larger than {mb} MB",
    "our_side": "{problem} on our side",
    "disc": "the shop's disc cannot be written",
    "crashed": "fetching it has broken off {times} times",
    "switched_off": "the channel {channel} is switched off here",
    "no_way": "its channel gives no way to it",
    "gone": "the platform does not have it any more (HTTP {status})",
    "withheld": "the platform does not give it out (errcode {code})",
    "withheld_by_meta": "Meta does not give it out (error {code})",
    "telegram_limit": "Telegram gives bots no file of more than {mb} MB",
    "wait": "the platform asks to wait",
    "answers": "the platform answers HTTP {status}",
    "unreachable": "the platform cannot be reached: {problem}",
    "slow": "it did not come within {seconds} seconds",
    "foreign": "its address lies on {host}, which is not the platform's",
    "inside": "{host} does not lie on the public internet; nothing was fetched",
    "plain": "its address is not a plain https address; it was not fetched",
    "leads_on": "its address leads on more than {times} times",
    "packed": "it comes packed, although that was not asked for",
}
_READ = {
    key: re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(sentence))) for key, sentence in SENTENCES.items()
}


def tell(key: str, **data: Any) -> str:
    """Write the sentence of a reason; KeyError for a reason or a value that is not there."""
    return SENTENCES[key].format(**data)


def size_mb(size: int) -> str:
    """Write a size in bytes as MB."""
    return f"{size / 1024 / 1024:.3g}"


def read(reason: str) -> tuple[str, Mapping[str, str]] | None:
    """Read (key, values) of a sentence; None when it is none of these."""
    for key, sentence in _READ.items():
        found = sentence.fullmatch(reason)
        if found is not None:
            return key, found.groupdict()
    return None
