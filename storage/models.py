"""The tables. One meaning a column; times aware UTC; ids as ``bot.domain.ids``.

The hot path uses these classes through Core statements (``insert(InboxRow)``), never through a unit of work of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, MetaData, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.types import BigId, Json, Moment

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The declarative base; constraints are named so that migrations can find them."""

    metadata = MetaData(naming_convention=_NAMES)


class CustomerRow(Base):
    """A person, one across channels; ``linked`` once any link was ever made, also when it was undone."""

    __tablename__ = "customers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    display_name: Mapped[str] = mapped_column(String(200), default="")
    messages_allowed: Mapped[bool] = mapped_column(default=True)
    linked: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[datetime] = mapped_column(Moment)


class IdentityRow(Base):
    """(channel, account, channel user id) -> customer.

    ``home_customer_id`` is the customer it came with, once a link has moved it; None while it was never moved.
    """

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("channel", "account", "channel_user_id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    channel: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(128))
    channel_user_id: Mapped[str] = mapped_column(String(256))
    display_name: Mapped[str] = mapped_column(String(200), default="")
    home_customer_id: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime] = mapped_column(Moment)


class FactRow(Base):
    """Something an identity has shown to be true of its person; ``settled_at`` once others with it were looked for."""

    __tablename__ = "facts"
    __table_args__ = (
        UniqueConstraint("identity_id", "kind", "value"),
        Index("ix_facts_kind_value", "kind", "value"),
        Index(
            "ix_facts_unsettled",
            "id",
            sqlite_where=text("settled_at IS NULL"),
            postgresql_where=text("settled_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    identity_id: Mapped[str] = mapped_column(ForeignKey("identities.id"))
    kind: Mapped[str] = mapped_column(String(24))
    value: Mapped[str] = mapped_column(String(256))
    detail: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    verified_at: Mapped[datetime] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)


class LinkRow(Base):
    """Two identities of one person, with the evidence; it counts until ``undone_at``. Never deleted."""

    __tablename__ = "links"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    identity_id: Mapped[str] = mapped_column(ForeignKey("identities.id"), index=True)
    other_id: Mapped[str] = mapped_column(ForeignKey("identities.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    evidence: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")
    made_by: Mapped[str] = mapped_column(String(32), default="")
    made_by_name: Mapped[str] = mapped_column(String(100), default="")
    made_at: Mapped[datetime] = mapped_column(Moment)
    undone_by: Mapped[str] = mapped_column(String(32), default="")
    undone_by_name: Mapped[str] = mapped_column(String(100), default="")
    undone_reason: Mapped[str] = mapped_column(Text, default="")
    undone_at: Mapped[datetime | None] = mapped_column(Moment)


class ReceiptRow(Base):
    """What a platform said of one message after it took it; each time is the first that was told."""

    __tablename__ = "receipts"

    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(128), primary_key=True)
    platform_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)
    read_at: Mapped[datetime | None] = mapped_column(Moment)
    failed_at: Mapped[datetime | None] = mapped_column(Moment)
    reason: Mapped[str] = mapped_column(String(200), default="")


class ReceiptMarkRow(Base):
    """Until when everything sent to an identity was delivered, and read; they only grow."""

    __tablename__ = "receipt_marks"

    identity_id: Mapped[str] = mapped_column(ForeignKey("identities.id"), primary_key=True)
    delivered_up_to: Mapped[datetime | None] = mapped_column(Moment)
    read_up_to: Mapped[datetime | None] = mapped_column(Moment)


class ConversationRow(Base):
    """A thread; ``tracker`` is the snapshot folded up to and with event ``tracker_seq``.

    ``overdue_at``: when it was raised because its promised time had passed; ``closing_at``: because its window was
    about to close. ``snoozed_seq`` is the event that put it aside, until ``snoozed_until`` (None: until the shopper
    writes) or until the shopper writes.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        Index("ix_conversations_owner_updated_at", "owner", "updated_at"),
        Index(
            "uq_conversations_open_identity",
            "identity_id",
            unique=True,
            sqlite_where=text("owner != 'resolved'"),
            postgresql_where=text("owner != 'resolved'"),
        ),
        Index(
            "ix_conversations_snoozed",
            "snoozed_until",
            sqlite_where=text("snoozed_seq IS NOT NULL"),
            postgresql_where=text("snoozed_seq IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    identity_id: Mapped[str] = mapped_column(ForeignKey("identities.id"), index=True)
    owner: Mapped[str] = mapped_column(String(24))
    epoch: Mapped[int] = mapped_column(default=0)
    agent_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id"), index=True)
    locale: Mapped[str] = mapped_column(String(16), default="")
    tracker: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    tracker_seq: Mapped[int] = mapped_column(BigId, default=0)
    handoff_reason: Mapped[str] = mapped_column(String(32), default="")
    handoff_summary: Mapped[str] = mapped_column(Text, default="")
    handoff_priority: Mapped[str] = mapped_column(String(16), default="")
    waiting_since: Mapped[datetime | None] = mapped_column(Moment)
    last_text: Mapped[str] = mapped_column(String(200), default="")
    last_sender: Mapped[str] = mapped_column(String(16), default="")
    opened_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    resolved_at: Mapped[datetime | None] = mapped_column(Moment)
    overdue_at: Mapped[datetime | None] = mapped_column(Moment)
    closing_at: Mapped[datetime | None] = mapped_column(Moment)
    snoozed_until: Mapped[datetime | None] = mapped_column(Moment)
    snoozed_seq: Mapped[int | None] = mapped_column(BigId)


class EventRow(Base):
    """An appended fact; ``seq`` grows, ``data`` is as ``events.encode`` shapes it."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_conversation_id_seq", "conversation_id", "seq"),
        Index("ix_events_kind_at", "kind", "at"),
    )

    seq: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    kind: Mapped[str] = mapped_column(String(32))
    at: Mapped[datetime] = mapped_column(Moment)
    data: Mapped[dict[str, Any]] = mapped_column(Json)


