"""A conversation's page: what is shown, what may be done, who was first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot.domain import events as ev
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from storage.tables import WINDOWS
from tests.integration.console.shop import Browser, Shop, order, ticket

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</textarea><script>alert(1)</script>",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(1)",
    "{0} {name} %s",
    "\u202eevil\u200b",
]
HX = {"hx-request": "true"}


@pytest.fixture
async def waiting(shop: Shop) -> ConversationId:
    """Give a conversation that waits for an agent."""
    return await shop.exchange("visitor", "找人工", "请稍等", handoff=("angry", "壶裂了", "urgent"), name="陈小雨")


async def owner_of(shop: Shop, conversation_id: ConversationId) -> Owner:
    """Read who owns a conversation."""
    return (await shop.stores.conversations.get(conversation_id)).owner


async def said_by_agents(shop: Shop, conversation_id: ConversationId) -> list[str]:
    """List what agents said."""
    events = await shop.stores.conversations.events(conversation_id)
    return [event.text for _, _, event in events if isinstance(event, ev.AgentUttered)]


def keys() -> Iterator[str]:
    """Give keys of replies, each another."""
    number = 0
    while True:
        number += 1
        yield f"key{number}"


async def test_conversation_shows_the_whole_customer(shop: Shop, li: Browser):
    """Thread, handoff summary, proved orders, tickets and past conversations stand side by side."""
    past = await shop.exchange("visitor", "以前的问题", "好的", name="陈小雨")
    await shop.stores.ownership.resolve(past, shop.agents["zhao"], shop.clock.now())
    shop.orders.orders["2026112000001"] = order("2026112000001")
    conversation_id = await shop.exchange(
        "visitor",
        "壶裂了",
        "登记好了",
        name="陈小雨",
        events=[ev.OrderProved("2026112000001")],
        tickets=(ticket("TK12345678", "壶嘴裂了"),),
        handoff=("angry", "壶裂了很生气", "urgent"),
    )
    page = (await li.get(f"/conversations/{conversation_id}")).text
    for words in ("陈小雨", "壶裂了", "登记好了", "壶裂了很生气", "Angry", "手冲咖啡壶", "SF1234567890", "TK12345678"):
        assert words in page, words
    assert f"/console/conversations/{past}" in page
    assert "8812" not in page


@pytest.mark.parametrize("attack", ATTACKS)
async def test_shoppers_words_are_shown_never_run(shop: Shop, li: Browser, zhao: Browser, attack: str):
    """Whatever a shopper writes or calls himself is text on every page it reaches."""
    conversation_id = await shop.exchange(
        "visitor",
        attack,
        attack,
        name=attack,
        tickets=(ticket("TK12345678", attack, category=attack[:20], details={"story": attack}),),
        events=[ev.CustomerUttered("", "image", attachments=[{"kind": attack, "name": attack, "reference": ""}])],
        handoff=("requested", attack, "normal"),
    )
    await shop.stores.notebook.write(conversation_id, shop.agents["li"], attack, shop.clock.now())
    for browser, path in (
        (li, "/inbox"),
        (li, f"/conversations/{conversation_id}"),
        (li, f"/conversations/{conversation_id}/thread"),
        (li, "/tickets"),
        (li, "/tickets/TK12345678"),
        (zhao, "/transcripts"),
        (zhao, f"/transcripts?q={attack[:10]}"),
        (zhao, f"/transcripts/{conversation_id}"),
    ):
        answer = await browser.get(path)
        assert answer.status_code == 200, path
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert ">49 " not in answer.text


async def test_two_agents_at_once_one_has_it_and_the_other_is_told_who(
    shop: Shop, li: Browser, wang: Browser, waiting: ConversationId
):
    """Both click; exactly one holds it and the loser's page names the winner."""
    answers = await asyncio.gather(*(each.post(f"/conversations/{waiting}/take", headers=HX) for each in (li, wang)))
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    conversation = await shop.stores.conversations.get(waiting)
    winner = "Li" if conversation.agent_id == shop.agents["li"].id else "Wang"
    loser = next(answer for answer in answers if answer.status_code == 409)
    assert f"{winner} already has this conversation" in loser.text
    assert loser.headers["hx-retarget"] == "#flash"


