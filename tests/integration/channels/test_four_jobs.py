"""The four jobs over every simulated platform, each written once a language."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest

from bot.domain.clock import ManualClock
from intents.embedded import EmbeddedRecogniser
from tests.conversations.conftest import OpenShop, clock, filled_shops, model_folder, open_shop, recogniser
from tests.conversations.script import DEFAULT_START
from tests.integration.channels.stage import Stage, Step, opened, script

__all__ = ["clock", "filled_shops", "model_folder", "open_shop", "recogniser"]

LANGUAGES = {
    "wechat_oa": "zh",
    "wecom_kf": "zh",
    "line": "zh",
    "telegram": "en",
    "whatsapp": "en",
    "messenger": "en",
    "instagram": "en",
    "web": "en",
}
JOBS = [
    pytest.param(name, job["steps"], id=f"{name}: {job['job']}")
    for name, language in LANGUAGES.items()
    for job in script(f"four_jobs.{language}")
]


@pytest.fixture
async def stage(
    request: pytest.FixtureRequest, open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser
) -> AsyncIterator[Stage]:
    channels = {request.param: LANGUAGES[request.param]}
    async with opened(channels, await open_shop(DEFAULT_START), clock, recogniser) as made:
        yield made


@pytest.mark.parametrize(("stage", "steps"), JOBS, indirect=["stage"])
async def test_job_is_done_over_the_platform(stage: Stage, steps: Sequence[Step]) -> None:
    """From the signed webhook, or the widget's routes, through the real house to the shopper's screen."""
    await stage.play(steps)


@pytest.mark.parametrize("stage", ["whatsapp", "instagram"], indirect=True)
async def test_closed_window_is_refused_without_asking_the_platform(stage: Stage, clock: ManualClock) -> None:
    """A notice a day later is recorded as refused for its window; no call is made."""
    (platform,) = stage.platforms.values()
    await stage.play([{"says": "could I speak to a real person please"}])
    calls = platform.server.calls
    clock.advance(timedelta(hours=24, minutes=1))
    await stage.play([{"agent": "take", "silent": True}])
    states = await stage.house.stores.database.read(
        lambda on: on.exec_driver_sql("SELECT state FROM outbox ORDER BY id DESC LIMIT 1").scalars().all()
    )
    assert platform.server.calls == calls
    assert states == ["refused"]
