"""The knobs of a phone: each reads and sets one fault of the wire or of the platform."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

API_SLOW_S = 3.0
"""How long the platform takes for each answer while it is slow, in seconds."""

RETRY_AFTER_S = (1.0, 3.0, 9.0)
"""When a platform calls again while the shop has not answered 2xx; the real ones wait up to hours, in this shape."""


@dataclass(frozen=True, slots=True)
class Lever:
    """A knob of the page; ``usual`` is how the real platform has it."""

    is_on: Callable[[], bool]
    turn: Callable[[bool], None]
    usual: bool = False


def flag(holder: Any, name: str) -> Lever:
    """Make a lever of a boolean knob."""
    return Lever(lambda: bool(getattr(holder, name)), lambda on: setattr(holder, name, on))


def once(holder: Any, name: str) -> Lever:
    """Make a lever of a knob that counts what is still to go wrong: the next call alone."""
    return Lever(lambda: getattr(holder, name) > 0, lambda on: setattr(holder, name, int(on)))


def next_answer(holder: Any, name: str, answer: Any) -> Lever:
    """Make a lever of a list of answers to give instead of the right one: the next call alone."""
    return Lever(lambda: bool(getattr(holder, name)), lambda on: setattr(holder, name, [answer] if on else []))


def next_send(knobs: Any, answer: Any) -> Lever:
    """Make a lever of what the platform's API answers to the next message alone, and not to a call of another kind."""
    knobs.sends_only = True
    return next_answer(knobs, "fail_next", answer)


def pause(holder: Any, name: str = "delay_s") -> Lever:
    """Make a lever of how long a platform's API takes for an answer."""
    return Lever(lambda: getattr(holder, name) > 0, lambda on: setattr(holder, name, API_SLOW_S if on else 0.0))


def retrying(holder: Any, name: str = "retry_after_s") -> Lever:
    """Make a lever of calling again until the shop answers 2xx; it is on from the start."""
    setattr(holder, name, RETRY_AFTER_S)
    turn = lambda on: setattr(holder, name, RETRY_AFTER_S if on else ())  # noqa: E731 - one of two settings
    return Lever(lambda: bool(getattr(holder, name)), turn, usual=True)
