"""Facts and links of identities, and what platforms say of a message after they took it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_UNSETTLED = sa.text("settled_at IS NULL")


def upgrade() -> None:
    """Add the columns and tables; orders proved so far become facts of the identity that proved them."""
    op.add_column("customers", sa.Column("linked", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("identities", sa.Column("home_customer_id", sa.String(32)))
    _add_facts()
    _add_links()
    _add_receipts()
    # Before this schema a customer had one identity.
    op.execute(
        "INSERT INTO facts (identity_id, kind, value, detail, verified_at, settled_at) "
        "SELECT identities.id, 'order', proved_orders.order_number, '{}', proved_orders.proved_at, "
        "proved_orders.proved_at FROM proved_orders JOIN identities ON identities.customer_id = "
        "proved_orders.customer_id"
    )


def _add_facts() -> None:
    op.create_table(
        "facts",
        sa.Column("id", _BIG_ID, nullable=False),
        sa.Column("identity_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("value", sa.String(256), nullable=False),
        sa.Column("detail", _JSON, nullable=False),
        sa.Column("verified_at", _MOMENT, nullable=False),
        sa.Column("settled_at", _MOMENT),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_facts_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_facts"),
        sa.UniqueConstraint("identity_id", "kind", "value", name="uq_facts_identity_id_kind_value"),
    )
    op.create_index("ix_facts_kind_value", "facts", ["kind", "value"])
    op.create_index("ix_facts_unsettled", "facts", ["id"], sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED)


def _add_links() -> None:
    op.create_table(
        "links",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("identity_id", sa.String(32), nullable=False),
        sa.Column("other_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("evidence", _JSON, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.String(32), nullable=False),
        sa.Column("made_by_name", sa.String(100), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("undone_by", sa.String(32), nullable=False),
        sa.Column("undone_by_name", sa.String(100), nullable=False),
        sa.Column("undone_reason", sa.Text(), nullable=False),
        sa.Column("undone_at", _MOMENT),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_links_identity_id"),
        sa.ForeignKeyConstraint(["other_id"], ["identities.id"], name="fk_links_other_id"),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
    )
    op.create_index("ix_links_identity_id", "links", ["identity_id"])
    op.create_index("ix_links_other_id", "links", ["other_id"])


def _add_receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("account", sa.String(128), nullable=False),
        sa.Column("platform_id", sa.String(200), nullable=False),
        sa.Column("delivered_at", _MOMENT),
        sa.Column("read_at", _MOMENT),
        sa.Column("failed_at", _MOMENT),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.PrimaryKeyConstraint("channel", "account", "platform_id", name="pk_receipts"),
    )
    op.create_table(
        "receipt_marks",
        sa.Column("identity_id", sa.String(32), nullable=False),
        sa.Column("delivered_up_to", _MOMENT),
        sa.Column("read_up_to", _MOMENT),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_receipt_marks_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", name="pk_receipt_marks"),
    )


def downgrade() -> None:
    """Bring every identity and what was said there back to the customer it came with, then forget the rest."""
    op.execute("UPDATE identities SET customer_id = home_customer_id WHERE home_customer_id IS NOT NULL")
    op.execute(
        "UPDATE conversations SET customer_id = (SELECT identities.customer_id FROM identities "
        "WHERE identities.id = conversations.identity_id) "
        "WHERE identity_id IN (SELECT id FROM identities WHERE home_customer_id IS NOT NULL)"
    )
    op.execute(
        "UPDATE tickets SET customer_id = (SELECT conversations.customer_id FROM conversations "
        "WHERE conversations.id = tickets.conversation_id) WHERE conversation_id IN (SELECT conversations.id "
        "FROM conversations JOIN identities ON identities.id = conversations.identity_id "
        "WHERE identities.home_customer_id IS NOT NULL)"
    )
    op.execute(
        "INSERT INTO proved_orders (customer_id, order_number, proved_at) SELECT identities.customer_id, facts.value, "
        "facts.verified_at FROM facts JOIN identities ON identities.id = facts.identity_id WHERE facts.kind = 'order' "
        "AND NOT EXISTS (SELECT 1 FROM proved_orders WHERE proved_orders.customer_id = identities.customer_id "
        "AND proved_orders.order_number = facts.value)"
    )
    for name in ("receipt_marks", "receipts", "links", "facts"):
        op.drop_table(name)
    op.drop_column("identities", "home_customer_id")
    op.drop_column("customers", "linked")
