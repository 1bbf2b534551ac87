"""Models on disk: refused when they do not fit, swapped in one step, plain files only."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bot.domain.clock import ManualClock
from bot.domain.errors import ConfigError, ModelRefused
from bot.domain.understanding import Expectation
from intents import embedded
from intents import model as models
from intents.encoder import encoder_name
from tests.unit.intents.conftest import SATURDAY, write_source


def _quiet(_what: str, _share: float) -> None:
    return


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Training data of one's own to break."""
    return write_source(tmp_path / "source")


@pytest.fixture
def trained(small_models: Path, tmp_path: Path) -> Path:
    """A model folder of one's own to break; it fits ``source``."""
    return Path(shutil.copytree(small_models, tmp_path / "models"))


def test_model_is_current_until_its_data_changes(source: Path, trained: Path) -> None:
    """One changed byte of the data makes the model old, and it is refused with that reason."""
    assert embedded.is_current(source, trained)
    with (source / "nlu" / "greet.yml").open("a", encoding="utf-8") as stream:
        stream.write("      - 嘿嘿\n")
    assert not embedded.is_current(source, trained)
    with pytest.raises(ModelRefused, match="training data has changed"):
        embedded.load(trained, source, ManualClock(SATURDAY))


def test_a_new_file_makes_the_model_old(source: Path, trained: Path) -> None:
    """A file more counts as a change."""
    shutil.copy(source / "nlu" / "greet.yml", source / "nlu" / "hello.yml")
    assert not embedded.is_current(source, trained)


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [("code", "0" * 64, "another version of Xiaoer"), ("encoder", "other 9.9 abc", "encoder other 9.9 abc")],
)
def test_model_of_other_code_or_encoder_is_refused(
    source: Path, trained: Path, part: str, value: str, reason: str
) -> None:
    """The reason names what does not match."""
    manifest_file = models.current_folder(trained) / "manifest.json"
    manifest = json.loads(manifest_file.read_text(encoding="utf-8"))
    manifest["stamp"][part] = value
    manifest_file.write_text(json.dumps(manifest), encoding="utf-8")
    assert not embedded.is_current(source, trained)
    with pytest.raises(ModelRefused, match=reason):
        embedded.load(trained, source, ManualClock(SATURDAY))


def _cut(folder: Path) -> None:
    content = (folder / "arrays.npz").read_bytes()
    (folder / "arrays.npz").write_bytes(content[: len(content) // 2])


def _flip(folder: Path) -> None:
    content = bytearray((folder / "arrays.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "arrays.npz").write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _flip,
        lambda folder: (folder / "arrays.npz").unlink(),
        lambda folder: (folder / "vocabulary.json").write_text("{}", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("not json", encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text('{"format": 99}', encoding="utf-8"),
        lambda folder: (folder / "manifest.json").write_text("[]", encoding="utf-8"),
        lambda folder: (folder.parent / "current.json").write_text('{"model": "../../etc"}', encoding="utf-8"),
        lambda folder: (folder.parent / "current.json").write_text("", encoding="utf-8"),
        lambda folder: (folder.parent / "current.json").unlink(),
        shutil.rmtree,
    ],
)
def test_damaged_model_is_refused_not_used(source: Path, trained: Path, damage: Callable[[Path], object]) -> None:
    """A cut, changed, missing or foreign file is refused with a sentence that says what to do."""
    damage(models.current_folder(trained))
    with pytest.raises(ModelRefused, match="xiaoer train"):
        embedded.load(trained, source, ManualClock(SATURDAY))


def test_model_files_hold_no_pickle(trained: Path) -> None:
    """Arrays load with pickles forbidden; the rest is JSON."""
    folder = models.current_folder(trained)
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        assert all(arrays[name].dtype != object for name in arrays.files)
    assert {path.suffix for path in folder.iterdir()} == {".npz", ".json"}


def test_readers_never_see_half_a_model(source: Path, trained: Path) -> None:
    """While models are written one after another, every load gets a whole one."""
    model = models.load(trained, models.stamp_now(embedded.hash_data(source)))
    failures: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                models.load(trained, model.stamp)
            except ModelRefused as error:
                failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(12):
        models.save(model, trained)
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert len(list(trained.glob("model-*"))) <= 2
    assert not list(trained.glob("current.json.*"))


def test_failed_training_leaves_the_old_model(source: Path, trained: Path) -> None:
    """Data that cannot be read raises with the file's name and changes nothing."""
    before = models.current_folder(trained)
    (source / "nlu" / "greet.yml").write_text("nlu: [", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"nlu/greet\.yml"):
        embedded.train(source, trained, _quiet)
    assert models.current_folder(trained) == before


def test_training_again_encodes_only_what_is_new(source: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of encodings answers for every example it knows."""
    encoder = embedded.load_encoder()
    assert encoder is not None
    asked: list[str] = []
    encode = encoder.encode

    def watched(texts: list[str]) -> object:
        asked.extend(texts)
        return encode(texts)

    monkeypatch.setattr(encoder, "encode", watched)
    with (source / "nlu" / "greet.yml").open("a", encoding="utf-8") as stream:
        stream.write("      - 掌柜的早\n")
    embedded.train_with(source, trained, _quiet, encoder)
    assert asked == ["掌柜的早"]
    (trained / "encodings.npz").write_bytes(b"broken")
    assert embedded.train_with(source, trained, _quiet, encoder).examples > 60


def test_progress_runs_from_start_to_end(source: Path, tmp_path: Path) -> None:
    """Every step reports shares between 0 and 1 and the last is saving, done."""
    seen: list[tuple[str, float]] = []
    embedded.train(source, tmp_path / "new", lambda what, share: seen.append((what, share)))
    assert all(0 <= share <= 1 for _, share in seen)
    assert seen[-1] == ("saving", 1.0)


async def test_without_encoder_the_surface_views_answer(
    source: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the encoder cannot be loaded the same model works with what is left, and says so."""
    monkeypatch.setattr(embedded, "load_encoder", lambda: None)
    recogniser = embedded.load(trained, source, ManualClock(SATURDAY))
    found = await recogniser.recognise("我的快递到哪了", Expectation())
    assert found.engine == recogniser.engine == "embedded-surface"
    assert found.intent == "track_order"


async def test_training_without_encoder_works(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no encoder trains and serves the surface views; one that gets it trains again."""
    monkeypatch.setattr(embedded, "load_encoder", lambda: None)
    monkeypatch.setattr(models, "encoder_name", lambda: "")
    report = embedded.train(source, tmp_path / "new", _quiet)
    assert report.engine == "embedded-surface"
    recogniser = embedded.load(tmp_path / "new", source, ManualClock(SATURDAY))
    assert (await recogniser.recognise("talk to an agent", Expectation())).intent == "request_human"
    monkeypatch.setattr(models, "encoder_name", encoder_name)
    assert not embedded.is_current(source, tmp_path / "new")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("nlu:\n  - intent: greet\n    examples: {a: b}\n", "block of lines"),
        ("- a\n- b\n", "mapping"),
        ("\x00", "not valid YAML"),
    ],
)
def test_wrong_training_file_is_named(source: Path, tmp_path: Path, content: str, reason: str) -> None:
    """The error says which file and what is wrong."""
    (source / "nlu" / "greet.yml").write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=reason) as raised:
        embedded.train(source, tmp_path / "new", _quiet)
    assert "greet.yml" in str(raised.value)


def test_too_little_data_is_refused(tmp_path: Path) -> None:
    """An empty folder is no training data."""
    with pytest.raises(ConfigError, match="too few"):
        embedded.train(tmp_path, tmp_path / "new", _quiet)
