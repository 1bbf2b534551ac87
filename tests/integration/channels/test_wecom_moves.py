"""What WeCom's staff do with sessions, told late or twice: whose the conversation is, and what may be sent."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from bot.channels.wecom_kf.sessions import SessionState
from bot.channels.wecom_kf.settings import WECOM
from bot.domain.channel_ports import Refusal, Refused, Sent
from bot.domain.conversation import Owner
from bot.domain.desk_ports import NewPerson
from bot.domain.ids import ConversationId
from bot.domain.messages import OutboundMessage
from bot.domain.people import Role
from storage.database import Database
from storage.ownership import SqlOwnershipStore
from storage.people import SqlPeople
from storage.tables import CONVERSATIONS, EVENTS
from storage.windows import SqlWindowLedger
from tests.contract.line import commit_of
from tests.integration.channels.kf_town import ACCOUNT, LI, KfTown, database_url, town

__all__ = ["database_url", "town"]

HELLO = OutboundMessage("您好")
SECOND = timedelta(seconds=1)


async def begun(town: KfTown) -> ConversationId:
    """Let the customer write and the bot answer."""
    conversation = await town.answered()
    await town.send(HELLO, conversation)
    await town.sent()
    town.clock.advance(SECOND)
    return conversation


async def owners(town: KfTown) -> list[str]:
    """List the owners of all conversations, the oldest first."""
    statement = select(CONVERSATIONS.c.owner).order_by(CONVERSATIONS.c.opened_at)
    return await town.database.read(lambda on: list(on.execute(statement).scalars()))


async def again(town: KfTown) -> None:
    """Let everything be pulled once more, by another run of ours."""
    await town.close()
    town.start()
    await town.database.run(lambda on: on.exec_driver_sql("DELETE FROM cursors WHERE name = 'sync_msg'") and None)
    await town.people.call_back()
    await town.settle()


async def is_open(town: KfTown, conversation: ConversationId) -> bool:
    """Ask the ledger whether anything may be sent."""
    room = await SqlWindowLedger(town.database).of_conversation(conversation, town.clock.now())
    return room is not None and room.is_open


async def has_one_word_left_for_20_seconds(town: KfTown, conversation: ConversationId) -> bool:
    """Ask the ledger what the end of a session leaves, now and when its code is over."""
    room = await SqlWindowLedger(town.database).of_conversation(conversation, town.clock.now())
    town.clock.advance(21 * SECOND)
    return room is not None and room.left == 1 and not await is_open(town, conversation)


async def test_end_that_is_told_again_leaves_what_the_customer_has_begun_since(town: KfTown) -> None:
    """A pull that was cut off is repeated whole: what it told then belongs to the conversation of then."""
    await begun(town)
    await town.people.take_over(LI)
    town.clock.advance(SECOND)
    await town.people.end(LI)
    town.clock.advance(SECOND)
    await town.people.say(LI, "还有问题")
    await town.settle()
    assert await owners(town) == ["resolved", "with_bot"]
    await again(town)
    assert await owners(town) == ["resolved", "with_bot"]
    town.server.knobs.repeat = 3
    await town.people.say(LI, "在吗")
    await town.settle()
    assert await owners(town) == ["resolved", "with_bot"]


async def test_words_after_an_end_are_the_bots_also_when_both_come_in_one_pull(town: KfTown) -> None:
    """We were away: staff ended the session and the customer wrote again, and both are pulled at once."""
    conversation = await begun(town)
    await town.people.take_over(LI)
    await town.settle()
    town.people.silent = True
    await town.people.end(LI)
    town.clock.advance(SECOND)
    await town.people.say(LI, "还有问题")
    town.people.silent = False
    await town.people.call_back()
    await town.settle()
    assert await town._owner_of(conversation) is Owner.RESOLVED
    turn = await town.pending()
    assert turn is not None
    assert (turn.conversation.owner, turn.conversation.id == conversation) == (Owner.WITH_BOT, False)
    assert [message.text for _, message in turn.inbox] == ["还有问题"]


async def test_staff_who_write_to_whose_session_is_over_have_him_until_they_end_it(town: KfTown) -> None:
    """Change 4: the bot stays silent in a conversation of its own, and is back when they are done."""
    await begun(town)
    await town.people.take_over(LI)
    await town.people.end(LI)
    await town.settle()
    town.clock.advance(SECOND)
    await town.people.staff_says(LI, "忘了说，今天发货")
    await town.settle()
    assert await owners(town) == ["resolved", "with_agent"]
    await again(town)
    assert await owners(town) == ["resolved", "with_agent"]
    town.clock.advance(SECOND)
    await town.people.say(LI, "好的")
    await town.settle()
    turn = await town.pending()
    assert turn is not None
    assert turn.conversation.owner is Owner.WITH_AGENT
    refused = await town.send(HELLO, turn.conversation.id)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.HUMAN_ONLY
    statement = select(EVENTS.c.conversation_id).where(EVENTS.c.kind == "agent_uttered")
    said_in = await town.database.read(lambda on: list(on.execute(statement).scalars()))
    assert said_in == [turn.conversation.id]
    town.clock.advance(SECOND)
    await town.people.end(LI)
    await town.settle()
    assert (await owners(town))[:2] == ["resolved", "resolved"]
    await again(town)
    assert "with_agent" not in await owners(town)


async def test_session_that_staff_take_from_our_agent_is_no_longer_his(town: KfTown) -> None:
    """He can say nothing in it any more, so the console must not show it as his."""
    conversation = await begun(town)
    mei = await SqlPeople(town.database).add(NewPerson("mei", "Mei", Role.AGENT, "x"), town.clock.now())
    await SqlOwnershipStore(town.database, lambda *_: "").take(conversation, mei, town.clock.now())
    await town.people.take_over(LI)
    await town.settle()
    held = await town.database.read(
        lambda on: on.execute(select(CONVERSATIONS.c.owner, CONVERSATIONS.c.agent_id, CONVERSATIONS.c.epoch)).one()
    )
    assert tuple(held) == ("with_agent", None, 2)
    await again(town)
    assert (await town.database.read(lambda on: on.execute(select(CONVERSATIONS.c.epoch)).scalar())) == 2


async def test_session_in_wecoms_hands_cannot_be_taken_or_given_to_the_bot_here(database: Database) -> None:
    """Queued there it waits here, taken there it is a human's there, whatever was pressed in our console."""
    town = KfTown(database, WECOM)
    conversation = await town.answered("转人工", owner=Owner.WAITING_FOR_AGENT)
    await town.send(HELLO, conversation)
    await town.sent()
    await town.follower.follow()
    mei = await SqlPeople(database).add(NewPerson("mei", "Mei", Role.MANAGER, "x"), town.clock.now())
    ours = SqlOwnershipStore(database, lambda *_: "")
    for press in (ours.take, ours.give_back):
        town.clock.advance(SECOND)
        await press(conversation, mei, town.clock.now())
        assert await town.follower.follow() == 1
        assert await owners(town) == ["waiting_for_agent"]
        assert await town.follower.follow() == 1
        assert await town.follower.follow() == 0
    town.clock.advance(SECOND)
    await town.people.take_over(LI)
    await town.settle()
    town.clock.advance(SECOND)
    await ours.give_back(conversation, mei, town.clock.now())
    await town.follower.follow()
    assert await owners(town) == ["with_agent"]
    await town.close()


