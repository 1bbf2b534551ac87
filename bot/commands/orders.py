"""``xiaoer orders``: the shop's orders from a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands.importing import Encoding, listing_problems
from bot.commands.options import ConfigFile
from bot.commands.screen import counting, words
from bot.domain.clock import SystemClock
from bot.domain.orders import Order
from storage.order_import import ImportReport

commands = typer.Typer(help="The shop's orders.", no_args_is_help=True)


@commands.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A CSV or JSON file; its columns: docs/orders-import.md.")],
    config: ConfigFile = None,
    encoding: Encoding = "utf-8",
) -> None:
    """Import orders: all of the file or, when any row is wrong, nothing. The same file twice changes nothing."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    with listing_problems(file):
        orders = house.read_orders(file, SystemClock(), encoding)
    house.migrate(loaded, secrets)
    report = asyncio.run(_import(loaded, secrets, orders))
    words.print(f"{file}: {report.new} new, {report.updated} changed, {report.unchanged} unchanged")


async def _import(config: configuration.Config, secrets: configuration.Secrets, orders: list[Order]) -> ImportReport:
    async with house.open_stores(config, secrets) as stores:
        with counting("orders", len(orders)) as report:
            return await house.import_orders(stores, orders, SystemClock(), report)
