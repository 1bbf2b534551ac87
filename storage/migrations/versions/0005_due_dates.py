"""Due dates: promises that were passed, windows about to close, snoozes and surveys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SNOOZED = sa.text("snoozed_seq IS NOT NULL")


def upgrade() -> None:
    """Add the columns and the two tables."""
    op.add_column("conversations", sa.Column("overdue_at", _MOMENT))
    op.add_column("conversations", sa.Column("closing_at", _MOMENT))
    op.add_column("conversations", sa.Column("snoozed_until", _MOMENT))
    op.add_column("conversations", sa.Column("snoozed_seq", _BIG_ID))
    op.create_index(
        "ix_conversations_snoozed",
        "conversations",
        ["snoozed_until"],
        sqlite_where=_SNOOZED,
        postgresql_where=_SNOOZED,
    )
    op.add_column("tickets", sa.Column("overdue_at", _MOMENT))
    op.create_table(
        "looks",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_looks"),
    )
    _add_surveys()


def _add_surveys() -> None:
    op.create_table(
        "surveys",
        sa.Column("id", _BIG_ID, autoincrement=True, nullable=False),
        sa.Column("conversation_id", sa.String(32), nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=False),
        sa.Column("customer_id", sa.String(32), nullable=False),
        sa.Column("asked_in", sa.String(32), nullable=True),
        sa.Column("served_by", sa.String(8), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_surveys_conversation_id"),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name="fk_surveys_customer_id"),
        sa.ForeignKeyConstraint(["asked_in"], ["conversations.id"], name="fk_surveys_asked_in"),
        sa.PrimaryKeyConstraint("id", name="pk_surveys"),
        sa.UniqueConstraint("conversation_id", "ended_at", name="uq_surveys_conversation_id_ended_at"),
    )
    op.create_index("ix_surveys_customer_id_at", "surveys", ["customer_id", "at"])
    op.create_index("ix_surveys_asked_in", "surveys", ["asked_in"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("surveys")
    op.drop_table("looks")
    op.drop_column("tickets", "overdue_at")
    op.drop_index("ix_conversations_snoozed", "conversations")
    for name in ("snoozed_seq", "snoozed_until", "closing_at", "overdue_at"):
        op.drop_column("conversations", name)
