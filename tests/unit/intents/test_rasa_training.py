"""Around Rasa: the gate it learns, the circuit, the folder it works in, its tokens, and its process."""

from __future__ import annotations

import ast
import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from bot.domain.clock import ManualClock
from bot.domain.errors import ConfigError, ModelRefused, XiaoerError
from intents.rasa import project, training
from intents.rasa.circuit import Circuit
from intents.rasa.cutting import cut
from intents.rasa.engine import RasaSettings, open_rasa
from intents.rasa.gate import UNLEARNED, Gate, learn_gate, words_of
from intents.rasa.server import RasaServer, quiet_environment
from intents.shapes import Shapes
from intents.training_data import Example, read_examples
from tests.project.tree import ROOT

START = datetime(2026, 11, 21, 4, tzinfo=UTC)
KEYS = {"recipe": "default.v1", "language": "zh", "pipeline": [{"name": "X"}]}
READY_WITHIN_S = 120


# ---------------------------------------------------------------- the gate and the circuit


def test_gate_keeps_wrong_answers_within_the_share() -> None:
    """At the learned border at most one in twenty of all is answered wrongly."""
    inside = [(step / 100, step % 3 != 0 or step > 60) for step in range(100)]
    gate = learn_gate(inside, [step / 200 for step in range(100)], 80)
    wrong = sum(not right for confidence, right in inside if confidence >= gate.sure)
    assert wrong <= 5
    below = [confidence for confidence, right in inside if confidence < gate.sure and not right]
    assert below, "the border is no higher than it must be"
    assert 0 < gate.clarify <= gate.sure


def test_gate_of_equal_confidences_does_not_part_them() -> None:
    """Messages of the same confidence are answered together or not at all."""
    assert learn_gate([(0.9, True), (0.9, False), (0.9, True)], [], 80).sure == 1.0


def test_gate_without_examples_is_shut() -> None:
    """Nothing learned means nothing dared."""
    assert learn_gate([], [], 0).sure == 1.0


def test_gate_never_acts_on_what_is_longer_than_anything_taught() -> None:
    """Rasa is sure of anything long; what was taught at that length is acted on."""
    gate = learn_gate([(0.9, True)], [], 80)
    assert [gate.verdict(0.99, "x" * chars) for chars in (80, 81)] == ["sure", "clarify"]
    assert gate.verdict(0.1, "x" * 81) == "abstain"


def test_gate_never_acts_on_words_none_of_which_was_taught() -> None:
    """One word or character that was is enough."""
    gate = replace(UNLEARNED, known=frozenset(words_of("我要退款 Refund")))
    assert [gate.verdict(0.99, text) for text in ("REFUND!", "退", "restart", "查")] == ["sure"] * 2 + ["clarify"] * 2


def test_circuit_waits_longer_after_every_failed_try() -> None:
    """One, two, four seconds ..., half a minute at most."""
    clock = ManualClock(START)
    circuit = Circuit(clock, most_failures=1)
    assert circuit.admits()
    assert circuit.failed()
    waits = []
    for _ in range(8):
        waited = 0
        while not circuit.admits():
            clock.advance(timedelta(seconds=1))
            waited += 1
        waits.append(waited)
        assert not circuit.failed()
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_circuit_forgets_failures_between_answers() -> None:
    """Only failures in a row count."""
    circuit = Circuit(ManualClock(START), most_failures=2)
    for _ in range(5):
        assert not circuit.failed()
        assert not circuit.succeeded()
    assert circuit.admits()


# ---------------------------------------------------------------- the tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("我的SF123到哪了", ["我", "的", "SF123", "到", "哪", "了"]),
        ("where's my parcel?", ["where's", "my", "parcel"]),
        ("mail a.b@c.com 谢谢👍", ["mail", "a.b@c.com", "谢", "谢", "👍"]),
        ("!!!", ["!!!"]),
        ("", []),
        ("  ", []),
    ],
)
def test_tokeniser_cuts_both_scripts(text: str, tokens: list[str]) -> None:
    """Chinese by character, the rest by word, nothing empty, every token where it says."""
    found = cut(text)
    assert [token for token, _ in found] == tokens
    assert all(text[start : start + len(token)] == token for token, start in found)


