"""A new model takes over while messages are answered: none is lost, and a bad one leaves the old in its place."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bot.domain.clock import ManualClock
from bot.domain.errors import ModelRefused
from bot.domain.understanding import Expectation, IntentScore, Recognition
from intents import embedded
from intents import model as models
from intents.encoder import Encoder
from intents.recogniser import EmbeddedRecogniser
from intents.shapes import Shapes
from intents.swapping import Close, ModelWatch, SwappingRecogniser
from tests.unit.intents.conftest import SATURDAY, write_source

NOTHING = Expectation()


class Engine:
    """Answers its name once it is let; tells when it was closed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.go = asyncio.Event()
        self.closed = 0
        self.in_hand = 0

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Wait, then answer."""
        del text, expectation
        assert not self.closed
        self.in_hand += 1
        await self.go.wait()
        self.in_hand -= 1
        return Recognition(intents=(IntentScore(self.name, 1.0),))

    async def close(self) -> None:
        """Note that nothing may be in hand any more."""
        assert not self.in_hand
        self.closed += 1


async def test_message_in_hand_is_answered_by_the_engine_it_was_given_to() -> None:
    """The old engine is closed after its last answer, once, and not before."""
    old, new = Engine("old"), Engine("new")
    swapping = SwappingRecogniser(old, old.close)
    waiting = [asyncio.create_task(swapping.recognise("x", NOTHING)) for _ in range(3)]
    await asyncio.sleep(0)
    await swapping.swap(new, new.close)
    new.go.set()
    assert (await swapping.recognise("x", NOTHING)).intent == "new"
    assert old.closed == 0
    old.go.set()
    assert [(await one).intent for one in waiting] == ["old"] * 3
    assert (old.closed, new.closed) == (1, 0)
    await swapping.close()
    assert new.closed == 1


async def test_idle_engine_is_closed_at_once() -> None:
    """Nobody waits for a message that may never come."""
    old, new = Engine("old"), Engine("new")
    swapping = SwappingRecogniser(old, old.close)
    await swapping.swap(new, new.close)
    assert old.closed == 1


async def test_watch_takes_in_only_what_changed(tmp_path: Path) -> None:
    """A look at the same file costs nothing more; a changed one is taken in once."""
    taken: list[str] = []

    async def take_in() -> str:
        taken.append("model")
        return f"model-{len(taken)}"

    pointer = tmp_path / "current.json"
    pointer.write_text("1")
    watch = ModelWatch(pointer, take_in, "model-0")
    await watch.look()
    assert taken == []
    _replace(pointer, "2")
    await watch.look()
    await watch.look()
    assert (watch.state.model, watch.state.taken, watch.state.refused) == ("model-1", 1, "")


@pytest.mark.parametrize(
    ("problem", "told"),
    [(ModelRefused("trained by another version"), "another version"), (MemoryError("words"), "MemoryError")],
)
async def test_watch_keeps_the_old_model_and_says_why(tmp_path: Path, problem: Exception, told: str) -> None:
    """Whatever is wrong with the new one; the next good one is taken and the reason forgotten."""
    problems: list[Exception] = [problem]

    async def take_in() -> str:
        if problems:
            raise problems.pop()
        return "model-2"

    pointer = tmp_path / "current.json"
    watch = ModelWatch(pointer, take_in, "model-0")
    _replace(pointer, "1")
    await watch.look()
    assert watch.state.model == "model-0"
    assert told in watch.state.refused
    assert "words" not in watch.state.refused
    _replace(pointer, "22")
    await watch.look()
    assert (watch.state.model, watch.state.refused, watch.state.turned_down) == ("model-2", "", 1)


def _replace(file: Path, text: str) -> None:
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.replace(file)


class Room:
    """A trained small shop whose model is watched."""

    def __init__(self, folder: Path, encoder: Encoder | None) -> None:
        self.source = write_source(folder / "source")
        self.models = folder / "models"
        self.encoder = encoder
        self.train()
        first = self.load()
        self.swapping = SwappingRecogniser(first, self._closer(first))
        self.watch = ModelWatch(models.pointer(self.models), self.take_in, first.model.name)

    def train(self) -> None:
        """Train from what the files hold now."""
        embedded.train_with(self.source, self.models, lambda *_: None, self.encoder)

    def teach(self, intent: str, *examples: str) -> None:
        """Write a new intent into the training data."""
        lines = "".join(f"      - {example}\n" for example in examples)
        document = f'version: "3.1"\nnlu:\n  - intent: {intent}\n    examples: |\n{lines}'
        (self.source / "nlu" / f"{intent}.yml").write_text(document, encoding="utf-8")

    def load(self) -> EmbeddedRecogniser:
        """Load the current model."""
        return embedded.load_with(self.models, self.source, (ManualClock(SATURDAY), Shapes()), self.encoder)

    async def take_in(self) -> str:
        """Swap the current model in."""
        new = await asyncio.to_thread(self.load)
        await self.swapping.swap(new, self._closer(new))
        return new.model.name

    @staticmethod
    def _closer(engine: EmbeddedRecogniser) -> Close:
        async def close() -> None:
            engine.close()

        return close


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """Train on words and characters alone: quick, and enough here."""
    return Room(tmp_path, None)


async def test_messages_flow_during_a_swap_and_answers_change(room: Room) -> None:
    """Every message is answered while the new model is trained, loaded and swapped in; then by the new one."""
    room.teach(
        "gift", "礼品包装", "可以包成礼物吗", "包装成礼品", "gift wrap please", "wrap it as a gift", "as a present"
    )
    done = asyncio.Event()
    answered: list[Recognition] = []

    async def talk() -> Recognition:
        while not done.is_set():
            answered.append(await room.swapping.recognise("可以包成礼物吗", NOTHING))
        return await room.swapping.recognise("可以包成礼物吗", NOTHING)

    talking = [asyncio.create_task(talk()) for _ in range(8)]
    assert (await room.swapping.recognise("可以包成礼物吗", NOTHING)).intent != "gift"
    await asyncio.to_thread(room.train)
    await room.watch.look()
    assert (await room.swapping.recognise("可以包成礼物吗", NOTHING)).intent == "gift"
    done.set()
    assert {last.intent for last in await asyncio.gather(*talking)} == {"gift"}
    assert answered[0].intent != "gift"
    assert room.watch.state.taken == 1
    await room.swapping.close()


@pytest.mark.parametrize("damage", ["arrays", "pointer", "manifest", "data"])
async def test_damaged_or_unfit_model_leaves_the_old_one(room: Room, damage: str) -> None:
    """Answers go on as before, and the reason is told."""
    before = room.watch.state.model
    room.train()
    folder = models.current_folder(room.models)
    if damage == "arrays":
        (folder / "arrays.npz").write_bytes(b"junk")
    elif damage == "pointer":
        models.pointer(room.models).write_text("{")
    elif damage == "manifest":
        (folder / "manifest.json").unlink()
    else:
        room.teach("gift", "礼品包装", "可以包成礼物吗")
    await room.watch.look()
    assert (room.watch.state.model, room.watch.state.turned_down) == (before, 1)
    assert "xiaoer train" in room.watch.state.refused
    assert (await room.swapping.recognise("转人工", NOTHING)).intent == "request_human"
    await room.swapping.close()


_TRAIN = """
import sys
from pathlib import Path
from intents import embedded
def tell(step, share):
    print(step, flush=True)
    if step == sys.argv[3]:
        sys.stdin.read()
