"""Logs of our own parts and of the libraries, one line each through one formatter, as text or as JSON.

Lines carry ids of conversations and messages. An exception is told by its kind and place, never by its message, which
may quote a shopper.
"""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import PurePath
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor

Format = Literal["text", "json"]
_NOISY = ("httpx", "httpcore", "taskiq", "uvicorn.access", "telegram", "sse_starlette")
_MOST_FRAMES = 6


def set_up_logs(form: Format, level: str) -> None:
    """Send everything to standard error from now on; called once, by the program."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_messages,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    last: Processor = structlog.dev.ConsoleRenderer(colors=False) if form == "text" else _as_json()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _as_json() -> Processor:
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _without_messages(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its kind and the places it came through."""
    given = event.pop("exc_info", None)
    problem = given[1] if isinstance(given, tuple) else given
    if problem is True:
        problem = sys.exc_info()[1]
    if isinstance(problem, BaseException):
        event["exception"] = type(problem).__name__
        frames = traceback.extract_tb(problem.__traceback__)[-_MOST_FRAMES:]
        event["at"] = " < ".join(f"{PurePath(each.filename).name}:{each.lineno}" for each in reversed(frames))
    return event
