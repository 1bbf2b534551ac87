"""The whole desk in one value, made once from its stores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from argon2 import PasswordHasher
from limits.aio.storage import MemoryStorage, Storage

from bot.desk.actions import DeskActions
from bot.desk.bells import Bells
from bot.desk.customers import DeskCustomers
from bot.desk.dead_letters import DeskDeadLetters
from bot.desk.knowledge import DeskKnowledge
from bot.desk.links import DeskLinks
from bot.desk.login import Login
from bot.desk.media import DeskMedia, MediaRoom
from bot.desk.passwords import Passwords
from bot.desk.people import DeskPeople
from bot.desk.presence import MemoryFirstMark, Presence
from bot.desk.sessions import Sessions
from bot.desk.snoozes import DeskSnoozes
from bot.desk.threads import DeskThreads
from bot.desk.throttle import LoginThrottle
from bot.desk.tickets import DeskTickets
from bot.desk.ways import DeskWays
from bot.desk.writing import DeskWriting
from bot.domain.channel_ports import TypingBoard
from bot.domain.clock import Clock
from bot.domain.dead_letters import DeadLetters
from bot.domain.desk_ports import (
    CustomerFiles,
    DeliveryStates,
    Notebook,
    People,
    QueueLists,
    TicketBoard,
    TranscriptSearch,
)
from bot.domain.due import SnoozeStore
from bot.domain.knowledge import MerchantKnowledge
from bot.domain.line_ports import OwnershipStore
from bot.domain.links import LinkBook
from bot.domain.ports import ConversationReader, Dispatcher, LiveFeed, OrderSource
from bot.domain.shared_ports import FirstMark
from bot.domain.thread_ports import PassesThread, Place, ThreadHolders
from bot.domain.windows import HeldWords, MessageTemplate, Threads, WindowLedger


@dataclass(frozen=True, slots=True)
class DeskStores:
    """Everything the desk remembers with.

    ``templates`` are the approved ones of each channel, ``passing`` the channels that share their threads, ``queues``
    where conversations wait that are answered in the platform's own client; by name.
    """

    people: People
    queue: QueueLists
    conversations: ConversationReader
    ownership: OwnershipStore
    notebook: Notebook
    customers: CustomerFiles
    deliveries: DeliveryStates
    orders: OrderSource
    tickets: TicketBoard
    transcripts: TranscriptSearch
    dead_letters: DeadLetters
    windows: WindowLedger | None = None
    media: MediaRoom | None = None
    snoozes: SnoozeStore | None = None
    threads: Threads | None = None
    held: HeldWords | None = None
    links: LinkBook | None = None
    knowledge: MerchantKnowledge | None = None
    typing: TypingBoard | None = None
    templates: Mapping[str, tuple[MessageTemplate, ...]] = field(default_factory=dict)
    passing: Mapping[str, PassesThread] = field(default_factory=dict)
    queues: Mapping[str, Place] = field(default_factory=dict)
    holders: ThreadHolders | None = None


@dataclass(frozen=True, slots=True)
class DeskSecurity:
    """How sessions are signed, passwords hashed, tries counted and signs of life marked; None takes the usual part."""

    secret: str
    hasher: PasswordHasher | None = None
    limits: Storage | None = None
    marks: FirstMark | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """The services behind the console."""

    stores: DeskStores
    login: Login
    sessions: Sessions
    presence: Presence
    actions: DeskActions
    snoozes: DeskSnoozes
    tickets: DeskTickets
    people: DeskPeople
    customers: DeskCustomers
    dead_letters: DeskDeadLetters
    ways: DeskWays
    threads: DeskThreads
    writing: DeskWriting
    links: DeskLinks
    live: LiveFeed
    clock: Clock
    media: DeskMedia | None = None
    knowledge: DeskKnowledge | None = None


def make_desk(stores: DeskStores, security: DeskSecurity, dispatcher: Dispatcher, live: LiveFeed, clock: Clock) -> Desk:
    """Make the desk."""
    passwords = Passwords(security.hasher)
    sessions = Sessions(stores.people, clock, security.secret)
    bells = Bells(dispatcher, live)
    return Desk(
        stores=stores,
        knowledge=DeskKnowledge(stores.knowledge, clock) if stores.knowledge else None,
        login=Login(stores.people, passwords, LoginThrottle(security.limits or MemoryStorage())),
        sessions=sessions,
        presence=Presence(stores.people, clock, security.marks or MemoryFirstMark(clock)),
        actions=DeskActions(stores.ownership, stores.notebook, bells, clock),
        snoozes=DeskSnoozes(stores.snoozes, bells, clock),
        tickets=DeskTickets(stores.tickets, bells, clock),
        people=DeskPeople(stores.people, passwords, sessions, clock),
        customers=DeskCustomers(stores.customers, stores.orders),
        dead_letters=DeskDeadLetters(stores.dead_letters, bells, clock),
        ways=DeskWays(stores, bells, clock),
        threads=DeskThreads(stores, bells, clock),
        writing=DeskWriting(stores.conversations, live, stores.typing),
        links=DeskLinks(stores.links, bells, clock),
        live=live,
        clock=clock,
        media=DeskMedia(stores.media, bells, clock) if stores.media else None,
    )
