"""``xiaoer train``: learn from ``intents/``."""

from __future__ import annotations

from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands.options import ConfigFile, Engine
from bot.commands.screen import bar, words


def train(
    config: ConfigFile = None,
    force: Annotated[bool, typer.Option("--force", help="Train even when nothing has changed.")] = False,
    engine: Annotated[Engine, typer.Option(help="Which engine to train.")] = Engine.EMBEDDED,
) -> None:
    """Train the recogniser; running processes take the new model in at once."""
    loaded = configuration.load(config)
    keys = configuration.rasa_keys(config) if engine is Engine.RASA else {}
    current = house.rasa_is_current(loaded, keys) if engine is Engine.RASA else house.model_is_current(loaded)
    if current and not force:
        words.print("the model fits its data; nothing to do (--force trains all the same)")
        return
    with bar("understanding") as progress:
        report = house.train_engine(loaded, house.engine_place(loaded, engine.value), keys, progress)
    words.print(
        f"{report.examples} examples of {report.intents} intents in {report.seconds:.1f} s, "
        f"accuracy on examples held out {report.accuracy:.1%}, engine {report.engine}"
    )
