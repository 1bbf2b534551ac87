"""The running house: its parts, opened and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import time
from random import Random

from bot.channels.terminal.chat import TerminalChat, TerminalPorts
from bot.config import Config, Secrets
from bot.desk.counter import Desk, DeskSecurity, make_desk
from bot.domain.channel_ports import ChannelAdapter
from bot.domain.clock import Clock
from bot.domain.ports import Recogniser
from bot.engine.delivery import Deliverer
from bot.engine.dispatcher import EmbeddedDispatcher, Pace
from bot.engine.intake import Intake
from bot.engine.live import MemoryLiveFeed
from bot.engine.turn import TurnParts, TurnRunner
from bot.wiring.channels import open_channels
from bot.wiring.preparation import intents_folder
from bot.wiring.stores import Stores, make_renderer, open_stores
from bot.wiring.understanding import open_recogniser
from handlers import build_handlers
from handlers.services import BusinessHours, Services, ShopFacts
from intents.knowledge import FileKnowledge
from responses.renderer import TemplateRenderer


@dataclass(frozen=True, slots=True)
class House:
    """The parts that run together; ``channels`` by name."""

    config: Config
    secrets: Secrets
    clock: Clock
    stores: Stores
    intake: Intake
    dispatcher: EmbeddedDispatcher
    live: MemoryLiveFeed
    desk: Desk
    channels: Mapping[str, ChannelAdapter]


def make_services(config: Config, stores: Stores, renderer: TemplateRenderer, clock: Clock) -> Services:
    """Make what the handlers may ask."""
    shop = config.shop
    hours = BusinessHours(time.fromisoformat(shop.opens), time.fromisoformat(shop.closes), timezone=shop.timezone)
    return Services(
        orders=stores.desk.orders,
        proofs=stores.proofs,
        tickets=stores.ticket_book,
        queue=stores.queue,
        knowledge=FileKnowledge.read(intents_folder()),
        renderer=renderer,
        clock=clock,
        shop=ShopFacts(hours),
    )


@asynccontextmanager
async def open_house(
    config: Config, secrets: Secrets, clock: Clock, recogniser: Recogniser | None = None
) -> AsyncIterator[House]:
    """Open everything, pick up what was left, and at the end finish what is in hand.

    The tables must be migrated and the model trained. ``recogniser`` takes the place of the trained one.
    """
    renderer = make_renderer(config, clock)
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(config, secrets, clock, renderer))
        channels = await stack.enter_async_context(open_channels(config, secrets, clock))
        live = MemoryLiveFeed()
        understanding = recogniser
        if understanding is None:
            understanding = await stack.enter_async_context(open_recogniser(config, secrets, clock))
        turns = TurnRunner(
            TurnParts(
                store=stores.turns,
                recogniser=understanding,
                knowledge=FileKnowledge.read(intents_folder()),
                renderer=renderer,
                handlers=build_handlers(make_services(config, stores, renderer, clock)),
                queue=stores.queue,
                feed=live,
                clock=clock,
            )
        )
        delivery = Deliverer(stores.outbox, channels, live, clock, Random())  # noqa: S311 - spreads retries
        dispatcher = EmbeddedDispatcher(stores.turns, turns, delivery, Pace(quiet_s=config.turns.quiet_time_s))
        await dispatcher.start()
        stack.push_async_callback(dispatcher.stop)
        yield House(
            config=config,
            secrets=secrets,
            clock=clock,
            stores=stores,
            intake=Intake(stores.inbox, dispatcher, live, clock),
            dispatcher=dispatcher,
            live=live,
            desk=make_desk(stores.desk, DeskSecurity(secrets.secret_key), dispatcher, live, clock),
            channels=channels,
        )


def make_terminal(opened: House) -> TerminalChat:
    """Make the chat of the terminal."""
    return TerminalChat(TerminalPorts(opened.intake.accept, opened.stores.stream, opened.live, opened.clock))