embedded.train_with(Path(sys.argv[1]), Path(sys.argv[2]), tell, None)
"""


def _kill_training_at(step: str, room: Room) -> None:
    command = [sys.executable, "-c", _TRAIN, str(room.source), str(room.models), step]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    deadline = time.monotonic() + 200
    while child.stdout.readline().strip() != step:
        assert time.monotonic() < deadline
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()


@pytest.mark.parametrize("step", ["learning", "saving"])
async def test_training_killed_in_the_middle_leaves_the_old_model(room: Room, step: str) -> None:
    """Nothing is half there: the old model is the current one, it loads, and the next training succeeds."""
    before = models.current_folder(room.models)
    await asyncio.to_thread(_kill_training_at, step, room)
    await room.watch.look()
    assert models.current_folder(room.models) == before
    assert room.watch.state.turned_down == 0
    room.load().close()
    room.train()
    await room.watch.look()
    assert room.watch.state.taken == 1
    await room.swapping.close()


async def test_look_beside_another_waits_for_the_model_that_is_taken_in(tmp_path: Path) -> None:
    """Whoever has looked is answered by the newest model, whoever took it in."""
    pointer = tmp_path / "current"
    pointer.write_text("one")
    taking, go = asyncio.Event(), asyncio.Event()

    async def take_in() -> str:
        taking.set()
        await go.wait()
        return "second"

    watch = ModelWatch(pointer, take_in, "first")
    pointer.write_text("another")
    looks = [asyncio.create_task(watch.look())]
    await taking.wait()
    looks.append(asyncio.create_task(watch.look()))
    done, _ = await asyncio.wait(looks, timeout=0.2)
    assert not done
    go.set()
    await asyncio.gather(*looks)
    assert (watch.state.model, watch.state.taken) == ("second", 1)
