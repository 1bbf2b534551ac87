"""One request of one person: who it is, what may be done, how to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from bot.console.moments import Moments
from bot.console.pages import Pages
from bot.console.problems import Problem
from bot.console.words import LOCALES, Words, preferred_locale
from bot.desk.counter import Desk
from bot.desk.sessions import MAX_AGE, Session
from bot.domain.desk_ports import PAGE_ROWS
from bot.domain.ids import ConversationId
from bot.domain.people import Agent

COOKIE = "xiaoer_console"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"


def page_count(rows: int) -> int:
    """Give how many pages a list has; an empty one has one."""
    return max(-(-rows // PAGE_ROWS), 1)


@dataclass(frozen=True, slots=True)
class Console:
    """What every page works with; ``shop_names`` by language, ``secure`` forces Secure cookies."""

    desk: Desk
    pages: Pages
    shop_names: Mapping[str, str]
    secure: bool


@dataclass(slots=True)
class Visit:
    """One request; ``agent`` is None before the sign-in, ``form`` empty but for POST."""

    console: Console
    request: Request
    session: Session
    agent: Agent | None
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def desk(self) -> Desk:
        """Give the desk."""
        return self.console.desk

    @property
    def me(self) -> Agent:
        """Give who is signed in; only for routes that ask for a role."""
        if self.agent is None:
            raise Problem(401, "error.signed_out")
        return self.agent

    @property
    def root(self) -> str:
        """Give the path the console is mounted at."""
        return str(self.request.scope.get("root_path", ""))

    @property
    def word(self) -> Words:
        """Give the words in the reader's language."""
        asked = self.request.query_params.get("lang", "")
        if self.agent is not None:
            asked = self.agent.locale
        locale = asked if asked in LOCALES else preferred_locale(self.request.headers.get("accept-language", ""))
        return self.console.pages.words[locale]

    @property
    def zone(self) -> ZoneInfo:
        """Give the reader's time zone."""
        return ZoneInfo(self.agent.timezone if self.agent else "UTC")

    @property
    def conversation_id(self) -> ConversationId:
        """Give the conversation that the address names; only for routes that name one."""
        return ConversationId(str(self.request.path_params["conversation_id"]))

    @property
    def wants_fragment(self) -> bool:
        """Tell whether htmx asks, for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def query(self, name: str) -> str:
        """Give a query parameter, stripped and cut to 200 characters."""
        return self.request.query_params.get(name, "").strip()[:200]

    def page_number(self) -> int:
        """Give the page asked for, from 1 to 10,000."""
        asked = self.query("page")
        return min(max(int(asked), 1), 10_000) if asked.isascii() and asked.isdigit() else 1

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """Answer with a template."""
        return HTMLResponse(self.html(template, **values), status)

    def html(self, template: str, **values: Any) -> str:
        """Fill a template with the values and what every page has."""
        word = self.word
        pages = self.console.pages
        common = {
            "word": word,
            "locale": word.locale,
            "me": self.agent,
            "root": self.root,
            "csrf": self.desk.sessions.token(self.session),
            "moments": Moments(self.zone, self.desk.clock.now()),
            "shop": self.console.shop_names.get(word.locale, ""),
            "asset": lambda name: pages.asset(self.root, name),
        }
        return pages.render(template, common | values)

    def go(self, path: str) -> Response:
        """Redirect to a page of the console after a form was done."""
        return RedirectResponse(f"{self.root}{path}", 303)

    def to_login(self) -> Response:
        """Ask for a sign-in, then come back; parts of pages and event streams are told to leave the page."""
        if self.request.method == "GET" and not self.wants_fragment and "text/html" in self._accepts():
            back = self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else "")
            return self.go(f"/login?next={quote(back, safe='')}")
        answer = self.tell(Problem(401, "error.signed_out"))
        answer.headers["HX-Redirect"] = f"{self.root}/login"
        return answer

    def tell(self, problem: Problem) -> Response:
        """Answer with a problem's sentence: a page, or for htmx a line in the page's own place for it."""
        sentence = self.word(problem.key, **problem.data)
        if not self.wants_fragment:
            return self.show("error", problem.status, sentence=sentence, status_code=problem.status)
        answer = self.show("flash", problem.status, sentence=sentence)
        answer.headers["HX-Retarget"] = "#flash"
        answer.headers["HX-Reswap"] = "innerHTML"
        return answer

    def enter(self, session: Session, answer: Response) -> Response:
        """Set the session's cookie on an answer."""
        answer.set_cookie(
            COOKIE,
            self.desk.sessions.seal(session),
            max_age=int(MAX_AGE.total_seconds()),
            path=self.root or "/",
            secure=self.console.secure or self.request.url.scheme == "https",
            httponly=True,
            samesite="lax",
        )
        return answer

    def leave(self, answer: Response) -> Response:
        """Take the session's cookie away."""
        answer.delete_cookie(COOKIE, path=self.root or "/", httponly=True, samesite="lax")
        return answer

    def _accepts(self) -> str:
        return self.request.headers.get("accept", "text/html").replace("*/*", "text/html")
