"""The page's words in Chinese and English, from ``locales/``."""

from __future__ import annotations

from functools import cache
from importlib import resources

import yaml

from bot.domain.errors import RefusedInput

LANGUAGES = ("zh", "en")


class Unable(RefusedInput):
    """What a person wants to do cannot be done on a phone: told in every language of the page."""

    def __init__(self, why: str, **facts: object) -> None:
        """Say ``why``: a key under ``unable`` of the words, which may name ``facts``."""
        self.sentences = {each: read_words(each)[f"unable.{why}"].format(**facts) for each in LANGUAGES}
        super().__init__(self.sentences["en"])


@cache
def read_words(language: str) -> dict[str, str]:
    """Read the words of a language by key; every language has the same keys."""
    file = resources.files("bot.simulators.phones").joinpath("locales", f"{language}.yml")
    words: dict[str, str] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return words


def pick_language(asked: str, accepted: str) -> str:
    """Choose the page's language: what was asked for, else the browser's first of ours, else Chinese."""
    if asked in LANGUAGES:
        return asked
    preferred = [part.partition(";")[0].strip().lower()[:2] for part in accepted.split(",")]
    return next((each for each in preferred if each in LANGUAGES), "zh")
