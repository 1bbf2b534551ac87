"""How much code each channel's adapter is; ``python -m tests.project.adapters`` shows the table.

Counted are the lines with code of every Python file in the channel's folder, the look at its set-up and all other parts
of its own included. Not counted are blank lines, comments and docstrings, and imports: an import names a part that is
shared. A page's own scripts and styles (the web widget's) are no adapter.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections.abc import Mapping

from tests.project.tree import ROOT

SEVEN = ("web", "telegram", "wechat_oa", "wecom_kf", "whatsapp", "messenger", "line")
_SILENT = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
)


def code_lines(source: str) -> tuple[int, int]:
    """Count the lines of code in a file, and how many of them are imports."""
    written: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _SILENT:
            written |= set(range(token.start[0], token.end[0] + 1))
    imports: set[int] = set()
    said: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports |= _lines(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            said |= _lines(node)
    return len(written - said - imports), len(imports)


def measured() -> Mapping[str, tuple[int, int]]:
    """Give of each of the seven its lines of code and of imports."""
    found = {}
    for name in SEVEN:
        counts = [code_lines(path.read_text()) for path in sorted((ROOT / "bot" / "channels" / name).glob("*.py"))]
        found[name] = (sum(code for code, _ in counts), sum(imports for _, imports in counts))
    return found


def table() -> str:
    """Write the figures down, the smallest first."""
    figures = sorted(measured().items(), key=lambda one: one[1])
    lines = [f"{name:12}{code:6} lines of code {imports:6} of imports" for name, (code, imports) in figures]
    median = statistics.median(code for code, _ in measured().values())
    return "\n".join([*lines, f"{'median':12}{median:6} lines of code"])


def _lines(node: ast.stmt) -> set[int]:
    return set(range(node.lineno, (node.end_lineno or node.lineno) + 1))


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
