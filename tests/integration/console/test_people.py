"""People and roles: added, changed, shut out; never without an admin."""

from __future__ import annotations

import asyncio
import re

import pytest

from bot.domain.conversation import Owner
from bot.domain.desk_ports import QueueView
from bot.domain.errors import Conflict
from bot.domain.people import Role
from tests.integration.console.shop import PASSWORDS, Browser, Shop


def shown_password(page: str) -> str:
    """Read the password a page shows."""
    found = re.search(r'class="code secret">([^<]+)<', page)
    return found[1] if found else ""


async def test_added_person_signs_in_with_the_password_shown_once(shop: Shop, root: Browser):
    """The password is on that one page, not on the next, and it works."""
    answer = await root.post("/people", {"login": "Chen", "display_name": " 陈  晨 ", "role": "agent"})
    password = shown_password(answer.text)
    assert password
    assert answer.headers["cache-control"] == "no-store"
    assert password not in (await root.get("/people")).text
    assert (await shop.browser().sign_in("chen", password)).status_code == 303
    person = await shop.stores.people.by_login("chen")
    assert person is not None
    assert person.agent.display_name == "陈 晨"
    assert password not in person.password_hash


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"login": "li", "display_name": "x", "role": "agent"}, 409),
        ({"login": "LI ", "display_name": "x", "role": "agent"}, 409),
        ({"login": "a b", "display_name": "x", "role": "agent"}, 400),
        ({"login": "x", "display_name": "x", "role": "agent"}, 400),
        ({"login": "chen", "display_name": "  ", "role": "agent"}, 400),
        ({"login": "chen", "display_name": "x" * 101, "role": "agent"}, 400),
        ({"login": "chen", "display_name": "x", "role": "owner"}, 400),
        ({}, 400),
    ],
)
async def test_bad_people_get_a_sentence(shop: Shop, root: Browser, form: dict[str, str], status: int):
    """Taken, nameless, roleless: told why, nobody added."""
    answer = await root.post("/people", form)
    assert answer.status_code == status
    assert len(await shop.desk.people.list()) == 4


async def test_last_admin_stays(shop: Shop, root: Browser):
    """Neither demoted nor shut out while alone; free to go once there is another."""
    own = shop.agents["root"].id
    for path, form in (("role", {"role": "agent"}), ("active", {"active": "no"})):
        answer = await root.post(f"/people/{own}/{path}", form)
        assert answer.status_code == 409
        assert "last admin" in answer.text
    await root.post(f"/people/{shop.agents['zhao'].id}/role", {"role": "admin"})
    assert (await root.post(f"/people/{own}/role", {"role": "agent"})).status_code == 303
    assert (await root.get("/people")).status_code == 403


async def test_two_admins_cannot_remove_each_other_at_once(shop: Shop):
    """Whoever is first wins; one admin is always left."""
    second = await shop.hire("second", "Second", Role.ADMIN)
    first = shop.agents["root"]
    results = await asyncio.gather(
        shop.desk.people.set_role(first.id, "agent"),
        shop.desk.people.set_active(second.id, active=False),
        return_exceptions=True,
    )
    assert [type(result) for result in results].count(Conflict) == 1
    admins = [each for each in await shop.desk.people.list() if each.agent.role is Role.ADMIN and each.agent.active]
    assert len(admins) == 1


async def test_shut_out_person_is_out_at_once_and_holds_nothing(shop: Shop, root: Browser, li: Browser):
    """Sessions end, the sign-in is closed, held conversations wait for another agent, near the front."""
    held = await shop.exchange("visitor", "人工", handoff=("requested", "", "normal"))
    await li.post(f"/conversations/{held}/take")
    await root.post(f"/people/{shop.agents['li'].id}/active", {"active": "no"})
    assert (await li.get("/inbox")).status_code == 303
    assert (await shop.browser().sign_in("li", PASSWORDS["agent"])).status_code == 401
    assert (await shop.stores.conversations.get(held)).owner is Owner.WAITING_FOR_AGENT
    (row,) = await shop.stores.queue.rows(QueueView.WAITING, shop.agents["li"].id)
    assert (row.handoff_priority, row.waiting_since, row.agent_id) == ("high", shop.clock.now(), None)
    assert "notice.requeued" in row.last_text
    await root.post(f"/people/{shop.agents['li'].id}/active", {"active": "yes"})
    assert (await shop.browser().sign_in("li", PASSWORDS["agent"])).status_code == 303


async def test_reset_password_ends_sessions_and_the_old_password(shop: Shop, root: Browser, li: Browser):
    """The person must come back with the new one."""
    answer = await root.post(f"/people/{shop.agents['li'].id}/password")
    password = shown_password(answer.text)
    assert (await li.get("/inbox")).status_code == 303
    assert (await shop.browser().sign_in("li", PASSWORDS["agent"])).status_code == 401
    assert (await shop.browser().sign_in("li", password)).status_code == 303


async def test_nobody_is_a_sentence(root: Browser):
    """A person who is not there is a page, not a trace."""
    for path, form in (("role", {"role": "agent"}), ("active", {"active": "yes"}), ("password", {})):
        assert (await root.post(f"/people/none/{path}", form)).status_code == 404, path


@pytest.mark.parametrize(
    "form", [{"locale": "fr", "timezone": "UTC"}, {"locale": "en", "timezone": "Mars/Base"}, {"locale": "en"}, {}]
)
async def test_bad_settings_are_refused(shop: Shop, li: Browser, form: dict[str, str]):
    """A language or zone there is not is told, not stored."""
    assert (await li.post("/settings", form)).status_code == 400
    person = await shop.stores.people.by_id(shop.agents["li"].id)
    assert person is not None
    assert (person.agent.locale, person.agent.timezone) == ("en", "UTC")
