"""Linked people, and two again: what was worked out while they were one does not reach the wrong one afterwards."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.errors import Conflict
from bot.domain.ids import ConversationId
from bot.domain.links import Evidence, LinkWish
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.people import Agent
from storage.tables import CUSTOMERS, LINKS, OUTBOX, TICKETS
from tests.contract.line import Line
from tests.contract.people_on_channels import Town, complaint

TG = Sender("telegram", "main", "tg-lin")


@pytest.fixture
async def town(line: Line) -> Town:
    """Give a town with two orders of one phone."""
    made = Town(line)
    await made.sells("W1", "0001")
    await made.sells("W2", "0001")
    return made


@pytest.fixture
async def mei(line: Line) -> Agent:
    """Give an agent."""
    return await line.hire("mei")


async def linked(town: Town, mei: Agent) -> tuple[ConversationId, ConversationId]:
    """Let an agent make one of somebody on the web, who proved W1, and somebody on Telegram."""
    here = await town.writes("lin", proves=("W1",))
    there = await town.writes("tg-lin", "telegram")
    await town.book.link(LinkWish(here, await town.customer("tg-lin"), "同一人"), mei, town.clock.now())
    return here, there


async def undo(town: Town, here: ConversationId, mei: Agent) -> None:
    """Undo the newest link that counts."""
    link = next(one for one in (await town.book.person(here)).links if one.undone_at is None)
    await town.book.undo(link.id, mei, "不是同一人", town.clock.now())


async def test_turn_that_began_while_they_were_one_is_worked_out_anew_when_they_are_two(town: Town, mei: Agent):
    """Nothing about the other's order is said that was put together before the undoing and committed after it."""
    here, there = await linked(town, mei)
    await town.line.accept("where", who=TG)
    begun = await town.line.pending(there)
    assert begun.tracker.proved_orders == ("W1",)
    await undo(town, here, mei)
    with pytest.raises(Conflict):
        await town.line.commit(begun, "W1 已发往西湖区")
    anew = await town.line.pending(there)
    assert anew.tracker.proved_orders == ()
    await town.line.commit(anew, "请告诉我订单号")


async def test_words_that_wait_when_a_link_is_made_go_out_and_when_it_is_undone_do_not(town: Town, mei: Agent):
    """The bot's answer to the one may be about the other's order; whoever opens the conversation reads why."""
    here = await town.writes("lin", proves=("W1",))
    there = await town.writes("tg-lin", "telegram")
    await town.book.link(LinkWish(here, await town.customer("tg-lin"), "同一人"), mei, town.clock.now())
    item = await town.line.outbox.next_due(there, town.clock.now())
    assert item is not None
    assert item.message.text == "好的"
    await undo(town, here, mei)
    assert await town.line.outbox.next_due(there, town.clock.now()) is None
    rows = [row for row in await town.line.rows(OUTBOX) if row["conversation_id"] == there]
    assert [(row["state"], "link" in row["reason"]) for row in rows] == [("dropped", True)]


async def test_agents_words_go_out_whoever_is_linked_or_not(town: Town, mei: Agent):
    """A human's words are nobody's guess."""
    here, there = await linked(town, mei)
    await town.line.ownership.take(there, mei, town.clock.now())
    await town.line.ownership.reply(there, mei, "我来看看", town.clock.now(), "c1")
    await undo(town, here, mei)
    waiting = [row for row in await town.line.rows(OUTBOX) if row["conversation_id"] == there]
    assert [row["state"] for row in waiting if row["sender"] == "agent"] == ["pending"]


async def test_name_follows_its_own_identity(town: Town, mei: Agent):
    """A nameless visitor is called by the other's name while they are one, and is nameless again after."""
    here = await town.line.accept("n1", who=Sender("web", "main", "v-1"))
    await town.line.commit(await town.line.pending(here), "好的")
    later = town.clock.now() + timedelta(hours=1)
    first = InboundMessage(Sender("telegram", "main", "tg-2", "Fang"), "n2", MessageKind.TEXT, later, "hi")
    await town.line.inbox.accept([first], later)
    await town.book.link(LinkWish(here, await town.customer("tg-2"), "同一人"), mei, town.clock.now())
    assert (await town.book.person(here)).customer.display_name == "Fang"
    await town.line.accept("n3", who=Sender("telegram", "main", "tg-2", "Fang Wang"))
    assert (await town.book.person(here)).customer.display_name == "Fang Wang"
    await undo(town, here, mei)
    assert (await town.book.person(here)).customer.display_name == ""
    names = {row["id"]: row["display_name"] for row in await town.line.rows(CUSTOMERS)}
    assert names[await town.customer("tg-2")] == "Fang Wang"


