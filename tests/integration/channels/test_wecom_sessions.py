"""WeCom's staff and ours: their words are on record, and a session is whose it is, on both sides, also in silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from bot.channels._api import Unreached
from bot.channels.wecom_kf.parse import parse_batch
from bot.channels.wecom_kf.sessions import ALLOWED, OWNERS, SessionState, change_to, state_for
from bot.channels.wecom_kf.settings import CONSOLE, WECOM
from bot.domain.channel_ports import Addressee
from bot.domain.conversation import Owner
from bot.domain.ids import AgentId, ConversationId
from bot.domain.messages import OutboundMessage
from bot.domain.people import Agent, Role
from storage.database import Database
from storage.ownership import SqlOwnershipStore
from storage.tables import CONVERSATIONS, EVENTS, OUTBOX, WINDOWS
from tests.integration.channels.kf_town import ACCOUNT, LI, KfTown, database_url, town
from tests.unit.channels.doubles import NOON

__all__ = ["database_url", "town"]

MEI = Agent(AgentId(""), "mei", "Mei", Role.MANAGER, active=True)
NEW, BOT, QUEUED, HUMAN, ENDED = SessionState


def staff_says(town: KfTown, words: str, kind: str = "text", customer: str = LI) -> dict[str, Any]:
    """Let WeCom's staff write in their own client."""
    body = {"content": words} if kind == "text" else {"media_id": words}
    entry = {"open_kfid": ACCOUNT, "external_userid": customer, "origin": 5, "servicer_userid": "lisi"}
    return town.server.add(ACCOUNT, entry | {"msgtype": kind, kind: body})


async def said(town: KfTown) -> list[tuple[str, str]]:
    """List (name, words) of the agents' words on record."""
    statement = select(EVENTS.c.data).where(EVENTS.c.kind == "agent_uttered").order_by(EVENTS.c.seq)
    found = await town.database.read(lambda on: list(on.execute(statement).scalars()))
    return [(data["agent_name"], data["text"]) for data in found]


async def begun(town: KfTown) -> ConversationId:
    """Let the customer write and the bot answer."""
    conversation = await town.answered()
    await town.send(OutboundMessage("您好"), conversation)
    await town.sent()
    return conversation


async def belongs_to(town: KfTown, conversation: ConversationId, owner: Owner) -> None:
    """Change the owner without a word to the shopper."""
    values = {"owner": owner.value, "epoch": 1, "updated_at": town.clock.now()}
    change = update(CONVERSATIONS).where(CONVERSATIONS.c.id == conversation).values(values)
    await town.database.run(lambda on: on.execute(change) and None)


async def test_words_typed_in_wecom_are_an_agents_once(town: KfTown) -> None:
    """In order, with their writer, over repeats and a restart; the platform's count of ours is untouched."""
    await begun(town)
    used = await town.database.read(lambda on: on.execute(select(WINDOWS.c.used)).scalars().all())
    await town.people.take_over(LI)
    first = staff_says(town, "您好，我是李四")
    staff_says(town, "m1", "image")
    town.server.add(ACCOUNT, first | {})
    await town.people.call_back()
    await town.settle()
    town.start()
    await town.database.run(lambda on: on.exec_driver_sql("DELETE FROM cursors") and None)
    await town.people.call_back()
    await town.settle()
    assert await said(town) == [("lisi", "您好，我是李四"), ("lisi", "[image]")]
    assert await town.database.read(lambda on: on.execute(select(WINDOWS.c.used)).scalars().all()) == used
    states = await town.database.read(lambda on: on.execute(select(OUTBOX.c.sender, OUTBOX.c.state)).all())
    assert [tuple(each) for each in states] == [("bot", "sent"), ("agent", "sent"), ("agent", "sent")]


async def test_words_to_somebody_who_never_wrote_here_are_passed_over(town: KfTown) -> None:
    """Nothing is made up for them."""
    staff_says(town, "hello", customer="wmNobody")
    await town.people.call_back()
    await town.settle()
    assert await said(town) == []


@pytest.mark.parametrize("raw", [{}, {"open_kfid": "x y"}, {"msgid": ""}, {"external_userid": None}])
def test_staff_words_without_an_address_are_counted_and_ignored(raw: dict[str, Any]) -> None:
    """Whatever an entry holds."""
    entry = {"origin": 5, "msgtype": "text", "text": {"content": "x"}, "open_kfid": ACCOUNT, "external_userid": LI}
    batch = parse_batch({"msg_list": [entry | raw]}, NOON)
    assert batch.entries == ()
    assert sum(batch.ignored.values()) == 1


def test_states_and_owners_fit_and_only_permitted_changes_are_asked() -> None:
    """The table of the platform, in both directions."""
    assert [state_for(owner, CONSOLE).value for owner in Owner] == [1, 1, 1, 4]
    assert [state_for(owner, WECOM).value for owner in Owner] == [1, 2, 1, 4]
    assert change_to(SessionState.HUMAN, SessionState.BOT) is None
    assert change_to(SessionState.NEW, SessionState.BOT) is SessionState.BOT
    assert change_to(SessionState.BOT, SessionState.BOT) is None
    assert ALLOWED[SessionState.ENDED] == frozenset()
    assert [OWNERS.get(kind) for kind in ("1", "3", "99")] == [Owner.WITH_AGENT, Owner.RESOLVED, None]


