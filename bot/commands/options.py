"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Engine(StrEnum):
    """The engines by name."""

    EMBEDDED = "embedded"
    RASA = "rasa"


ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="The file to read (default: config.yml).")]
