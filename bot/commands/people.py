"""``xiaoer people``: who may sign in to the console."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands import preparing
from bot.commands.options import ConfigFile
from bot.commands.screen import words
from bot.domain.people import Role

commands = typer.Typer(help="Who may sign in to the console.", no_args_is_help=True)


@commands.command()
def add(
    login: Annotated[str, typer.Argument(help="What the person signs in with.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.AGENT,
    name: Annotated[str, typer.Option(help="The name shoppers see (default: the login).")] = "",
    config: ConfigFile = None,
) -> None:
    """Add a person; a password is made and shown once."""
    loaded = configuration.load(config)
    secrets = preparing.with_signing_key(loaded.data_dir, configuration.Secrets.from_environment())
    house.migrate(loaded, secrets)
    password = asyncio.run(_add(loaded, secrets, (login, name or login, role)))
    words.print(f"{login} may sign in as {role.value} with the password [bold]{password}[/bold] (shown only this once)")


async def _add(config: configuration.Config, secrets: configuration.Secrets, person: tuple[str, str, Role]) -> str:
    async with house.open_stores(config, secrets) as stores:
        _, password = await house.make_desk_people(stores, secrets).add(*person)
        return password
