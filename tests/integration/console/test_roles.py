"""Who may open what: every route of the console against every role."""

from __future__ import annotations

import pytest
from starlette.routing import Mount, Route

from bot.console.door import Door
from bot.domain.people import Role
from tests.integration.console.shop import PASSWORDS, Browser, Shop, ticket

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Nothing here depends on the kind of database."""

PUBLIC = {("GET", "/login"), ("POST", "/login"), ("POST", "/logout")}
LOGINS = {None: "", Role.AGENT: "li", Role.MANAGER: "zhao", Role.ADMIN: "root"}


def routes(shop: Shop) -> list[Route]:
    """List the console's routes but the static files."""
    return [route for route in shop.console.routes if isinstance(route, Route)]


def door_of(route: Route) -> Door:
    """Find the guard of a route."""
    door = getattr(route.endpoint, "__self__", None)
    assert isinstance(door, Door), f"{route.path} is not behind a door"
    return door


def method_of(route: Route) -> str:
    """Name the one method of a route."""
    methods = (route.methods or set()) - {"HEAD"}
    assert len(methods) == 1
    return methods.pop()


def test_every_route_is_behind_a_door(shop: Shop):
    """No route without a check; only signing in and out is open, and the only mount is the static files."""
    open_routes = {(method_of(route), route.path) for route in routes(shop) if door_of(route).role is None}
    assert open_routes == PUBLIC
    assert [route.path for route in shop.console.routes if isinstance(route, Mount)] == ["/static"]
    assert len(routes(shop)) > 30


@pytest.mark.parametrize("role", LOGINS)
async def test_every_route_asks_for_its_role(shop: Shop, role: Role | None):
    """A role that does not reach is refused on every single route, one that does is not."""
    conversation_id = await shop.exchange("visitor", "你好", "您好", tickets=(ticket("TK12345678", "裂了"),))
    browser = shop.browser()
    if role is not None:
        await browser.sign_in(LOGINS[role], PASSWORDS[role.value])
    for route in routes(shop):
        wanted = door_of(route).role
        if wanted is None or route.path == "/live":
            continue
        path = (
            route.path.format(
                conversation_id=conversation_id,
                number="TK12345678",
                agent_id="x",
                media_id="x",
                name="x",
                letter_id="1",
                said="1",
                rest="nowhere",
            )
            if "{rest:path}" not in route.path
            else "/nowhere"
        )
        status = await _try(browser, method_of(route), path)
        if role is None:
            assert status in {303, 401}, path
        elif role.reaches(wanted):
            assert status not in {401, 403}, path
        else:
            assert status == 403, path


async def _try(browser: Browser, method: str, path: str) -> int:
    token = {"x-csrf-token": browser.token}
    answer = await (browser.get(path) if method == "GET" else browser.post(path, headers=token))
    if answer.status_code == 303 and method == "POST":
        return 401 if "/login" in answer.headers["location"] else 303
    return answer.status_code


async def test_live_stream_asks_for_a_sign_in(shop: Shop):
    """The event stream is closed to who is not signed in, and says so without a redirect."""
    answer = await shop.browser().get("/live", headers={"accept": "text/event-stream"})
    assert answer.status_code == 401


async def test_role_is_read_at_every_request(shop: Shop, zhao: Browser):
    """Who loses a role loses it at the next click, not at the next sign-in."""
    assert (await zhao.get("/transcripts")).status_code == 200
    await shop.desk.people.set_role(shop.agents["zhao"].id, "agent")
    assert (await zhao.get("/transcripts")).status_code == 403


async def test_navigation_shows_only_what_the_role_opens(li: Browser, zhao: Browser, root: Browser):
    """Nobody is shown a door that is closed to him."""
    pages = [(await browser.get("/inbox")).text for browser in (li, zhao, root)]
    assert ["/console/transcripts" in page for page in pages] == [False, True, True]
    assert ["/console/people" in page for page in pages] == [False, False, True]


async def test_static_files_are_open_and_kept(shop: Shop):
    """The style sheet needs no sign-in and may be cached; pages may not."""
    answer = await shop.browser().get("/static/console.css")
    assert answer.status_code == 200
    assert "max-age" in answer.headers["cache-control"]
    assert (await shop.browser().get("/static/../app.py")).status_code != 200
