"""Threads that another app had and let lie: the platform's control is over by itself, and the bot answers again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, bindparam, select

from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.events import AgentUttered, OwnerChanged
from bot.domain.ids import ConversationId
from bot.domain.thread_ports import CONTROL_LASTS
from storage import events
from storage.database import Units
from storage.ownership import SAVE, ChangeOfOwner, change_owner, locked, settle_change
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES
from storage.types import Moment

_MOST = 100
_SEEN_SINCE = (
    select(EVENTS.c.seq)
    .where(
        EVENTS.c.conversation_id == CONVERSATIONS.c.id,
        EVENTS.c.seq > 0,
        EVENTS.c.kind.in_((OwnerChanged.kind, AgentUttered.kind)),
        EVENTS.c.at > bindparam("since", type_=Moment),
    )
    .correlate(CONVERSATIONS)
    .exists()
)
_EXPIRED = (
    select(CONVERSATIONS.c.id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .where(
        CONVERSATIONS.c.owner == Owner.WITH_AGENT.value,
        CONVERSATIONS.c.agent_id.is_(None),
        IDENTITIES.c.channel == bindparam("of_channel"),
        ~_SEEN_SINCE,
    )
    .limit(_MOST)
)
_THIS = _EXPIRED.where(CONVERSATIONS.c.id == bindparam("conversation"))


class SqlExpiredThreads:
    """Gives the bot what nobody elsewhere has spoken in for as long as a thread's control lasts."""

    name = "expired threads"

    def __init__(self, database: Units, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run_due(self) -> Sequence[ConversationId]:
        """Give them back, one commit each; list them."""
        now = self._clock.now()
        given: list[ConversationId] = []
        for channel, lasts in CONTROL_LASTS.items():
            given += await self._of_channel(channel, now - lasts, now)
        return given

    async def _of_channel(self, channel: str, since: datetime, at: datetime) -> list[ConversationId]:
        values = {"of_channel": channel, "since": since}
        found = await self._database.read(lambda on: on.execute(_EXPIRED, values).scalars().all())
        units = [partial(_give_back, values=values | {"conversation": one}, at=at) for one in found]
        done = [await self._database.run(unit) for unit in units]
        return [ConversationId(one) for one, changed in zip(found, done, strict=True) if changed]


def _give_back(connection: Connection, values: dict[str, object], at: datetime) -> bool:
    row = locked(connection, str(values["conversation"]))
    if connection.execute(_THIS, values).first() is None:
        return False  # somebody spoke or moved it at this moment
    event, changed = change_owner(row, ChangeOfOwner(Owner.WITH_BOT, f"{values['of_channel']}:expired"), at)
    events.append(connection, row["id"], [event], at)
    connection.execute(SAVE, changed | {"conversation": row["id"], "updated_at": at})
    settle_change(connection, row, event, at)
    return True