# What a session becomes when our owner is this one: (state now, owner) -> by where humans answer.
TABLE: list[tuple[SessionState, Owner, SessionState, SessionState]] = [
    (NEW, Owner.WITH_BOT, BOT, BOT),
    (NEW, Owner.WAITING_FOR_AGENT, BOT, QUEUED),
    (NEW, Owner.WITH_AGENT, BOT, BOT),
    (NEW, Owner.RESOLVED, ENDED, ENDED),
    (BOT, Owner.WITH_BOT, BOT, BOT),
    (BOT, Owner.WAITING_FOR_AGENT, BOT, QUEUED),
    (BOT, Owner.WITH_AGENT, BOT, BOT),
    (BOT, Owner.RESOLVED, ENDED, ENDED),
    (QUEUED, Owner.WITH_BOT, QUEUED, QUEUED),
    (QUEUED, Owner.WAITING_FOR_AGENT, QUEUED, QUEUED),
    (QUEUED, Owner.WITH_AGENT, QUEUED, QUEUED),
    (QUEUED, Owner.RESOLVED, ENDED, ENDED),
    (HUMAN, Owner.WITH_BOT, HUMAN, HUMAN),
    (HUMAN, Owner.WAITING_FOR_AGENT, HUMAN, HUMAN),
    (HUMAN, Owner.WITH_AGENT, HUMAN, HUMAN),
    (HUMAN, Owner.RESOLVED, ENDED, ENDED),
    (ENDED, Owner.WITH_BOT, ENDED, ENDED),
    (ENDED, Owner.WAITING_FOR_AGENT, ENDED, ENDED),
    (ENDED, Owner.WITH_AGENT, ENDED, ENDED),
    (ENDED, Owner.RESOLVED, ENDED, ENDED),
]


async def test_five_states_follow_our_owners_where_the_platform_permits(database: Database) -> None:
    """Every state and every owner, with humans in the console and in WeCom."""
    for humans, column in ((CONSOLE, 2), (WECOM, 3)):
        for row in TABLE:
            state, owner = row[0], row[1]
            town = KfTown(database, humans)
            town.server.session(ACCOUNT, LI).state = state
            assert (await town.adapter.follow(_to(), owner))[0] is row[column], row
            assert town.server.session(ACCOUNT, LI).state == row[column], row
            await town.close()


# What becomes of our conversation when WeCom tells that a session changed hands.
TOLD: list[tuple[int, Owner, Owner]] = [
    (1, Owner.WITH_BOT, Owner.WITH_AGENT),
    (1, Owner.WAITING_FOR_AGENT, Owner.WITH_AGENT),
    (1, Owner.WITH_AGENT, Owner.WITH_AGENT),
    (2, Owner.WITH_BOT, Owner.WITH_AGENT),
    (2, Owner.WAITING_FOR_AGENT, Owner.WITH_AGENT),
    (3, Owner.WITH_BOT, Owner.RESOLVED),
    (3, Owner.WAITING_FOR_AGENT, Owner.RESOLVED),
    (3, Owner.WITH_AGENT, Owner.RESOLVED),
    (4, Owner.WITH_AGENT, Owner.WITH_AGENT),
    (9, Owner.WITH_BOT, Owner.WITH_BOT),
]


@pytest.mark.parametrize(("change", "before", "after"), TOLD)
async def test_our_owner_follows_what_wecom_tells(town: KfTown, change: int, before: Owner, after: Owner) -> None:
    """The other direction of the table; a resolved conversation stays resolved."""
    conversation = await begun(town)
    await belongs_to(town, conversation, before)
    await town.people.event(LI, "session_status_change", {"change_type": change, "new_servicer_userid": "lisi"})
    await town.settle()
    assert await town._owner_of(conversation) is after


async def test_silent_end_ends_the_session_also_after_a_restart(town: KfTown) -> None:
    """Nothing is said to the shopper, and the process dies before the platform was told."""
    conversation = await begun(town)
    quiet = SqlOwnershipStore(town.database, lambda *_: "")
    await quiet.resolve(conversation, MEI, town.clock.now())
    assert town.people.is_with_bot(LI)
    town.start()
    assert await town.follower.follow() == 1
    assert town.server.session(ACCOUNT, LI).state == ENDED
    assert await town.follower.follow() == 0


async def test_session_that_ended_there_is_resolved_here_and_not_asked_for_again(town: KfTown) -> None:
    """Both ways in silence: nothing is sent, and one look settles it."""
    conversation = await begun(town)
    before = len(town.server.sent)
    await town.people.end(LI)
    await town.settle()
    assert await town._owner_of(conversation) is Owner.RESOLVED
    assert await town.follower.follow() == 1
    assert await town.follower.follow() == 0
    assert len(town.server.sent) == before


async def test_what_is_over_never_ends_what_the_customer_has_begun_since(town: KfTown) -> None:
    """He wrote again before the platform was told: the session is the new conversation's."""
    conversation = await begun(town)
    await belongs_to(town, conversation, Owner.RESOLVED)
    town.clock.advance(timedelta(seconds=1))
    again = await begun(town)
    assert again != conversation
    assert await town.follower.follow() == 0
    assert town.people.is_with_bot(LI)


async def test_session_waits_for_the_last_words_and_for_a_platform_that_is_away(
    town: KfTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is still to be said goes first; a platform that cannot be asked is asked later."""
    conversation = await begun(town)
    pending = update(OUTBOX).values(state="pending", done_at=None)
    await town.database.run(lambda on: on.execute(pending) and None)
    await belongs_to(town, conversation, Owner.RESOLVED)
    assert await town.follower.follow() == 0
    await town.sent()

    async def away(path: str, body: object) -> dict[str, Any]:
        raise Unreached("away")

    with monkeypatch.context() as broken:
        broken.setattr(town.adapter.client, "post", away)
        with pytest.raises(Unreached):
            await town.follower.follow()
    assert await town.follower.follow() == 1
    assert town.server.session(ACCOUNT, LI).state == ENDED


def _to() -> Addressee:
    return Addressee(ACCOUNT, LI, ConversationId("c"))
