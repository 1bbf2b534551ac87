"""What a platform calls each part of a message that it took in several."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the table; of messages sent before only the last part's id is known."""
    op.create_table(
        "outbox_parts",
        sa.Column("outbox_id", _BIG, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("platform_id", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name="fk_outbox_parts_outbox_id"),
        sa.PrimaryKeyConstraint("outbox_id", "number", name="pk_outbox_parts"),
    )
    op.create_index("ix_outbox_parts_platform_id", "outbox_parts", ["platform_id"])


def downgrade() -> None:
    """Forget them; each message keeps the id of its last part."""
    op.drop_table("outbox_parts")
