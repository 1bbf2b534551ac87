"""The one way into every page: session, role, form token, errors as sentences."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.console.forms import comes_from_here, read_form
from bot.console.problems import Problem, problem_of
from bot.console.visits import COOKIE, CSRF_FIELD, CSRF_HEADER, Console, Visit
from bot.domain.errors import XiaoerError
from bot.domain.people import Role

Page = Callable[[Visit], Awaitable[Response]]
_log = structlog.get_logger(__name__)


class Door:
    """Guards one page; ``role`` None lets anybody in (only the sign-in and the sign-out)."""

    def __init__(self, console: Console, page: Page, role: Role | None, *, takes_bytes: bool = False) -> None:
        self._console = console
        self._page = page
        self._takes_bytes = takes_bytes
        self.role = role

    async def answer(self, request: Request) -> Response:
        """Check, run the page, and turn whatever fails into a sentence."""
        visit, is_new = await self._visit(request)
        try:
            response = await self._guarded(visit)
        except XiaoerError as error:
            response = visit.tell(problem_of(error))
        except Exception as error:  # noqa: BLE001 - no trace may reach a page
            _log.error("console page failed", page=self._page.__qualname__, error=type(error).__name__)
            response = visit.tell(Problem(500, "error.failed"))
        if is_new and COOKIE not in response.headers.get("set-cookie", ""):
            visit.enter(visit.session, response)
        return response

    async def _visit(self, request: Request) -> tuple[Visit, bool]:
        sessions = self._console.desk.sessions
        session = sessions.unseal(request.cookies.get(COOKIE, ""))
        if session is None:
            return Visit(self._console, request, sessions.visit(), None), True
        return Visit(self._console, request, session, await sessions.agent_of(session)), False

    async def _guarded(self, visit: Visit) -> Response:
        if self.role is not None:
            if visit.agent is None:
                return visit.to_login()
            if not visit.agent.role.reaches(self.role):
                raise Problem(403, "error.not_allowed")
            await self._console.desk.presence.heard_from(visit.agent.id)
        if visit.request.method == "POST":
            await self._take_form(visit)
        return await self._page(visit)

    async def _take_form(self, visit: Visit) -> None:
        if not comes_from_here(visit.request):
            raise Problem(403, "error.foreign_form")
        # Bytes are read by the page itself, as a stream; their token can only come in the header.
        visit.form = {} if self._takes_bytes else await read_form(visit.request)
        token = visit.request.headers.get(CSRF_HEADER) or visit.form.get(CSRF_FIELD, "")
        if not self._console.desk.sessions.token_is_right(visit.session, token):
            raise Problem(403, "error.stale_form")


class Routes:
    """Collects routes, each behind its door."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.doors: list[Route] = []

    def get(self, path: str, role: Role | None, page: Page) -> None:
        """Add a page that is read."""
        self._add(path, role, page, "GET")

    def post(self, path: str, role: Role | None, page: Page) -> None:
        """Add a form that is sent."""
        self._add(path, role, page, "POST")

    def upload(self, path: str, role: Role | None, page: Page) -> None:
        """Add a page that takes a file's bytes."""
        door = Door(self._console, page, role, takes_bytes=True)
        self.doors.append(Route(path, door.answer, methods=["POST"]))

    def _add(self, path: str, role: Role | None, page: Page, method: str) -> None:
        self.doors.append(Route(path, Door(self._console, page, role).answer, methods=[method]))
