"""The trained recogniser and a demo shop, made once for all dialogues."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest

from bot.app import intents_folder
from bot.domain.clock import ManualClock
from intents import embedded
from tests.conversations.script import DEFAULT_START, local_time


@pytest.fixture(scope="session")
def model_folder(pytestconfig: pytest.Config) -> Path:
    """Give the folder of a current model; trained when its data changed, once for all workers."""
    cache = pytestconfig.cache
    assert cache is not None
    folder = Path(cache.mkdir("xiaoer-model"))
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not embedded.is_current(intents_folder(), folder / "model"):
            embedded.train(intents_folder(), folder / "model", lambda _step, _share: None)
    return folder / "model"


@pytest.fixture(scope="session")
def clock() -> ManualClock:
    """Give the clock that all dialogues share; each sets its own start."""
    return ManualClock(local_time(DEFAULT_START))


@pytest.fixture(scope="session")
def recogniser(model_folder: Path, clock: ManualClock) -> embedded.EmbeddedRecogniser:
    """Give the trained recogniser."""
    return embedded.load(model_folder, intents_folder(), clock)


@pytest.fixture
def shop(sqlite_template: Path, tmp_path: Path) -> Path:
    """Give the file of an empty, migrated database."""
    return Path(shutil.copy(sqlite_template, tmp_path / "shop.db"))
