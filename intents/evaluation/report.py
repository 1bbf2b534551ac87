"""The evaluation as one HTML page: figures, slices, and a drawn picture of what was taken for what. Self-contained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from intents.evaluation.figures import NOTHING, Judged, confusions

_CELL = 13
_MARGIN = 190
_WORST = 25
_FIGURES = (
    ("accuracy", "first intent right", "gate off, messages in scope"),
    ("top3", "right among the first three", "gate off"),
    ("macro_f1", "macro F1", "gate off, mean over intents"),
    ("answered_right", "answered right", "gate on"),
    ("wrong_answer_rate", "answered wrong", "gate on"),
    ("clarify_rate", "asked which", "gate on"),
    ("abstain_rate", "said it does not know", "gate on"),
    ("oos_recall", "out of scope, not answered", "gate on"),
    ("both_seen", "both intents seen", "messages with two"),
    ("ece", "calibration error", "lower is better"),
)
_LEGEND = (
    "<h3>What was taken for what</h3><p>Rows: what was meant. Columns: what was understood, gate off. "
    "The diagonal is right; everything beside it is a confusion. Point at a cell for its names.</p>"
)
_STYLE = """
:root { --ink:#1d2430; --soft:#667085; --line:#e4e7ec; --back:#fff; --card:#f8fafc; --right:#0f766e; --wrong:#c2410c; }
@media (prefers-color-scheme: dark) { :root { --ink:#e6e9ef; --soft:#98a2b3; --line:#2c3442; --back:#12161d;
  --card:#1a2029; --right:#2dd4bf; --wrong:#fb923c; } }
* { box-sizing:border-box } body { margin:0 auto; max-width:1180px; padding:32px 20px; background:var(--back);
  color:var(--ink); font:15px/1.55 system-ui,"PingFang SC","Microsoft YaHei","Noto Sans CJK SC",sans-serif }
h1 { font-size:26px; margin:0 } h2 { font-size:19px; margin:40px 0 10px } h3 { font-size:16px; margin:26px 0 8px }
p { margin:6px 0; color:var(--soft) }
.tiles { display:grid; gap:10px; grid-template-columns:repeat(auto-fill,minmax(165px,1fr)) }
.tile { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:12px 14px }
.tile b { display:block; font-size:23px; font-variant-numeric:tabular-nums } .tile span { display:block }
.tile small { color:var(--soft) } .wide { overflow-x:auto } table { border-collapse:collapse; width:100% }
th,td { text-align:left; padding:6px 10px; border-bottom:1px solid var(--line); vertical-align:top }
th { font-weight:600; color:var(--soft) } .n { text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap }
h1,.worst td { overflow-wrap:anywhere } .wide td:first-child { white-space:nowrap }
@media (max-width:640px) { body { padding:20px 14px } .worst tr { display:grid; grid-template-columns:1fr 1fr 3.2em;
  gap:2px 10px; padding:8px 0; border-bottom:1px solid var(--line) } .worst th:last-child { display:none }
  .worst th,.worst td { padding:0; border:0 } .worst td:last-child { grid-column:1/-1; color:var(--soft) } }
svg text { fill:var(--soft); font:10px system-ui,sans-serif } svg .grid { stroke:var(--line); stroke-width:.5 }
svg .right { fill:var(--right) } svg .wrong { fill:var(--wrong) } svg .frame { fill:var(--card) }
"""


@dataclass(frozen=True, slots=True)
class EngineResult:
    """One engine's messages and its figures (see ``figures.summary``)."""

    engine: str
    judged: Sequence[Judged]
    figures: dict[str, Any]


def page(title: str, made_at: str, results: Sequence[EngineResult]) -> str:
    """Write the whole page; every text of a message is escaped."""
    rows = len(results[0].judged) if results else 0
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width,initial-scale=1'>",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>How well it understands: {escape(title)}</h1>",
        f"<p>{rows} messages · {escape(made_at)}. This page quotes messages: treat it like them.</p>",
        *(_engine(result) for result in results),
        "</body></html>",
    ]
    return "\n".join(parts)


def _engine(result: EngineResult) -> str:
    figures = result.figures
    speed = f"One message takes {figures['p50_ms']:.1f} ms (median), at most {figures['p99_ms']:.1f} ms 99 times of 100"
    memory = f"; {figures['rss_mb']:.0f} MB resident" if figures["rss_mb"] else ""
    return "\n".join(
        (
            f"<h2>Engine {escape(result.engine)}</h2><p>{speed}{memory}</p>",
            f"<div class=tiles>{''.join(_tiles(figures))}</div>",
            _slices(figures),
            _entities(figures),
            _LEGEND,
            f"<div class=wide>{picture(result.judged)}</div>",
            _worst(result.judged),
        )
    )


def _tiles(figures: dict[str, Any]) -> Iterable[str]:
    for name, title, note in _FIGURES:
        if figures.get(name) is not None:
            value = f"{figures[name]:.3f}" if name == "ece" else share_text(figures[name])
            yield f"<div class=tile><span>{title}</span><b>{value}</b><small>{note}</small></div>"


def share_text(share: float | None) -> str:
    """Write a share as a person reads it."""
    return "-" if share is None else f"{share * 100:.1f} %"


def _slices(figures: dict[str, Any]) -> str:
    if not figures["slices"]:
        return ""
    names = ("rows", "accuracy", "top3", "answered_right", "wrong_answer_rate", "abstain_rate", "oos_recall")
    heads = "".join(f"<th class=n>{name.replace('_', ' ')}</th>" for name in names)
    lines = []
    for name, part in figures["slices"].items():
        cells = "".join(
            f"<td class=n>{part[column] if column == 'rows' else share_text(part[column])}</td>" for column in names
        )
        lines.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    return f"<h3>By slice</h3><div class=wide><table><tr><th>slice</th>{heads}</tr>{''.join(lines)}</table></div>"


def _entities(figures: dict[str, Any]) -> str:
    lines = [
        f"<tr><td>{escape(name)}</td><td class=n>{share['wanted']}</td><td class=n>{share_text(share['recall'])}</td>"
        f"<td class=n>{share_text(share['precision'])}</td></tr>"
        for name, share in figures["entities"].items()
    ]
    if not lines:
        return ""
    head = "<tr><th>entity</th><th class=n>labelled</th><th class=n>recall</th><th class=n>precision</th></tr>"
    return f"<h3>Entities</h3><div class=wide><table>{head}{''.join(lines)}</table></div>"


def _worst(judged: Sequence[Judged]) -> str:
    lines = [
        f"<tr><td>{_breakable(one.wanted)}</td><td>{_breakable(one.found)}</td><td class=n>{one.count}</td>"
        f"<td dir=auto>{escape(one.example)}</td></tr>"
        for one in confusions(judged)[:_WORST]
    ]
    if not lines:
        return "<p>No confusion at all.</p>"
    head = "<tr><th>meant</th><th>understood</th><th class=n>times</th><th>one of them</th></tr>"
    return f"<h3>The worst confusions</h3><table class=worst>{head}{''.join(lines)}</table>"


def _breakable(name: str) -> str:
    return escape(name).replace("_", "_<wbr>").replace("/", "/<wbr>")


def picture(judged: Sequence[Judged]) -> str:
    """Draw the confusion matrix of the messages in scope as SVG: darker is a larger share of the row."""
    inside = [one for one in judged if one.row.in_scope]
    counts = Counter((one.wanted, one.found.intent or NOTHING) for one in inside)
    totals = Counter(one.wanted for one in inside)
    names = sorted({name for pair in counts for name in pair}, key=lambda name: (name == NOTHING, "/" in name, name))
    place = {name: _MARGIN + index * _CELL for index, name in enumerate(names)}
    size = _MARGIN + len(names) * _CELL + 10
    drawn = [
        f"<svg xmlns='http://www.w3.org/2000/svg' role=img viewBox='0 0 {size} {size}' width={size} height={size}>",
        "<title>Confusion picture</title>",
        f"<rect class=frame x={_MARGIN} y={_MARGIN} width={len(names) * _CELL} height={len(names) * _CELL} />",
        *(_axis(name, place[name], size) for name in names),
    ]
    for (wanted, found), count in sorted(counts.items()):
        shade = f"{0.18 + 0.82 * count / totals[wanted]:.2f}"
        told = escape(f"{wanted} taken for {found}: {count} of {totals[wanted]}", quote=True)
        if wanted == found:
            told = escape(f"{wanted}: {count} of {totals[wanted]} right", quote=True)
        drawn.append(
            f"<rect class={'right' if wanted == found else 'wrong'} x={place[found] + 0.5} y={place[wanted] + 0.5} "
            f"width={_CELL - 1} height={_CELL - 1} rx=2 fill-opacity={shade}><title>{told}</title></rect>"
        )
    return "".join((*drawn, "</svg>"))


def _axis(name: str, offset: float, size: int) -> str:
    middle = offset + _CELL / 2
    shown = escape(name)
    lines = (
        f"<path class=grid d='M{_MARGIN} {offset}H{size - 10}M{offset} {_MARGIN}V{size - 10}' />",
        f"<text x={_MARGIN - 6} y={middle + 3.5} text-anchor=end>{shown}</text>",
        f"<text transform='translate({middle + 3.5} {_MARGIN - 6}) rotate(-90)'>{shown}</text>",
    )
    return "".join(lines)
