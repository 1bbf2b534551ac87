"""Asking afterwards how it was: once for each end of a conversation, not too soon, not too often, never off hours.

Too soon is no reason where the platform lets us say one word right after a person's end and nothing later.

A look goes through the conversations that have been quiet long enough, in the order of their last change, and remembers
how far it has come; each is decided in a unit of its own, so that a look that was broken off, or two at once, ask
nobody twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, bindparam, exists, insert, or_, select

from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.due import OpeningHours, SurveyQuestion, SurveyRules
from bot.domain.events import IntentHandled, OwnerChanged, Rated, SurveyAsked
from bot.domain.ids import ConversationId
from bot.domain.tracker import Tracker
from bot.domain.windows import POLICIES, Opened, Opening, lasts, room
from storage import events, outbox
from storage.database import Units
from storage.inbox import open_conversation
from storage.ownership import HELD, LAST_TEXT_CHARS, SAVE
from storage.settling import settle_each
from storage.tables import (
    ASSIGNMENTS,
    CONVERSATIONS,
    CUSTOMERS,
    EVENTS,
    IDENTITIES,
    INBOX,
    LOOKS,
    OUTBOX,
    SURVEYS,
    WINDOWS,
    Upsert,
)
from storage.types import Moment

_PAGE = 100
_MOST_PAGES = 20
_KEEP_EVERY = timedelta(minutes=1)
_ON_THE_WAY = timedelta(seconds=5)
"""What is left of an end's code for the question to go out."""

_LOOK = "surveys"
_AGENT, _BOT = "agent", "bot"
_ASKED, _NO_ROOM = "asked", "no_room"
_PLEASANTRIES = frozenset(
    {"affirm", "bot_challenge", "chitchat", "deny", "goodbye", "greet", "repeat", "stop", "thank"}
)
_SETTINGS = frozenset({"rate_service", "subscribe", "unsubscribe"})

