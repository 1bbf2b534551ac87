"""``xiaoer channels``: look at a channel's set-up, connect it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands.options import ConfigFile
from bot.commands.screen import words

commands = typer.Typer(help="Check and connect the channels.", no_args_is_help=True)
SOMETHING_TO_DO = 1


@commands.command()
def check(
    name: Annotated[str, typer.Argument(help="The channel, such as telegram or line.")], config: ConfigFile = None
) -> None:
    """Look at a channel's token, webhook and permissions, and say what to fix."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    found = asyncio.run(house.check_channel(loaded, secrets, name))
    for finding in found:
        words.print(f"  {'ok' if finding.good else '!!'}  {finding.what}", markup=False, soft_wrap=True)
        if not finding.good:
            words.print(f"      to do: {finding.fix}", markup=False, soft_wrap=True)
    if not all(finding.good for finding in found):
        raise typer.Exit(SOMETHING_TO_DO)


@commands.command()
def connect(
    name: Annotated[str, typer.Argument(help="The channel, such as telegram.")], config: ConfigFile = None
) -> None:
    """Tell a platform where this server is, where that can be told from here."""
    loaded = configuration.load(config)
    address = asyncio.run(house.connect_channel(loaded, configuration.Secrets.from_environment(), name))
    how = f"now delivers to {address}" if address else "delivers nowhere, and is asked for what comes"
    words.print(f"{name} {how}; `xiaoer channels check {name}` looks at it", soft_wrap=True)
