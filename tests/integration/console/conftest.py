"""A shop with three people, and browsers signed in as each."""

from __future__ import annotations

import pytest

from bot.domain.people import Role
from storage.database import Database
from tests.integration.console.browsing import address, browser
from tests.integration.console.shop import PASSWORDS, Browser, Shop

__all__ = ["address", "browser"]


@pytest.fixture
async def shop(database: Database) -> Shop:
    """Give a shop with Li (agent), Wang (agent), Zhao (manager) and Root (admin)."""
    shop = Shop(database)
    await shop.hire("li", "Li", Role.AGENT)
    await shop.hire("wang", "Wang", Role.AGENT)
    await shop.hire("zhao", "Zhao", Role.MANAGER)
    await shop.hire("root", "Root", Role.ADMIN)
    return shop


async def _signed_in(shop: Shop, login: str) -> Browser:
    browser = shop.browser()
    answer = await browser.sign_in(login, PASSWORDS[shop.agents[login].role.value])
    assert answer.status_code == 303
    return browser


@pytest.fixture
async def li(shop: Shop) -> Browser:
    """Give the browser of an agent."""
    return await _signed_in(shop, "li")


@pytest.fixture
async def wang(shop: Shop) -> Browser:
    """Give the browser of another agent."""
    return await _signed_in(shop, "wang")


@pytest.fixture
async def zhao(shop: Shop) -> Browser:
    """Give the browser of a manager."""
    return await _signed_in(shop, "zhao")


@pytest.fixture
async def root(shop: Shop) -> Browser:
    """Give the browser of an admin."""
    return await _signed_in(shop, "root")
