"""The console's own words in both languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any

import yaml

LOCALES = ("zh", "en")
DEFAULT_LOCALE = "zh"
_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Words:
    """The catalogue of one language; ``words("inbox.title")`` gives its words, filled with the data."""

    def __init__(self, locale: str, catalogue: Mapping[str, str]) -> None:
        self.locale = locale
        self._catalogue = catalogue

    def __call__(self, key: str, /, **data: Any) -> str:
        """Give the words of a key; a key that is not there (a value from outside) shows its own last part."""
        words = self._catalogue.get(key)
        return words.format(**data) if words is not None else key.partition(".")[2] or key

    def keys(self) -> frozenset[str]:
        """List all keys."""
        return frozenset(self._catalogue)


def load_words(locale: str) -> Words:
    """Read the catalogue ``locales/<locale>.yml``."""
    text = resources.files("bot.console").joinpath("locales", f"{locale}.yml").read_text(encoding="utf-8")
    return Words(locale, dict(_flat(yaml.load(text, Loader=_LOADER))))  # noqa: S506 (a safe loader)


def preferred_locale(accept_language: str) -> str:
    """Choose a language of ours from an Accept-Language header, by its order."""
    for part in accept_language.split(","):
        tag = part.partition(";")[0].strip().casefold().partition("-")[0]
        if tag in LOCALES:
            return tag
    return DEFAULT_LOCALE


def _flat(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)
