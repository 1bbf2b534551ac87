"""``xiaoer evaluate`` and ``xiaoer train --engine rasa`` as a person at the shell meets them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot import app as house
from bot.__main__ import main
from bot.commands import screen
from intents import embedded

Run = Callable[..., tuple[int, str, str]]
NAMED = {
    "accuracy",
    "top3",
    "answered_right",
    "wrong_answer_rate",
    "abstain_rate",
    "oos_recall",
    "macro_f1",
    "ece",
    "p50_ms",
    "p99_ms",
    "rss_mb",
    "slices",
}
_TAUGHT = {
    "track_order": "我的快递到哪了|包裹什么时候送到|查一下物流|快递怎么还没到|物流不动了|"
    "where is my parcel|track my delivery|is my parcel coming",
    "request_refund": "我要退款|把钱退给我|申请退款|想退款怎么弄|钱退回来|"
    "i want a refund|give me my money back|refund me please",
    "request_human": "转人工|我要人工客服|找个真人|有没有人工|人工服务|"
    "talk to an agent|i want a human|get me an operator",
}
_ROWS = """id\tintent\tslice\ttext\tentities
1\ttrack_order\tplain\t我的快递到哪了呀\t
2\trequest_refund\tplain\tI want a refund for W12345678\torder_number=W12345678
3\trequest_refund+request_human\ttwo\t我要退款，转人工\t
4\toos\toos\t帮我写一首诗\t
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("intents")
    (folder / "nlu").mkdir()
    for intent, texts in _TAUGHT.items():
        lines = "".join(f"      - {text}\n" for text in texts.split("|"))
        (folder / "nlu" / f"{intent}.yml").write_text(f"nlu:\n  - intent: {intent}\n    examples: |\n{lines}", "utf-8")
    return folder


@pytest.fixture(scope="module")
def place(source: Path, tmp_path_factory: pytest.TempPathFactory) -> house.EnginePlace:
    model = tmp_path_factory.mktemp("model")
    embedded.train(source, model, lambda *_: None)
    return house.EnginePlace("embedded", source, model)


@pytest.fixture
def xiaoer(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], place: house.EnginePlace, tmp_path: Path
) -> Run:
    """Run a command on the small shop; gives exit code, output, error output."""
    config = tmp_path / "config.yml"
    config.write_text(f"xiaoer:\n  data_dir: {tmp_path}/data\n")

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        for console in (screen.words, screen.trouble):
            monkeypatch.setattr(console, "width", 200)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(house, "engine_place", lambda _, engine: replace(place, engine=engine))
        monkeypatch.setattr(sys, "argv", ["xiaoer", *map(str, arguments), "-c", str(config)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows.tsv"
    file.write_text(_ROWS, "utf-8")
    return file


def test_evaluate_gives_machines_one_object(xiaoer: Run, rows: Path, tmp_path: Path) -> None:
    """Standard output is JSON and nothing else, with every named figure; the report lies beside the data."""
    code, out, _ = xiaoer("evaluate", rows, "--json")
    figures = json.loads(out)
    assert code == 0
    assert set(figures) >= NAMED
    assert (figures["accuracy"], figures["rows"], figures["in_scope"]) == (1.0, 4, 3)
    assert figures["entities"]["order_number"]["recall"] == 1
    assert set(figures["slices"]) == {"plain", "two", "oos"}
    assert figures["engines"]["embedded"]["accuracy"] == 1.0
    report = (tmp_path / "data" / "evaluation.html").read_text("utf-8")
    assert "<svg" in report
    assert "<td>order_number</td>" in report


def test_evaluate_tells_people_by_slice(xiaoer: Run, rows: Path, tmp_path: Path) -> None:
    """The figures by name, the slices, and where the report lies."""
    report = tmp_path / "deep" / "report.html"
    code, out, _ = xiaoer("evaluate", rows, "--by", "slice", "--html", report)
    assert code == 0
    for part in ("first intent right", "p50 / p99", "slice", "two", str(report)):
        assert part in out
    assert report.is_file()


def test_evaluate_tells_which_labels_the_engine_was_never_taught(xiaoer: Run, tmp_path: Path) -> None:
    """They count as wrong, so nobody should have to guess; machines still get nothing but JSON."""
    file = tmp_path / "rows.csv"
    file.write_text("\ufefftext,intent\n转人工,request_human\n你好,hail\n你好呀,hail\n", "utf-8")
    code, out, err = xiaoer("evaluate", file, "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 3
    assert "never taught hail (2)" in err


def test_evaluate_in_folds_asks_every_example_once(xiaoer: Run, source: Path) -> None:
    """Each example is asked about by a model that has not seen it."""
    code, out, _ = xiaoer("evaluate", source, "--folds", "4", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == sum(len(texts.split("|")) for texts in _TAUGHT.values())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "name a file"),
        (("none.tsv",), "cannot be read"),
        (("ROWS", "--engine", "deepthought"), "known are embedded, rasa"),
        (("ROWS", "--by", "moon"), "only 'slice'"),
        (("ROWS", "--html", "/dev/null/x.html"), "cannot be written"),
    ],
)
def test_evaluate_names_what_is_wrong(xiaoer: Run, rows: Path, arguments: tuple[str, ...], reason: str) -> None:
    """A sentence and exit code 2."""
    code, _, err = xiaoer("evaluate", *(rows if one == "ROWS" else one for one in arguments))
    assert code == 2
    assert reason in err


def test_train_rasa_without_its_pipeline_says_so(xiaoer: Run) -> None:
    """Rasa's own keys are missing from this file."""
    code, _, err = xiaoer("train", "--engine", "rasa")
    assert code == 2
    assert "pipeline: missing" in err


def test_train_rasa_without_its_environment_says_make_rasa(xiaoer: Run, tmp_path: Path) -> None:
    """Who has not run `make rasa` is told to."""
    with (tmp_path / "config.yml").open("a") as file:
        file.write("pipeline:\n  - name: X\n")
    code, _, err = xiaoer("train", "--engine", "rasa")
    assert code == 2
    assert "make rasa" in err
