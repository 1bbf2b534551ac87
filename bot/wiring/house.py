"""The running house: its parts, opened and closed together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Any

from bot.channels.plug import Heard, Plug
from bot.channels.terminal.chat import TerminalChat, TerminalPorts
from bot.config import Config, Secrets
from bot.desk.counter import Desk, DeskSecurity, DeskStores, make_desk
from bot.domain.channel_ports import AnswersCalls, ChannelAdapter
from bot.domain.clock import Clock
from bot.domain.ports import Dispatcher, Knowledge, LiveFeed, Recogniser
from bot.domain.thread_ports import PassesThread, QueuesThread
from bot.domain.windows import MessageTemplate
from bot.engine.boundaries import Line, Watch, watched
from bot.engine.delivery import Deliverer
from bot.engine.desk_boundaries import WatchedOwnership
from bot.engine.dispatcher import EmbeddedDispatcher, Pace
from bot.engine.intake import Intake
from bot.engine.turn import TurnParts, TurnRunner
from bot.engine.typing_signs import TypingSigns
from bot.health.counted import CountedChannel, CountedRecogniser, CountedTurns
from bot.health.numbers import Numbers
from bot.wiring.bells import open_bell
from bot.wiring.hearing import make_heard, make_lent
from bot.wiring.knowing import Understanding, given_understanding, open_understanding, watch_understanding
from bot.wiring.leading import Leads, leading
from bot.wiring.media import collecting, lend_files, make_room
from bot.wiring.platforms import open_channels
from bot.wiring.preparation import model_folder
from bot.wiring.rehearsal import EngineRehearsal, make_asked
from bot.wiring.shared import Shared, open_shared
from bot.wiring.stores import Stores, make_renderer, open_stores, wait_for_database
from bot.wiring.timers import due_units, make_hours, make_timers
from handlers import build_handlers
from handlers.services import Services, ShopFacts
from responses.renderer import TemplateRenderer
from storage.merging import MergingOutbox
from storage.network_tries import SqlNetworkTries
from storage.sweep import SqlSweep
from storage.windows import SqlSendingGate


@dataclass(frozen=True, slots=True)
class House:
    """The parts that run together; ``channels`` and ``plugs`` (of platforms) by name."""

    config: Config
    secrets: Secrets
    clock: Clock
    stores: Stores
    intake: Intake
    dispatcher: Dispatcher
    live: LiveFeed
    desk: Desk
    channels: Mapping[str, ChannelAdapter]
    plugs: Mapping[str, Plug[Any]]
    heard: Heard
    shared: Shared
    numbers: Numbers
    understanding: Understanding | None = None

    def remarks(self) -> tuple[str, ...]:
        """List what whoever starts the house should know."""
        return self.understanding.remarks() if self.understanding else ()


def make_services(
    config: Config, stores: Stores, renderer: TemplateRenderer, clock: Clock, knowledge: Knowledge
) -> Services:
    """Make what the handlers may ask."""
    web = config.channels.web
    lasts = timedelta(minutes=web.wrong_tries_within_min)
    return Services(
        orders=stores.desk.orders,
        proofs=stores.proofs,
        networks=SqlNetworkTries(stores.database, clock, web.wrong_tries, lasts),
        tickets=stores.ticket_book,
        queue=stores.queue,
        knowledge=knowledge,
        renderer=renderer,
        clock=clock,
        shop=ShopFacts(make_hours(config)),
    )


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs turns and delivers."""

    turns: CountedTurns
    delivery: Deliverer


def make_engine(opened: Opened, understanding: Understanding) -> Engine:
    """Make the engine of a process that drains conversations."""
    config, stores, clock, line = opened.config, opened.stores, opened.clock, opened.line
    turns = TurnRunner(
        TurnParts(
            store=line.turns,
            recogniser=CountedRecogniser(understanding.recogniser, opened.numbers),
            knowledge=understanding.knowledge,
            library=understanding.library,
            renderer=opened.renderer,
            handlers=build_handlers(make_services(config, stores, opened.renderer, clock, understanding.knowledge)),
            queue=stores.queue,
            feed=opened.shared.live,
            clock=clock,
            typing=TypingSigns(opened.channels),
        )
    )
    channels = {name: CountedChannel(channel, opened.numbers) for name, channel in line.channels.items()}
    delivery = Deliverer(line.outbox, channels, opened.shared.live, clock, Random())  # noqa: S311 - spreads retries
    delivery.limiter = opened.shared.sending
    alone = {name: one.is_alone for name, one in opened.channels.items() if isinstance(one, AnswersCalls)}
    delivery.gate = SqlSendingGate(stores.database, alone)
    return Engine(CountedTurns(turns, opened.numbers), delivery)


@dataclass(frozen=True, slots=True)
class Opened:
    """What every process of the house has open."""

    config: Config
    secrets: Secrets
    clock: Clock
    renderer: TemplateRenderer
    stores: Stores
    shared: Shared
    channels: Mapping[str, ChannelAdapter]
    plugs: Mapping[str, Plug[Any]]
    line: Line
    numbers: Numbers


