"""An adapter is small: what is the same on several platforms has a shared home."""

from __future__ import annotations

import statistics

from tests.project.adapters import code_lines, measured, table

MOST_LINES_OF_THE_MEDIAN = 300


def test_median_adapter_stays_small() -> None:
    """The median of the seven needs at most the budget on top of the shared parts."""
    median = statistics.median(code for code, _ in measured().values())
    assert median <= MOST_LINES_OF_THE_MEDIAN, f"give what adapters have in common a shared home:\n{table()}"


def test_count_leaves_out_what_is_no_code() -> None:
    """Docstrings, comments, blank lines and imports do not count; a text that is a value does."""
    source = '"""Says."""\n\nimport os\nfrom os import (\n    path,\n)\n\n# why\nTEXT = """a\nb"""\n"""Tells."""\n'
    assert code_lines(source) == (2, 4)
