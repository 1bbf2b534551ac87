"""A shopper and an agent, each in a browser of their own, through complaint, handoff, reply and give-back."""

from __future__ import annotations

import re

import httpx
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.conftest import Shop
from tests.browser.talk import ShopperPage, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_complaint_handoff_reply_and_give_back(shop: Shop, shopper: BrowserContext, staff: BrowserContext) -> None:
    """The whole way: a ticket, a human who reads everything and answers, silence of the bot, and the bot again."""
    console = sign_in(staff, shop, "agent")
    chat = ShopperPage(shopper, shop)

    chat.say("我要投诉，收到的杯子是碎的，外箱好好的，里面裂成三块，根本没包泡沫")
    chat.hears("哪一笔订单")
    chat.press("跳过")
    chat.hears("照片")
    chat.press("跳过")
    chat.hears("怎么处理")
    chat.press("退款")
    chat.hears("您看对吗")
    chat.say("对")
    chat.hears("工单号")
    ticket = re.search(r"TK\d{8}", chat.transcript())
    assert ticket, chat.transcript()

    chat.say("转人工，我想跟真人说")
    row = console.locator("a.row", has_text="我想跟真人说")
    expect(row).to_be_visible()
    row.click()
    lines = console.locator("#lines")
    expect(lines).to_contain_text("裂成三块")
    expect(console.locator("#card")).to_contain_text(ticket.group())
    console.get_by_role("button", name="接入").click()
    expect(console.get_by_role("button", name="交回机器人")).to_be_visible()

    console.get_by_role("radio", name="回复顾客").check()
    console.get_by_role("textbox", name="内容").fill("您好，我是小美，这就给您安排退款 <b>马上</b>")
    console.get_by_role("button", name="发送", exact=True).click()
    chat.hears("我是小美，这就给您安排退款 <b>马上</b>")

    said_before = chat.transcript().count("小二")
    chat.say("好的，退款一般多久到账")
    expect(lines).to_contain_text("退款一般多久到账")
    chat.page.wait_for_timeout(1500)
    assert chat.transcript().count("小二") == said_before, "the bot spoke while a human held the conversation"
    assert "工作日" not in chat.transcript().split("马上</b>")[1]

    console.get_by_role("button", name="交回机器人").click()
    expect(console.get_by_role("button", name="接入")).to_be_visible()
    chat.say("那退款一般多久到账呢")
    chat.hears("工作日")
    assert not chat.problems


def test_chat_is_still_there_after_a_reload(shop: Shop, shopper: BrowserContext) -> None:
    """History comes back, and the conversation goes on where it was."""
    chat = ShopperPage(shopper, shop)
    chat.say("我的快递到哪了")
    chat.hears("订单号")
    chat.page.reload()
    expect(chat.page.get_by_role("textbox", name="输入消息")).to_be_visible()
    chat.hears("我的快递到哪了")
    chat.say("W1234567")
    chat.hears("后四位")
    chat.say("0001")
    chat.hears("73000000001001")
    assert chat.transcript().count("我的快递到哪了") == 1


def test_shopper_text_cannot_become_a_page(shop: Shop, shopper: BrowserContext, staff: BrowserContext) -> None:
    """Markup a shopper types stays text for shopper and agent."""
    chat = ShopperPage(shopper, shop)
    attack = "<img src=x onerror=\"document.title='owned'\">转人工"
    chat.say(attack)
    chat.hears(attack)
    chat.hears("排")
    console = sign_in(staff, shop, "agent")
    row = console.locator("a.row", has_text="onerror").first
    expect(row).to_be_visible()
    row.click()
    expect(console.locator("#lines")).to_contain_text("onerror")
    assert console.locator("#lines img").count() == 0
    assert "owned" not in (chat.page.title(), console.title())


def test_manager_finds_the_transcript_by_its_words(shop: Shop, shopper: BrowserContext, staff: BrowserContext) -> None:
    """Any Chinese words of a chat find it; the page has an address of its own."""
    chat = ShopperPage(shopper, shop)
    chat.say("请问青花盖碗还有货吗")
    chat.is_answered()
    console = sign_in(staff, shop, "manager")
    console.goto(f"{shop.address}/console/transcripts?text=青花盖碗")
    hit = console.get_by_role("link").filter(has_text="青花盖碗").or_(console.locator("a[href*='/transcripts/']")).first
    expect(hit).to_be_visible()
    hit.click()
    expect(console.get_by_role("main")).to_contain_text("青花盖碗")
    assert re.search(r"/console/transcripts/\w+", console.url)


def test_phones_are_not_there_unless_asked_for(shop: Shop) -> None:
    """A shop that was started without the word has no simulated phones."""
    assert httpx.get(f"{shop.address}/phones").status_code == 404


def test_agent_may_not_open_the_managers_pages(shop: Shop, staff: BrowserContext) -> None:
    """The role is enforced by the server, with a sentence."""
    console = sign_in(staff, shop, "agent")
    answer = console.goto(f"{shop.address}/console/people")
    assert answer is not None
    assert answer.status == 403
    expect(console.get_by_role("main")).to_contain_text("角色")
