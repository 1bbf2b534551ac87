"""Measure the engines side by side on public data: one run, one machine, one table with ratios.

Run from the repository on a quiet machine: ``make bench-understanding`` (``ARGS="--epochs 16"``). Rasa needs
``make rasa`` first. Training Rasa's neural network is what takes long: 100 epochs on Banking77 cost about 2.2 CPU
hours, so the table says how many epochs it was given, and ``--keep FOLDER`` keeps trained models for the next run.

Every engine is trained on the published training split and asked the test split, gate off. Rasa is asked over its HTTP
API on kept connections, as it is in the shop; the embedded engine in its own process, as it is in the shop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from understanding import measure, read_dataset, write_source  # type: ignore[import-not-found]

from intents.evaluation.measuring import resident_mb
from intents.rasa.environment import find_python
from intents.rasa.parser import RasaParser
from intents.rasa.project import lay_out, train_model
from intents.rasa.server import RasaServer

ROOT = Path(__file__).resolve().parents[1]
PIPELINES = ("lean", "diet")
_TIMED = 400
_AT_ONCE = 16
_TIMEOUT_S = 120.0
_READY_WITHIN_S = 600.0
_COLUMNS = (
    ("accuracy", "accuracy %"),
    ("train_s", "train s"),
    ("train_cpu_s", "train CPU s"),
    ("cold_start_s", "cold start s"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("parses_s_1", "parses/s at 1"),
    ("parses_s_16", "parses/s at 16"),
    ("rss_mb", "resident MB"),
    ("installed_mb", "installed MB"),
)
_MORE_IS_BETTER = {"accuracy", "parses_s_1", "parses_s_16"}


@dataclass(frozen=True, slots=True)
class Run:
    """What is measured and where: ``keep`` is the folder of trained models, ``epochs`` those of the neural network."""

    dataset: str
    data: Path
    keep: Path
    epochs: int


def train_rasa(run: Run, kind: str) -> tuple[Path, dict[str, Any]]:
    """Train a pipeline, or take the model that was kept; gives its folder and what the training took."""
    folder = run.keep / f"{run.dataset}_{kind}" if kind == "lean" else run.keep / f"{run.dataset}_{kind}_{run.epochs}"
    record = folder / "trained.json"
    if record.is_file():
        return folder, json.loads(record.read_text())
    train, _ = read_dataset(run.dataset, run.data)
    keys = yaml.safe_load((ROOT / "bench" / "rasa" / f"{kind}.yml").read_text())
    for component in keys["pipeline"]:
        if "epochs" in component:
            component["epochs"] = run.epochs
    with tempfile.TemporaryDirectory() as work:
        source = write_source(train, Path(work) / "source")
        domain = {"version": "3.1", "intents": sorted({label for _, label in train.rows})}
        (source / "domain.yml").write_text(yaml.safe_dump(domain))
        lay_out(folder / "project", source, keys)
    before, started = _children_cpu_s(), time.perf_counter()
    train_model(find_python(), folder / "project", folder / "models", kind, folder / "train.log")
    took = {
        "train_s": round(time.perf_counter() - started, 1),
        "train_cpu_s": round(_children_cpu_s() - before, 1),
        "trained_on": f"{datetime.now(UTC):%Y-%m-%d}",
    }
    record.write_text(json.dumps(took))
    return folder, took


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def ask_rasa(run: Run, kind: str, folder: Path) -> dict[str, float]:
    """Start the server and measure it."""
    _, test = read_dataset(run.dataset, run.data)
    python = find_python()
    model = folder / "models" / f"{kind}.tar.gz"
    server = RasaServer(python, folder / "project", model, folder / "server.log")
    parser = RasaParser(lambda: server.url, _TIMEOUT_S, server.token)
    started = time.perf_counter()
    server.start()
    try:
        await server.wait_ready(_READY_WITHIN_S)
        await parser.parse("hello")
        cold_start_s = time.perf_counter() - started
        texts = [text for text, _ in test.rows]
        found = await _ask_all(parser, texts, at_once=4)
        right = [one == label for one, (_, label) in zip(found, test.rows, strict=True)]
        some = texts[:: max(1, len(texts) // _TIMED)]
        return {
            "accuracy": round(100 * sum(right) / len(right), 2),
            "cold_start_s": round(cold_start_s, 1),
            **await _times(parser, some),
            "rss_mb": round(resident_mb(server.pid)),
            "installed_mb": round(_folder_mb(python.parents[1])),
        }
    finally:
        await parser.close()
        await server.stop()


async def _ask_all(parser: RasaParser, texts: Sequence[str], at_once: int) -> list[str]:
    door = asyncio.Semaphore(at_once)

    async def ask(text: str) -> str:
        async with door:
            ranking = await parser.parse(text)
            return ranking[0].name if ranking else ""

    return await asyncio.gather(*(ask(text) for text in texts))


async def _times(parser: RasaParser, texts: Sequence[str]) -> dict[str, float]:
    taken = []
    for text in texts:
        started = time.perf_counter()
        await parser.parse(text)
        taken.append(1000 * (time.perf_counter() - started))
    taken.sort()
    started = time.perf_counter()
    await _ask_all(parser, texts, _AT_ONCE)
    together_s = time.perf_counter() - started
    return {
        "p50_ms": round(statistics.median(taken), 2),
        "p99_ms": round(taken[int(len(taken) * 0.99)], 2),
        "parses_s_1": round(1000 * len(texts) / sum(taken)),
        "parses_s_16": round(len(texts) / together_s),
    }


def _folder_mb(folder: Path) -> float:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink()) / 1e6


def own_mb() -> float:
    """Tell the size of everything Xiaoer needs to run, as installed here."""
    pinned = (ROOT / "requirements" / "run.txt").read_text().splitlines()
    names = [line.split("==")[0].split("[")[0] for line in pinned if "==" in line and not line.startswith((" ", "#"))]
    total = 0
    for name in names:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:
            continue  # pinned for another platform
        total += sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).is_file())
    return total / 1e6


def measure_embedded(run: Run) -> dict[str, Any]:
    """Measure the embedded engine."""
    result = measure(run.dataset, run.data)
    found = {name: getattr(result, name) for name, _ in _COLUMNS if hasattr(result, name)}
    return found | {"installed_mb": round(own_mb())}


def table(dataset: str, rows: dict[str, dict[str, Any]]) -> str:
    """Write the figures of the engines and how many times better the first is than each other, as Markdown."""
    first, *others = rows
    heads = [*rows, *(f"{first} : {other}" for other in others)]
    lines = [f"| {dataset} | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    for name, title in _COLUMNS:
        values = [rows[engine].get(name) for engine in rows]
        ratios = [_ratio(name, values[0], other) for other in values[1:]]
        shown = ["" if value is None else str(value) for value in values]
        lines.append(f"| {title} | {' | '.join((*shown, *ratios))} |")
    return "\n".join(lines)


def _ratio(name: str, ours: float | None, theirs: float | None) -> str:
    if not ours or not theirs:
        return ""
    if name == "accuracy":
        return f"{ours - theirs:+.1f} points"
    return f"{ours / theirs if name in _MORE_IS_BETTER else theirs / ours:.1f} x"


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options.add_argument("--only", default="banking77", help="data sets, separated by commas")
    options.add_argument("--pipelines", default=",".join(PIPELINES))
    options.add_argument("--epochs", type=int, default=16, help="of Rasa's neural network; its own default is 100")
    options.add_argument("--keep", type=Path, default=ROOT / "bench" / "out")
    chosen = options.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_machine()}, Python {platform.python_version()}\n")
    for dataset in chosen.only.split(","):
        run = Run(dataset, chosen.data, chosen.keep.absolute(), chosen.epochs)
        rows = {"embedded": measure_embedded(run)}
        for kind in filter(None, chosen.pipelines.split(",")):
            folder, took = train_rasa(run, kind)
            title = f"Rasa {kind}" if kind == "lean" else f"Rasa {kind}, {run.epochs} epochs"
            rows[title] = took | asyncio.run(ask_rasa(run, kind, folder))
        print(table(dataset, rows), flush=True)
        print()


def _machine() -> str:
    try:
        names = [
            line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
        ]
    except OSError:
        names = []
    return f"{len(names)} x {names[0]}" if names else platform.machine()


if __name__ == "__main__":
    main()
