"""The tables of due dates: who was asked how it was, and how far the looks have come."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.models import Base
from storage.types import BigId, Moment


class SurveyRow(Base):
    """A shopper was asked how it was, or not: once for each end (``ended_at``) of a conversation.

    ``asked_in`` is the conversation that holds the question and its answer; ``served_by`` is ``agent`` or ``bot``;
    ``outcome`` is ``asked`` or ``no_room`` (the platform's window did not let it).
    """

    __tablename__ = "surveys"
    __table_args__ = (
        UniqueConstraint("conversation_id", "ended_at"),
        Index("ix_surveys_customer_id_at", "customer_id", "at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"))
    ended_at: Mapped[datetime] = mapped_column(Moment)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    asked_in: Mapped[str | None] = mapped_column(ForeignKey("conversations.id"), index=True)
    served_by: Mapped[str] = mapped_column(String(8))
    outcome: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(Moment)


class LookRow(Base):
    """How far a look for due dates has come: everything up to ``until`` has been decided."""

    __tablename__ = "looks"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    until: Mapped[datetime] = mapped_column(Moment)
