"""A new Rasa model takes over behind a running engine: a second server starts, and no message is dropped meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.domain.clock import ManualClock
from bot.domain.understanding import Expectation, IntentScore, Recognition, Verdict
from intents.rasa import project, swapping
from intents.rasa.engine import RasaSettings
from intents.rasa.gate import UNLEARNED
from intents.rasa.swapping import RasaRoom
from intents.shapes import Shapes
from intents.swapping import ModelWatch
from intents.training_data import hash_data
from tests.pretended_rasa import pretend
from tests.unit.intents.conftest import SATURDAY, write_source

NOTHING = Expectation()
PATIENCE_S = 120.0
TEXT = "where is my parcel"


class StandIn:
    """Stands behind Rasa and says so."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Say hello to everything."""
        del text, expectation
        return Recognition((IntentScore("greet", 0.5),), Verdict.CLARIFY, engine="embedded")


class Shop:
    """A shop whose understanding is a pretended Rasa; ``train`` makes another model the current one."""

    def __init__(self, folder: Path) -> None:
        self.source = write_source(folder / "source")
        self.work = folder / "rasa"
        (self.work / "models").mkdir(parents=True)
        (self.work / "project").mkdir()
        self.environment = pretend(folder / "environment")
        self._trained = 0

    def train(self, data: str = "", **told: object) -> Path:
        """Write a model that does as ``told`` and point to it, as training does at its end."""
        self._trained += 1
        model = self.work / "models" / f"xiaoer-{self._trained}.tar.gz"
        model.write_text(json.dumps(told), "utf-8")
        stamp = project.Stamp(data or hash_data(self.source), "", "")
        project.keep(project.Trained(model, stamp, UNLEARNED, 0.9), self.work)
        return model

    def settings(self, start: bool = True, url: str = "") -> RasaSettings:
        """Tell how this shop's Rasa is reached."""
        return RasaSettings(
            work=self.work, source=self.source, start=start, url=url, timeout_s=60.0, environment=self.environment
        )


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.fixture
async def room(shop: Shop) -> AsyncIterator[RasaRoom]:
    """Open the engine with a first model and wait until its server answers."""
    shop.train(intent="track_order")
    opened = RasaRoom(shop.settings(), StandIn(), ManualClock(SATURDAY), Shapes())
    await opened.open()
    await _answering(opened)
    yield opened
    await opened.close()


@pytest.fixture
def watch(shop: Shop, room: RasaRoom) -> ModelWatch:
    return ModelWatch(project.pointer(shop.work), room.take_in, "xiaoer-1.tar.gz")


async def _until(promise: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not promise():  # noqa: ASYNC110 - other processes are watched
            await asyncio.sleep(0.01)


async def _answering(room: RasaRoom) -> None:
    server = room._opened.server
    assert server is not None
    await server.wait_ready(PATIENCE_S)


def _pid(room: RasaRoom) -> int:
    server = room._opened.server
    assert server is not None
    assert server.pid
    return server.pid


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_messages_flow_while_a_second_server_starts_and_takes_over(
    shop: Shop, room: RasaRoom, watch: ModelWatch
) -> None:
    """Every message has an answer of Rasa's, the old model's and then the new one's; only the new server is left."""
    first = _pid(room)
    over = asyncio.Event()
    talks: list[list[str]] = [[] for _ in range(8)]

    async def talk(said: list[str]) -> None:
        while not over.is_set():
            found = await room.swapping.recognise(TEXT, NOTHING)
            assert found.engine == "rasa"
            said.append(found.intent)

    talking = [asyncio.create_task(talk(said)) for said in talks]
    await _until(lambda: all(talks))
    shop.train(intent="request_refund", starts_s=1.0)
    heard = sum(map(len, talks))
    await watch.look()
    assert sum(map(len, talks)) > heard + len(talks), "nobody was answered while the second server started"
    assert (await room.swapping.recognise(TEXT, NOTHING)).intent == "request_refund"
    await _until(lambda: all(said[-1] == "request_refund" for said in talks))
    over.set()
    await asyncio.gather(*talking)
    for said in talks:
        assert said == sorted(said, reverse=True), "the old model answered after the new one"
        assert set(said) == {"track_order", "request_refund"}
    assert room.figures() == {"answered": sum(map(len, talks)) + 1}
    assert (watch.state.model, watch.state.taken, watch.state.refused) == ("xiaoer-2.tar.gz", 1, "")
    await _until(lambda: _is_gone(first))
    assert not _is_gone(_pid(room))


async def test_message_in_hand_is_answered_by_the_server_it_was_given_to(
    shop: Shop, room: RasaRoom, watch: ModelWatch
) -> None:
    """The old server stays until its last answer is given, then it goes."""
    first = _pid(room)
    go = shop.work / "models" / "xiaoer-1.tar.gz.go"
    slow = asyncio.create_task(room.swapping.recognise(f"slowly {TEXT}", NOTHING))
    await asyncio.sleep(0)
    shop.train(intent="request_refund")
    await watch.look()
    assert (await room.swapping.recognise(TEXT, NOTHING)).intent == "request_refund"
    assert not slow.done()
    assert not _is_gone(first)
    go.touch()
    found = await slow
    assert (found.engine, found.intent) == ("rasa", "track_order")
    await _until(lambda: _is_gone(first))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        ({"intent": "greet", "broken": True}, "not ready"),
        ({"intent": "greet", "starts_s": 60.0}, "not ready"),
        ({"intent": "greet", "data": "other"}, "data has changed"),
    ],
    ids=["broken", "never ready", "other data"],
)
async def test_model_that_cannot_be_served_leaves_the_old_server(
    shop: Shop,
    room: RasaRoom,
    watch: ModelWatch,
    monkeypatch: pytest.MonkeyPatch,
    damage: dict[str, object],
    reason: str,
) -> None:
    """The reason is told, no second process stays behind, and the next good model is taken."""
    monkeypatch.setattr(swapping, "READY_WITHIN_S", 1.5)
    first = _pid(room)
    shop.train(**damage)  # type: ignore[arg-type]
    await watch.look()
    assert reason in watch.state.refused
    assert (watch.state.model, watch.state.turned_down) == ("xiaoer-1.tar.gz", 1)
    assert _children(first) == {first}
    assert (await room.swapping.recognise(TEXT, NOTHING)).intent == "track_order"
    monkeypatch.setattr(swapping, "READY_WITHIN_S", PATIENCE_S)
    shop.train(intent="request_refund")
    await watch.look()
    assert (await room.swapping.recognise(TEXT, NOTHING)).intent == "request_refund"


def _children(first: int) -> set[int]:
    """List our child processes that are of the same program as ``first``."""
    program = Path(f"/proc/{first}/cmdline").read_bytes().split(b"\0")[1]
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and program in words:
            found.add(int(folder.name))
    return found


async def test_old_server_that_dies_before_the_new_one_is_taken_comes_back(
    shop: Shop, room: RasaRoom, watch: ModelWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that was refused must not have taken away the file that the old server starts from."""
    monkeypatch.setattr(swapping, "READY_WITHIN_S", 0.5)
    shop.train(broken=True)
    await watch.look()
    assert watch.state.turned_down == 1
    server = room._opened.server
    assert server is not None
    assert server._process is not None
    server._process.kill()
    await _until(lambda: not server.is_ready())
    assert (await room.swapping.recognise(TEXT, NOTHING)).engine == "embedded"
    await server.wait_ready(PATIENCE_S)
    assert (await room.swapping.recognise(TEXT, NOTHING)).intent == "track_order"