class InboxRow(Base):
    """A message taken in as JSON of InboundMessage; ``done_at`` is set by the turn that handled it."""

    __tablename__ = "inbox"
    __table_args__ = (
        UniqueConstraint("channel", "account", "dedupe_key"),
        Index(
            "ix_inbox_pending",
            "conversation_id",
            "id",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    channel: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(128))
    dedupe_key: Mapped[str] = mapped_column(String(256))
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    message: Mapped[dict[str, Any]] = mapped_column(Json)
    received_at: Mapped[datetime] = mapped_column(Moment)
    done_at: Mapped[datetime | None] = mapped_column(Moment)


class OutboxRow(Base):
    """A message to deliver; ``epoch`` is None unless the bot sent it.

    ``state`` is ``pending``, ``sending`` (handed to a platform that would show a repeat twice), ``sent``, ``refused``
    (``refusal`` says which kind), ``unclear`` (it may or may not have arrived) or ``dropped`` (the owner changed before
    it went out, or a person let it go) or ``held`` (an agent's words that wait for the shopper to write). The first two
    are open: their ``done_at`` is None.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_pending",
            "conversation_id",
            "id",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
        Index(
            "ix_outbox_undelivered",
            "id",
            sqlite_where=text("state IN ('refused', 'unclear')"),
            postgresql_where=text("state IN ('refused', 'unclear')"),
        ),
        UniqueConstraint("conversation_id", "client_key"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    event_seq: Mapped[int] = mapped_column(ForeignKey("events.seq"), index=True)
    sender: Mapped[str] = mapped_column(String(16))
    epoch: Mapped[int | None] = mapped_column()
    client_key: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    tries: Mapped[int] = mapped_column(default=0)
    parts_taken: Mapped[int] = mapped_column(server_default=text("0"))
    due_at: Mapped[datetime] = mapped_column(Moment)
    reason: Mapped[str] = mapped_column(String(200), default="")
    refusal: Mapped[str | None] = mapped_column(String(16))
    platform_id: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    done_at: Mapped[datetime | None] = mapped_column(Moment)


class WindowRow(Base):
    """An action of a customer that lets us send: when it was last done, and how much of it is used."""

    __tablename__ = "windows"

    identity_id: Mapped[str] = mapped_column(ForeignKey("identities.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    opened_at: Mapped[datetime] = mapped_column(Moment)
    used: Mapped[int] = mapped_column(default=0)
    token: Mapped[str] = mapped_column(String(256), default="")


class CursorRow(Base):
    """How far a platform that is pulled has been read; written with the messages it stands behind."""

    __tablename__ = "cursors"

    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(128), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    position: Mapped[str] = mapped_column(String(512))
    updated_at: Mapped[datetime] = mapped_column(Moment)


class ExchangeRow(Base):
    """A webhook call that may be answered in its own response; ``outbox_ids`` and ``answer`` once that is decided.

    While it is open (``open_until``) nothing is sent to the conversation by itself. Of a message whose number stands
    there as a negative one the answer is the beginning, and the row holds the rest.
    """

    __tablename__ = "exchanges"
    __table_args__ = (Index("ix_exchanges_conversation_id_open_until", "conversation_id", "open_until"),)

    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    account: Mapped[str] = mapped_column(String(128), primary_key=True)
    dedupe_key: Mapped[str] = mapped_column(String(256), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    calls: Mapped[int] = mapped_column(default=1)
    open_until: Mapped[datetime] = mapped_column(Moment)
    outbox_ids: Mapped[list[int]] = mapped_column(Json, default=list)
    answer: Mapped[str] = mapped_column(Text, default="")


class AgentRow(Base):
    """A human with a role."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    login: Mapped[str] = mapped_column(String(64), unique=True)
    display_name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(16))
    password_hash: Mapped[str] = mapped_column(String(256))
    active: Mapped[bool] = mapped_column(default=True)
    locale: Mapped[str] = mapped_column(String(16), default="zh")
    timezone: Mapped[str] = mapped_column(String(64), default="Asia/Shanghai")
    sessions_valid_after: Mapped[datetime] = mapped_column(Moment)
    last_seen_at: Mapped[datetime | None] = mapped_column(Moment)
    created_at: Mapped[datetime] = mapped_column(Moment)


