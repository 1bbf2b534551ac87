"""Sessions at a platform that follow our owners; each change of owner is followed once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, String, bindparam, cast, delete, func, literal, or_, select

from bot.domain.conversation import Conversation, Owner
from bot.domain.ids import ConversationId
from bot.domain.staff import Follower, SessionOver
from bot.domain.windows import Opening
from storage.database import Database
from storage.tables import CONVERSATIONS, CURSORS, IDENTITIES, OUTBOX, WINDOWS, Upsert
from storage.types import Moment
from storage.windows import open_after_end

_SESSION = "session:"
_MOST = 100
_OTHER = CONVERSATIONS.alias("other")
_BEGUN = (
    select(_OTHER.c.id)
    .where(_OTHER.c.identity_id == CONVERSATIONS.c.identity_id, _OTHER.c.owner != Owner.RESOLVED.value)
    .correlate(CONVERSATIONS)
    .exists()
)
_ELSEWHERE = (
    (CONVERSATIONS.c.owner == Owner.WITH_AGENT.value)
    & CONVERSATIONS.c.agent_id.is_(None)
    & (CONVERSATIONS.c.last_sender == "customer")
)
# How far a session has followed stands with the cursors: both are how far we are with a platform.
_DUE = (
    select(
        CONVERSATIONS.c.id,
        CONVERSATIONS.c.owner,
        CONVERSATIONS.c.epoch,
        _ELSEWHERE.label("elsewhere"),
        IDENTITIES.c.account,
        IDENTITIES.c.channel_user_id,
    )
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .outerjoin(
        CURSORS,
        (CURSORS.c.channel == IDENTITIES.c.channel)
        & (CURSORS.c.account == IDENTITIES.c.account)
        & (CURSORS.c.name == literal(_SESSION) + CONVERSATIONS.c.id),
    )
    .where(
        IDENTITIES.c.channel == bindparam("of_channel"),
        CONVERSATIONS.c.updated_at >= bindparam("since", type_=Moment),
        CONVERSATIONS.c.epoch > 0,
        or_(
            func.coalesce(CURSORS.c.position, "") != cast(CONVERSATIONS.c.epoch, String),
            # Whose human is at the platform is looked at again with each word of his: nobody may tell when they left.
            _ELSEWHERE & (CURSORS.c.updated_at < CONVERSATIONS.c.updated_at),
        ),
        # A customer has one session: what is over must not end what he has begun since.
        or_(CONVERSATIONS.c.owner != Owner.RESOLVED.value, ~_BEGUN),
        ~select(OUTBOX.c.id).where(OUTBOX.c.conversation_id == CONVERSATIONS.c.id, OUTBOX.c.done_at.is_(None)).exists(),
    )
    .order_by(CONVERSATIONS.c.updated_at)
    .limit(_MOST)
)
_OWN = CONVERSATIONS.alias("own")
_IDENTITY = select(_OWN.c.identity_id).where(_OWN.c.id == bindparam("conversation"))
_CLOSE = delete(WINDOWS).where(
    WINDOWS.c.identity_id == _IDENTITY.scalar_subquery(),
    WINDOWS.c.kind.in_([kind.value for kind in Opening if kind is not Opening.END]),
    # What the customer has said since opened another conversation, and a window of its own.
    ~select(_OTHER.c.id)
    .where(_OTHER.c.identity_id == WINDOWS.c.identity_id, _OTHER.c.owner != Owner.RESOLVED.value)
    .correlate(WINDOWS)
    .exists(),
)
_FOLLOWED = Upsert(
    lambda into: (adding := into(CURSORS)).on_conflict_do_update(
        index_elements=["channel", "account", "name"],
        set_={"position": adding.excluded.position, "updated_at": adding.excluded.updated_at},
    )
)


_POSITION = select(CURSORS.c.position).where(
    CURSORS.c.channel == bindparam("channel"),
    CURSORS.c.account == bindparam("account"),
    CURSORS.c.name == bindparam("name"),
    CURSORS.c.updated_at >= bindparam("since", type_=Moment),
)


def has_followed(connection: Connection, conversation: Conversation, since: datetime) -> bool:
    """Tell whether a conversation's session has followed its present owner as far as it can, not before ``since``."""
    name = f"{_SESSION}{conversation.id}"
    found = {"channel": conversation.channel, "account": conversation.account, "name": name, "since": since}
    return connection.execute(_POSITION, found).scalar() == str(conversation.epoch)


class SqlPlatformSessions:
    """Which sessions still have to follow."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self, channel: str, since: datetime) -> tuple[Follower, ...]:
        """List conversations to look at: changed hands after ``since`` with nothing left to send, or ``elsewhere``."""
        values = {"of_channel": channel, "since": since}
        rows = await self._database.read(lambda connection: connection.execute(_DUE, values).all())
        return tuple(
            Follower(
                ConversationId(row.id), row.account, row.channel_user_id, Owner(row.owner), row.epoch, row.elsewhere
            )
            for row in rows
        )

    async def mark(self, channel: str, follower: Follower, at: datetime, over: SessionOver | None = None) -> None:
        """Keep that the session has followed as far as it can; ``over``: what it let us send is over too."""
        values = {
            "channel": channel,
            "account": follower.account,
            "name": f"{_SESSION}{follower.conversation_id}",
            "position": str(follower.epoch),
            "updated_at": at,
        }

        def unit(connection: Connection) -> None:
            connection.execute(_FOLLOWED.on(connection), values)
            if over is not None:
                connection.execute(_CLOSE, {"conversation": follower.conversation_id})
                for identity in connection.execute(_IDENTITY, {"conversation": follower.conversation_id}).scalars():
                    open_after_end(connection, identity, over.end_code, at)

        await self._database.run(unit)
