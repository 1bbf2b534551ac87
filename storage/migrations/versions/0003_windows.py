"""What platforms let us send, how far those that are pulled have been read, answers within a webhook's response."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the three tables."""
    op.create_table(
        "windows",
        sa.Column("identity_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(256), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identities.id"], name="fk_windows_identity_id"),
        sa.PrimaryKeyConstraint("identity_id", "kind", name="pk_windows"),
    )
    op.create_table(
        "cursors",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("account", sa.String(128), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("position", sa.String(512), nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("channel", "account", "name", name="pk_cursors"),
    )
    _add_exchanges()


def _add_exchanges() -> None:
    op.create_table(
        "exchanges",
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("account", sa.String(128), nullable=False),
        sa.Column("dedupe_key", sa.String(256), nullable=False),
        sa.Column("conversation_id", sa.String(32), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("open_until", _MOMENT, nullable=False),
        sa.Column("outbox_ids", _JSON, nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversations.id"], name="fk_exchanges_conversation_id"),
        sa.PrimaryKeyConstraint("channel", "account", "dedupe_key", name="pk_exchanges"),
    )
    op.create_index("ix_exchanges_conversation_id_open_until", "exchanges", ["conversation_id", "open_until"])


def downgrade() -> None:
    """Forget them."""
    op.drop_table("exchanges")
    op.drop_table("cursors")
    op.drop_table("windows")
