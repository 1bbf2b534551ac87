"""``xiaoer train``: learn from ``intents/``."""

from __future__ import annotations

from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands.options import ConfigFile
from bot.commands.screen import bar, words


def train(
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option("--force", help="Train even when nothing has changed.")] = False,
) -> None:
    """Train the recogniser; the new model takes the old one's place at once."""
    loaded = configuration.load(config)
    if house.model_is_current(loaded) and not force:
        words.print("the model fits its data; nothing to do (--force trains all the same)")
        return
    with bar("understanding") as progress:
        report = house.train(loaded, progress)
    words.print(
        f"{report.examples} examples of {report.intents} intents in {report.seconds:.1f} s, "
        f"cross-validated accuracy {report.accuracy:.1%}, engine {report.engine}"
    )