async def test_two_whatsapp_numbers_are_two_phones(town: Town):
    """The platform has verified both: who proves the same order from another number is never linked by that."""
    await town.writes("8613800000001", "whatsapp", proves=("W1",))
    conversation = await town.writes("8613900000002", "whatsapp", proves=("W1",))
    assert await town.linking.run_due() == []
    (suggestion,) = (await town.book.person(conversation)).suggestions
    assert suggestion.clues[0].kind is Evidence.ORDER
    assert suggestion.conflict.phones == ("0001", "0002")


async def test_two_whatsapp_numbers_are_not_joined_through_a_third_channel(town: Town):
    """The web visitor who proved it is linked with the first, and with the second never by itself."""
    for who, channel in (("8613800000001", "whatsapp"), ("lin", "web"), ("8613900000002", "whatsapp")):
        await town.writes(who, channel, proves=("W1",))
        await town.linking.run_due()
    assert await town.customer("lin") == await town.customer("8613800000001")
    assert await town.customer("8613900000002") != await town.customer("lin")


async def test_whatsapp_id_of_somebody_who_hides_his_number_is_no_phone(town: Town):
    """Nothing speaks against an id beside a number: the same order links them."""
    await town.writes("8613800000001", "whatsapp", proves=("W1",))
    await town.writes("CN.13491208655302741918", "whatsapp", proves=("W1",))
    await town.linking.run_due()
    assert await town.customer("CN.13491208655302741918") == await town.customer("8613800000001")


async def test_two_agents_who_decide_the_same_at_once_make_one_link(town: Town, line: Line, mei: Agent):
    """Whoever is second finds it done, also when the other customer is nobody's any more; his page is no error."""
    here = await town.writes("lin")
    there = await town.writes("tg-lin", "telegram")
    li, lin, other = await line.hire("li"), await town.customer("lin"), await town.customer("tg-lin")
    wishes = [(LinkWish(here, other, "同一人"), mei), (LinkWish(there, lin, "同一人"), li)] * 2
    await asyncio.gather(*(town.book.link(wish, agent, town.clock.now()) for wish, agent in wishes))
    assert await town.line.count(LINKS) == 1
    third = await town.writes("wa-lin", "line")
    await town.book.link(LinkWish(third, other, "也是"), li, town.clock.now())
    assert len({await town.customer(who) for who in ("lin", "tg-lin", "wa-lin")}) == 1


async def test_decision_joins_with_the_identity_that_was_looked_at(town: Town, mei: Agent):
    """When the other customer has grown meanwhile, undoing his older link takes the newer one not along."""
    old = await town.writes("old", "line")
    here = await town.writes("lin")
    await town.writes("tg-lin", "telegram")
    seen = await town.customer("tg-lin")
    await town.book.link(LinkWish(old, seen, "同一人"), mei, town.clock.now())
    await town.book.link(LinkWish(here, seen, "同一人"), mei, town.clock.now())
    file = await town.book.person(here)
    ends = {link.other.channel_user_id for link in file.links}
    assert ends == {"tg-lin"}


async def test_ticket_filed_on_the_others_proof_says_after_the_undoing_that_nothing_was_proved(town: Town, mei: Agent):
    """Its number stays, since the shopper saw it; the next agent does not read that this one proved it."""
    here, there = await linked(town, mei)
    shown = {"order_proved": True, "story": "碎了"}
    await town.writes("lin", tickets=(complaint("TK1", order_number="W1", details=shown),))
    await town.writes("tg-lin", "telegram", tickets=(complaint("TK2", order_number="W1", details=shown),))
    await undo(town, here, mei)
    told = {row["number"]: row["details"] for row in await town.line.rows(TICKETS)}
    assert told == {"TK1": shown, "TK2": shown | {"order_proved": False}}
    del there


async def test_three_linked_and_one_undone_each_keeps_what_came_by_him_since(town: Town, mei: Agent):
    """Orders proved, tickets and messages of the time as one go with the channel they came by; two stay one."""
    here = await town.writes("lin", proves=("W1",))
    middle = await town.writes("tg-lin", "telegram")
    await town.writes("wa-lin", "line")
    for conversation, other in ((here, "tg-lin"), (middle, "wa-lin")):
        await town.book.link(LinkWish(conversation, await town.customer(other), "同一人"), mei, town.clock.now())
    await town.writes("wa-lin", "line", proves=("W2",), tickets=(complaint("TK3"),))
    await town.writes("tg-lin", "telegram", tickets=(complaint("TK2"),))
    first = next(one for one in (await town.book.person(here)).links if one.identity.channel_user_id == "lin")
    await town.book.undo(first.id, mei, "不是", town.clock.now())
    picture = await town.picture()
    assert picture["tg-lin"][0] == picture["wa-lin"][0] != picture["lin"][0]
    assert (picture["lin"][5], picture["tg-lin"][5], picture["wa-lin"][5]) == (("W1",), ("W2",), ("W2",))
    assert (picture["tg-lin"][4], picture["wa-lin"][4]) == (("TK2",), ("TK3",))
    assert all(drawn[1] == drawn[2] == {drawn[0]} for drawn in picture.values())
