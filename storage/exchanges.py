"""Exchanges: what of the outbox goes out in the response of a webhook.

The order of the commits is what makes a kill harmless. The rows are taken (``sending``) together with the answer's
text before a byte is written, and marked sent after. Killed in between, the rows are in doubt like any interrupted
sending; if the platform then calls again for the same message it has not had the answer, and gets the same text. An
answer that is known to have reached nobody is taken back: its rows wait as before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, select, update

from bot.domain.exchange_ports import Compose, Composed, ExchangeKey, Look, Rejoin
from bot.domain.ids import ConversationId
from storage import outbox
from storage.database import Database
from storage.messages import decode_outbound, encode_outbound
from storage.tables import CONVERSATIONS, EXCHANGES, INBOX, OUTBOX, Upsert

_KEPT = timedelta(hours=1)
_MOST_ROWS = 20

_KEY = (
    EXCHANGES.c.channel == bindparam("of_channel"),
    EXCHANGES.c.account == bindparam("of_account"),
    EXCHANGES.c.dedupe_key == bindparam("of_key"),
)
_BEGIN = Upsert(
    lambda into: (
        (adding := into(EXCHANGES))
        .on_conflict_do_update(
            index_elements=["channel", "account", "dedupe_key"],
            set_={"calls": EXCHANGES.c.calls + 1, "open_until": adding.excluded.open_until},
        )
        .returning(EXCHANGES.c.calls)
    )
)
_THIS = CONVERSATIONS.alias("this")
# Also conversations that are over by now: what could not be sent there goes with the next word.
_OF_CUSTOMER = (
    select(CONVERSATIONS.c.id)
    .join(_THIS, _THIS.c.identity_id == CONVERSATIONS.c.identity_id)
    .where(_THIS.c.id == bindparam("conversation"))
)
_FORGET = delete(EXCHANGES).where(
    EXCHANGES.c.conversation_id.in_(_OF_CUSTOMER), EXCHANGES.c.open_until < bindparam("before")
)
_FIND = select(EXCHANGES.c.calls, EXCHANGES.c.outbox_ids, EXCHANGES.c.answer).where(*_KEY).with_for_update()
_DECIDE = (
    update(EXCHANGES).where(*_KEY).values(outbox_ids=bindparam("ids", type_=EXCHANGES.c.outbox_ids.type),
                                          answer=bindparam("text"))
)  # fmt: skip
_END = update(EXCHANGES).where(*_KEY).values(open_until=bindparam("at"))
_MESSAGE = select(INBOX.c.conversation_id, INBOX.c.done_at).where(
    INBOX.c.channel == bindparam("of_channel"),
    INBOX.c.account == bindparam("of_account"),
    INBOX.c.dedupe_key == bindparam("of_key"),
)
_UNANSWERED = select(INBOX.c.dedupe_key).where(
    INBOX.c.channel == bindparam("of_channel"),
    INBOX.c.account == bindparam("of_account"),
    INBOX.c.dedupe_key.in_(bindparam("of_keys", expanding=True)),
    INBOX.c.done_at.is_(None),
)
_WAITING = (
    select(OUTBOX.c.id, OUTBOX.c.state, OUTBOX.c.message)
    .where(OUTBOX.c.conversation_id.in_(_OF_CUSTOMER), OUTBOX.c.done_at.is_(None), outbox.FRESH)
    .order_by(OUTBOX.c.id)
    .limit(_MOST_ROWS)
)
_TAKE = (
    update(OUTBOX).where(OUTBOX.c.id == bindparam("item"), OUTBOX.c.state == "pending").values(state="sending")
)  # fmt: skip
_GIVE_BACK = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("item"), OUTBOX.c.state == "sending", OUTBOX.c.done_at.is_(None))
    .values(state="pending")
)
_REST = select(OUTBOX.c.message).where(
    OUTBOX.c.id == bindparam("item"), OUTBOX.c.state == "pending", OUTBOX.c.done_at.is_(None)
)
_SHORTEN = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("item"))
    .values(message=bindparam("rest", type_=OUTBOX.c.message.type))
)


class SqlExchanges:
    """The exchanges on record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, key: ExchangeKey, conversation_id: ConversationId, at: datetime, until: datetime) -> int:
        """Open the exchange, or join it, until ``until``; return the number of this call, from 1."""
        row = {
            "channel": key.channel,
            "account": key.account,
            "dedupe_key": key.dedupe_key,
            "conversation_id": conversation_id,
            "calls": 1,
            "open_until": until,
            "outbox_ids": [],
            "answer": "",
        }

        def unit(connection: Connection) -> int:
            connection.execute(_FORGET, {"conversation": conversation_id, "before": at - _KEPT})
            return int(connection.execute(_BEGIN.on(connection), row).scalar_one())

        return await self._database.run(unit)

    async def look(self, key: ExchangeKey, call: int, compose: Compose, *, hurry: bool = False) -> Look:
        """Decide the answer once the turn is done (in a ``hurry``: of what there is), the same for every later call."""
        read = await self._database.glance(lambda connection: _standing(connection, key, call, hurry=hurry))
        if read is not None:
            return read
        return await self._database.run(lambda connection: _decide(connection, key, call, compose))

    async def unanswered(self, keys: Collection[ExchangeKey]) -> frozenset[ExchangeKey]:
        """Tell which of these messages, all of one account, no turn has taken yet."""
        account = next(((key.channel, key.account) for key in keys), None)
        if account is None:
            return frozenset()
        channel, name = account
        values = {"of_channel": channel, "of_account": name, "of_keys": [key.dedupe_key for key in keys]}
        found = await self._database.read(lambda connection: connection.execute(_UNANSWERED, values).scalars().all())
        return frozenset(ExchangeKey(*account, key) for key in found)

    async def written(self, key: ExchangeKey, at: datetime) -> None:
        """Record that the answer was written to the response: its messages are sent, the exchange is over."""

        def unit(connection: Connection) -> None:
            found = connection.execute(_FIND, _values(key)).mappings().first()
            for item in found["outbox_ids"] if found is not None else ():
                connection.execute(outbox.SENT, {"item": item, "at": at, "platform": f"passive:{key.dedupe_key}"[:200]})
            connection.execute(_END, _values(key) | {"at": at})

        await self._database.run(unit)

    async def take_back(self, key: ExchangeKey, call: int, rejoin: Rejoin) -> bool:
        """Undo the decision of an answer that nobody heard; False when a later call has the exchange."""
        return await self._database.run(lambda connection: _take_back(connection, key, call, rejoin))

    async def end(self, key: ExchangeKey, at: datetime) -> None:
        """End the exchange; what waits may be sent by other ways."""
        await self._database.run(lambda connection: connection.execute(_END, _values(key) | {"at": at}) and None)