@asynccontextmanager
async def open_parts(
    config: Config, secrets: Secrets, clock: Clock, watch: Watch | None, *, hears: bool
) -> AsyncIterator[Opened]:
    """Open stores, shared parts and channels; ``hears``: this process has readers of live events."""
    renderer = make_renderer(config, clock)
    await wait_for_database(config, secrets)
    async with AsyncExitStack() as stack:
        stores = await stack.enter_async_context(open_stores(config, secrets, clock, renderer))
        if watch is not None:
            acts = WatchedOwnership(stores.desk.ownership, watch)
            stores = replace(stores, desk=replace(stores.desk, ownership=acts))
        shared = await stack.enter_async_context(open_shared(config, secrets, clock, hears=hears))
        lent = make_lent(stores, shared, clock)
        opened = await stack.enter_async_context(open_channels(config, secrets, lent))
        channels = opened.adapters
        lend_files(config, secrets, stores.database, clock, channels)
        line = Line(stores.inbox, stores.turns, MergingOutbox(stores.database), channels)
        yield Opened(
            config=config,
            secrets=secrets,
            clock=clock,
            renderer=renderer,
            stores=stores,
            shared=shared,
            channels=channels,
            plugs=opened.plugs,
            line=line if watch is None else watched(line, watch),
            numbers=Numbers(),
        )


@asynccontextmanager
async def open_knowing(opened: Opened, recogniser: Recogniser | None) -> AsyncIterator[Understanding]:
    """Open what the process understands with, or put ``recogniser`` in the place of the trained engine."""
    shelf = opened.stores.merchant_knowledge
    if recogniser is not None:
        async with given_understanding(recogniser, shelf, model_folder(opened.config)) as given:
            yield given
        return
    async with open_understanding(opened.config, opened.secrets, opened.clock, shelf) as understanding:
        watch_understanding(opened.numbers, understanding)
        yield understanding


@asynccontextmanager
async def open_house(
    config: Config,
    secrets: Secrets,
    clock: Clock,
    recogniser: Recogniser | None = None,
    watch: Watch | None = None,
) -> AsyncIterator[House]:
    """Open everything, pick up what was left, and at the end finish what is in hand.

    The tables must be migrated and the model trained. ``recogniser`` takes the place of the trained one,
    ``watch`` is told of every boundary of the line. Where ``redis.url`` is set the house only rings, and
    ``open_worker`` in other processes does the work.
    """
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_parts(config, secrets, clock, watch, hears=True))
        redis = opened.shared.redis
        understanding: Understanding | None = None
        dispatcher: Dispatcher
        if redis is not None:
            dispatcher = await open_bell(config, redis)
        else:
            understanding = await stack.enter_async_context(open_knowing(opened, recogniser))
            engine = make_engine(opened, understanding)
            pace = Pace(quiet_s=config.turns.quiet_time_s, longest_wait_s=config.turns.longest_wait_s)
            left = SqlSweep(opened.stores.database, clock, 0)
            embedded = EmbeddedDispatcher(left, engine.turns, engine.delivery, pace)
            units = due_units(opened.stores.database, watch)
            embedded.timers = make_timers(config, units, clock, opened.renderer, opened.shared.live)
            await embedded.start()
            stack.push_async_callback(embedded.stop)
            dispatcher = embedded
            await stack.enter_async_context(
                collecting(config, opened.stores.database, clock, opened.channels, opened.shared.live)
            )
        leads = await stack.enter_async_context(leading(config, secrets, clock, "pulling"))
        house = make_house(opened, dispatcher, leads)
        if house.desk.knowledge is not None:
            if understanding is not None:
                house.desk.knowledge.rehearsal = EngineRehearsal(understanding)
            elif redis is not None:
                house.desk.knowledge.rehearsal = make_asked(config, redis)
        for name, plug in house.plugs.items():
            await stack.enter_async_context(plug.background(house.channels[name], house.heard))
        yield replace(house, understanding=understanding)


def desk_stores(opened: Opened) -> DeskStores:
    """Give the desk's stores with what the configuration tells the desk."""
    templates = tuple(
        MessageTemplate(each.name, each.language, each.text, each.variables)
        for each in opened.config.channels.whatsapp.templates
    )
    return replace(opened.stores.desk, templates={"whatsapp": templates})


def make_house(opened: Opened, dispatcher: Dispatcher, leads: Leads) -> House:
    """Put the house together around its dispatcher; ``leads`` tells whether this process is the one that pulls."""
    clock, shared = opened.clock, opened.shared
    security = DeskSecurity(opened.secrets.secret_key, limits=shared.rates, marks=shared.marks)
    room = make_room(opened.config, opened.stores.database, clock, opened.channels)
    passing = {name: channel for name, channel in opened.channels.items() if isinstance(channel, PassesThread)}
    queues = {name: channel.queue for name, channel in opened.channels.items() if isinstance(channel, QueuesThread)}
    stores = replace(
        desk_stores(opened),
        media=room,
        typing=TypingSigns(opened.channels),
        passing=passing,
        queues={name: place for name, place in queues.items() if place is not None},
    )
    intake = Intake(opened.line.inbox, dispatcher, shared.live, clock, opened.config.channels.quiet_times_s())
    return House(
        config=opened.config,
        secrets=opened.secrets,
        clock=clock,
        stores=opened.stores,
        intake=intake,
        dispatcher=dispatcher,
        live=shared.live,
        desk=make_desk(stores, security, dispatcher, shared.live, clock),
        channels=opened.channels,
        plugs=opened.plugs,
        heard=make_heard(opened, intake, dispatcher, leads),
        shared=shared,
        numbers=opened.numbers,
    )


def make_terminal(opened: House) -> TerminalChat:
    """Make the chat of the terminal."""
    return TerminalChat(TerminalPorts(opened.intake.accept, opened.stores.stream, opened.live, opened.clock))
