"""A Reply is a template key with its data; the renderer makes the OutboundMessage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Locale(StrEnum):
    """A language we answer in; ``zh-Hant`` is ``zh`` converted to traditional script when rendered."""

    ZH = "zh"
    ZH_HANT = "zh-Hant"
    EN = "en"

    @property
    def base(self) -> str:
        """Name the template folder: ``zh`` or ``en``."""
        return "en" if self is Locale.EN else "zh"


@dataclass(frozen=True, slots=True)
class Choice:
    """A button before rendering: ``label_key`` is a template key, or ``label`` is ready text."""

    payload: str
    label_key: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to say: the key ``<stem>.<name>`` of a template, its data, and the choices under it.

    ``data`` holds plain JSON values only; ``card``: the text's first line is a title.
    """

    key: str
    data: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()
    card: bool = False