async def test_reply_reaches_the_shopper_once(shop: Shop, li: Browser, waiting: ConversationId):
    """The reply is in the record and the outbox, the engine is rung, a repeat of the same form changes nothing."""
    await li.post(f"/conversations/{waiting}/take")
    shop.dispatcher.rung.clear()
    shop.live.heard.clear()
    form = {"text": "  您好，我来看看。\r\n请稍等  ", "key": "k1"}
    answer = await li.post(f"/conversations/{waiting}/reply", form, headers=HX)
    assert answer.status_code == 204
    assert answer.headers["hx-trigger"] == "changed"
    thread = (await li.get(f"/conversations/{waiting}/thread", headers=HX)).text
    assert "您好，我来看看。" in thread
    assert 'data-reply="yes"' in thread
    await li.post(f"/conversations/{waiting}/reply", form, headers=HX)
    assert await said_by_agents(shop, waiting) == ["您好，我来看看。\n请稍等"]
    assert shop.dispatcher.rung[0] == waiting
    assert {event.topic for event in shop.live.heard} == {f"conversation:{waiting}", "desk"}
    deliveries = await shop.stores.deliveries.of_conversation(waiting)
    assert "pending" in {delivery.state for delivery in deliveries.values()}


@pytest.mark.parametrize("holder", ["nobody", "another", "over"])
async def test_reply_without_holding_it_is_refused_on_the_server(
    shop: Shop, li: Browser, wang: Browser, waiting: ConversationId, holder: str
):
    """A button that is not there cannot be pressed by hand either."""
    sentences = {"nobody": "Take it first", "another": "Wang already has", "over": "is resolved"}
    if holder != "nobody":
        await wang.post(f"/conversations/{waiting}/take")
    if holder == "over":
        await wang.post(f"/conversations/{waiting}/resolve")
    answer = await li.post(f"/conversations/{waiting}/reply", {"text": "我来", "key": "k"}, headers=HX)
    assert answer.status_code == 409
    assert sentences[holder] in answer.text
    assert await said_by_agents(shop, waiting) == []


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"text": "   \n ", "key": "k"}, "Nothing was written"),
        ({"text": "长" * 4001, "key": "k"}, "4001 characters"),
        ({"text": "好", "key": ""}, "Reload it"),
        ({"text": "好", "key": "k" * 65}, "Reload it"),
        ({}, "Reload it"),
    ],
)
async def test_bad_replies_get_a_sentence(
    shop: Shop, li: Browser, waiting: ConversationId, form: dict[str, str], words: str
):
    """Empty, endless, without key: told why, nothing sent."""
    await li.post(f"/conversations/{waiting}/take")
    answer = await li.post(f"/conversations/{waiting}/reply", form, headers=HX)
    assert answer.status_code == 400
    assert words in answer.text
    assert await said_by_agents(shop, waiting) == []


async def test_buttons_are_those_the_state_permits(shop: Shop, li: Browser, wang: Browser, waiting: ConversationId):
    """Waiting: take. Mine: give back and resolve. Another's: nothing. Over: nothing."""

    async def buttons(browser: Browser) -> list[str]:
        page = (await browser.get(f"/conversations/{waiting}")).text
        return [name for name in ("take", "give-back", "resolve") if f'/{name}"' in page]

    assert await buttons(li) == ["take", "give-back", "resolve"]
    await li.post(f"/conversations/{waiting}/take")
    assert await buttons(li) == ["give-back", "resolve"]
    assert await buttons(wang) == []
    assert "Only Li, who has it, replies" in (await wang.get(f"/conversations/{waiting}")).text
    await li.post(f"/conversations/{waiting}/resolve")
    assert await buttons(li) == []