def _standing(connection: Connection, key: ExchangeKey, call: int, *, hurry: bool) -> Look | None:
    """Tell how the exchange stands when nothing is to be decided now; None when there is."""
    found = connection.execute(_FIND_ONLY, _values(key)).mappings().first()
    if found is None or found["calls"] != call:
        return Look(superseded=found is not None)
    if found["answer"]:
        return Look(found["answer"])
    message = connection.execute(_MESSAGE, _values(key)).mappings().first()
    if message is None:
        return Look()
    if message["done_at"] is None and not hurry:
        return Look(waiting=True)
    rows = connection.execute(_WAITING, {"conversation": message["conversation_id"]}).mappings().all()
    return None if rows and rows[0]["state"] == "pending" else Look()


def _decide(connection: Connection, key: ExchangeKey, call: int, compose: Compose) -> Look:
    found = connection.execute(_FIND, _values(key)).mappings().first()
    if found is None or found["calls"] != call:
        return Look(superseded=found is not None)
    if found["answer"]:
        return Look(found["answer"])
    message = connection.execute(_MESSAGE, _values(key)).mappings().one()
    rows = connection.execute(_WAITING, {"conversation": message["conversation_id"]}).mappings().all()
    # What is being sent by other ways already goes before the rest, and the rest must not overtake it.
    rows = list(takewhile(lambda row: row["state"] == "pending", rows))
    if not rows:
        return Look()
    composed = compose([decode_outbound(row["message"]) for row in rows])
    if composed is None:
        return Look()
    return _take(connection, key, rows, composed)


def _take(connection: Connection, key: ExchangeKey, rows: Sequence[RowMapping], composed: Composed) -> Look:
    taken: list[int] = []
    for row in rows[: composed.taken]:
        if not connection.execute(_TAKE, {"item": row["id"]}).rowcount:
            break
        taken.append(row["id"])
    if len(taken) < composed.taken:
        # Somebody sends one of them at this moment; those taken go back and follow it.
        connection.execute(update(OUTBOX).where(OUTBOX.c.id.in_(taken)).values(state="pending"))
        return Look()
    if composed.rest is not None:
        begun = rows[composed.taken]["id"]
        connection.execute(_SHORTEN, {"item": begun, "rest": encode_outbound(composed.rest)})
        taken.append(-begun)
    connection.execute(_DECIDE, _values(key) | {"ids": taken, "text": composed.text})
    return Look(composed.text)


def _take_back(connection: Connection, key: ExchangeKey, call: int, rejoin: Rejoin) -> bool:
    found = connection.execute(_FIND, _values(key)).mappings().first()
    if found is None or found["calls"] != call or not found["answer"]:
        return False
    for item in found["outbox_ids"]:
        connection.execute(_GIVE_BACK, {"item": item})
        rest = connection.execute(_REST, {"item": -item}).scalar() if item < 0 else None
        if rest is not None:
            whole = rejoin(found["answer"], decode_outbound(rest))
            connection.execute(_SHORTEN, {"item": -item, "rest": encode_outbound(whole)})
    connection.execute(_DECIDE, _values(key) | {"ids": [], "text": ""})
    return True


def _values(key: ExchangeKey) -> dict[str, Any]:
    return {"of_channel": key.channel, "of_account": key.account, "of_key": key.dedupe_key}


_FIND_ONLY = select(EXCHANGES.c.calls, EXCHANGES.c.answer).where(*_KEY)
