"""The ticket queue: found, owned, moved with a word to the shopper, noted."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain import events as ev
from bot.domain.handoff import Priority
from bot.domain.ids import ConversationId
from bot.domain.tickets import TicketKind
from storage.tables import OUTBOX
from storage.ticket_desk import SqlTicketBoard
from tests.integration.console.shop import PASSWORDS, Browser, Shop, ticket


@pytest.fixture
async def origin(shop: Shop) -> ConversationId:
    """Give a conversation in which a ticket was opened."""
    return await shop.exchange(
        "visitor", "壶裂了", "登记好了", name="陈小雨", tickets=(ticket("TK10000001", "壶嘴裂了"),)
    )


def numbers(page: str) -> list[str]:
    """List the tickets of a page, in order."""
    return re.findall(r'href="/console/tickets/(TK\d+)"', page)


async def notices(shop: Shop, conversation_id: ConversationId) -> list[str]:
    """List what the shopper was told in a conversation: events and outbox rows must agree."""
    events = await shop.stores.conversations.events(conversation_id)
    told = [event.text for _, _, event in events if isinstance(event, ev.NoticeSent)]
    rows = select(OUTBOX.c.message).where(OUTBOX.c.conversation_id == conversation_id, OUTBOX.c.sender == "notice")
    sent = await shop.database.read(lambda on: [message["text"] for message in on.execute(rows).scalars()])
    assert sent == told
    return told


async def test_move_tells_the_shopper_in_the_same_commit(shop: Shop, li: Browser, origin: ConversationId):
    """State, history, event and outbox row appear together, and the engine is rung."""
    assert (await li.post("/tickets/TK10000001/state", {"state": "in_progress"})).status_code == 303
    assert await notices(shop, origin) == ["[zh] notice.ticket_in_progress TK10000001"]
    moved = [
        event for _, _, event in await shop.stores.conversations.events(origin) if isinstance(event, ev.TicketMoved)
    ]
    assert moved == [ev.TicketMoved("TK10000001", "open", "in_progress", shop.agents["li"].id)]
    assert shop.dispatcher.rung == [origin]
    page = (await li.get("/tickets/TK10000001")).text
    assert "State: Open → In progress" in page


async def test_move_whose_notice_fails_changes_nothing(shop: Shop, origin: ConversationId):
    """When the shopper cannot be told, the ticket stays where it is."""

    def broken(key: str, data: object, locale: str) -> str:
        raise LookupError(key)

    board = SqlTicketBoard(shop.database, broken)
    with pytest.raises(LookupError):
        await board.move("TK10000001", "in_progress", shop.agents["li"], shop.clock.now())
    file = await board.open("TK10000001")
    assert file.line.ticket.state.value == "open"
    assert len(file.notes) == 1
    assert await notices(shop, origin) == []


async def test_move_is_told_in_the_latest_conversation_on_the_tickets_channel(shop: Shop, li: Browser):
    """A shopper who came back is told where he is now, in that conversation's language."""
    old = await shop.exchange("visitor", "裂了", tickets=(ticket("TK10000001", "裂了"),))
    await shop.stores.ownership.resolve(old, shop.agents["zhao"], shop.clock.now())
    shop.clock.advance(timedelta(hours=1))
    new = await shop.exchange("visitor", "hello again", "hi", locale="en")
    assert new != old
    await li.post("/tickets/TK10000001/state", {"state": "solved"})
    assert await notices(shop, new) == ["[en] notice.ticket_solved TK10000001"]
    assert "notice.ticket_solved" not in str(await notices(shop, old))


@pytest.mark.parametrize(("state", "status"), [("closed", 409), ("open", 409), ("flying", 400), ("", 400)])
async def test_move_the_state_does_not_permit_is_refused(
    shop: Shop, li: Browser, origin: ConversationId, state: str, status: int
):
    """An open ticket cannot be closed unsolved, nor moved to a state there is not; nobody is told anything."""
    assert (await li.post("/tickets/TK10000001/state", {"state": state})).status_code == status
    assert await notices(shop, origin) == []


