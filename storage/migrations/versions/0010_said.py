"""An index of what was said, for the search in transcripts.

Words cannot be told apart in Chinese, so it holds pieces of two or three characters. The database keeps it up by
itself: whatever appends, changes or blanks an event does so to the index in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_KINDS = "('customer_uttered', 'customer_edited', 'bot_uttered', 'agent_uttered', 'notice_sent', 'note_written')"
# Two spaces behind, so that every character of a text begins a piece of three.
_TEXT = "json_extract({row}.data, '$.text') || '  '"
_OLD, _NEW = _TEXT.format(row="old"), _TEXT.format(row="new")
# Nothing here comes from outside.
_ADD = f"INSERT INTO said_index (rowid, text) VALUES (new.seq, {_NEW})"  # noqa: S608
_TAKE = f"INSERT INTO said_index (said_index, rowid, text) VALUES ('delete', old.seq, {_OLD})"  # noqa: S608
_OTHER_WORDS = f"old.kind IN {_KINDS} AND {_OLD} IS NOT {_NEW}"
_ALL = f"SELECT seq, {_TEXT.format(row='events')} FROM events WHERE kind IN {_KINDS}"  # noqa: S608
_SQLITE = (
    "CREATE VIRTUAL TABLE said_index USING fts5(text, content='', columnsize=0, detail=none, tokenize='trigram')",
    "CREATE VIRTUAL TABLE said_pieces USING fts5vocab(said_index, row)",
    f"CREATE TRIGGER said_added AFTER INSERT ON events WHEN new.kind IN {_KINDS} BEGIN {_ADD}; END",
    f"CREATE TRIGGER said_erased AFTER DELETE ON events WHEN old.kind IN {_KINDS} BEGIN {_TAKE}; END",
    f"CREATE TRIGGER said_changed AFTER UPDATE OF data ON events WHEN {_OTHER_WORDS} BEGIN {_TAKE}; {_ADD}; END",
    f"INSERT INTO said_index (rowid, text) {_ALL}",
    # Else the first turns after it would merge what was written here.
    "INSERT INTO said_index (said_index) VALUES ('optimize')",
)
_POSTGRESQL = (
    """
    CREATE FUNCTION said_pairs(said text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(one || coalesce(next, '')), '{}')
        FROM (SELECT string_to_array(lower(said), NULL) AS letters) AS spelled,
            unnest(letters, letters[2:]) AS pairs (one, next)
    $$
    """,
    f"CREATE INDEX ix_events_said ON events USING gin (said_pairs(data ->> 'text')) WHERE kind IN {_KINDS}",
)


def upgrade() -> None:
    """Build the index from all that was said; an SQLite without the means for it goes on without."""
    if op.get_bind().dialect.name == "postgresql":
        _execute(_POSTGRESQL)
    elif op.get_bind().execute(sa.text("SELECT sqlite_compileoption_used('ENABLE_FTS5')")).scalar():
        _execute(_SQLITE)


def downgrade() -> None:
    """Drop the index."""
    if op.get_bind().dialect.name == "postgresql":
        _execute(("DROP INDEX ix_events_said", "DROP FUNCTION said_pairs"))
        return
    _execute(f"DROP TRIGGER IF EXISTS said_{what}" for what in ("added", "erased", "changed"))
    _execute(("DROP TABLE IF EXISTS said_pieces", "DROP TABLE IF EXISTS said_index"))


def _execute(statements: Iterable[str]) -> None:
    for statement in statements:
        op.execute(statement)
