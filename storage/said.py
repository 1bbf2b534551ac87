"""Which events hold given words, by the index of what was said; it is made and kept up by migration 0010.

The index holds pieces of texts, folded to small letters: three characters on SQLite (FTS5's trigrams), two on
PostgreSQL. It tells where all pieces of the words are; unless they are a single piece, the texts are looked at too.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Text,
    and_,
    column,
    func,
    literal_column,
    select,
    table,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from bot.domain import events as ev
from storage.tables import EVENTS

TEXT = EVENTS.c.data["text"].as_string()
"""The words of an event."""
_SAID = (ev.CustomerUttered, ev.CustomerEdited, ev.BotUttered, ev.AgentUttered, ev.NoticeSent, ev.NoteWritten)
# Spelled out, as the index is: what is filled in later fits no index that holds a part of the rows.
IS_SAID = EVENTS.c.kind.in_([literal_column(f"'{event.kind}'") for event in _SAID])
"""The condition for events that say something."""

_PAIR = 2
_TRIGRAM = 3
_LAST_CHARACTER = "\U0010ffff"
_PAIRS = literal_column("said_pairs(events.data ->> 'text')", ARRAY(Text))
_INDEX = table("said_index", column("rowid"), column("said_index", String))
_PIECES = table("said_pieces", column("term", String))
_INDEX_IS_THERE = text("SELECT 1 FROM sqlite_master WHERE name = 'said_index'")


def holds(on: Connection, words: str) -> ColumnElement[bool]:
    """Give the condition for events that say ``words`` (not empty), whatever the size of their letters."""
    there = TEXT.icontains(words, autoescape=True)
    if on.dialect.name == "postgresql":
        pieces = [func.lower(words[start : start + _PAIR]) for start in range(len(words) - 1)]
        indexed = _PAIRS.contains(array(pieces)) if pieces else true()
        return and_(IS_SAID, indexed, true() if len(words) == _PAIR else there)
    match = _match(on, words)
    if match is None:
        return and_(IS_SAID, there)
    found = EVENTS.c.seq.in_(select(_INDEX.c.rowid).where(_INDEX.c.said_index.op("MATCH")(match)))
    return found if len(words) <= _TRIGRAM else and_(found, there)


def _match(on: Connection, words: str) -> str | None:
    """Give what the index is asked for: all trigrams of the words, or any that begins with two characters.

    None where it cannot tell: a single character, a letter that is two when it is small, a database without the index.
    """
    folded = words.lower()
    if len(words) < _PAIR or len(folded) != len(words) or on.execute(_INDEX_IS_THERE).first() is None:
        return None
    if len(words) >= _TRIGRAM:
        return " AND ".join(_quoted(words[start : start + _TRIGRAM]) for start in range(len(words) - 2))
    begun = select(_PIECES.c.term).where(_PIECES.c.term >= folded, _PIECES.c.term < folded + _LAST_CHARACTER)
    return " OR ".join(_quoted(term) for term in on.execute(begun).scalars()) or _quoted(folded + _LAST_CHARACTER)


def _quoted(piece: Any) -> str:
    return '"' + str(piece).replace('"', '""') + '"'