def test_components_are_python_3_10() -> None:
    """What runs inside Rasa's environment parses there and asks for nothing of ours."""
    for name in project._COMPONENTS:
        tree = ast.parse((ROOT / "intents" / "rasa" / name).read_text(), feature_version=(3, 10))
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        ours = {module for module in modules if module.startswith(("intents", "bot", "handlers", "storage"))}
        assert ours <= {"intents.rasa.cutting"}, name


# ---------------------------------------------------------------- the project


def test_project_is_whole_and_leaves_the_source_alone(tmp_path: Path) -> None:
    """A laid-out project has all files, Rasa's keys and nothing of ours in its config.yml."""
    project.lay_out(tmp_path, ROOT / "intents", KEYS)
    project.lay_out(tmp_path, ROOT / "intents", KEYS)
    assert yaml.safe_load((tmp_path / "config.yml").read_text()) == KEYS
    assert read_examples(tmp_path / "intents") == read_examples(ROOT / "intents")
    assert (tmp_path / "intents" / "rasa" / "tokeniser.py").is_file()


def test_project_of_bare_examples_keeps_the_answers(tmp_path: Path) -> None:
    """The examples are ours alone; retrieval intents still have their responses."""
    project.lay_out(tmp_path, ROOT / "intents", KEYS)
    examples = (Example("我的 [快递](product) - 呢: \"'", "track_order"), Example("a", "faq/coupon"))
    project.write_examples(tmp_path, examples)
    texts = {example.text for example in read_examples(tmp_path / "intents")}
    assert texts == {"我的 快递 - 呢: \"'", "a"}
    assert "utter_faq/coupon" in yaml.safe_load((tmp_path / "intents" / "faq" / "coupon.yml").read_text())["responses"]


def test_project_without_pipeline_is_refused(tmp_path: Path) -> None:
    """Rasa's own keys are needed."""
    with pytest.raises(ConfigError, match="pipeline"):
        project.lay_out(tmp_path, ROOT / "intents", {"language": "zh"})


def test_stamp_follows_the_pipeline(tmp_path: Path) -> None:
    """Another pipeline is another model."""
    assert project.stamp_now(tmp_path, KEYS) == project.stamp_now(tmp_path, dict(KEYS))
    assert project.stamp_now(tmp_path, KEYS) != project.stamp_now(tmp_path, KEYS | {"language": "en"})


def test_deal_keeps_every_example_once() -> None:
    """Nothing is both taught and asked about, nothing gets lost."""
    examples = [Example(f"{intent} {number}", f"i{intent}") for intent in range(20) for number in range(10)]
    split = training.deal(examples)
    dealt = [*split.taught, *split.held_out, *split.strange]
    assert sorted(one.text for one in dealt) == sorted(one.text for one in examples)
    assert len({one.intent for one in split.strange}) == 2
    assert not {one.intent for one in split.strange} & {one.intent for one in split.taught}
    assert training.deal(examples) == split


def test_training_that_fails_names_its_log(tmp_path: Path) -> None:
    """The sentence carries the end of Rasa's log."""
    python = script(tmp_path / "python", "echo Rasa did not like it; exit 3")
    with pytest.raises(ConfigError, match=r"exit code 3.*Rasa did not like it"):
        project.train_model(python, tmp_path, tmp_path / "models", "m", tmp_path / "log")


def test_model_is_kept_in_one_step(tmp_path: Path) -> None:
    """The record is read as it was written; the models before it go, but for the last, which may be serving."""
    models = tmp_path / "models"
    models.mkdir()
    for name in ("old.tar.gz", "new.tar.gz"):
        (models / name).write_bytes(b"")
    kept = project.Trained(models / "new.tar.gz", project.stamp_now(tmp_path, KEYS), Gate(0.8, 0.4), 0.9)
    project.keep(kept, tmp_path)
    assert project.current(tmp_path) == kept
    assert not (models / "old.tar.gz").exists()
    for name in ("newer.tar.gz", "newest.tar.gz"):
        (models / name).write_bytes(b"")
        project.keep(replace(kept, model=models / name), tmp_path)
    assert {file.name for file in models.iterdir()} == {"newer.tar.gz", "newest.tar.gz"}


