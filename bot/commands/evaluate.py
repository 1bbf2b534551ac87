"""``xiaoer evaluate``: measure the engines on labelled messages."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bot import app as house
from bot import config as configuration
from bot.commands.options import ConfigFile, Engine
from bot.commands.screen import trouble, words
from bot.domain.clock import SystemClock
from bot.domain.errors import ConfigError
from intents.evaluation import folding
from intents.evaluation.figures import Judged, summary
from intents.evaluation.measuring import measure
from intents.evaluation.report import EngineResult, page, share_text
from intents.evaluation.rows import Row, read_rows, unknown_intents

_WORST = 10
_FIGURES = (
    ("accuracy", "first intent right (gate off)"),
    ("top3", "right among the first three (gate off)"),
    ("macro_f1", "macro F1 (gate off)"),
    ("answered_right", "answered right"),
    ("wrong_answer_rate", "answered wrong"),
    ("clarify_rate", "asked which was meant"),
    ("abstain_rate", "abstained"),
    ("oos_recall", "out of scope and not answered"),
    ("both_seen", "two intents, both seen"),
)


def evaluate(  # noqa: PLR0913, PLR0917 - a command's parameters are its options
    file: Annotated[
        Path | None, typer.Argument(help="TSV, CSV or Rasa YAML; with --folds a training folder (default: intents/).")
    ] = None,
    config: ConfigFile = None,
    engine: Annotated[str, typer.Option(help="Engines to measure, separated by commas: embedded,rasa.")] = "embedded",
    by: Annotated[str, typer.Option(help="'slice' shows the figures of every slice too.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Where to write the report (default: evaluation.html in data_dir).")
    ] = None,
    folds: Annotated[int, typer.Option(help="Train and ask in this many folds of one's own training data.")] = 0,
) -> None:
    """Measure how well the engines understand labelled messages; columns: text, intent, slice, entities."""
    loaded = configuration.load(config)
    names = _engines(engine)
    if by not in {"", "slice"}:
        raise ConfigError(f"--by {by}: only 'slice' is known")
    if file is None and not folds:
        raise ConfigError("name a file of labelled messages, or use --folds 5 on your own training data")
    keys = configuration.rasa_keys(config) if folds and Engine.RASA in names else {}
    runs = _Runs(loaded, configuration.Secrets.from_environment(), keys)
    results = [runs.fold(one, file, folds) if folds else runs.ask(one, cast("Path", file)) for one in names]
    report = html or loaded.data_dir / "evaluation.html"
    title = str(file.name) if file else f"{folds} folds of the training data"
    _write(report, page(title, f"{SystemClock().now():%Y-%m-%d %H:%M} UTC", results))
    if as_json:
        print(json.dumps(_for_machines(results, title), ensure_ascii=False, indent=1))  # noqa: T201 - nothing but JSON
        return
    for result in results:
        _show(result, slices=by == "slice")
    words.print(f"\nreport with the confusion picture: {report}", soft_wrap=True)


def _engines(written: str) -> list[Engine]:
    names = [name.strip() for name in written.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Engine)]
    if unknown or not names:
        raise ConfigError(f"--engine {written}: known are {', '.join(Engine)}, separated by commas")
    return [Engine(name) for name in dict.fromkeys(names)]


class _Runs:
    """Ask engines and keep what they said."""

    def __init__(self, config: configuration.Config, secrets: configuration.Secrets, keys: dict[str, Any]) -> None:
        self._config = config
        self._secrets = secrets
        self._keys = keys

    def ask(self, engine: Engine, file: Path) -> EngineResult:
        """Ask the trained engine every message of a file."""
        rows = read_rows(file)
        place = house.engine_place(self._config, engine.value)
        _tell_unknown(file, unknown_intents(rows, house.known_intents(place)))
        judged, memory = asyncio.run(self._measure(place, rows))
        return EngineResult(engine, judged, summary(judged, engine, memory))

    def fold(self, engine: Engine, folder: Path | None, folds: int) -> EngineResult:
        """Train on all folds but one and ask about that one, for each."""
        source = folder or house.intents_folder()
        dealt = folding.read_folds(source, folds)
        judged: list[Judged] = []
        memory = 0.0
        with tempfile.TemporaryDirectory(prefix="xiaoer-folds-") as work:
            place = house.EnginePlace(engine.value, Path(work) / "intents", Path(work) / "model")
            for number, fold in enumerate(dealt, 1):
                trouble.print(f"  {engine}: training fold {number} of {folds}")
                taught = [example for other in dealt if other is not fold for example in other]
                folding.write_source(place.source, source, taught)
                house.train_engine(self._config, place, self._keys, lambda *_: None)
                told, memory = asyncio.run(self._measure(place, folding.rows_of(fold)))
                judged += told
        return EngineResult(engine, judged, summary(judged, engine, memory))

    async def _measure(self, place: house.EnginePlace, rows: Sequence[Row]) -> tuple[list[Judged], float]:
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=trouble, transient=True) as progress:
            task = progress.add_task(f"{place.engine}: messages", total=len(rows))
            async with house.open_engine(self._config, self._secrets, SystemClock(), place) as opened:
                judged = await measure(opened.recogniser, rows, lambda done: progress.update(task, completed=done))
                return judged, opened.resident_mb()


def _tell_unknown(file: Path, unknown: dict[str, int]) -> None:
    if not unknown:
        return
    named = ", ".join(f"{intent} ({count})" for intent, count in list(unknown.items())[:_WORST])
    trouble.print(
        f"{file}: the engine was never taught {named}; such messages count as wrong. "
        "Write 'oos' for what it should abstain from",
        markup=False,
        soft_wrap=True,
    )


def _for_machines(results: Sequence[EngineResult], title: str) -> dict[str, Any]:
    """Give the first engine's figures, and those of all under ``engines``."""
    engines = {result.engine: result.figures for result in results}
    return {"file": title, **results[0].figures, "engines": engines}


def _write(report: Path, content: str) -> None:
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(content, "utf-8")
    except OSError as problem:
        raise ConfigError(f"{report}: cannot be written: {problem.strerror}; choose another with --html") from None


def _show(result: EngineResult, *, slices: bool) -> None:
    figures = result.figures
    words.print(f"\n[bold]{result.engine}[/bold]: {figures['rows']} messages, {figures['in_scope']} in scope")
    table = Table(box=None, show_header=False)
    for name, title in _FIGURES:
        table.add_row(title, share_text(figures[name]))
    table.add_row("expected calibration error", "-" if figures["ece"] is None else f"{figures['ece']:.3f}")
    table.add_row("latency p50 / p99", f"{figures['p50_ms']:.1f} / {figures['p99_ms']:.1f} ms")
    table.add_row("resident memory", f"{figures['rss_mb']:.0f} MB" if figures["rss_mb"] else "unknown")
    for name, share in figures["entities"].items():
        table.add_row(f"entity {name}: recall", f"{share_text(share['recall'])} of {share['wanted']}")
    words.print(table)
    if slices:
        _show_slices(figures["slices"])
    if figures["confusions"]:
        words.print("  worst confusions:")
    for one in figures["confusions"][:_WORST]:
        words.print(f"    {one['count']:3d} x {one['wanted']} taken for {one['found']}", markup=False)


def _show_slices(slices: dict[str, Any]) -> None:
    columns = ("accuracy", "top3", "answered_right", "wrong_answer_rate", "oos_recall")
    table = Table("slice", "rows", *(name.replace("_", " ") for name in columns), box=None)
    for name, part in slices.items():
        table.add_row(name, str(part["rows"]), *(share_text(part[column]) for column in columns))
    words.print(table)
