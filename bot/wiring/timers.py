"""The due dates that a process with a dispatcher looks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time, timedelta

from bot.config import Config
from bot.domain.clock import Clock
from bot.domain.desk_ports import Notice
from bot.domain.due import ServiceLevels, SurveyQuestion, SurveyRules
from bot.domain.events import BotUttered
from bot.domain.handoff import Priority
from bot.domain.line_ports import OutboxDraft
from bot.domain.ports import LiveFeed
from bot.domain.replies import Choice, Reply
from bot.engine.boundaries import Watch
from bot.engine.due_boundaries import WatchedUnits
from bot.engine.timers import DueWork, Timers
from bot.wiring.stores import as_locale
from handlers.services import BusinessHours
from responses.renderer import TemplateRenderer
from storage.abandoned import SqlAbandoned
from storage.database import Database, Units
from storage.expired_threads import SqlExpiredThreads
from storage.link_book import SqlLinking
from storage.network_tries import SqlForgottenTries
from storage.ownership import SqlOwnershipStore
from storage.service_levels import SqlClosingWindows, SqlOverdueHandoffs, SqlOverdueTickets
from storage.snoozes import SqlSnoozes
from storage.surveys import SqlSurveys

_SURVEY = "rate_service.ask_afterwards"
_SCORES = ("1", "2", "3", "4", "5")


def make_hours(config: Config) -> BusinessHours:
    """Give the shop's opening hours."""
    shop = config.shop
    return BusinessHours(time.fromisoformat(shop.opens), time.fromisoformat(shop.closes), timezone=shop.timezone)


def due_units(database: Database, watch: Watch | None) -> Units:
    """Give what the due work is done with; ``watch`` is told of each of its boundaries."""
    return database if watch is None else WatchedUnits(database, watch)


def make_timers(config: Config, database: Units, clock: Clock, renderer: TemplateRenderer, feed: LiveFeed) -> Timers:
    """Make what looks for due dates; several processes may do so at once."""
    hours, levels = make_hours(config), _service_levels(config)
    works: list[DueWork] = [
        SqlOverdueTickets(database, clock),
        SqlOverdueHandoffs(database, clock, levels, hours),
        SqlClosingWindows(database, clock, levels.window_warning),
        SqlSnoozes(database, clock),
        SqlLinking(database, clock),
        SqlAbandoned(database, SqlOwnershipStore(database, _notice(renderer)), clock),
        SqlExpiredThreads(database, clock),
        SqlForgottenTries(database, clock),
    ]
    if config.surveys.enabled:
        works.append(SqlSurveys(database, clock, _survey_rules(config), hours, survey_question(renderer)))
    return Timers(works, clock, feed)


def survey_question(renderer: TemplateRenderer) -> SurveyQuestion:
    """Word the question; its buttons count from 1, so that a bare number typed in answer is the score."""
    choices = tuple(Choice(f"/rate_service=score:{score}", f"rate_service.ask_score.{score}") for score in _SCORES)

    def ask(locale: str) -> OutboxDraft:
        message = renderer.render(Reply(_SURVEY, {}, choices), as_locale(locale))
        buttons = [{"label": button.label, "payload": button.payload} for button in message.buttons]
        return OutboxDraft(message, "bot", BotUttered(message.text, _SURVEY, buttons))

    return ask


def _notice(renderer: TemplateRenderer) -> Notice:
    return lambda key, data, locale: renderer.text(key, as_locale(locale), data)


def _service_levels(config: Config) -> ServiceLevels:
    service = config.service
    within: Mapping[Priority, float] = {
        Priority.NORMAL: service.answer_within_min,
        Priority.HIGH: service.answer_high_within_min,
        Priority.URGENT: service.answer_urgent_within_min,
    }
    return ServiceLevels(
        answer_within={priority: timedelta(minutes=minutes) for priority, minutes in within.items()},
        window_warning=timedelta(minutes=service.window_warning_min),
    )


def _survey_rules(config: Config) -> SurveyRules:
    surveys = config.surveys
    return SurveyRules(
        quiet=timedelta(minutes=surveys.quiet_min),
        at_latest=timedelta(hours=surveys.at_latest_h),
        period=timedelta(days=surveys.period_days),
        after_agent=surveys.after_agent,
        after_bot=surveys.after_bot,
    )