_UNTIL = select(LOOKS.c.until).where(LOOKS.c.name == _LOOK)
_MOVE = Upsert(
    lambda into: (adding := into(LOOKS)).on_conflict_do_update(
        index_elements=["name"], set_={"until": adding.excluded.until}, where=LOOKS.c.until < adding.excluded.until
    )
)
_LATER = CONVERSATIONS.alias("later")
_WROTE_AGAIN = exists().where(
    _LATER.c.identity_id == CONVERSATIONS.c.identity_id,
    _LATER.c.id != CONVERSATIONS.c.id,
    _LATER.c.owner != Owner.RESOLVED.value,
)
_UNREAD = exists().where(INBOX.c.conversation_id == CONVERSATIONS.c.id, INBOX.c.done_at.is_(None))
_ASKED_LATELY = exists().where(
    SURVEYS.c.customer_id == CONVERSATIONS.c.customer_id,
    SURVEYS.c.outcome == _ASKED,
    SURVEYS.c.at > bindparam("lately", type_=Moment),
)
# The number's bound says nothing, but makes SQLite go by the conversation and not by the kind.
_RATED = exists().where(EVENTS.c.conversation_id == CONVERSATIONS.c.id, EVENTS.c.seq > 0, EVENTS.c.kind == Rated.kind)
_SERVED = exists().where(ASSIGNMENTS.c.conversation_id == CONVERSATIONS.c.id)
_ENDED: Select[Any] = (
    select(
        *HELD,
        CONVERSATIONS.c.tracker,
        CONVERSATIONS.c.tracker_seq,
        CONVERSATIONS.c.updated_at,
        IDENTITIES.c.channel,
        _SERVED.label("served"),
    )
    .join(CUSTOMERS, CUSTOMERS.c.id == CONVERSATIONS.c.customer_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(
        # The bot's job is done when it had the last word.
        or_(
            CONVERSATIONS.c.owner == Owner.RESOLVED.value,
            (CONVERSATIONS.c.owner == Owner.WITH_BOT.value) & (CONVERSATIONS.c.last_sender != "customer"),
        ),
        CUSTOMERS.c.messages_allowed,
        ~_WROTE_AGAIN,
        ~_ASKED_LATELY,
        ~_RATED,
    )
)
_QUIET = (
    _ENDED.where(
        CONVERSATIONS.c.updated_at > bindparam("since", type_=Moment),
        CONVERSATIONS.c.updated_at <= bindparam("before", type_=Moment),
    )
    .order_by(CONVERSATIONS.c.updated_at, CONVERSATIONS.c.id)
    .limit(_PAGE)
)
# Only what has not been quiet long enough yet, and only the last conversation: the end is that one's.
_JUST_ENDED = (
    _ENDED.join(WINDOWS, WINDOWS.c.identity_id == CONVERSATIONS.c.identity_id)
    .where(
        CONVERSATIONS.c.owner == Owner.RESOLVED.value,
        CONVERSATIONS.c.updated_at > bindparam("before", type_=Moment),
        WINDOWS.c.kind == Opening.END.value,
        WINDOWS.c.used == 0,
        WINDOWS.c.opened_at >= bindparam("paid_since", type_=Moment),
        ~exists().where(
            _LATER.c.identity_id == CONVERSATIONS.c.identity_id, _LATER.c.opened_at > CONVERSATIONS.c.opened_at
        ),
    )
    .order_by(CONVERSATIONS.c.updated_at, CONVERSATIONS.c.id)
    .limit(_PAGE)
)
# Whoever is at work on the conversation now is not done with it; nobody is waited for, so nobody waits in a circle.
_STILL = _ENDED.where(CONVERSATIONS.c.id == bindparam("conversation"), ~_UNREAD).with_for_update(
    of=CONVERSATIONS, skip_locked=True
)
_HOLD_CUSTOMER = select(CUSTOMERS.c.id).where(CUSTOMERS.c.id == bindparam("customer")).with_for_update()
_DONE = select(EVENTS.c.data).where(
    EVENTS.c.conversation_id == bindparam("conversation"), EVENTS.c.seq > 0, EVENTS.c.kind == IntentHandled.kind
)
_LAST_CHANGE = (
    select(EVENTS.c.data)
    .where(EVENTS.c.conversation_id == bindparam("conversation"), EVENTS.c.seq > 0, EVENTS.c.kind == OwnerChanged.kind)
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
)
_WINDOWS = select(WINDOWS.c.kind, WINDOWS.c.opened_at, WINDOWS.c.used).where(
    WINDOWS.c.identity_id == bindparam("identity")
)
_NOTE = Upsert(lambda into: into(SURVEYS).on_conflict_do_nothing().returning(SURVEYS.c.id))


class SqlSurveys:
    """Asks shoppers how it was."""

    name = "surveys"

    def __init__(
        self, database: Units, clock: Clock, rules: SurveyRules, hours: OpeningHours, question: SurveyQuestion
    ) -> None:
        self._database = database
        self._clock = clock
        self._rules = rules
        self._hours = hours
        self._question = question

    async def run_due(self) -> Sequence[ConversationId]:
        """Ask where it is time, one commit each; list the conversations that hold the questions."""
        at = self._clock.now()
        since = await self._database.read(lambda on: on.execute(_UNTIL).scalar())
        if since is None:
            # What ended before the first look of all is not asked about.
            await self._move(at - self._rules.quiet)
            return []
        asked: list[ConversationId] = []
        if not self._hours.is_open(at):
            return asked
        asked += await self._ask_those_who_just_left(at)
        kept, since = since, max(since, at - self._rules.at_latest)
        for _ in range(_MOST_PAGES):
            page, since = await self._page(since, at)
            asked += await self._settle(page, at)
            # In a shop where nothing happens nothing is written for it either.
            if page or since - kept >= _KEEP_EVERY:
                await self._move(since)
            if len(page) < _PAGE:
                break
        return asked

    async def _ask_those_who_just_left(self, at: datetime) -> list[ConversationId]:
        values = {"before": at - self._rules.quiet, "lately": at - self._rules.period, "paid_since": _paid_since(at)}
        found = await self._database.read(lambda on: on.execute(_JUST_ENDED, values).mappings().all())
        return await self._settle(found, at)

    async def _settle(self, page: Sequence[RowMapping], at: datetime) -> list[ConversationId]:
        settled = await settle_each(self._database, self.name, page, lambda on, row: self._decide(on, row, at))
        return [ConversationId(asked_in) for _, asked_in in settled if asked_in]

    async def _page(self, since: datetime, at: datetime) -> tuple[Sequence[RowMapping], datetime]:
        """Give the next that have been quiet long enough, and how far that takes the look."""
        before = at - self._rules.quiet
        values = {"since": since, "before": before, "lately": at - self._rules.period}
        found = await self._database.read(lambda on: on.execute(_QUIET, values).mappings().all())
        return found, found[-1]["updated_at"] if len(found) == _PAGE else max(since, before)

    async def _move(self, until: datetime) -> None:
        values = {"name": _LOOK, "until": until}
        await self._database.run(lambda on: on.execute(_MOVE.on(on), values) and None)

    def _decide(self, connection: Connection, row: RowMapping, at: datetime) -> str | None:
        # Two conversations of one customer at once: the second sees that the first has asked.
        connection.execute(_HOLD_CUSTOMER, {"customer": row["customer_id"]})
        values = {"conversation": row["id"], "lately": at - self._rules.period}
        still = connection.execute(_STILL, values).mappings().first()
        if still is None or still["updated_at"] != row["updated_at"]:
            return None
        served_by = _served_by(connection, still)
        if not self._is_wanted(connection, still, served_by):
            return None
        is_paid = served_by == _AGENT and _is_paid(connection, still, at)
        if not is_paid and still["updated_at"] > at - self._rules.quiet:
            return None
        has_room = is_paid or _has_room(connection, still, at)
        asked_in = _place(connection, still, at) if has_room else None
        if has_room and asked_in is None:
            return None
        noted = {
            "conversation_id": still["id"],
            "ended_at": still["updated_at"],
            "customer_id": still["customer_id"],
            "asked_in": asked_in,
            "served_by": served_by,
            "outcome": _ASKED if has_room else _NO_ROOM,
            "at": at,
        }
        is_first = connection.execute(_NOTE.on(connection), noted).scalar() is not None
        if asked_in is None or not is_first:
            return None
        self._ask(connection, still, (asked_in, served_by), at)
        return asked_in

    def _is_wanted(self, connection: Connection, row: RowMapping, served_by: str) -> bool:
        if served_by == _AGENT:
            return self._rules.after_agent
        if not self._rules.after_bot or _has_open_form(connection, row):
            return False
        done = {
            str(data.get("intent", "")) for data in connection.execute(_DONE, {"conversation": row["id"]}).scalars()
        }
        return bool(done - _PLEASANTRIES - _SETTINGS)

    def _ask(self, connection: Connection, row: RowMapping, asked: tuple[str, str], at: datetime) -> None:
        asked_in, served_by = asked
        draft = self._question(row["locale"])
        said = [SurveyAsked(row["id"], served_by), draft.event]
        seqs = events.append(connection, asked_in, said, at)
        epoch = row["epoch"] if asked_in == row["id"] else 0
        connection.execute(insert(OUTBOX), outbox.draft_row(asked_in, draft, seqs[-1], at, epoch))
        # Not a change of the conversation: its end stays where it was.
        last_word = {"last_text": draft.message.text[:LAST_TEXT_CHARS], "last_sender": draft.sender}
        connection.execute(SAVE, last_word | {"conversation": asked_in})


def _has_open_form(connection: Connection, row: RowMapping) -> bool:
    newer = events.after(connection, row["id"], row["tracker_seq"])
    return bool(Tracker.from_snapshot(row["tracker"]).fold(event for _, _, event in newer).form)


def _served_by(connection: Connection, row: RowMapping) -> str:
    """Tell whose work it was: also a person's who answered in the platform's own client until it ended."""
    if row["served"]:
        return _AGENT
    if row["owner"] != Owner.RESOLVED:
        return _BOT
    last = connection.execute(_LAST_CHANGE, {"conversation": row["id"]}).scalar() or {}
    return _AGENT if last.get("before") == Owner.WITH_AGENT else _BOT


def _paid_since(at: datetime) -> datetime:
    return at - lasts(Opening.END) + _ON_THE_WAY


def _is_paid(connection: Connection, row: RowMapping, at: datetime) -> bool:
    """Tell whether the platform has given a code for one word after this end, and there is time for it."""
    rows = connection.execute(_WINDOWS, {"identity": row["identity_id"]}).mappings()
    ends = [one for one in rows if one["kind"] == Opening.END.value]
    return any(not one["used"] and one["opened_at"] >= _paid_since(at) for one in ends)


def _place(connection: Connection, row: RowMapping, at: datetime) -> str | None:
    """Give the open conversation that will hold question and answer; None when the shopper is opening one himself."""
    if row["owner"] == Owner.WITH_BOT:
        return str(row["id"])
    opened = open_conversation(connection, row["identity_id"], row["customer_id"], at)
    found = connection.execute(select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.id == opened)).scalar()
    return str(found) if found else None


def _has_room(connection: Connection, row: RowMapping, at: datetime) -> bool:
    """Tell whether the platform lets us ask; the last of several counted messages is not spent on it."""
    policy = POLICIES.get(row["channel"])
    if policy is None:
        return True
    kinds = {kind.value for kind in Opening}
    rows = connection.execute(_WINDOWS, {"identity": row["identity_id"]}).mappings()
    left = room(
        policy,
        [Opened(Opening(one["kind"]), one["opened_at"], one["used"]) for one in rows if one["kind"] in kinds],
        at,
    )
    return left.is_open and (left.left is None or left.left > 1)
