"""A closed window at the desk: what is still possible is offered to whoever holds the conversation, and recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.desk.counter import DeskSecurity, make_desk
from bot.domain.ids import ConversationId
from bot.domain.messages import TemplateUse
from bot.domain.windows import MessageTemplate
from storage.messages import decode_outbound
from storage.tables import EVENTS, IDENTITIES, OUTBOX
from tests.contract.line import Line
from tests.integration.console.shop import HASHER, PASSWORDS, Browser, Shop

UPDATE = MessageTemplate("order_update", "zh_CN", "您好{{1}}，订单{{2}}有新进展。", ("姓名", "订单号"))
HELLO = MessageTemplate("hello", "en_US", "Hello again!")


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    """Give the shop two templates."""
    stores = replace(shop.stores, templates={"whatsapp": (UPDATE, HELLO)})
    security = DeskSecurity(secret="a secret of the tests", hasher=HASHER)
    made = make_desk(stores, security, shop.dispatcher, shop.live, shop.clock)
    for name in ("stores", "ways"):
        object.__setattr__(shop.desk, name, getattr(made, name))
    return shop


async def held(shop: Shop, li: Browser, channel: str = "whatsapp") -> ConversationId:
    """Let Li hold a conversation that was closed two days ago."""
    conversation = await shop.say("wang", "在吗", channel, "王芳")
    await li.post(f"/conversations/{conversation}/take")
    shop.clock.advance(timedelta(days=2))
    await li.sign_in("li", PASSWORDS["agent"])
    return conversation


async def sent(shop: Shop) -> list[dict[str, object]]:
    """List the agent's outbox rows."""
    return [row for row in await Line(shop.database).rows(OUTBOX) if row["sender"] == "agent"]


async def test_template_is_filled_looked_at_and_sent_as_the_agents_words(stocked: Shop, li: Browser):
    """The preview shows what the shopper reads; the record holds the text, the name and the values."""
    conversation = await held(stocked, li)
    page = await li.get(f"/conversations/{conversation}")
    assert f"/conversations/{conversation}/templates" in page.text
    path = f"/conversations/{conversation}/templates"
    empty = await li.get(path)
    assert "您好{{1}}" in empty.text
    assert "Send this template" not in empty.text
    filled = await li.get(f"{path}?template=order_update/zh_CN&value1=王芳&value2=<b>W1</b>")
    assert "您好王芳，订单&lt;b&gt;W1&lt;/b&gt;有新进展。" in filled.text
    assert "Send this template" in filled.text
    form = {"template": "order_update/zh_CN", "value1": "王芳", "value2": "W1", "key": "k1"}
    assert (await li.post(path, form)).status_code == 303
    assert (await li.post(path, form)).status_code == 303
    (row,) = await sent(stocked)
    message = decode_outbound(row["message"])
    assert message.text == "您好王芳，订单W1有新进展。"
    assert message.template == TemplateUse("order_update", "zh_CN", ("王芳", "W1"))
    events = [one["data"] for one in await Line(stocked.database).rows(EVENTS) if one["kind"] == "agent_uttered"]
    assert [(one["text"], one["template"]) for one in events] == [(message.text, "order_update")]
    assert "order_update" in (await li.get(f"/conversations/{conversation}")).text


@pytest.mark.parametrize(
    "form",
    [
        {"template": "order_update/zh_CN", "value1": "王芳"},
        {"template": "order_update/zh_CN", "value1": "王芳", "value2": "  "},
        {"template": "order_update/zh_CN", "value1": "王\n芳", "value2": "W1"},
        {"template": "order_update/zh_CN", "value1": "x" * 201, "value2": "W1"},
        {"template": "nobody/zh_CN", "value1": "王芳", "value2": "W1"},
        {"template": "order_update/zh_CN", "value1": "王芳", "value2": "W1", "key": ""},
        {},
    ],
    ids=range(7),
)
async def test_template_that_is_not_whole_is_a_sentence(stocked: Shop, li: Browser, form: dict[str, str]):
    """A missing, empty or broken value sends nothing."""
    conversation = await held(stocked, li)
    answer = await li.post(f"/conversations/{conversation}/templates", {"key": "k1", **form})
    assert answer.status_code == 400
    assert await sent(stocked) == []


async def test_template_of_a_conversation_somebody_else_holds_is_refused(stocked: Shop, li: Browser, wang: Browser):
    """Only who holds it speaks, also by template."""
    conversation = await held(stocked, li)
    await wang.sign_in("wang", PASSWORDS["agent"])
    page = await wang.get(f"/conversations/{conversation}/templates?template=hello/en_US")
    assert "Send this template" not in page.text
    answer = await wang.post(f"/conversations/{conversation}/templates", {"template": "hello/en_US", "key": "k1"})
    assert answer.status_code == 409
    assert await sent(stocked) == []


async def test_open_window_offers_nothing(stocked: Shop, li: Browser):
    """While the window is open there is the reply, and no other way."""
    conversation = await stocked.say("wang", "在吗", "whatsapp")
    await li.post(f"/conversations/{conversation}/take")
    page = await li.get(f"/conversations/{conversation}")
    assert f"/conversations/{conversation}/templates" not in page.text


async def test_human_is_told_until_when_he_may_write(shop: Shop, li: Browser):
    """On Messenger the page says that a person's words still go out."""
    conversation = await held(shop, li, "messenger")
    page = await li.get(f"/conversations/{conversation}")
    assert "A human may still answer until" in page.text
    shop.clock.advance(timedelta(days=6))
    await li.sign_in("li", PASSWORDS["agent"])
    assert "A human may still answer until" not in (await li.get(f"/conversations/{conversation}")).text


async def test_another_channel_of_the_customer_is_a_way(shop: Shop, li: Browser):
    """The button opens (or finds) his conversation there and takes it; a stranger's identity is no way."""
    conversation = await held(shop, li)
    await shop.say("wang-web", "hi", "web")
    await shop.say("stranger", "hi", "web")
    line = Line(shop.database)
    ids = {row["channel_user_id"]: row for row in await line.rows(IDENTITIES)}
    move = f"UPDATE identities SET customer_id='{ids['wang']['customer_id']}' WHERE id='{ids['wang-web']['id']}'"  # noqa: S608
    await shop.database.run(lambda on: on.exec_driver_sql(move) and None)
    assert "Write on Web" in (await li.get(f"/conversations/{conversation}")).text
    refused = await li.post(f"/conversations/{conversation}/elsewhere", {"identity": ids["stranger"]["id"]})
    assert refused.status_code == 404
    answer = await li.post(f"/conversations/{conversation}/elsewhere", {"identity": ids["wang-web"]["id"]})
    assert answer.status_code == 303
    there = ConversationId(answer.headers["location"].split("/")[-1].partition("?")[0])
    found = await shop.stores.conversations.get(there)
    assert (found.channel, found.agent_id) == ("web", shop.agents["li"].id)
    await shop.stores.ownership.resolve(there, shop.agents["li"], shop.clock.now())
    again = await li.post(f"/conversations/{conversation}/elsewhere", {"identity": ids["wang-web"]["id"]})
    assert again.status_code == 303
    assert there not in again.headers["location"]
