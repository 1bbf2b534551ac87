"""Probes, numbers and logs of the real house over HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families

from bot.app import House, open_house
from bot.config import Config, DatabaseSection, Secrets, Turns
from bot.domain.clock import ManualClock
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.health.counted import counted_accept
from bot.health.logs import set_up_logs
from bot.health.routes import build_router
from bot.wiring.health import make_health
from tests.integration.scaled.worker import GreetingRecogniser

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
PHONE, WORDS, NAME = "13800138000", "我的快递被偷了怎么办", "林小姐"


@asynccontextmanager
async def opened(url: str, token: str = "") -> AsyncIterator[tuple[House, httpx.AsyncClient, ManualClock]]:
    """Open a house and its probes."""
    clock = ManualClock(NOW)
    secrets = Secrets(secret_key="a key for tests, long enough to sign with", metrics_token=token)
    config = Config(database=DatabaseSection(url=url), turns=Turns(quiet_time_s=0))
    async with open_house(config, secrets, clock, GreetingRecogniser()) as house:
        application = FastAPI()
        application.include_router(build_router(make_health(house)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://shop") as http:
            yield house, http, clock


def message(text: str, key: str = "k1") -> InboundMessage:
    """Make a shopper's message."""
    return InboundMessage(Sender("web", "main", "visitor", NAME), key, MessageKind.TEXT, NOW, text)


async def numbers(http: httpx.AsyncClient) -> dict[str, float]:
    """Read /metrics; a number with labels is named like ``name{value,value}``."""
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(value for name, value in sorted(sample.labels.items()) if name != "le")
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_healthz_and_readyz_answer(sqlite_url: str):
    """The process is alive and can work."""
    async with opened(sqlite_url) as (_, http, _clock):
        assert (await http.get("/healthz")).text == "ok\n"
        ready = await http.get("/readyz")
        assert ready.json() == {"ready": True, "parts": {"database": "ok"}}


async def test_readyz_and_metrics_say_when_the_database_is_away(sqlite_url: str):
    """Alive, but not ready."""
    async with opened(sqlite_url) as (house, http, _clock):

        async def away(_unit: Any) -> None:
            raise RuntimeError("the database is away")

        house.stores.database.read = away  # type: ignore[method-assign,assignment]
        assert (await http.get("/healthz")).status_code == 200
        ready = await http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["parts"] == {"database": "away"}


async def test_metrics_count_turns_and_show_what_waits(sqlite_url: str):
    """A turn, its delivery, the engine's time; then a message nobody handles grows old."""
    async with opened(sqlite_url) as (house, http, clock):
        await house.intake.accept([message("你好")])
        await house.dispatcher.settle()  # type: ignore[attr-defined]
        found = await numbers(http)
        assert found["xiaoer_turns_total{done}"] == 1
        assert found["xiaoer_deliveries_total{web,sent}"] == 1
        assert found["xiaoer_engine_seconds_count"] == 1
        assert found["xiaoer_turn_seconds_count"] == 1
        assert found["xiaoer_inbox_waiting"] == found["xiaoer_outbox_waiting"] == found["xiaoer_dead_letters"] == 0
        await house.stores.inbox.accept([message("在吗", "k2")], clock.now())
        clock.advance(timedelta(seconds=90))
        found = await numbers(http)
        assert (found["xiaoer_inbox_waiting"], found["xiaoer_inbox_age_seconds"]) == (1, 90)


async def test_metrics_ask_for_their_token(sqlite_url: str):
    """Where a token is set nobody reads the numbers without it."""
    async with opened(sqlite_url, token="s3cret") as (_, http, _clock):
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer s3cret"})).status_code == 200


@pytest.mark.parametrize("form", ["json", "text"])
async def test_logs_name_ids_and_never_words(sqlite_url: str, form: Any, capsys: pytest.CaptureFixture[str]):
    """A dialogue with a fault in it leaves ids in the log, and neither words nor name nor phone."""
    set_up_logs(form, "debug")
    async with opened(sqlite_url) as (house, _, _clock):
        accept = counted_accept(house.intake.accept, house.numbers)
        (taken,) = await accept([message(f"{WORDS} {PHONE}")])
        await house.dispatcher.settle()  # type: ignore[attr-defined]
        commit = house.stores.turns.commit_turn

        async def fail(_commit: Any) -> None:
            house.stores.turns.commit_turn = commit  # type: ignore[method-assign]
            raise ValueError(f"cannot store {WORDS} {PHONE}")

        house.stores.turns.commit_turn = fail  # type: ignore[method-assign]
        await accept([message(f"{WORDS} {PHONE}", "k2")])
        await house.dispatcher.settle()  # type: ignore[attr-defined]
        try:
            int(f"{WORDS} {PHONE}")
        except ValueError:
            logging.getLogger("library").exception("something failed")
    log = capsys.readouterr().err
    lines = log.splitlines()
    assert taken.conversation_id in log
    for secret in (WORDS, PHONE, NAME, "visitor"):
        assert secret not in log
    assert "ValueError" in log
    if form == "json":
        events = [json.loads(line) for line in lines]
        assert {"accepted", "turn", "delivery"} <= {event["event"] for event in events}
        turn = next(event for event in events if event["event"] == "turn")
        assert turn["conversation"] == taken.conversation_id
        assert all(event["timestamp"].endswith("Z") and event["level"] for event in events)
