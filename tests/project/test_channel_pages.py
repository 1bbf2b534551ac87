"""Every channel has a page that says the same in both languages."""

from __future__ import annotations

import re

import pytest

from bot.wiring.platforms import PLATFORMS
from tests.project.tree import ROOT

FOLDER = ROOT / "docs" / "channels"
SHARED = {"instagram": "messenger"}
PAGES = sorted({SHARED.get(name, name) for name in ("web", *PLATFORMS)} | {"README"})
HALVES = (("## English", "## 中文"), ("## 中文", "\n## "))


def half(page: str, begin: str, end: str) -> str:
    """Give one language's part of a page."""
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    start = text.index(begin) + len(begin)
    stop = text.find(end, start)
    return text[start : stop if stop > 0 else len(text)]


@pytest.mark.parametrize("page", PAGES)
def test_page_of_a_channel_is_as_long_in_both_languages(page: str) -> None:
    """As many steps, and the same tables line by line: limits, and what to do when it does not work."""
    english, chinese = (half(page, *ends) for ends in HALVES)
    steps = [len(re.findall(r"^\d+\. ", text, re.MULTILINE)) for text in (english, chinese)]
    assert steps[0] == steps[1] > 0
    tables = [
        [len(table.splitlines()) for table in re.findall(r"(?:^\|.*\n?)+", text, re.MULTILINE)][-2:]
        for text in (english, chinese)
    ]
    assert tables[0] == tables[1]
    assert all(each > 2 for each in tables[0])
