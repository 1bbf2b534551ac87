"""The stores over one database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bot.channels.terminal.adapter import TerminalAdapter
from bot.channels.web.adapter import WebAdapter
from bot.config import Config, Secrets
from bot.desk.counter import DeskStores
from bot.desk.passwords import Passwords
from bot.desk.people import DeskPeople
from bot.desk.sessions import Sessions
from bot.domain.clock import Clock, SystemClock
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.orders import Order
from bot.domain.replies import Locale
from bot.wiring.preparation import database_url
from responses.renderer import Names, TemplateRenderer
from storage import knowledge_files, order_import, schema
from storage.conversations import SqlConversationReader, SqlQueueBoard
from storage.customer_card import SqlCustomerFiles, SqlDeliveryStates
from storage.database import Database
from storage.dead_letters import SqlDeadLetters
from storage.held import SqlHeldWords
from storage.inbox import SqlInboxStore
from storage.knowledge import SqlMerchantKnowledge
from storage.link_book import SqlLinkBook
from storage.order_import import ImportReport
from storage.order_models import OrderRow
from storage.orders import SqlOrderSource
from storage.outbox import SqlOutboxStore
from storage.ownership import SqlOwnershipStore
from storage.people import SqlPeople
from storage.proofs import SqlProofLedger
from storage.queue import SqlQueueLists
from storage.reaching import wait_until_reachable
from storage.snoozes import SqlSnoozes
from storage.stream import SqlShopperStream
from storage.thread_holders import SqlThreadHolders
from storage.threads import SqlThreads
from storage.ticket_desk import SqlTicketBoard
from storage.tickets import SqlTicketBook
from storage.transcripts import SqlNotebook, SqlTranscriptSearch
from storage.turns import SqlTurnStore
from storage.windows import SqlWindowLedger

_SHOWN = frozenset({WebAdapter.name, TerminalAdapter.name})
"""The channels whose record is their delivery."""

Notice = Callable[[str, Mapping[str, Any], str], str]


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
    merchant_knowledge: SqlMerchantKnowledge


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
        turns=SqlTurnStore(database, _SHOWN),
        outbox=SqlOutboxStore(database),
        stream=SqlShopperStream(database),
        proofs=SqlProofLedger(database),
        ticket_book=SqlTicketBook(database),
        queue=SqlQueueBoard(database, clock),
        merchant_knowledge=SqlMerchantKnowledge(database),
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
            dead_letters=SqlDeadLetters(database),
            windows=SqlWindowLedger(database),
            snoozes=SqlSnoozes(database, clock),
            threads=SqlThreads(database),
            holders=SqlThreadHolders(database),
            held=SqlHeldWords(database),
            links=SqlLinkBook(database),
            knowledge=SqlMerchantKnowledge(database),
        ),
    )


async def wait_for_database(config: Config, secrets: Secrets) -> None:
    """Wait until the database can be reached; StorageError when it cannot for as long as is configured."""
    await wait_until_reachable(database_url(config, secrets), config.database.wait_s)


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


def read_entries(file: Path, encoding: str = "utf-8") -> list[KnowledgeEntry]:
    """Read a file of knowledge entries; ImportRefused lists every row that is wrong."""
    return knowledge_files.read_entries(file, encoding)


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
