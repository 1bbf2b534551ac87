"""Two phones in a real browser: with the keyboard on a desk, with a thumb on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import browser, playwright
from tests.integration.phones.conftest import Hand, Shop

__all__ = ["browser", "playwright"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("phones")]


@contextmanager
def opened(browser: Browser, shop: Shop, language: str, width: int) -> Iterator[Page]:
    """Open the page; anything the browser complains of fails the test."""
    context = browser.new_context(locale=language, viewport={"width": width, "height": 844})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.goto(f"{shop.address}/phones")
    yield page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []
    context.close()


@pytest.mark.parametrize(("language", "width"), [("zh-CN", 390), ("en-GB", 1440)])
def test_page_can_be_read_by_everyone(shop: Shop, browser: Browser, width: int, language: str) -> None:
    """No fault of contrast, name or landmark, with words, choices and a picture on the screens."""
    for name in ("telegram", "whatsapp", "messenger", "instagram", "line", "wecom_kf", "wechat_oa", "web"):
        hand = Hand(shop, name, language[:2])
        hand.act("text", "我要投诉" if language == "zh-CN" else "I have a formal complaint to make")
        hand.hears(".")
        if name == "wechat_oa":
            hand.act("voice")
            hand.act("image")
    with opened(browser, shop, language, width) as page:
        expect(page.locator(".bubble").first).to_be_visible()
        for under in page.locator(".stand.chosen summary").filter(visible=True).all():
            under.click()
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def become_new(phone: Locator) -> None:
    """Be a person who has never written; what is pressed next is pressed by that person."""
    person = phone.locator("select.person")
    expect(person).to_have_attribute("data-key", re.compile("."))  # so the page knows of the people there are
    before = person.input_value()
    phone.get_by_role("button", name=re.compile("^(New person|换个新顾客)$")).press("Enter")
    expect(person).not_to_have_value(before)


def hears(phone: Locator, words: str | re.Pattern[str]) -> None:
    """Wait until the phone shows it."""
    expect(phone.get_by_role("log")).to_contain_text(words)


def test_telegram_is_used_with_the_keyboard_alone(shop: Shop, browser: Browser) -> None:
    """Start, keys under the words, words with Enter, a fault, the journal; what is typed stays text."""
    with opened(browser, shop, "en-GB", 1440) as page:
        phone = page.get_by_role("region", name="Telegram · Simulated, not the real platform")
        become_new(phone)
        phone.get_by_role("button", name="START").press("Enter")
        hears(phone, "Xiaoer Goods")
        phone.get_by_role("button", name="Make a complaint").press("Enter")
        hears(phone, "What is it about?")
        phone.get_by_role("button", name="Arrived damaged").press("Enter")
        hears(phone, "Which order is it about?")
        box = phone.get_by_role("textbox", name="Message on Telegram")
        box.fill("<img src=x onerror=\"document.title='owned'\"> never mind")
        box.press("Enter")
        hears(phone, "<img src=x")
        expect(box).to_have_value("")
        expect(phone.get_by_title("delivered").last).to_be_visible()
        phone.get_by_role("button", name="Change this message").last.press("Enter")
        phone.get_by_role("button", name="Change it").press("Enter")
        expect(box).to_have_value("<img src=x onerror=\"document.title='owned'\"> never mind")
        box.fill("<b>never mind</b>")
        box.press("Enter")
        hears(phone, "edited")
        hears(phone, "<b>never mind</b>")
        phone.locator(".own-file").set_input_files({"name": "mine.pdf", "mimeType": "", "buffer": b"%PDF-1.7"})
        expect(phone.get_by_role("link", name="mine.pdf")).to_be_visible()
        assert "owned" not in page.title()
        assert phone.get_by_role("log").locator("img").count() == 0
        phone.locator("summary", has_text="Calls").first.press("Enter")
        expect(phone.locator(".calls li").first).to_be_visible()
        more = phone.get_by_role("button", name="More")
        more.press("Enter")
        expect(phone.get_by_role("button", name="Send a picture")).to_be_focused()
        page.keyboard.press("Escape")
        expect(more).to_be_focused()


def test_line_is_used_on_a_narrow_page(shop: Shop, browser: Browser) -> None:
    """One phone at a time; a quick reply is pressed and goes; another person finds nothing."""
    with opened(browser, shop, "zh-CN", 390) as page:
        page.get_by_role("tab", name="LINE").click()
        expect(page.locator(".phone-telegram")).to_be_hidden()
        phone = page.get_by_role("region", name="LINE · 模拟，不是真的平台")
        expect(phone).to_be_visible()
        become_new(phone)
        phone.get_by_role("button", name="加入好友").click()
        hears(phone, "小二好物")
        phone.get_by_role("textbox", name="在 LINE 上发消息").fill("我要投诉")
        phone.get_by_role("button", name="发送", exact=True).click()
        phone.locator(".quick").get_by_role("button", name="破损漏液").click()
        hears(phone, "哪一笔订单")
        expect(phone.locator(".quick").get_by_role("button", name="破损漏液")).to_be_hidden()
        expect(phone.get_by_title("已读").last).to_be_visible()
        phone.get_by_role("button", name="换个新顾客").click()
        expect(phone.get_by_role("log")).not_to_contain_text("我要投诉")
        page.get_by_role("tab", name="LINE").press("ArrowLeft")
        expect(page.get_by_role("tab", name="Instagram")).to_be_focused()
        expect(page.locator(".phone-instagram")).to_be_visible()
