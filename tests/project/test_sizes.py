"""Size budgets: small functions, small files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.project.tree import ROOT, sources

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60
USUAL_LINES_OF_A_FUNCTION = 30
MOST_PARAMETERS = 5
USUAL_SHARE = 0.95

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def code_lines(function: Function) -> int:
    """Count lines of code: from the def line to the end, less the docstring."""
    docstring = function.body[0] if ast.get_docstring(function) else None
    spent = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - spent


def test_files_stay_small() -> None:
    """No source file is longer than the budget."""
    long = {
        str(p.relative_to(ROOT)): n for p in sources() if (n := len(p.read_text().splitlines())) > MOST_LINES_OF_A_FILE
    }
    assert not long, f"give the parts of these files rooms of their own: {long}"


def test_functions_stay_small() -> None:
    """No function is over the limit, and nearly all are within the usual length."""
    lengths = {f"{p.relative_to(ROOT)}:{f.name}": code_lines(f) for p in sources() for f in functions(p)}
    assert len(lengths) > 100, "the sources were not found"
    over = {name: n for name, n in lengths.items() if n > MOST_LINES_OF_A_FUNCTION}
    assert not over, f"over {MOST_LINES_OF_A_FUNCTION} lines: {over}"
    usual = sum(n <= USUAL_LINES_OF_A_FUNCTION for n in lengths.values()) / len(lengths)
    longest = dict(sorted(lengths.items(), key=lambda item: -item[1])[:15])
    assert usual >= USUAL_SHARE, f"only {usual:.1%} within {USUAL_LINES_OF_A_FUNCTION} lines; longest: {longest}"


def test_functions_take_few_parameters() -> None:
    """Five parameters at most, besides self; a command's parameters are its options and do not count."""
    many = {}
    for path in sources():
        if "commands" in path.parts:
            continue
        for function in functions(path):
            names = [argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)]
            count = len([name for name in names if name not in {"self", "cls"}])
            if count > MOST_PARAMETERS and function.name != "__init__":
                many[f"{path.relative_to(ROOT)}:{function.name}"] = count
    assert not many
