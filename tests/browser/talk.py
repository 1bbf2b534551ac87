"""What a shopper and an agent do with their hands."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Shop


class ShopperPage:
    """The shop page with its chat widget, as a shopper uses it."""

    def __init__(self, context: BrowserContext, shop: Shop) -> None:
        self.page = context.new_page()
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(f"{shop.address}/shop")
        self.open()

    def open(self) -> None:
        """Open the chat."""
        self.page.get_by_role("button", name="打开客服聊天").click()
        expect(self.page.get_by_role("textbox", name="输入消息")).to_be_visible()

    def say(self, text: str) -> None:
        """Type a message and send it with the keyboard alone."""
        box = self.page.get_by_role("textbox", name="输入消息")
        box.fill(text)
        box.press("Enter")

    def press(self, label: str) -> None:
        """Press a button that was offered."""
        self.page.get_by_role("button", name=label, exact=True).last.click()

    def hears(self, text: str) -> None:
        """Wait until the chat shows ``text``."""
        expect(self.page.get_by_role("log")).to_contain_text(text)

    def is_answered(self) -> None:
        """Wait until the last word is the bot's."""
        expect(self.page.get_by_role("log").locator("li").last).to_have_class(re.compile(r"\bbot\b"))

    def transcript(self) -> str:
        """Give everything the chat shows."""
        return self.page.get_by_role("log").inner_text()


def sign_in(context: BrowserContext, shop: Shop, login: str) -> Page:
    """Sign in to the console; gives the page of the inbox."""
    page = context.new_page()
    page.goto(f"{shop.address}/console/login")
    page.get_by_label("登录名").fill(login)
    page.get_by_label("密码").fill(shop.logins[login])
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("link", name="收件箱")).to_be_visible()
    return page
