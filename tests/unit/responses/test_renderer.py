"""The renderer: languages, scripts, times, money, and hostile data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.clock import ManualClock
from bot.domain.errors import ConfigError, NotFound
from bot.domain.replies import Choice, Locale, Reply
from responses.localtime import parse_moment, say_money
from responses.renderer import Names, TemplateRenderer

NOW = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
SHARED = TemplateRenderer(ManualClock(NOW), "Asia/Shanghai")


@pytest.fixture
def renderer() -> TemplateRenderer:
    """Give a renderer at 10:00 on a Wednesday in Shanghai."""
    return TemplateRenderer(ManualClock(NOW), "Asia/Shanghai", Names("甲店", "Shop A", "阿甲", "Al"))


def _made(tmp_path: Path, text: str, base: str = "en") -> TemplateRenderer:
    (tmp_path / base).mkdir(exist_ok=True)
    (tmp_path / base / "faq.yml").write_text(f"answer: {text!r}", encoding="utf-8")
    return TemplateRenderer(ManualClock(NOW), "Asia/Shanghai", overrides=tmp_path)


def test_renderer_speaks_each_locale(renderer: TemplateRenderer) -> None:
    """The same key is said in simplified, traditional and English."""
    said = {locale: renderer.render(Reply("stop.nothing_open"), locale).text for locale in Locale}
    assert said[Locale.ZH].startswith("好的，先到这里")
    assert said[Locale.ZH_HANT].startswith("好的，先到這裡")
    assert said[Locale.EN].startswith("All right")


def test_renderer_says_the_shops_own_names(renderer: TemplateRenderer) -> None:
    """The greeting names shop and bot in the language it is in."""
    assert "甲店" in renderer.text("greet.hello", Locale.ZH)
    assert "Shop A" in renderer.text("greet.hello", Locale.EN)


def test_renderer_labels_choices_by_key_or_by_text(renderer: TemplateRenderer) -> None:
    """A button's label is a text of ours or ready words."""
    reply = Reply("stop.nothing_open", {}, (Choice("/a", "intent.track_order"), Choice("=b", label="B")))
    buttons = renderer.render(reply, Locale.EN).buttons
    assert [(one.label, one.payload) for one in buttons] == [("Track my order", "/a"), ("B", "=b")]


def test_renderer_picks_the_same_variant_for_the_same_data(renderer: TemplateRenderer) -> None:
    """A repeated rendering reads the same; other data may read differently."""
    texts = {renderer.text("chitchat.friendly", Locale.EN, {"turn": turn}) for turn in range(30)}
    assert len(texts) > 1
    once = renderer.text("chitchat.friendly", Locale.EN, {"turn": 7})
    assert all(renderer.text("chitchat.friendly", Locale.EN, {"turn": 7}) == once for _ in range(5))


@pytest.mark.parametrize(
    ("ahead", "chinese", "english"),
    [
        (timedelta(hours=8), "今天 18:00", "18:00 today"),
        (timedelta(hours=14), "明天 00:00", "00:00 tomorrow"),
        (timedelta(days=1), "明天 10:00", "10:00 tomorrow"),
        (timedelta(days=-1), "昨天 10:00", "10:00 yesterday"),
        (timedelta(days=5), "3月9日（周一） 10:00", "10:00 on Monday 9 March"),
        (timedelta(days=400), "2027年4月8日（周四） 10:00", "10:00 on Thursday 8 April 2027"),
    ],
)
def test_renderer_says_times_in_the_shops_zone(
    renderer: TemplateRenderer, ahead: timedelta, chinese: str, english: str
) -> None:
    """Midnight is the shop's, not UTC's."""
    data = {"ticket": "TK10000001", "days": 15, "due_at": (NOW + ahead).isoformat()}
    assert chinese in renderer.text("export_my_data.noted", Locale.ZH, data)
    assert english in renderer.text("export_my_data.noted", Locale.EN, data)


@pytest.mark.parametrize(
    ("amount", "currency", "said"),
    [("129", "CNY", "¥129.00"), ("1234.5", "USD", "US$1,234.50"), ("7", "CHF", "7.00 CHF"), ("0.1", "eur", "€0.10")],
)
def test_money_is_written_with_its_currency(amount: str, currency: str, said: str) -> None:
    """Amounts keep two places and never lose their currency."""
    assert say_money(amount, currency) == said


def test_money_refuses_what_is_no_number() -> None:
    """A broken amount is an error, not an empty price."""
    with pytest.raises(ValueError, match="not a number"):
        say_money("free", "CNY")


def test_times_without_a_zone_are_refused() -> None:
    """A naive time could be anywhere in the world."""
    with pytest.raises(ValueError, match="no time zone"):
        parse_moment("2026-03-04T10:00:00", ZoneInfo("Asia/Shanghai"))


def test_renderer_refuses_missing_data(renderer: TemplateRenderer) -> None:
    """A hole in a sentence is never sent."""
    with pytest.raises(ConfigError, match=r"proof\.gone.*number"):
        renderer.render(Reply("proof.gone"), Locale.ZH)


def test_renderer_names_an_unknown_key(renderer: TemplateRenderer) -> None:
    """What is missing is named with its folder."""
    with pytest.raises(NotFound, match=r"no\.such.*templates/en"):
        renderer.text("no.such", Locale.EN)


def test_renderer_runs_no_code_of_a_template(tmp_path: Path) -> None:
    """A merchant's template reaches no internals."""
    sly = _made(tmp_path, "{{ answer.__class__.__mro__ }}")
    with pytest.raises(ConfigError):
        sly.text("faq.answer", Locale.EN, {"answer": "x"})


@given(st.text(max_size=200))
def test_renderer_never_reads_data_as_a_template(answer: str) -> None:
    """Whatever a shopper writes comes out as it is."""
    hostile = "{{ 7 * 7 }}{% raw %}" + answer
    assert "{{ 7 * 7 }}{% raw %}" in SHARED.text("faq.answer", Locale.EN, {"answer": hostile})


def test_renderer_does_not_escape_plain_text(renderer: TemplateRenderer) -> None:
    """Chat channels get the characters; pages escape for themselves."""
    assert renderer.text("faq.answer", Locale.EN, {"answer": "<b>&\"'"}) == "<b>&\"'"
