"""Why an attachment is not there: written once, read back by every page, said in both languages."""

from __future__ import annotations

import re

import pytest

from bot.console.attachments import ADVICE, advice, why
from bot.console.words import LOCALES, load_words
from bot.domain.media_reasons import SENTENCES, read, size_mb, tell

VALUES = {
    "type": "image/svg+xml",
    "mb": "9.77",
    "problem": "ReadError",
    "times": "3",
    "channel": "line",
    "status": "500",
    "code": "40007",
    "seconds": "120",
    "host": "cdn.example",
}


@pytest.mark.parametrize("key", SENTENCES)
def test_sentence_reads_back_to_what_it_was_written_from(key: str):
    """Key and values, whatever the platform called its host or type; and no other sentence fits."""
    wanted = {name: VALUES[name] for name in re.findall(r"\{(\w+)\}", SENTENCES[key])}
    assert read(tell(key, **wanted)) == (key, wanted)
    odd = dict.fromkeys(wanted, "a (b) [c] \\d+ {x}")
    assert read(tell(key, **odd)) == (key, odd)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("key", SENTENCES)
def test_reason_is_said_in_the_readers_language(locale: str, key: str):
    """Every one has words, filled with what matters; Chinese pages show no English sentence."""
    words = load_words(locale)
    said = why(tell(key, **VALUES), words)
    assert "{" not in said
    assert said != key
    assert locale == "en" or re.search(r"[\u4e00-\u9fff]", said)


@pytest.mark.parametrize("locale", LOCALES)
def test_advice_has_words_and_belongs_to_a_reason(locale: str):
    """What to do is told for what a person can do something about."""
    words = load_words(locale)
    assert set(ADVICE) <= set(SENTENCES)
    for key in SENTENCES:
        told = advice(tell(key, **VALUES), words)
        assert bool(told) is (key in ADVICE)
        assert told == "" or told == words(f"media_advice.{ADVICE[key]}")


def test_unknown_reason_is_shown_as_it_is():
    """What a platform wrote, or an older version, is not lost."""
    assert why("the moon was full", load_words("en")) == "the moon was full"
    assert advice("the moon was full", load_words("en")) == ""


def test_size_is_told_as_the_configuration_writes_it():
    """10 MB is 10, not 10.0."""
    assert (size_mb(10 * 1024 * 1024), size_mb(1_500_000)) == ("10", "1.43")
