"""Links of identities: each says that two are one person's; who belongs together is worked out from all that count.

Nothing is copied or thrown away: a customer's conversations, tickets and proved orders follow the identity they came
by, so that undoing a link, in whatever order links were made, gives everything back to where it came from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, delete, func, insert, or_, select, update

from bot.domain.conversation import Owner
from bot.domain.customers import ChannelIdentity
from bot.domain.events import IdentityLinked, IdentityUnlinked
from bot.domain.ids import ConversationId, CustomerId, IdentityId, new_id
from bot.domain.links import Evidence, conflict_of
from storage import events, facts, parting
from storage.tables import (
    CONVERSATIONS,
    CUSTOMERS,
    FACTS,
    IDENTITIES,
    LINKS,
    PROOF_ATTEMPTS,
    PROVED_ORDERS,
    SURVEYS,
    TICKETS,
)

_LINKING_LOCK = 0x786F_0003
_IDENTITY_COLUMNS = (
    IDENTITIES.c.id,
    IDENTITIES.c.customer_id,
    IDENTITIES.c.home_customer_id,
    IDENTITIES.c.channel,
    IDENTITIES.c.account,
    IDENTITIES.c.channel_user_id,
    IDENTITIES.c.display_name,
)
_OPEN_OF = (
    select(CONVERSATIONS.c.id)
    .where(CONVERSATIONS.c.identity_id == bindparam("identity"), CONVERSATIONS.c.owner != Owner.RESOLVED.value)
    .with_for_update()
)
_HOLD = select(IDENTITIES.c.id).where(IDENTITIES.c.id == bindparam("identity")).with_for_update()
_SAID = select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.identity_id == bindparam("identity"))
_MOVE_IDENTITY = (
    update(IDENTITIES)
    .where(IDENTITIES.c.id == bindparam("identity"))
    .values(
        customer_id=bindparam("customer"),
        home_customer_id=func.coalesce(IDENTITIES.c.home_customer_id, IDENTITIES.c.customer_id),
    )
)
_FOLLOW = (
    update(CONVERSATIONS)
    .where(CONVERSATIONS.c.identity_id == bindparam("identity"))
    .values(customer_id=bindparam("customer")),
    *(
        update(table).where(table.c.conversation_id.in_(_SAID)).values(customer_id=bindparam("customer"))
        for table in (TICKETS, SURVEYS)
    ),
)


@dataclass(frozen=True, slots=True)
class Making:
    """Why a link is made, and by whom (empty: by the facts themselves)."""

    kind: Evidence
    at: datetime
    value: str = ""
    reason: str = ""
    by: str = ""
    by_name: str = ""


@dataclass(slots=True)
class Group:
    """Identities held together until the unit commits, with their open conversations."""

    rows: dict[str, RowMapping] = field(default_factory=dict)
    open_conversations: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def customers(self) -> set[str]:
        """List the customers they belong to now."""
        return {row["customer_id"] for row in self.rows.values()}

    def conversations(self) -> tuple[ConversationId, ...]:
        """List the open conversations."""
        return tuple(ConversationId(each) for found in self.open_conversations.values() for each in found)


def begin(connection: Connection) -> None:
    """Let one unit at a time change links; on SQLite there is only one."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LINKING_LOCK)))


def link(connection: Connection, one: str, other: str, making: Making) -> tuple[ConversationId, ...]:
    """Link two identities and make their customers one; list the open conversations it concerns."""
    group = hold(connection, members(connection, [one]) | members(connection, [other]))
    made = new_id()
    connection.execute(
        insert(LINKS),
        {
            "id": made,
            "identity_id": one,
            "other_id": other,
            "kind": making.kind.value,
            "evidence": {"value": making.value},
            "reason": making.reason,
            "made_by": making.by,
            "made_by_name": making.by_name,
            "made_at": making.at,
        },
    )
    _join_policies(connection, group)
    settle(connection, group)
    parting.work_out_anew(connection, group.conversations())
    for told, named in ((one, group.rows[other]), (other, group.rows[one])):
        name = named["display_name"]
        event = IdentityLinked(made, named["channel"], name, making.kind.value, making.value, making.by_name)
        for conversation in group.open_conversations[told]:
            events.append(connection, conversation, [event], making.at)
    return group.conversations()


