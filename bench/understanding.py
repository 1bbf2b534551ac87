"""Measure the embedded engine on public data: accuracy, gate, speed and memory, one table.

Run from the repository: ``python bench/understanding.py [--data ../shared/data] [--only banking77,clinc150]``.
Only the published splits are used; weights and thresholds come from the training split alone.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.clock import SystemClock
from bot.domain.understanding import Expectation, Recognition, Verdict
from intents import embedded
from intents.recogniser import EmbeddedRecogniser

DATASETS = ("banking77", "clinc150")
_TIMED = 400
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Split:
    """A labelled part of a data set; ``outside`` are its messages without an intent."""

    rows: list[tuple[str, str]]
    outside: list[str]


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured; shares are 0..100, times as named."""

    dataset: str
    accuracy: float
    answered_right: float
    wrong_answers: float
    oos_recall: float | None
    train_s: float
    cold_start_s: float
    p50_ms: float
    cpu_p50_ms: float
    p99_ms: float
    parses_s_1: float
    parses_s_16: float
    rss_mb: float


def read_dataset(name: str, data: Path) -> tuple[Split, Split]:
    """Read the training and the test split of a data set."""
    if name == "banking77":
        return _read_csv(data / name / "train.csv"), _read_csv(data / name / "test.csv")
    with gzip.open(data / name / "data_full.json.gz", "rt", encoding="utf-8") as stream:
        content = json.load(stream)

    def split(part: str) -> Split:
        return Split([(text, label) for text, label in content[part]], [text for text, _ in content[f"oos_{part}"]])

    return split("train"), split("test")


def _read_csv(path: Path) -> Split:
    with path.open(encoding="utf-8", newline="") as stream:
        return Split([(row["text"], row["category"]) for row in csv.DictReader(stream)], [])


def write_source(split: Split, folder: Path) -> Path:
    """Write a split as Rasa training data, which is what every engine reads."""
    by_intent: dict[str, list[str]] = {}
    for text, label in split.rows:
        by_intent.setdefault(label, []).append(" ".join(text.split()))
    (folder / "nlu").mkdir(parents=True)
    for number, (label, texts) in enumerate(sorted(by_intent.items())):
        lines = "".join(f"      - {text}\n" for text in texts)
        content = f'version: "3.1"\nnlu:\n  - intent: {label}\n    examples: |\n{lines}'
        (folder / "nlu" / f"{number:03}.yml").write_text(content, encoding="utf-8")
    if split.outside:
        (folder / "outside.txt").write_text("".join(f"{text}\n" for text in split.outside), encoding="utf-8")
    return folder


def measure(name: str, data: Path) -> Result:
    """Train on the training split and judge the test split; timings come from a process that only serves."""
    train, _ = read_dataset(name, data)
    with tempfile.TemporaryDirectory() as work:
        source, models = write_source(train, Path(work) / "source"), Path(work) / "models"
        started = time.perf_counter()
        embedded.train(source, models, lambda _what, _share: None)
        train_s = time.perf_counter() - started
        served = subprocess.run(
            [sys.executable, __file__, "--serve", name, "--data", str(data), "--work", work],
            check=True,
            capture_output=True,
            text=True,
        )
    return Result(dataset=name, train_s=round(train_s, 1), **json.loads(served.stdout.splitlines()[-1]))


def serve(name: str, data: Path, work: Path) -> dict[str, float | None]:
    """Load the trained model as a server does and measure it."""
    started = time.perf_counter()
    recogniser = embedded.load(work / "models", work / "source", SystemClock())
    recogniser.parse(["hello"], [Expectation()])
    cold_start_s = time.perf_counter() - started
    _, test = read_dataset(name, data)
    found = _parse_all(recogniser, [text for text, _ in test.rows])
    outside = _parse_all(recogniser, test.outside)
    truth = [label for _, label in test.rows]
    texts = [text for text, _ in test.rows[:: max(1, len(test.rows) // _TIMED)]]
    return {
        **_scores(found, truth),
        "oos_recall": _percent([one.verdict is not Verdict.SURE for one in outside]) if outside else None,
        "cold_start_s": round(cold_start_s, 2),
        **_times(recogniser, texts),
        "rss_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Read the peak of resident memory since this program started; getrusage would count the parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024)


def _parse_all(recogniser: EmbeddedRecogniser, texts: Sequence[str]) -> list[Recognition]:
    found: list[Recognition] = []
    for start in range(0, len(texts), 32):
        batch = texts[start : start + 32]
        found.extend(recogniser.parse(batch, [Expectation()] * len(batch)))
    return found


def _scores(found: Sequence[Recognition], truth: Sequence[str]) -> dict[str, float]:
    right = [one.intent == label for one, label in zip(found, truth, strict=True)]
    sure = [one.verdict is Verdict.SURE for one in found]
    return {
        "accuracy": _percent(right),
        "answered_right": _percent([a and b for a, b in zip(right, sure, strict=True)]),
        "wrong_answers": _percent([b and not a for a, b in zip(right, sure, strict=True)]),
    }


def _percent(flags: Sequence[bool]) -> float:
    return round(100 * sum(flags) / len(flags), 2)


def _times(recogniser: EmbeddedRecogniser, texts: Sequence[str]) -> dict[str, float]:
    taken, computed = [], []
    for text in texts:
        started, worked = time.perf_counter(), time.thread_time()
        recogniser.parse([text], [Expectation()])
        taken.append(1000 * (time.perf_counter() - started))
        computed.append(1000 * (time.thread_time() - worked))
    taken.sort()
    return {
        "p50_ms": round(statistics.median(taken), 2),
        "cpu_p50_ms": round(statistics.median(computed), 2),
        "p99_ms": round(taken[int(len(taken) * 0.99)], 2),
        "parses_s_1": round(asyncio.run(_rate(recogniser, texts, 1))),
        "parses_s_16": round(asyncio.run(_rate(recogniser, texts, _AT_ONCE))),
    }


async def _rate(recogniser: EmbeddedRecogniser, texts: Sequence[str], at_once: int) -> float:
    waiting = list(texts)

    async def ask() -> None:
        while waiting:
            await recogniser.recognise(waiting.pop(), Expectation())

    started = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(at_once)))
    return len(texts) / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    options.add_argument("--only", default=",".join(DATASETS))
    options.add_argument("--json", action="store_true")
    options.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.serve:
        print(json.dumps(serve(chosen.serve, chosen.data, chosen.work)))
        return
    results = [asdict(measure(name, chosen.data)) for name in chosen.only.split(",")]
    if chosen.json:
        print(json.dumps(results))
        return
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, Python {platform.python_version()}")
    for key in results[0]:
        print(f"{key:>16}", *(f"{result[key]!s:>12}" for result in results))


if __name__ == "__main__":
    main()
