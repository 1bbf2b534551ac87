"""Every key of the configuration is documented, and the file we ship is right."""

from __future__ import annotations

import re

import bot.config as configuration
from tests.project.tree import ROOT


def test_shipped_file_is_the_defaults() -> None:
    """The file in the repository says what happens without it."""
    assert configuration.load(ROOT / "config.yml") == configuration.Config()


def test_every_key_has_a_description() -> None:
    """No key without a sentence."""
    silent = [path for path, _, _, description in configuration.documented_keys() if not description.endswith(".")]
    assert not silent


def test_page_lists_every_key_and_every_secret() -> None:
    """docs/configuration.md and the code name the same keys and variables."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"^\| `(xiaoer\.[a-z_.]+)`", page, re.MULTILINE))
    keys = {path for path, kind, _, _ in configuration.documented_keys() if kind}
    assert documented == keys
    named = set(re.findall(r"`(XIAOER_[A-Z_]+)`", page))
    assert named >= {configuration.variable(name) for name in configuration.Secrets.model_fields}
