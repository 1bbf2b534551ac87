"""The page's words in Chinese and English, from ``locales/``."""

from __future__ import annotations

from importlib import resources

import yaml

LANGUAGES = ("zh", "en")


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
