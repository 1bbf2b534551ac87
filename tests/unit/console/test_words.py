"""The console speaks both languages, completely."""

from __future__ import annotations

import re
import string
from enum import StrEnum
from importlib import resources
from pathlib import Path

import pytest
import yaml

from bot.console.words import LOCALES, load_words, preferred_locale
from bot.desk.transcripts import Speaker
from bot.domain.conversation import Owner
from bot.domain.handoff import HandoffReason, Priority
from bot.domain.messages import MessageKind
from bot.domain.orders import OrderState
from bot.domain.people import Role
from bot.domain.tickets import TicketKind, TicketState

CONSOLE = Path(str(resources.files("bot.console")))
DESK = Path(str(resources.files("bot.desk")))
LITERAL = re.compile(r"""word\(\s*['"]([\w.-]+)['"]\s*[,)]|word\(['"]([\w.-]+)['"] if""")
GROUPS: dict[str, type[StrEnum]] = {
    "speaker": Speaker,
    "owner": Owner,
    "reason": HandoffReason,
    "priority": Priority,
    "attachment": MessageKind,
    "order_state": OrderState,
    "role": Role,
    "ticket_kind": TicketKind,
    "ticket_state": TicketState,
    "ticket_move": TicketState,
    "conflict": Owner,
}


def _sources() -> str:
    files = [*CONSOLE.rglob("*.html"), *CONSOLE.rglob("*.py"), *DESK.rglob("*.py")]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def _placeholders(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


def test_words_have_the_same_keys_in_both_languages():
    """What is said in one language is said in the other."""
    zh, en = (load_words(locale).keys() for locale in LOCALES)
    assert zh - en == set()
    assert en - zh == set()


def test_words_have_the_same_placeholders_in_both_languages():
    """A value given to one language is shown by the other too."""
    catalogues = [load_words(locale)._catalogue for locale in LOCALES]
    for key in catalogues[0]:
        found = [_placeholders(catalogue[key]) for catalogue in catalogues]
        assert found[0] == found[1], key


def test_words_named_in_pages_exist():
    """No page asks for words that are not there."""
    asked = {found[0] or found[1] for found in LITERAL.findall(_sources())}
    assert len(asked) > 100
    assert asked - load_words("zh").keys() == set()


def test_words_of_problems_and_refusals_exist():
    """Every sentence a failure can ask for is there."""
    source = _sources()
    keys = set(re.findall(r"""Problem\(\s*\d+, ['"]([\w.]+)['"]""", source))
    keys |= {f"refused.{key}" for key in re.findall(r"""Refusal\(\s*['"](\w+)['"]""", source)}
    keys |= set(re.findall(r"""\d{3}, ['"](error\.\w+)['"]""", source))
    assert len(keys) > 20
    assert keys - load_words("zh").keys() == set()


@pytest.mark.parametrize("group", GROUPS)
def test_words_cover_every_value_of_the_domain(group: str):
    """A state, role or reason added to the domain needs its words."""
    assert {f"{group}.{value}" for value in GROUPS[group] if value is not Speaker.MARK} - load_words(
        "zh"
    ).keys() == set()


def test_words_cover_every_intent():
    """The intent filter shows words for every intent the bot is trained on."""
    domain = yaml.safe_load(resources.files("intents").joinpath("domain.yml").read_text(encoding="utf-8"))
    named = {next(iter(intent)) if isinstance(intent, dict) else intent for intent in domain["intents"]} - {"faq"}
    topics = {f"faq/{file.stem}" for file in Path(str(resources.files("intents"))).joinpath("faq").glob("*.yml")}
    assert {f"intent.{name}" for name in named | topics} - load_words("zh").keys() == set()


def test_words_show_a_value_without_words_as_it_is():
    """What came from outside is shown, never formatted, never an exception."""
    words = load_words("en")
    assert words("channel.douyin") == "douyin"
    assert words("detail_value.{oops} 1.5") == "{oops} 1.5"


@pytest.mark.parametrize(
    ("header", "locale"),
    [("", "zh"), ("en-GB,en;q=0.9", "en"), ("zh-TW", "zh"), ("fr,de;q=0.8,en;q=0.5", "en"), (";;,,", "zh")],
)
def test_preferred_locale_follows_the_browser(header: str, locale: str):
    """The first language of ours in the header's order."""
    assert preferred_locale(header) == locale
