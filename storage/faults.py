"""A database that cannot be used, said plainly."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from sqlalchemy.exc import DatabaseError, OperationalError

from bot.domain.errors import StorageError


@contextlib.contextmanager
def said_plainly() -> Iterator[None]:
    """Turn a database that cannot be used (locked, full, gone) into a StorageError."""
    try:
        yield
    except DatabaseError as problem:
        # The bare class is a file that is no database; its other children are mistakes of the statement.
        if not isinstance(problem, OperationalError) and type(problem) is not DatabaseError:
            raise
        raise StorageError(f"the database cannot be used now: {problem.orig}") from problem