async def test_give_back_and_resolve_by_another_agent_are_refused(
    shop: Shop, li: Browser, wang: Browser, zhao: Browser, waiting: ConversationId
):
    """Only the holder or a manager ends it."""
    await li.post(f"/conversations/{waiting}/take")
    for action in ("give-back", "resolve"):
        assert (await wang.post(f"/conversations/{waiting}/{action}")).status_code == 409
    assert await owner_of(shop, waiting) is Owner.WITH_AGENT
    assert (await zhao.post(f"/conversations/{waiting}/give-back")).status_code == 303
    assert await owner_of(shop, waiting) is Owner.WITH_BOT


async def test_private_note_is_for_the_desk_only(shop: Shop, li: Browser, wang: Browser, waiting: ConversationId):
    """Anybody at the desk may leave one; nothing goes to the outbox."""
    before = await shop.stores.deliveries.of_conversation(waiting)
    answer = await wang.post(f"/conversations/{waiting}/note", {"text": "先查仓库"}, headers=HX)
    assert answer.status_code == 204
    assert "先查仓库" in (await li.get(f"/conversations/{waiting}")).text
    assert await shop.stores.deliveries.of_conversation(waiting) == before
    assert await owner_of(shop, waiting) is Owner.WAITING_FOR_AGENT


async def test_refused_delivery_is_shown_with_its_reason(shop: Shop, li: Browser, waiting: ConversationId):
    """An agent sees when his words did not arrive, and why."""
    from storage.outbox import SqlOutboxStore  # noqa: PLC0415 - only this test plays the delivery

    outbox = SqlOutboxStore(shop.database)
    item = await outbox.next_due(waiting, shop.clock.now())
    assert item is not None
    await outbox.mark_refused(item.id, shop.clock.now(), "blocked by the customer", "blocked")
    page = (await li.get(f"/conversations/{waiting}")).text
    assert "Not delivered: The shopper blocked us — blocked by the customer" in page


async def test_times_are_the_agents_own(shop: Shop, li: Browser, waiting: ConversationId):
    """The same moment reads as the agent's clock has it, in the agent's language."""
    assert "06:00" in (await li.get(f"/conversations/{waiting}/thread")).text
    await li.post("/settings", {"locale": "zh", "timezone": "America/New_York"})
    page = (await li.get(f"/conversations/{waiting}/thread")).text
    assert "01:00" in page
    assert "顾客" in page


@pytest.mark.parametrize("path", ["/conversations/none", "/conversations/none/thread", "/conversations/none/card"])
async def test_conversation_that_is_not_there_is_a_sentence(li: Browser, path: str):
    """Not found is a page."""
    answer = await li.get(path)
    assert answer.status_code == 404
    assert "was not found" in answer.text


async def test_every_action_on_nothing_is_a_sentence(li: Browser):
    """No trace for a conversation that is not there."""
    for action in ("take", "give-back", "resolve", "note", "reply"):
        answer = await li.post(f"/conversations/none/{action}", {"text": "x", "key": "k"})
        assert answer.status_code == 404, action
        assert "Traceback" not in answer.text


async def test_composer_tells_what_the_platform_still_lets_us_send(shop: Shop, li: Browser):
    """How many and until when; a closed window says what is still possible; a channel without windows says nothing."""
    counted = await shop.exchange("oLi", "在吗", channel="wechat_oa")
    assert "5 messages left, until" in (await li.get(f"/conversations/{counted}")).text
    long_ago = update(WINDOWS).values(opened_at=shop.clock.now() - timedelta(hours=49))
    await shop.database.run(lambda connection: connection.execute(long_ago) and None)
    renewed = (await li.get(f"/conversations/{counted}/thread", headers=HX)).text
    assert "window is closed. Still possible: wait for the shopper to write" in " ".join(renewed.split())
    free = await shop.exchange("visitor", "在吗")
    assert "messages left" not in (await li.get(f"/conversations/{free}")).text
