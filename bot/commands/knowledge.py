"""``xiaoer knowledge``: the shop's own answers from a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands.importing import Encoding, listing_problems
from bot.commands.options import ConfigFile
from bot.commands.screen import words
from bot.domain.clock import SystemClock
from bot.domain.knowledge import EntriesSaved, KnowledgeEntry

commands = typer.Typer(help="The shop's own answers.", no_args_is_help=True)


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV or YAML file; its columns: docs/knowledge.md.")],
    config: ConfigFile = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Import answers: all of the file or, when any row is wrong, nothing; running processes use them at once."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    with listing_problems(file):
        entries = house.read_entries(file, encoding)
    house.migrate(loaded, secrets)
    saved = asyncio.run(_save(loaded, secrets, entries))
    words.print(f"{file}: {saved.new} new, {saved.changed} changed, {saved.unchanged} unchanged", soft_wrap=True)


async def _save(
    config: configuration.Config, secrets: configuration.Secrets, entries: list[KnowledgeEntry]
) -> EntriesSaved:
    async with house.open_stores(config, secrets) as stores:
        return await stores.merchant_knowledge.save(entries, SystemClock().now())
