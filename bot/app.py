"""The one place where the parts are put together.

``open_house`` makes the running house of a configuration, ``make_web_application`` serves it over HTTP; the functions
between are the steps that must be done before it can open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import time
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from bot.channels.telegram.send import TelegramAdapter, TelegramSettings
from bot.channels.telegram.webhook import build_router as build_telegram_router
from bot.channels.terminal.adapter import TerminalAdapter
from bot.channels.terminal.chat import TerminalChat, TerminalPorts
from bot.channels.web.adapter import WebAdapter
from bot.channels.web.routes import WidgetPorts, WidgetSettings
from bot.channels.web.routes import build_router as build_widget_router
from bot.channels.web.tokens import VisitorTokens
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.channels.wechat_oa.webhook import build_router as build_wechat_oa_router
from bot.config import Config, Secrets
from bot.console.app import build_console
from bot.desk.counter import Desk, DeskSecurity, DeskStores, make_desk
from bot.desk.passwords import Passwords
from bot.desk.people import DeskPeople
from bot.desk.sessions import Sessions
from bot.domain.channel_ports import ChannelAdapter
from bot.domain.clock import Clock, SystemClock
from bot.domain.orders import Order
from bot.domain.ports import Recogniser
from bot.domain.replies import Locale
from bot.engine.delivery import Deliverer
from bot.engine.dispatcher import EmbeddedDispatcher, Pace
from bot.engine.intake import Intake
from bot.engine.live import MemoryLiveFeed
from bot.engine.turn import TurnParts, TurnRunner
from handlers import build_handlers
from handlers.services import BusinessHours, Services, ShopFacts
from intents import embedded
from intents.knowledge import FileKnowledge
from intents.shapes import Shapes
from responses.renderer import Names, TemplateRenderer
from storage import order_import, schema
from storage.conversations import SqlConversationReader, SqlQueueBoard
from storage.customer_card import SqlCustomerFiles, SqlDeliveryStates
from storage.database import Database
from storage.inbox import SqlInboxStore
from storage.models import OrderRow
from storage.order_import import ImportReport
from storage.orders import SqlOrderSource
from storage.outbox import SqlOutboxStore
from storage.ownership import SqlOwnershipStore
from storage.people import SqlPeople
from storage.proofs import SqlProofLedger
from storage.queue import SqlQueueLists
from storage.stream import SqlShopperStream
from storage.ticket_desk import SqlTicketBoard
from storage.tickets import SqlTicketBook
from storage.transcripts import SqlNotebook, SqlTranscriptSearch
from storage.turns import SqlTurnStore

WebApplication = FastAPI
SECONDS_A_DAY = 24 * 60 * 60
Notice = Callable[[str, Mapping[str, Any], str], str]


# ---------------------------------------------------------------- before the house can open


def database_url(config: Config, secrets: Secrets) -> str:
    """Give the database's address with the password of the environment."""
    url = make_url(config.database.url)
    if secrets.database_password:
        url = url.set(password=secrets.database_password)
    return url.render_as_string(hide_password=False)


def data_place(config: Config) -> str:
    """Tell where the data lies, for a person; never with a password."""
    url = make_url(config.database.url)
    if url.drivername == "sqlite":
        return str(Path(url.database or "").absolute())
    return url.render_as_string(hide_password=True)


def migrate(config: Config, secrets: Secrets) -> None:
    """Bring the tables to this version; SchemaTooNew when a newer version wrote them."""
    schema.migrate(database_url(config, secrets))


def intents_folder() -> Path:
    """Find the training data that is shipped."""
    return Path(str(files("intents")))


def model_folder(config: Config) -> Path:
    """Name the folder of the trained model."""
    return config.data_dir / "model"


def model_is_current(config: Config) -> bool:
    """Tell whether the trained model fits its data, code and encoder."""
    return embedded.is_current(intents_folder(), model_folder(config))


def train(config: Config, progress: Callable[[str, float], None]) -> embedded.TrainingReport:
    """Train the recogniser and swap the new model in."""
    return embedded.train(intents_folder(), model_folder(config), progress)


