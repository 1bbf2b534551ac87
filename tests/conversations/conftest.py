"""The trained recogniser and a demo shop, made once for all dialogues."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

import pytest

from bot.app import demo_orders, import_orders, intents_folder, open_stores
from bot.config import parse
from bot.domain.clock import ManualClock
from intents import embedded
from intents.encoder import Encoder, load_encoder
from intents.recogniser import EmbeddedRecogniser
from intents.shapes import Shapes
from tests.conversations.script import DEFAULT_START, local_time
from tests.conversations.stage import SECRETS


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


@cache
def shared_encoder() -> Encoder | None:
    """Load the encoder once for every module that takes these fixtures; loading takes 1.3 s, and it keeps no state."""
    return load_encoder()


@pytest.fixture(scope="session")
def clock() -> ManualClock:
    """Give the clock that all dialogues share; each sets its own start."""
    return ManualClock(local_time(DEFAULT_START))


@pytest.fixture(scope="session")
def recogniser(model_folder: Path, clock: ManualClock) -> EmbeddedRecogniser:
    """Give the trained recogniser."""
    return embedded.load_with(model_folder, intents_folder(), (clock, Shapes()), shared_encoder())


OpenShop = Callable[[str], Awaitable[Path]]


@pytest.fixture(scope="session")
def filled_shops() -> dict[str, Path]:
    """Give the demo shops made so far, by their start."""
    return {}


@pytest.fixture
def open_shop(
    sqlite_template: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    clock: ManualClock,
    filled_shops: dict[str, Path],
) -> OpenShop:
    """Give a function that copies a demo shop whose times are relative to a start."""

    async def open_at(start: str) -> Path:
        clock.advance(local_time(start) - clock.now())
        if start not in filled_shops:
            filled = Path(shutil.copy(sqlite_template, tmp_path_factory.mktemp("shop") / "filled.db"))
            config = parse({"xiaoer": {"database": {"url": f"sqlite:///{filled}"}}}, "dialogue")
            async with open_stores(config, SECRETS, clock) as stores:
                await import_orders(stores, demo_orders(clock), clock, lambda _done: None)
            filled_shops[start] = filled
        return Path(shutil.copy(filled_shops[start], tmp_path / "shop.db"))

    return open_at
