"""Speaking of an unexpected exception in a log without what it may quote: a shopper's words, a row's values."""

from __future__ import annotations

import traceback
from pathlib import PurePath


def describe(problem: BaseException) -> str:
    """Say an exception's kind and where it was raised, without its message."""
    frames = traceback.extract_tb(problem.__traceback__)
    if not frames:
        return type(problem).__name__
    last = frames[-1]
    return f"{type(problem).__name__} at {PurePath(last.filename).name}:{last.lineno} in {last.name}"