async def test_customer_whose_human_left_without_a_word_waits_for_another(town: KfTown) -> None:
    """The session has ended by itself, and WeCom did not say so: what he writes then is not nobody's."""
    conversation = await begun(town)
    await town.people.take_over(LI)
    await town.settle()
    await town.follower.follow()
    for state, owner in ((SessionState.HUMAN, Owner.WITH_AGENT), (SessionState.NEW, Owner.WAITING_FOR_AGENT)):
        town.clock.advance(SECOND)
        await town.people.say(LI, "还在吗")
        town.server.session(ACCOUNT, LI).state = state
        await town.settle()
        turn = await town.pending()
        assert turn is not None
        await town.turns.commit_turn(commit_of(turn, at=town.clock.now()))
        assert await town.follower.follow() == 1
        assert await town._owner_of(conversation) is owner


async def test_window_is_closed_with_the_session_and_opens_with_the_next_word(town: KfTown) -> None:
    """Ended there: the ledger tells every sender so, but for the one word of the end, until the customer writes."""
    conversation = await begun(town)
    assert await is_open(town, conversation)
    await town.people.end(LI)
    await town.settle()
    assert await has_one_word_left_for_20_seconds(town, conversation)
    assert await is_open(town, await town.answered())


async def test_window_is_closed_when_our_end_was_told(town: KfTown) -> None:
    """Ended here: as soon as the session is over there; what the customer has begun meanwhile keeps its window."""
    conversation = await begun(town)
    over = update(CONVERSATIONS).values(owner="resolved", epoch=1, updated_at=town.clock.now())
    await town.database.run(lambda on: on.execute(over) and None)
    assert await is_open(town, conversation)
    assert await town.follower.follow() == 1
    assert town.server.session(ACCOUNT, LI).state == SessionState.ENDED
    assert await has_one_word_left_for_20_seconds(town, conversation)
    following = await town.answered()
    assert await is_open(town, following)
    await town.database.run(lambda on: on.exec_driver_sql("DELETE FROM cursors WHERE name LIKE 'session%'") and None)
    assert await town.follower.follow() == 0
    assert await is_open(town, following)


async def test_wecom_mode_from_the_queue_to_the_bot_again(database: Database) -> None:
    """Handed over, queued, accepted, passed on, ended, and the bot's again with the customer's next word."""
    town = KfTown(database, WECOM)
    conversation = await town.answered("转人工", owner=Owner.WAITING_FOR_AGENT)
    assert isinstance(await town.send(HELLO, conversation), Sent)
    await town.sent()
    await town.follower.follow()
    states = [town.server.session(ACCOUNT, LI).state]
    for change, state in ((1, SessionState.HUMAN), (2, SessionState.HUMAN), (3, SessionState.ENDED)):
        town.clock.advance(SECOND)
        town.server.session(ACCOUNT, LI).state = state
        told = {"change_type": change, "new_servicer_userid": f"staff{change}"}
        await town.people.event(LI, "session_status_change", told)
        await town.settle()
        await town.follower.follow()
        states.append(town.server.session(ACCOUNT, LI).state)
    assert states == [SessionState.QUEUED, SessionState.HUMAN, SessionState.HUMAN, SessionState.ENDED]
    town.clock.advance(SECOND)
    assert isinstance(await town.send(HELLO, await town.answered("又来了")), Sent)
    assert await owners(town) == ["resolved", "with_bot"]
    await town.close()
