"""What identities have shown to be true of their person: orders proved, logins the merchant's site vouched for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from bot.domain.ids import CustomerId, IdentityId
from bot.domain.links import Evidence, Fact, vouched_account
from bot.domain.messages import Sender
from bot.domain.tracker import Tracker
from storage.database import Database
from storage.inbox import ensure_identity
from storage.tables import CONVERSATIONS, FACTS, IDENTITIES, ORDERS, Upsert
from storage.types import clean_text

_VALUE_CHARS = 64
_KEPT_ORDERS = 5

_ADD = Upsert(lambda into: into(FACTS).on_conflict_do_nothing(index_elements=["identity_id", "kind", "value"]))
_IDENTITY_OF = select(CONVERSATIONS.c.identity_id).where(CONVERSATIONS.c.id == bindparam("conversation"))
_PHONES = select(ORDERS.c.number, ORDERS.c.phone_last4).where(ORDERS.c.number.in_(bindparam("numbers", expanding=True)))
_PROVED = (
    select(FACTS.c.value)
    .join(IDENTITIES, IDENTITIES.c.id == FACTS.c.identity_id)
    .where(IDENTITIES.c.customer_id == bindparam("customer"), FACTS.c.kind == Evidence.ORDER.value)
    .group_by(FACTS.c.value)
    .order_by(func.max(FACTS.c.verified_at).desc(), FACTS.c.value)
    .limit(_KEPT_ORDERS)
)

_SIGNED_IN = (
    select(FACTS.c.identity_id)
    .join(IDENTITIES, IDENTITIES.c.id == FACTS.c.identity_id)
    .where(
        IDENTITIES.c.channel == bindparam("channel"),
        IDENTITIES.c.account == bindparam("account"),
        IDENTITIES.c.channel_user_id == bindparam("visitor"),
        FACTS.c.kind == Evidence.MERCHANT_LOGIN.value,
    )
    .limit(1)
)


def record_orders(connection: Connection, conversation_id: str, numbers: Sequence[str], at: datetime) -> None:
    """Keep orders that a conversation's identity has proved, each with the digits it was proved with."""
    if not numbers:
        return
    kept = [clean_text(number, _VALUE_CHARS) for number in numbers]
    identity = connection.execute(_IDENTITY_OF, {"conversation": conversation_id}).scalar_one()
    phones: dict[str, str] = {row[0]: row[1] for row in connection.execute(_PHONES, {"numbers": kept})}
    for number in kept:
        detail = {"phone_last4": phones.get(number, ""), "conversation": conversation_id}
        _add(connection, identity, (Evidence.ORDER, number), detail, at)


def with_proved(connection: Connection, customer_id: str, tracker: Tracker) -> Tracker:
    """Let a conversation know the orders its customer has proved on any channel, and no other."""
    newest_first = connection.execute(_PROVED, {"customer": customer_id}).scalars().all()
    return replace(tracker, proved_orders=tuple(reversed(newest_first)))


def of_identities(connection: Connection, identity_ids: Iterable[str]) -> tuple[Fact, ...]:
    """List the facts of identities, newest first."""
    found = connection.execute(
        select(FACTS).where(FACTS.c.identity_id.in_(list(identity_ids))).order_by(FACTS.c.verified_at.desc())
    )
    return tuple(fact_of(row) for row in found)


def fact_of(row: Any) -> Fact:
    """Make the Fact of a row."""
    digits = str(row.detail.get("phone_last4", ""))
    return Fact(IdentityId(row.identity_id), Evidence(row.kind), row.value, row.verified_at, digits)


class SqlLogins:
    """Keeps who a visitor turned out to be when the merchant's site vouched for him."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, visitor: Sender, known: Sender, at: datetime) -> CustomerId | None:
        """Keep that one browser held the visitor's token and the known customer's; None when the visitor never wrote.

        The two become one customer at the next look for facts, unless verified facts speak against it.
        """
        return await self._database.run(lambda connection: _record_login(connection, visitor, known, at))

    async def has_signed_in(self, visitor: Sender) -> bool:
        """Tell whether a visitor turned out to be a known customer of the merchant's site."""
        values = {"channel": visitor.channel, "account": visitor.account, "visitor": visitor.channel_user_id}
        return await self._database.glance(
            lambda connection: connection.execute(_SIGNED_IN, values).first() is not None
        )


def _record_login(connection: Connection, visitor: Sender, known: Sender, at: datetime) -> CustomerId | None:
    found = select(IDENTITIES.c.id, IDENTITIES.c.customer_id).where(
        IDENTITIES.c.channel == visitor.channel,
        IDENTITIES.c.account == visitor.account,
        IDENTITIES.c.channel_user_id == visitor.channel_user_id,
    )
    written = connection.execute(found).first()
    account = vouched_account(known.channel, known.account, known.channel_user_id)
    if written is None or not account:
        return None
    login = (Evidence.MERCHANT_LOGIN, account)
    _add(connection, ensure_identity(connection, known, at), login, {}, at)
    _add(connection, written[0], login, {"how": "the same browser"}, at)
    return CustomerId(written[1])


def _add(
    connection: Connection, identity_id: str, fact: tuple[Evidence, str], detail: dict[str, str], at: datetime
) -> None:
    kind, value = fact
    values = {
        "identity_id": identity_id,
        "kind": kind.value,
        "value": value,
        "detail": detail,
        "verified_at": at,
        "settled_at": None,
    }
    connection.execute(_ADD.on(connection), values)
