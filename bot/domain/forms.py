"""Forms: what a handler asks for, declared as data; the engine drives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.domain.messages import InboundMessage
from bot.domain.replies import Reply
from bot.domain.understanding import Recognition

CONFIRM_SLOT = "confirm"
"""The name of the question a form with ``confirm`` ends with; its values are ``yes`` and ``no``."""


class Missing(StrEnum):
    """What a parse answers when a message holds no value."""

    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A value was given but cannot be taken; ``reply`` says why and what is wanted."""

    reply: Reply


ParsedSlot = str | list[str] | Missing | Rejected
Parse = Callable[[InboundMessage, Recognition], ParsedSlot]
"""Read a slot's value from a message that answers its question."""


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """One question of a form.

    ``ask`` is the template key of the question; ``entity`` the entity that fills the slot from any message of the
    form (also the opening one and a correction); ``parse`` reads a direct answer when the entity is absent;
    ``options`` are the values offered as buttons, labelled by ``<ask>.<value>``; ``optional`` adds a skip button whose
    value is ``""``; ``wanted`` tells from the slots so far whether the question applies at all.
    """

    name: str
    ask: str
    entity: str = ""
    parse: Parse | None = None
    options: tuple[str, ...] = ()
    optional: bool = False
    wanted: Callable[[Mapping[str, Any]], bool] | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A named list of questions; ``confirm`` is the template key that repeats the values and asks yes or no."""

    name: str
    slots: tuple[SlotSpec, ...]
    confirm: str = ""

    def slot(self, name: str) -> SlotSpec | None:
        """Find a slot by name."""
        return next((spec for spec in self.slots if spec.name == name), None)