# ---------------------------------------------------------------- the stores


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything the house remembers with."""

    database: Database
    inbox: SqlInboxStore
    turns: SqlTurnStore
    outbox: SqlOutboxStore
    stream: SqlShopperStream
    proofs: SqlProofLedger
    ticket_book: SqlTicketBook
    queue: SqlQueueBoard
    desk: DeskStores


def make_renderer(config: Config, clock: Clock) -> TemplateRenderer:
    """Make the renderer with the shop's names and the merchant's own texts."""
    shop = config.shop
    names = Names(shop.name_zh, shop.name_en, shop.assistant_name_zh, shop.assistant_name_en)
    return TemplateRenderer(clock, shop.timezone, names, config.responses.overrides)


def make_stores(database: Database, notice: Notice, clock: Clock) -> Stores:
    """Put the stores on a database; ``notice`` words what the shopper is told unasked."""
    return Stores(
        database=database,
        inbox=SqlInboxStore(database),
        turns=SqlTurnStore(database),
        outbox=SqlOutboxStore(database),
        stream=SqlShopperStream(database),
        proofs=SqlProofLedger(database),
        ticket_book=SqlTicketBook(database),
        queue=SqlQueueBoard(database, clock),
        desk=DeskStores(
            people=SqlPeople(database),
            queue=SqlQueueLists(database),
            conversations=SqlConversationReader(database),
            ownership=SqlOwnershipStore(database, notice),
            notebook=SqlNotebook(database),
            customers=SqlCustomerFiles(database),
            deliveries=SqlDeliveryStates(database),
            orders=SqlOrderSource(database, clock),
            tickets=SqlTicketBoard(database, notice),
            transcripts=SqlTranscriptSearch(database),
        ),
    )


@asynccontextmanager
async def open_stores(
    config: Config, secrets: Secrets, clock: Clock | None = None, renderer: TemplateRenderer | None = None
) -> AsyncIterator[Stores]:
    """Open the database and its stores; SchemaTooOld or SchemaTooNew when it does not fit this version."""
    now = clock or SystemClock()
    said_by = renderer or make_renderer(config, now)
    database = Database(database_url(config, secrets))
    try:
        schema.check(database)
        yield make_stores(database, lambda key, data, locale: said_by.text(key, as_locale(locale), data), now)
    finally:
        database.close()


def make_desk_people(stores: Stores, secrets: Secrets) -> DeskPeople:
    """Make the service that adds people, for the command line."""
    clock = SystemClock()
    people = stores.desk.people
    return DeskPeople(people, Passwords(), Sessions(people, clock, secrets.secret_key), clock)


def demo_orders(clock: Clock) -> list[Order]:
    """Read the demo shop's orders, with times relative to now."""
    return read_orders(Path(str(files("bot.demo") / "orders.csv")), clock)


def read_orders(file: Path, clock: Clock, encoding: str = "utf-8") -> list[Order]:
    """Read a file of orders; ImportRefused lists every row that is wrong."""
    return order_import.read_orders(file, clock.now(), encoding)


async def import_orders(
    stores: Stores, orders: Sequence[Order], clock: Clock, report: Callable[[int], None]
) -> ImportReport:
    """Write orders in one transaction; ``report`` is told how many are done."""
    return await order_import.import_orders(stores.database, orders, clock.now(), lambda done, _: report(done))


async def count_orders(stores: Stores) -> int:
    """Count the shop's orders."""
    return await stores.database.read(lambda on: on.scalar(select(func.count()).select_from(OrderRow)) or 0)


def as_locale(name: str) -> Locale:
    """Read a stored locale; the shop's own language when there is none yet."""
    return Locale(name) if name in set(Locale) else Locale.ZH


# ---------------------------------------------------------------- the house


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


