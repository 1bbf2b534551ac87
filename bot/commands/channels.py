"""``xiaoer channels``: which there are, a look at their set-up, and connecting them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.channels.findings import Finding
from bot.commands.options import ConfigFile
from bot.commands.screen import words, wrapped

commands = typer.Typer(help="Check and connect the channels.", invoke_without_command=True)
SOMETHING_TO_DO = 1


@commands.callback()
def channels(context: typer.Context) -> None:
    """List the channels, and whether they are switched on."""
    if context.invoked_subcommand is not None:
        return
    loaded = configuration.load(None)
    for name, is_on in house.channels_on(loaded).items():
        address = house.webhook_address(loaded, name) if name != "web" else ""
        words.print(f"  {name:10} {'on ' if is_on else 'off'}  {address}".rstrip(), soft_wrap=True)
    _say("`xiaoer channels check` looks at those that are on; docs/channels/ says how each is set up")


@commands.command()
def check(
    name: Annotated[str, typer.Argument(help="The channel, such as telegram; all that are on when left out.")] = "",
    config: ConfigFile = None,
) -> None:
    """Look at a channel's token, webhook and permissions, and say what to fix."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    names = [name] if name else [each for each, is_on in house.channels_on(loaded).items() if is_on]
    left = sum(_show(each, asyncio.run(house.check_channel(loaded, secrets, each))) for each in names)
    if not names:
        _say("no channel is switched on; set xiaoer.channels.NAME.enabled to true in config.yml")
    if left or not names:
        raise typer.Exit(SOMETHING_TO_DO)


@commands.command()
def connect(
    name: Annotated[str, typer.Argument(help="The channel: telegram, line, whatsapp, messenger or instagram.")],
    config: ConfigFile = None,
) -> None:
    """Tell a platform where this server is, where that can be told from here."""
    loaded = configuration.load(config)
    address = asyncio.run(house.connect_channel(loaded, configuration.Secrets.from_environment(), name))
    how = f"now delivers to {address}" if address else "delivers nowhere, and is asked for what comes"
    _say(f"{name} {how}; `xiaoer channels check {name}` looks at it")


def _show(name: str, found: Sequence[Finding]) -> int:
    """Show what was found of a channel; give the number of things to do."""
    to_do = sum(not finding.good for finding in found)
    words.print(f"{name}: {'nothing to do' if not to_do else f'{to_do} to do'}", markup=False)
    for finding in found:
        _say(finding.what, "  ok  " if finding.good else "  !!  ")
        if not finding.good:
            _say(f"to do: {finding.fix}", "      ")
    return to_do


def _say(text: str, begin: str = "") -> None:
    words.print(wrapped(text, begin), markup=False, soft_wrap=True)
