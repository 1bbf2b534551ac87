"""How the merchant's entries meet the gate: they answer what nobody else does, and steal nothing."""

from __future__ import annotations

import pytest

from bot.domain.handoff import HandoffReason
from bot.domain.knowledge import LookUp, Nearest
from bot.domain.ports import HandlerEntry
from bot.domain.understanding import IntentScore, Recognition, Verdict
from bot.engine.consulting import settle
from bot.engine.policy import close_choices
from tests.unit.engine.fakes import Stage, says

ENTRY = "merchant/engraving"
SURE = LookUp(ENTRY, near=(Nearest(ENTRY, 0.97),))
NEARER = LookUp(ENTRY, nearer=True, near=(Nearest(ENTRY, 0.97),))
WORD_FOR_WORD = LookUp(ENTRY, same_words=True, nearer=True, near=(Nearest(ENTRY, 0.99),))
NEAR = LookUp(near=(Nearest(ENTRY, 0.8), Nearest("faq/stock", 0.7)))


def heard(intent: str, verdict: Verdict, confidence: float = 0.6) -> Recognition:
    """Make what the recogniser said."""
    scores = (IntentScore(intent, confidence), IntentScore("faq/warranty", 0.1)) if intent else ()
    return Recognition(intents=scores, verdict=verdict, engine="test")


@pytest.mark.parametrize(
    ("intent", "verdict", "found", "answered"),
    [
        ("order_status", Verdict.ABSTAIN, SURE, True),
        ("order_status", Verdict.CLARIFY, SURE, True),
        ("", Verdict.ABSTAIN, SURE, True),
        ("order_status", Verdict.SURE, SURE, False),
        ("order_status", Verdict.SURE, NEARER, False),
        ("order_status", Verdict.SURE, WORD_FOR_WORD, True),
        ("request_human", Verdict.SURE, NEARER, False),
        ("faq/stock", Verdict.SURE, SURE, False),
        ("faq/stock", Verdict.SURE, NEARER, True),
        ("chitchat", Verdict.SURE, SURE, True),
        ("order_status", Verdict.ABSTAIN, NEAR, False),
    ],
)
def test_entry_answers_only_what_is_not_surely_something_else(
    intent: str, verdict: Verdict, found: LookUp, answered: bool
) -> None:
    """An errand is taken over word for word only, a topic only by what is nearer."""
    meant = settle(heard(intent, verdict), found)
    assert (meant.intent == ENTRY and meant.verdict is Verdict.SURE) is answered
    if not answered and verdict is Verdict.SURE:
        assert meant == heard(intent, verdict)


def test_near_entries_are_offered_when_nothing_was_recognised() -> None:
    """What the gate kept out is not offered beside them."""
    meant = settle(heard("order_status", Verdict.ABSTAIN), NEAR)
    assert (meant.verdict, [one.name for one in meant.intents]) == (Verdict.CLARIFY, [ENTRY])


def test_near_topics_alone_open_no_clarification() -> None:
    """The gate knows the shop's own topics; they are only the nearest that the fallback offers."""
    meant = settle(heard("order_status", Verdict.ABSTAIN, 0.2), LookUp(near=(Nearest("faq/stock", 0.7),)))
    assert (meant.verdict, meant.intent) == (Verdict.ABSTAIN, "faq/stock")


def test_near_entries_join_the_choices_by_how_likely_they_are() -> None:
    """Between close intents each stands once, best first."""
    meant = settle(heard("order_status", Verdict.CLARIFY, 0.75), NEAR)
    assert [one.name for one in meant.intents] == [ENTRY, "order_status", "faq/stock", "faq/warranty"]


@pytest.mark.parametrize(
    ("ranked", "offered"),
    [
        ([("a", 0.5), ("b", 0.3), ("c", 0.1), ("d", 0.09)], ("a", "b", "c")),
        ([("a", 0.9), ("b", 0.02), ("c", 0.01)], ("a", "b")),
        ([("greet", 0.4), ("a", 0.3), ("deny", 0.2), ("b", 0.1)], ("a", "b")),
        ([("locked", 0.6), ("a", 0.3)], ("a",)),
        ([], ()),
    ],
)
def test_choices_are_the_close_errands_and_three_at_most(
    ranked: list[tuple[str, float]], offered: tuple[str, ...]
) -> None:
    """Pleasantries, what nobody can do and what is hardly likely get no button."""
    scores = [IntentScore(*one) for one in ranked]
    assert close_choices(scores, lambda name: name != "locked") == offered


class Shelf:
    """Finds what it is told, and counts."""

    def __init__(self, found: dict[str, LookUp]) -> None:
        self.found = found
        self.refreshed = 0
        self.broken = False

    async def look_up(self, text: str, recognition: Recognition) -> LookUp:
        """Look it up."""
        del recognition
        if self.broken:
            raise RuntimeError("the words " + text)
        return self.found.get(text, LookUp())

    async def refresh(self) -> None:
        """Count."""
        self.refreshed += 1


@pytest.fixture
def shelf() -> Shelf:
    """Know about engraving."""
    return Shelf({"能刻字吗": SURE, "刻字": NEAR})


@pytest.fixture
def stage(shelf: Shelf) -> Stage:
    """An engine with a library and the knowledge's handler."""
    return Stage(
        {"faq": HandlerEntry(says("faq.answer")), "order_status": HandlerEntry(says("orders"))}, ENTRY, library=shelf
    )


async def test_abstained_message_is_answered_by_its_entry(stage: Stage) -> None:
    """And on record it is that entry's topic."""
    assert await stage.hears("能刻字吗") == ["faq.answer"]
    assert stage.store.tracker.last_intent == ENTRY


async def test_line_of_a_burst_is_answered_by_its_entry(stage: Stage) -> None:
    """A greeting before the question does not hide it."""
    assert await stage.hears("在吗在吗", "能刻字吗") == ["faq.answer"]


async def test_offered_entry_is_answered_when_pressed_after_a_refresh(stage: Stage, shelf: Shelf) -> None:
    """Another process may have added it a moment ago."""
    assert await stage.hears("刻字") == ["engine.clarify_one"]
    assert shelf.refreshed == 0
    assert await stage.hears(f"/{ENTRY}") == ["faq.answer"]
    assert shelf.refreshed == 1


async def test_none_of_these_leads_to_a_human(stage: Stage) -> None:
    """Pressed or said, the way to a human is offered; a second miss goes there."""
    await stage.hears("刻字")
    assert await stage.hears("/deny") == ["engine.neither"]
    assert "/request_human" in {button["payload"] for button in stage.store.tracker.last_buttons}
    await stage.hears("刻字刻字刻字")
    assert await stage.hears("刻刻") == ["request_human.queued"]
    assert stage.commit.owner is not None
    assert HandoffReason.NOT_UNDERSTOOD


async def test_broken_library_changes_nothing(stage: Stage, shelf: Shelf, caplog: pytest.LogCaptureFixture) -> None:
    """The message is handled without it, and its words stay out of the log."""
    shelf.broken = True
    stage.teach("查订单", "order_status")
    assert await stage.hears("查订单") == ["orders"]
    assert "查订单" not in caplog.text
