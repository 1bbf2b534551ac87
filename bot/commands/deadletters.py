"""``xiaoer deadletters``: messages that did not reach the shopper, or may not have."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from rich.table import Table

from bot import app as house
from bot import config as configuration
from bot.commands.options import ConfigFile
from bot.commands.screen import words
from bot.domain.clock import SystemClock
from bot.domain.dead_letters import DeadLetter, DeadLetters
from bot.domain.ids import ConversationId, OutboxId

T = TypeVar("T")
Number = Annotated[int, typer.Argument(help="The message's number, as `list` shows it.", min=1)]
_SHOWN_CHARS = 60

commands = typer.Typer(help="Messages that did not reach the shopper, or may not have.", no_args_is_help=True)


@commands.command("list")
def show(
    page: Annotated[int, typer.Option(help="Which page, from 1.", min=1)] = 1,
    config: ConfigFile = None,
) -> None:
    """List them, newest first."""
    found = _with_letters(config, lambda letters: letters.page(page))
    if not found.total:
        words.print("everything that could be sent has been sent")
        return
    table = Table("number", "when (UTC)", "channel", "from", "why", "tries", "words")
    for letter in found.letters:
        when = f"{letter.failed_at:%Y-%m-%d %H:%M}"
        words_said = letter.text[:_SHOWN_CHARS]
        table.add_row(str(letter.id), when, letter.channel, letter.sender, _why(letter), str(letter.tries), words_said)
    words.print(table)
    words.print(f"{found.total} in all")


@commands.command()
def retry(number: Number, config: ConfigFile = None) -> None:
    """Send one after all; a house that runs takes it up within seconds, another at its next start."""
    _change(config, number, lambda letters, item, at: letters.retry(item, at))
    words.print(f"message {number} is sent again")


@commands.command()
def drop(number: Number, config: ConfigFile = None) -> None:
    """Let one go."""
    _change(config, number, lambda letters, item, at: letters.drop(item, at))
    words.print(f"message {number} was dropped")


def _why(letter: DeadLetter) -> str:
    kind = "may have arrived" if letter.state == "unclear" else letter.refusal or "refused"
    why = f"{kind}: {letter.reason}" if letter.reason else kind
    return f"{why}; {letter.parts_taken} parts went out, only the rest is sent again" if letter.parts_taken else why


def _change(
    config: ConfigFile, number: int, change: Callable[[DeadLetters, OutboxId, datetime], Awaitable[ConversationId]]
) -> None:
    _with_letters(config, lambda letters: change(letters, OutboxId(number), SystemClock().now()))


def _with_letters(config: ConfigFile, ask: Callable[[DeadLetters], Awaitable[T]]) -> T:
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    house.migrate(loaded, secrets)

    async def answer() -> T:
        async with house.open_stores(loaded, secrets) as stores:
            return await ask(stores.desk.dead_letters)

    return asyncio.run(answer())