class AssignmentRow(Base):
    """An agent held a conversation from..to (``ended_at`` None: holds it now)."""

    __tablename__ = "assignments"
    __table_args__ = (Index("ix_assignments_conversation_id", "conversation_id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class TicketRow(Base):
    """A complaint or request with its own life; ``overdue_at``: when it was raised because ``due_at`` had passed."""

    __tablename__ = "tickets"
    __table_args__ = (Index("ix_tickets_state_due_at", "state", "due_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    number: Mapped[str] = mapped_column(String(16), unique=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), index=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    state: Mapped[str] = mapped_column(String(24))
    priority: Mapped[str] = mapped_column(String(16))
    category: Mapped[str] = mapped_column(String(32), default="")
    order_number: Mapped[str] = mapped_column(String(64), default="")
    summary: Mapped[str] = mapped_column(Text, default="")
    details: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    photos: Mapped[list[str]] = mapped_column(Json, default=list)
    owner_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)
    overdue_at: Mapped[datetime | None] = mapped_column(Moment)


class TicketNoteRow(Base):
    """What happened to a ticket: a private note, or a change of state or owner (``change`` as JSON)."""

    __tablename__ = "ticket_notes"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), index=True)
    author_id: Mapped[str | None] = mapped_column(ForeignKey("agents.id"))
    author_name: Mapped[str] = mapped_column(String(100), default="")
    text: Mapped[str] = mapped_column(Text, default="")
    change: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    at: Mapped[datetime] = mapped_column(Moment)


class KnowledgeRow(Base):
    """A knowledge entry added by the merchant (``merchant/<name>``) beside those in ``intents/faq``.

    ``state`` is ``on``, ``off`` or ``gone`` (its texts are empty then); ``revision`` grows with every change of any
    entry, so that running processes read only what is new to them.
    """

    __tablename__ = "knowledge"
    __table_args__ = (Index("ix_knowledge_revision", "revision"),)

    topic: Mapped[str] = mapped_column(String(100), primary_key=True)
    titles: Mapped[dict[str, str]] = mapped_column(Json)
    questions: Mapped[dict[str, list[str]]] = mapped_column(Json)
    answers: Mapped[dict[str, str]] = mapped_column(Json)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[str] = mapped_column(String(8), server_default="on")
    revision: Mapped[int] = mapped_column(BigId, server_default=text("0"))