def unlink(connection: Connection, row: RowMapping, making: Making) -> tuple[ConversationId, ...]:
    """Undo a link and give everything back; list the open conversations it concerns."""
    group = hold(connection, members(connection, [row["identity_id"]]))
    policies = _policies(connection, group)
    values = {
        "undone_by": making.by,
        "undone_by_name": making.by_name,
        "undone_reason": making.reason,
        "undone_at": making.at,
    }
    connection.execute(update(LINKS).where(LINKS.c.id == row["id"]).values(values))
    settle(connection, group)
    parting.drop_words(connection, group.conversations(), making.at)
    parting.work_out_anew(connection, group.conversations())
    parting.unprove_tickets(connection, list(group.rows))
    if not all(policies.values()):
        # Nobody knows on whose behalf it was said while they were one: a refusal is never undone.
        _forbid(connection, group)
    for told, named in (("identity_id", "other_id"), ("other_id", "identity_id")):
        other = group.rows[row[named]]
        event = IdentityUnlinked(row["id"], other["channel"], other["display_name"], making.by_name, making.reason)
        for conversation in group.open_conversations[row[told]]:
            events.append(connection, conversation, [event], making.at)
    return group.conversations()


def members(connection: Connection, start: Iterable[str]) -> set[str]:
    """List the identities that links which count hold together with those of ``start``."""
    found: set[str] = set()
    frontier = set(start)
    while frontier:
        found |= frontier
        ends = select(LINKS.c.identity_id, LINKS.c.other_id).where(
            LINKS.c.undone_at.is_(None),
            or_(LINKS.c.identity_id.in_(list(frontier)), LINKS.c.other_id.in_(list(frontier))),
        )
        frontier = {end for pair in connection.execute(ends) for end in pair} - found
    return found


def hold(connection: Connection, identity_ids: Iterable[str]) -> Group:
    """Hold identities and their open conversations, in the order in which the inbox holds them."""
    rows = connection.execute(select(*_IDENTITY_COLUMNS).where(IDENTITIES.c.id.in_(list(identity_ids)))).mappings()
    group = Group()
    for row in sorted(rows, key=lambda each: (each["channel"], each["account"], each["channel_user_id"])):
        values = {"identity": row["id"]}
        connection.execute(_OPEN_OF, values).all()
        connection.execute(_HOLD, values)
        # A conversation that was opened between the two is seen now, and nobody can open another.
        group.open_conversations[row["id"]] = list(connection.execute(_OPEN_OF, values).scalars())
        group.rows[row["id"]] = row
    return group


def settle(connection: Connection, group: Group) -> None:
    """Give every identity of the group the customer that the links make it, with all that came by it."""
    homes = {each: row["home_customer_id"] or row["customer_id"] for each, row in group.rows.items()}
    created = select(CUSTOMERS.c.id, CUSTOMERS.c.created_at).where(CUSTOMERS.c.id.in_(set(homes.values())))
    born = {row[0]: row[1] for row in connection.execute(created)}
    left = set(group.rows)
    before = group.customers
    while left:
        together = members(connection, [next(iter(left))])
        customer = min({homes[each] for each in together}, key=lambda home: (born[home], home))
        for identity in together:
            if group.rows[identity]["customer_id"] != customer:
                _move(connection, identity, customer)
        left -= together
    touched = before | set(homes.values())
    connection.execute(update(CUSTOMERS).where(CUSTOMERS.c.id.in_(touched)).values(linked=True))
    _rewrite_proved(connection, touched)
    _rename(connection, touched)


def _rename(connection: Connection, customers: set[str]) -> None:
    """Let each customer be called as one of his own identities is: as before if one still is, else as the oldest."""
    rows = connection.execute(
        select(IDENTITIES.c.customer_id, IDENTITIES.c.display_name, CUSTOMERS.c.display_name.label("called"))
        .join(CUSTOMERS, CUSTOMERS.c.id == IDENTITIES.c.customer_id)
        .where(IDENTITIES.c.customer_id.in_(customers))
        .order_by(IDENTITIES.c.created_at, IDENTITIES.c.id)
    )
    names: dict[str, list[str]] = defaultdict(list)
    called: dict[str, str] = {}
    for row in rows:
        called[row.customer_id] = row.called
        names[row.customer_id] += [row.display_name] if row.display_name else []
    for customer, own in names.items():
        if called[customer] not in own:
            name = own[0] if own else ""
            connection.execute(update(CUSTOMERS).where(CUSTOMERS.c.id == customer).values(display_name=name))


def _move(connection: Connection, identity: str, customer: str) -> None:
    values = {"identity": identity, "customer": customer}
    connection.execute(_MOVE_IDENTITY, values)
    for statement in _FOLLOW:
        connection.execute(statement, values)