@pytest.mark.parametrize("record", ["", "{}", "[]", '{"model": "../../etc/x"}', "nonsense"])
def test_model_record_that_is_broken_is_refused(tmp_path: Path, record: str) -> None:
    """No exception but the one that says what to do."""
    (tmp_path / "current.json").write_text(record)
    with pytest.raises(ModelRefused, match="xiaoer train --engine rasa"):
        project.current(tmp_path)


async def test_engine_refuses_a_model_of_other_data(tmp_path: Path) -> None:
    """A model whose data has changed is refused with the reason."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "m.tar.gz").write_bytes(b"")
    project.keep(project.Trained(models / "m.tar.gz", project.Stamp("other", "", ""), UNLEARNED, 0.9), tmp_path)
    settings = RasaSettings(work=tmp_path, source=ROOT / "intents")
    with pytest.raises(ModelRefused, match="data has changed"):
        async with open_rasa(settings, None, ManualClock(START), Shapes()):  # type: ignore[arg-type]
            pass


# ---------------------------------------------------------------- the process


def script(path: Path, body: str) -> Path:
    """Write a shell script that stands for Rasa's interpreter."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


_PRETENDER = """
import asyncio, os, sys
sys.path.insert(0, {root!r})
from tests.fake_rasa import FakeRasa
async def main():
    port = int(sys.argv[sys.argv.index("-p") + 1])
    await FakeRasa(token=os.environ["XIAOER_RASA_TOKEN"], port=port).start()
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RasaServer]:
    program = tmp_path / "pretender.py"
    program.write_text(_PRETENDER.format(root=str(ROOT)))
    python = script(tmp_path / "python", f'exec "{sys.executable}" "{program}" "$@"')
    started = RasaServer(python, tmp_path, tmp_path / "m.tar.gz", tmp_path / "log")
    started.start()
    yield started
    await started.stop()


async def test_server_is_ready_once_it_answers_and_gone_after_stop(server: RasaServer) -> None:
    """Not ready before, ready after, no process left."""
    assert not server.is_ready()
    await server.wait_ready(READY_WITHIN_S)
    pid = server.pid
    await server.stop()
    assert not server.is_ready()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_server_that_dies_is_started_again(server: RasaServer) -> None:
    """A killed Rasa comes back by itself."""
    await server.wait_ready(READY_WITHIN_S)
    first = server.pid
    assert server._process is not None
    server._process.kill()
    await server._process.wait()
    async with asyncio.timeout(READY_WITHIN_S):
        while server.is_ready():  # noqa: ASYNC110 - it is another process that we watch
            await asyncio.sleep(0.01)
    await server.wait_ready(READY_WITHIN_S)
    assert server.pid not in {0, first}


async def test_server_that_never_starts_is_named(tmp_path: Path) -> None:
    """Who waits is told where the log lies."""
    server = RasaServer(script(tmp_path / "python", "exit 1"), tmp_path, tmp_path / "m", tmp_path / "rasa.log")
    server.start()
    with pytest.raises(XiaoerError, match=r"rasa\.log"):
        await server.wait_ready(0.5)
    await server.stop()


def test_environment_of_rasa_has_nothing_of_ours() -> None:
    """Our packages are for another Python; nothing is sent home."""
    quiet = quiet_environment({"PYTHONPATH": "x", "VIRTUAL_ENV": "y", "PATH": "z"})
    assert {"PYTHONPATH", "VIRTUAL_ENV"}.isdisjoint(quiet)
    assert (quiet["PATH"], quiet["RASA_TELEMETRY_ENABLED"]) == ("z", "false")
