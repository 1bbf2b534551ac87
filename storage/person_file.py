"""Everything that is known of who a customer is, and who else he may be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection, or_, select

from bot.domain.customers import ChannelIdentity, Customer
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.links import Clue, Conflict, Evidence, Fact, Link, PersonFile, Suggestion, conflict_of
from storage import conversations, facts, links
from storage.tables import CUSTOMERS, FACTS, IDENTITIES, LINKS, TICKETS

_MOST = 10
_SHORTEST_NAME = 2
_PHONE = TICKETS.c.details["phone"].as_string()
_DIGITS = FACTS.c.detail["phone_last4"].as_string()
_RANKS = {kind: rank for rank, kind in enumerate(Evidence)}

_Found = Iterator[tuple[str, Clue]]


def person(connection: Connection, conversation_id: ConversationId, search: str) -> PersonFile:
    """Load the file; NotFound when there is no such conversation."""
    conversation = conversations.get(connection, conversation_id)
    customer = connection.execute(select(CUSTOMERS).where(CUSTOMERS.c.id == conversation.customer_id)).one()
    identities = tuple(links.of_customers(connection, [conversation.customer_id]))
    known = facts.of_identities(connection, [each.id for each in identities])
    clues: dict[str, list[Clue]] = defaultdict(list)
    for other, clue in _clues(connection, conversation.customer_id, identities, known):
        if other != conversation.customer_id and clue not in clues[other]:
            clues[other].append(clue)
    found = {other: [Clue(Evidence.FOUND, search)] for other in _search(connection, search)}
    found.pop(conversation.customer_id, None)
    return PersonFile(
        conversation=conversation,
        customer=Customer(
            CustomerId(customer.id), customer.display_name, customer.messages_allowed, customer.created_at
        ),
        identities=identities,
        facts=known,
        links=_links(connection, identities),
        suggestions=_suggestions(connection, identities, clues),
        found=_suggestions(connection, identities, found),
        conflict=conflict_of(identities, known),
    )


def _clues(
    connection: Connection, customer_id: str, identities: tuple[ChannelIdentity, ...], known: tuple[Fact, ...]
) -> _Found:
    """Find what fits other customers; the strongest first."""
    yield from _same_facts(connection, known)
    orders = [fact.value for fact in known if fact.kind is Evidence.ORDER]
    own = select(TICKETS.c.order_number, _PHONE).where(TICKETS.c.customer_id == customer_id)
    tickets = connection.execute(own).all()
    yield from _claimed(connection, orders, [number for number, _ in tickets if number and number not in orders])
    yield from _same_digits(connection, known)
    yield from _said(connection, [phone for _, phone in tickets if phone])
    yield from _named(connection, identities)


def _same_facts(connection: Connection, known: tuple[Fact, ...]) -> _Found:
    for fact in known:
        for other in _who_has(connection, FACTS.c.kind == fact.kind.value, FACTS.c.value == fact.value):
            yield other, Clue(fact.kind, fact.value, verified=True)


def _claimed(connection: Connection, orders: list[str], claimed: list[str]) -> _Found:
    """Find orders that one has proved and the other only named in a ticket."""
    named = select(TICKETS.c.customer_id, TICKETS.c.order_number).where(TICKETS.c.order_number.in_(orders))
    for other, number in connection.execute(named) if orders else ():
        yield other, Clue(Evidence.ORDER_CLAIMED, number)
    for number in claimed:
        for other in _who_has(connection, FACTS.c.kind == Evidence.ORDER.value, FACTS.c.value == number):
            yield other, Clue(Evidence.ORDER_CLAIMED, number)


def _same_digits(connection: Connection, known: tuple[Fact, ...]) -> _Found:
    """Find other orders that were proved with the same last four digits; one in ten thousand has them by chance."""
    for digits in sorted({fact.phone_last4 for fact in known} - {""}):
        for other in _who_has(connection, FACTS.c.kind == Evidence.ORDER.value, digits == _DIGITS):
            yield other, Clue(Evidence.PHONE_TAIL, digits)


def _said(connection: Connection, phones: Iterable[str]) -> _Found:
    for phone in sorted(set(phones)):
        for other in connection.execute(select(TICKETS.c.customer_id).where(phone == _PHONE).limit(_MOST)).scalars():
            yield other, Clue(Evidence.PHONE_SAID, f"…{phone[-4:]}")


def _named(connection: Connection, identities: tuple[ChannelIdentity, ...]) -> _Found:
    names = {one.display_name for one in identities if len(one.display_name) >= _SHORTEST_NAME}
    same = select(IDENTITIES.c.customer_id, IDENTITIES.c.display_name).where(IDENTITIES.c.display_name.in_(names))
    for other, name in connection.execute(same.limit(_MOST)) if names else ():
        yield other, Clue(Evidence.NAME, name)


def _who_has(connection: Connection, *conditions: Any) -> list[str]:
    owners = select(IDENTITIES.c.customer_id).join(FACTS, FACTS.c.identity_id == IDENTITIES.c.id).where(*conditions)
    return list(connection.execute(owners.distinct().limit(_MOST)).scalars())


def _search(connection: Connection, search: str) -> list[str]:
    """Find customers by name, order or ticket."""
    text = search.strip()
    if len(text) < _SHORTEST_NAME:
        return []
    number = text.upper().removeprefix("#")
    proved = select(IDENTITIES.c.customer_id).join(FACTS, FACTS.c.identity_id == IDENTITIES.c.id)
    tickets = select(TICKETS.c.customer_id).where(or_(TICKETS.c.number == number, TICKETS.c.order_number == number))
    named = select(IDENTITIES.c.customer_id).where(
        or_(IDENTITIES.c.display_name.icontains(text, autoescape=True), IDENTITIES.c.channel_user_id == text)
    )
    wanted = or_(
        CUSTOMERS.c.id.in_(proved.where(FACTS.c.kind == Evidence.ORDER.value, FACTS.c.value == number)),
        CUSTOMERS.c.id.in_(tickets),
        CUSTOMERS.c.id.in_(named),
    )
    has_any = CUSTOMERS.c.id.in_(select(IDENTITIES.c.customer_id))
    found = select(CUSTOMERS.c.id).where(wanted, has_any).order_by(CUSTOMERS.c.created_at.desc()).limit(_MOST)
    return list(connection.execute(found).scalars())


def _suggestions(
    connection: Connection, identities: tuple[ChannelIdentity, ...], clues: dict[str, list[Clue]]
) -> tuple[Suggestion, ...]:
    ranked = sorted(clues.items(), key=lambda item: (not item[1][0].verified, _RANKS[item[1][0].kind]))[:_MOST]
    return tuple(_suggestion(connection, identities, other, found) for other, found in ranked)


def _suggestion(
    connection: Connection, identities: tuple[ChannelIdentity, ...], other: str, found: list[Clue]
) -> Suggestion:
    theirs = links.of_customers(connection, [other])
    everybody = [*identities, *theirs]
    name = connection.execute(select(CUSTOMERS.c.display_name).where(CUSTOMERS.c.id == other)).scalar_one()
    against: Conflict = conflict_of(everybody, facts.of_identities(connection, [each.id for each in everybody]))
    undone = links.was_undone(connection, [each.id for each in identities], [each.id for each in theirs])
    return Suggestion(CustomerId(other), name, tuple(theirs), tuple(found), against, undone)


def _links(connection: Connection, identities: tuple[ChannelIdentity, ...]) -> tuple[Link, ...]:
    """List the links of these identities, also those that were undone, newest first."""
    ids = [each.id for each in identities]
    statement = (
        select(LINKS)
        .where(or_(LINKS.c.identity_id.in_(ids), LINKS.c.other_id.in_(ids)))
        .order_by(LINKS.c.made_at.desc(), LINKS.c.id)
    )
    rows = connection.execute(statement).all()
    ends = {row.identity_id for row in rows} | {row.other_id for row in rows}
    found = select(IDENTITIES).where(IDENTITIES.c.id.in_(ends))
    by_id = {row["id"]: links.identity_of(row) for row in connection.execute(found).mappings()}
    return tuple(
        Link(
            row.id,
            by_id[row.identity_id],
            by_id[row.other_id],
            Evidence(row.kind),
            str(row.evidence.get("value", "")),
            row.reason,
            row.made_by_name,
            row.made_at,
            row.undone_by_name,
            row.undone_reason,
            row.undone_at,
        )
        for row in rows
    )
