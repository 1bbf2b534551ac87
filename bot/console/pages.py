"""Templates to HTML."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from bot.console.attachments import advice, attached, heard, look, why
from bot.console.words import LOCALES, Words, load_words
from bot.desk.transcripts import mark_words

STATIC = "static"
_ASSETS = (
    "console.css", "console.js", "pictures.js", "files.js", "attachments.js", "amr.js", "icon.svg",
    "vendor/htmx.min.js", "vendor/sse.js",
)  # fmt: skip
_HTMX_CONFIG = {
    "includeIndicatorStyles": False,
    "allowEval": False,
    "allowScriptTags": False,
    "selfRequestsOnly": True,
    "historyCacheSize": 0,
    "refreshOnHistoryMiss": True,
    # An error's answer is a sentence for the page, so it is put there like any other.
    "responseHandling": [
        {"code": "204", "swap": False},
        {"code": "[23]..", "swap": True},
        {"code": "[45]..", "swap": True, "error": True},
    ],
}


class Pages:
    """The templates with their words; ``load_pages`` makes them once."""

    def __init__(self) -> None:
        self.words: dict[str, Words] = {locale: load_words(locale) for locale in LOCALES}
        self._versions = {name: _version(name) for name in _ASSETS}
        self.environment = Environment(
            loader=PackageLoader("bot.console", "templates"),
            autoescape=select_autoescape(("html",), default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.environment.globals |= {
            "htmx_config": json.dumps(_HTMX_CONFIG),
            "mark_words": mark_words,
            "attached": attached,
            "look": look,
            "why": why,
            "advice": advice,
            "heard": heard,
            "version": lambda name: self._versions.get(name, ""),
        }

    def render(self, template: str, values: dict[str, Any]) -> str:
        """Fill ``templates/<template>.html``."""
        return self.environment.get_template(f"{template}.html").render(values)

    def asset(self, root: str, name: str) -> str:
        """Give the address of a static file, with its version so that browsers may keep it."""
        return f"{root}/{STATIC}/{name}?v={self._versions.get(name, '')}"


@cache
def load_pages() -> Pages:
    """Give the pages, which are the same for every console of a process; templates are compiled when first shown."""
    return Pages()


def _version(name: str) -> str:
    file = resources.files("bot.console").joinpath(STATIC, name)
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else "missing"