def load_recogniser(config: Config, clock: Clock) -> Recogniser:
    """Load the trained model; ModelRefused when it must be trained again."""
    shapes = Shapes(order_number=config.shop.order_number_shapes, zone=config.shop.timezone)
    return embedded.load(model_folder(config), intents_folder(), clock, shapes)


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
        turns = TurnRunner(
            TurnParts(
                store=stores.turns,
                recogniser=recogniser or load_recogniser(config, clock),
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


@asynccontextmanager
async def open_channels(config: Config, secrets: Secrets, clock: Clock) -> AsyncIterator[Mapping[str, ChannelAdapter]]:
    """Open the adapters of the enabled channels, and the terminal; their connections close at the end."""
    channels: dict[str, ChannelAdapter] = {"terminal": TerminalAdapter()}
    async with AsyncExitStack() as stack:
        if config.channels.web.enabled:
            channels["web"] = WebAdapter()
        if config.channels.telegram.enabled:
            telegram = TelegramAdapter(telegram_settings(config, secrets))
            stack.push_async_callback(telegram.close)
            channels["telegram"] = telegram
        if config.channels.wechat_oa.enabled:
            wechat_oa = WechatOaAdapter(wechat_oa_settings(config, secrets), clock)
            stack.push_async_callback(wechat_oa.close)
            channels["wechat_oa"] = wechat_oa
        yield channels


def telegram_settings(config: Config, secrets: Secrets) -> TelegramSettings:
    """Give what the Telegram channel is set up with; ConfigError names the secrets that are missing."""
    secrets.require("telegram", "telegram_token", "telegram_secret")
    channel = config.channels.telegram
    return TelegramSettings(secrets.telegram_token, channel.username, channel.account, channel.api_base)


def wechat_oa_settings(config: Config, secrets: Secrets) -> WechatOaSettings:
    """Give what the WeChat channel is set up with; ConfigError names the secrets that are missing."""
    secrets.require("wechat_oa", "wechat_oa_token", "wechat_oa_app_secret")
    channel = config.channels.wechat_oa
    return WechatOaSettings(
        app_id=channel.app_id,
        app_secret=secrets.wechat_oa_app_secret,
        token=secrets.wechat_oa_token,
        encoding_aes_key=secrets.wechat_oa_aes_key,
        account=channel.account,
        api_url=channel.api_base,
    )


def make_terminal(opened: House) -> TerminalChat:
    """Make the chat of the terminal."""
    return TerminalChat(TerminalPorts(opened.intake.accept, opened.stores.stream, opened.live, opened.clock))


# ---------------------------------------------------------------- over HTTP


def make_web_application(config: Config, secrets: Secrets, clock: Clock | None = None) -> WebApplication:
    """Make the ASGI application; the house opens with it and closes with it."""

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with open_house(config, secrets, clock or SystemClock()) as opened:
            for router in make_routers(opened):
                application.include_router(router)
            names = {"zh": config.shop.name_zh, "en": config.shop.name_en}
            secure = str(config.server.public_url or "").startswith("https://")
            application.mount("/console", build_console(opened.desk, names, secure=secure))
            application.state.house = opened
            yield

    return FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)


def make_routers(opened: House) -> Iterator[APIRouter]:
    """Make the routes of every enabled room."""
    config, secrets = opened.config, opened.secrets
    if config.channels.web.enabled:
        settings = WidgetSettings(origins=config.channels.web.allowed_origins)
        ports = WidgetPorts(opened.intake.accept, opened.stores.stream, opened.live, opened.clock)
        days = config.channels.web.token_days
        tokens = VisitorTokens(secrets.secret_key, settings.account, opened.clock, days * SECONDS_A_DAY)
        yield build_widget_router(settings, ports, tokens)
    telegram = opened.channels.get("telegram")
    if isinstance(telegram, TelegramAdapter):
        yield build_telegram_router(telegram, secrets.telegram_secret, opened.intake.accept, opened.clock)
    if config.channels.wechat_oa.enabled:
        yield build_wechat_oa_router(wechat_oa_settings(config, secrets), opened.intake.accept, opened.clock)
