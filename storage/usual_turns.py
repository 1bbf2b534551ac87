"""The commit of a usual turn on PostgreSQL: one statement, so one round trip and no transaction around it.

Usual is a turn of the bot's own conversation that appends events, says something, and changes nothing else. The
statement does all of it or, when anything is not as the turn expects, nothing at all; then ``storage.turns`` goes
through the turn step by step and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, String, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from bot.domain import events as ev
from bot.domain.ids import ConversationId
from bot.domain.line_ports import TurnCommit, TurnOutbox
from storage import outbox
from storage.messages import encode_outbound
from storage.types import Moment

# ``held`` waits for whoever holds the row and looks again at what it has become; the rest of the statement sees the
# database as it was when it began. So a row whose version is no longer the one of the beginning was changed by
# somebody who may have put a message in the outbox: then nothing is shown yet, and the outbox is to be read.
_COMMIT = text("""
WITH held AS (
  SELECT c.id, c.epoch, c.xmin AS version, i.channel, i.account, i.channel_user_id
    FROM conversations c JOIN identities i ON i.id = c.identity_id
   WHERE c.id = :conversation AND c.epoch = :epoch AND c.owner = 'with_bot'
     FOR UPDATE OF c
), unread AS (
  SELECT inbox.id FROM inbox JOIN held ON held.id = inbox.conversation_id
   WHERE inbox.id = ANY(:inbox_ids) AND inbox.done_at IS NULL
     FOR UPDATE OF inbox
), going AS (
  SELECT held.*, held.channel = ANY(:shown) AS is_shown,
         held.version <> (SELECT xmin FROM conversations WHERE id = :conversation)
         OR EXISTS (SELECT FROM outbox WHERE conversation_id = :conversation AND done_at IS NULL) AS older
    FROM held
   WHERE (SELECT count(*) FROM unread) = cardinality(:inbox_ids)
), done AS (
  UPDATE inbox SET done_at = :at, message = inbox.message - 'network' FROM unread, going WHERE inbox.id = unread.id
), appended AS (
  INSERT INTO events (conversation_id, kind, at, data)
  SELECT going.id, event.value ->> 'kind', :at, event.value -> 'data'
    FROM going, jsonb_array_elements(:events) WITH ORDINALITY AS event (value, place)
   ORDER BY event.place
  RETURNING seq
), put AS (
  INSERT INTO outbox (conversation_id, event_seq, sender, epoch, message, state, tries, due_at, reason, platform_id,
                      created_at, done_at)
  SELECT going.id, numbered.seq, draft.value ->> 'sender', CAST(draft.value ->> 'epoch' AS integer),
         draft.value -> 'message',
         CASE WHEN is_shown AND NOT older THEN 'sent' ELSE 'pending' END,
         CASE WHEN is_shown AND NOT older THEN 1 ELSE 0 END, :at, '', '', :at,
         CASE WHEN is_shown AND NOT older THEN :at END
    FROM going, jsonb_array_elements(:drafts) WITH ORDINALITY AS draft (value, place)
    JOIN (SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM appended) AS numbered
      ON numbered.place = draft.place + :unsaid
   ORDER BY draft.place
  RETURNING id
), saved AS (
  UPDATE conversations
     SET tracker = :tracker, tracker_seq = (SELECT max(seq) FROM appended), last_text = :last_text,
         last_sender = :last_sender, locale = coalesce(nullif(:locale, ''), locale), updated_at = :at
    FROM going
   WHERE conversations.id = going.id
)
SELECT channel, account, channel_user_id, older, is_shown, (SELECT array_agg(id ORDER BY id) FROM put) FROM going
""").bindparams(
    bindparam("conversation", type_=String()),
    bindparam("epoch", type_=Integer()),
    bindparam("inbox_ids", type_=ARRAY(BigInteger())),
    bindparam("shown", type_=ARRAY(String())),
    bindparam("at", type_=Moment()),
    bindparam("events", type_=JSONB()),
    bindparam("drafts", type_=JSONB()),
    bindparam("unsaid", type_=Integer()),
    bindparam("tracker", type_=JSONB()),
    bindparam("last_text", type_=String()),
    bindparam("last_sender", type_=String()),
    bindparam("locale", type_=String()),
)


def commit(
    connection: Connection, turn: TurnCommit, last_word: Mapping[str, str], shown: Collection[str]
) -> TurnOutbox | None:
    """Commit a usual turn; None when something is not as it expects, and then nothing was written."""
    row = connection.execute(_COMMIT, _values(turn, last_word, shown)).first()
    if row is None:
        return None
    channel, account, channel_user_id, older, is_shown, ids = row
    place = outbox.Place(
        conversation_id=ConversationId(turn.conversation_id),
        address=(channel, account, channel_user_id),
        epoch=turn.expected_epoch,
        is_first=not older,
        is_shown=is_shown,
    )
    return outbox.told(place, turn.outbox, ids or (), turn.at)


def _values(turn: TurnCommit, last_word: Mapping[str, str], shown: Collection[str]) -> dict[str, Any]:
    said = [draft.event for draft in turn.outbox]
    return {
        "conversation": turn.conversation_id,
        "epoch": turn.expected_epoch,
        "inbox_ids": list(turn.inbox_ids),
        "shown": list(shown),
        "at": turn.at,
        "events": _encoded([*turn.events, *said]),
        "drafts": [
            {
                "sender": draft.sender,
                "epoch": turn.expected_epoch if draft.sender == outbox.BOT else None,
                "message": encode_outbound(draft.message),
            }
            for draft in turn.outbox
        ],
        "unsaid": len(turn.events),
        "tracker": turn.tracker.fold(said).snapshot(),
        "last_text": last_word["last_text"],
        "last_sender": last_word["last_sender"],
        "locale": turn.locale,
    }


def _encoded(events: Sequence[ev.Event]) -> list[dict[str, Any]]:
    return [{"kind": event.kind, "data": ev.encode(event)} for event in events]
