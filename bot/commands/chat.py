"""``xiaoer chat``: talk to the bot in the terminal."""

from __future__ import annotations

import asyncio

from bot import app as house
from bot import config as configuration
from bot.commands import preparing
from bot.commands.options import ConfigFile
from bot.domain.clock import SystemClock


def chat(config: ConfigFile = None) -> None:
    """Talk to the bot as a shopper would; numbers press buttons, /quit ends."""
    loaded = configuration.load(config)
    prepared = preparing.prepare(loaded, configuration.Secrets.from_environment(), demo=False)
    asyncio.run(_talk(loaded, prepared.secrets))


async def _talk(config: configuration.Config, secrets: configuration.Secrets) -> None:
    async with house.open_house(config, secrets, SystemClock()) as opened:
        await house.make_terminal(opened).run()
