"""The tables of what people send beside words: one row an attachment, and the bytes where a database keeps them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.models import Base
from storage.types import BigId, Moment


class MediaRow(Base):
    """An attachment of a message: where its channel gives it out, and what is kept of it.

    ``state`` is ``waiting`` (to be fetched at ``due_at``), ``stored`` (``content`` is the SHA-256 of its bytes),
    ``failed`` (could not be fetched) or ``refused`` (too large, or of a type that is not taken).
    """

    __tablename__ = "media"
    __table_args__ = (
        Index(
            "ix_media_waiting",
            "due_at",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_media_content", "content"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), index=True)
    channel: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(128))
    reference: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(200), default="")
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    content: Mapped[str | None] = mapped_column(String(64))
    mime: Mapped[str] = mapped_column(String(100), default="")
    size: Mapped[int] = mapped_column(BigId, default=0)
    tries: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    due_at: Mapped[datetime] = mapped_column(Moment)


class MediaPieceRow(Base):
    """A piece of the bytes of ``content``, in order, where the database keeps them; ``kept_at`` when they came last."""

    __tablename__ = "media_pieces"

    content: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
    kept_at: Mapped[datetime] = mapped_column(Moment)
