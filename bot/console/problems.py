"""What goes wrong, as a status and a sentence in the reader's language."""

from __future__ import annotations

from typing import Any

from bot.desk.refusals import Refusal
from bot.domain import errors


class Problem(errors.XiaoerError):
    """A failure with its HTTP status and the words (key and data) the page shows."""

    def __init__(self, status: int, key: str, **data: Any) -> None:
        super().__init__(key)
        self.status = status
        self.key = key
        self.data = data


_STATUS: tuple[tuple[type[errors.XiaoerError], int, str], ...] = (
    (errors.NotFound, 404, "error.not_found"),
    (errors.NotAllowed, 403, "error.not_allowed"),
    (errors.Conflict, 409, "error.conflict"),
    (errors.TooLarge, 413, "error.too_large"),
    (errors.RefusedInput, 400, "error.refused"),
    (errors.StorageError, 503, "error.storage"),
)


def problem_of(error: errors.XiaoerError) -> Problem:
    """Shape any error of ours for a page."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        return Problem(400, f"refused.{error.key}", **error.data)
    for kind, status, key in _STATUS:
        if isinstance(error, kind):
            return Problem(status, key)
    return Problem(500, "error.failed")


def problem_of_status(status: int) -> Problem:
    """Shape an answer of the router itself (no such page, wrong method)."""
    return Problem(status, "error.not_found" if status in {404, 405} else "error.failed")