def _rewrite_proved(connection: Connection, customers: set[str]) -> None:
    """Write what each customer has proved anew, from what his identities have."""
    connection.execute(delete(PROVED_ORDERS).where(PROVED_ORDERS.c.customer_id.in_(customers)))
    proved = (
        select(IDENTITIES.c.customer_id, FACTS.c.value, func.min(FACTS.c.verified_at))
        .join(IDENTITIES, IDENTITIES.c.id == FACTS.c.identity_id)
        .where(FACTS.c.kind == Evidence.ORDER.value, IDENTITIES.c.customer_id.in_(customers))
        .group_by(IDENTITIES.c.customer_id, FACTS.c.value)
    )
    connection.execute(insert(PROVED_ORDERS).from_select(["customer_id", "order_number", "proved_at"], proved))


def _policies(connection: Connection, group: Group) -> dict[str, bool]:
    found = select(CUSTOMERS.c.id, CUSTOMERS.c.messages_allowed).where(CUSTOMERS.c.id.in_(group.customers))
    return {row[0]: row[1] for row in connection.execute(found)}


def _join_policies(connection: Connection, group: Group) -> None:
    """Let a refusal of messages count for the whole person, and wrong tries to prove an order as well."""
    if not all(_policies(connection, group).values()):
        _forbid(connection, group)
    homes = {row["home_customer_id"] or row["customer_id"] for row in group.rows.values()}
    oldest = select(CUSTOMERS.c.id).where(CUSTOMERS.c.id.in_(homes)).order_by(CUSTOMERS.c.created_at, CUSTOMERS.c.id)
    customer = connection.execute(oldest.limit(1)).scalar_one()
    attempts = update(PROOF_ATTEMPTS).where(PROOF_ATTEMPTS.c.customer_id.in_(group.customers - {customer}))
    connection.execute(attempts.values(customer_id=customer))


def _forbid(connection: Connection, group: Group) -> None:
    homes = {row["home_customer_id"] or row["customer_id"] for row in group.rows.values()}
    connection.execute(update(CUSTOMERS).where(CUSTOMERS.c.id.in_(homes)).values(messages_allowed=False))


def identity_of(row: Any) -> ChannelIdentity:
    """Make the ChannelIdentity of a row."""
    return ChannelIdentity(
        IdentityId(row["id"]),
        CustomerId(row["customer_id"]),
        row["channel"],
        row["account"],
        row["channel_user_id"],
        row["display_name"],
    )


def began_as(connection: Connection, customer: CustomerId) -> ChannelIdentity | None:
    """Give the oldest identity of those that began as a customer, whosever it is now; None: there never was one."""
    found = (
        select(*_IDENTITY_COLUMNS)
        .where(func.coalesce(IDENTITIES.c.home_customer_id, IDENTITIES.c.customer_id) == customer)
        .order_by(IDENTITIES.c.created_at, IDENTITIES.c.id)
        .limit(1)
    )
    row = connection.execute(found).mappings().first()
    return identity_of(row) if row is not None else None


def of_customers(connection: Connection, customers: Iterable[str]) -> list[ChannelIdentity]:
    """List the identities of customers, oldest first."""
    found = (
        select(*_IDENTITY_COLUMNS)
        .where(IDENTITIES.c.customer_id.in_(list(customers)))
        .order_by(IDENTITIES.c.created_at, IDENTITIES.c.id)
    )
    return [identity_of(row) for row in connection.execute(found).mappings()]


def was_undone(connection: Connection, ones: Sequence[str], others: Sequence[str]) -> bool:
    """Tell whether a human has undone a link between any of these identities."""
    between = or_(
        LINKS.c.identity_id.in_(ones) & LINKS.c.other_id.in_(others),
        LINKS.c.identity_id.in_(others) & LINKS.c.other_id.in_(ones),
    )
    return (
        connection.execute(select(LINKS.c.id).where(LINKS.c.undone_at.is_not(None), between).limit(1)).first()
        is not None
    )


def may_link(connection: Connection, one: CustomerId, other: CustomerId) -> bool:
    """Tell whether facts alone may make two customers one: nothing speaks against it and no human has said no."""
    ours, theirs = of_customers(connection, [one]), of_customers(connection, [other])
    everybody = [*ours, *theirs]
    if conflict_of(everybody, facts.of_identities(connection, [each.id for each in everybody])):
        return False
    return not was_undone(connection, [each.id for each in ours], [each.id for each in theirs])