async def test_move_by_two_at_once_happens_once(shop: Shop, li: Browser, wang: Browser, origin: ConversationId):
    """The second click on an old page changes nothing and tells nothing."""
    assert (await li.post("/tickets/TK10000001/state", {"state": "solved"})).status_code == 303
    again = await wang.post("/tickets/TK10000001/state", {"state": "solved"})
    assert again.status_code == 409
    assert "changed just now" in again.text
    assert len(await notices(shop, origin)) == 1


async def test_reopened_ticket_gets_a_new_promise(shop: Shop, li: Browser, origin: ConversationId):
    """A promise from last week is none."""
    await li.post("/tickets/TK10000001/state", {"state": "solved"})
    shop.clock.advance(timedelta(days=7))
    await li.sign_in("li", PASSWORDS["agent"])
    await li.post("/tickets/TK10000001/state", {"state": "open"})
    file = await shop.stores.tickets.open("TK10000001")
    assert file.line.ticket.due_at > shop.clock.now()


async def test_owner_is_kept_with_its_history(shop: Shop, li: Browser, origin: ConversationId):
    """Given to a person, then to nobody; both stand in the history; a stranger's id is refused."""
    wang = shop.agents["wang"].id
    await li.post("/tickets/TK10000001/owner", {"owner": wang})
    assert (await shop.stores.tickets.open("TK10000001")).line.owner_name == "Wang"
    assert numbers((await li.get(f"/tickets?owner={wang}")).text) == ["TK10000001"]
    assert numbers((await li.get("/tickets?owner=nobody")).text) == []
    await li.post("/tickets/TK10000001/owner", {"owner": ""})
    assert (await li.post("/tickets/TK10000001/owner", {"owner": "stranger"})).status_code == 404
    page = (await li.get("/tickets/TK10000001")).text
    assert "Owner: Wang" in page
    assert "Owner: Nobody" in page


async def test_note_is_private(shop: Shop, li: Browser, origin: ConversationId):
    """A note stands on the ticket and nowhere else."""
    await li.post("/tickets/TK10000001/note", {"text": "仓库有货"})
    assert "仓库有货" in (await li.get("/tickets/TK10000001")).text
    assert await notices(shop, origin) == []
    assert (await li.post("/tickets/TK10000001/note", {"text": " "})).status_code == 400


async def test_filters_find_exactly_what_they_say(shop: Shop, li: Browser):
    """State, kind, priority and words narrow the list; unfinished is the default; urgent stands first."""
    drafts = (
        ticket("TK10000001", "壶嘴裂了 100%"),
        ticket("TK10000002", "invoice please", TicketKind.INVOICE, order_number="W2378156"),
        ticket("TK10000003", "重复扣款", TicketKind.PAYMENT, priority=Priority.URGENT),
        ticket("TK10000004", "over"),
    )
    await shop.exchange("visitor", "你好", tickets=drafts, name="陈小雨")
    await li.post("/tickets/TK10000004/state", {"state": "solved"})
    expected = {
        "": ["TK10000003", "TK10000001", "TK10000002"],
        "state=any": ["TK10000003", "TK10000001", "TK10000002", "TK10000004"],
        "state=solved": ["TK10000004"],
        "kind=invoice": ["TK10000002"],
        "priority=urgent": ["TK10000003"],
        "q=裂了": ["TK10000001"],
        "q=W2378156": ["TK10000002"],
        "q=INVOICE": ["TK10000002"],
        "q=小雨&kind=payment": ["TK10000003"],
        "q=0%": ["TK10000001"],
        "q=_": [],
        "q=' OR 1=1 --": [],
        "state=<script>": [],
    }
    for query, found in expected.items():
        assert numbers((await li.get(f"/tickets?{query.replace('%', '%25')}")).text) == found, query


async def test_ticket_that_is_not_there_is_a_sentence(li: Browser):
    """Not found is a page for reading and for every form."""
    assert (await li.get("/tickets/TK99999999")).status_code == 404
    for path, form in (("owner", {}), ("state", {"state": "solved"}), ("note", {"text": "x"})):
        assert (await li.post(f"/tickets/TK99999999/{path}", form)).status_code == 404, path
