"""The console as one application, to be mounted at ``/console``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from bot.console import (
    conversation,
    dead_letters,
    figures,
    history,
    inbox,
    knowledge,
    live,
    media,
    people,
    person,
    settings,
    sign_in,
    snoozes,
    tickets,
    transcripts,
    ways,
)
from bot.console.door import Routes
from bot.console.headers import SecurityHeaders
from bot.console.pages import STATIC, load_pages
from bot.console.problems import problem_of_status
from bot.console.visits import Console, Visit
from bot.desk.counter import Desk
from bot.domain.people import Role


def build_console(desk: Desk, shop_names: Mapping[str, str], *, secure: bool = False) -> Starlette:
    """Build the console.

    ``shop_names`` gives the shop's name by language (``zh``, ``en``). ``secure`` marks cookies Secure even where the
    request itself does not look like https (behind a proxy that does not say so).
    """
    console = Console(desk, load_pages(), shop_names, secure)
    routes = Routes(console)
    _public(routes)
    _for_agents(routes)
    _for_managers(routes)
    _for_admins(routes)
    routes.get("/{rest:path}", Role.AGENT, inbox.missing)

    async def on_http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        visit = Visit(console, request, desk.sessions.visit(), None)
        return visit.tell(problem_of_status(status))

    return Starlette(
        routes=[Mount("/static", StaticFiles(directory=Path(__file__).parent / STATIC)), *routes.doors],
        middleware=[Middleware(SecurityHeaders)],
        exception_handlers={HTTPException: on_http_error},
    )


def _public(routes: Routes) -> None:
    routes.get("/login", None, sign_in.show)
    routes.post("/login", None, sign_in.enter)
    routes.post("/logout", None, sign_in.leave)


def _for_agents(routes: Routes) -> None:
    role = Role.AGENT
    routes.get("/", role, inbox.home)
    routes.get("/inbox", role, inbox.show)
    routes.get("/inbox/list", role, inbox.rows)
    routes.get("/live", role, live.stream)
    routes.get("/conversations/{conversation_id}", role, conversation.show)
    routes.get("/conversations/{conversation_id}/thread", role, conversation.thread)
    routes.get("/conversations/{conversation_id}/card", role, conversation.card)
    routes.post("/conversations/{conversation_id}/take", role, conversation.take)
    routes.post("/conversations/{conversation_id}/give-back", role, conversation.give_back)
    routes.post("/conversations/{conversation_id}/resolve", role, conversation.resolve)
    routes.post("/conversations/{conversation_id}/pass-on", role, conversation.pass_on)
    routes.post("/conversations/{conversation_id}/take-back", role, conversation.take_back)
    routes.post("/conversations/{conversation_id}/reply", role, conversation.reply)
    routes.post("/conversations/{conversation_id}/note", role, conversation.note)
    routes.post("/conversations/{conversation_id}/typing", role, conversation.typing)
    routes.upload("/conversations/{conversation_id}/file", role, conversation.send_file)
    routes.get("/media/{media_id}", role, media.show)
    routes.post("/media/{media_id}/retry", role, media.retry)
    routes.get("/conversations/{conversation_id}/templates", role, ways.templates)
    routes.post("/conversations/{conversation_id}/templates", role, ways.send_template)
    routes.post("/conversations/{conversation_id}/elsewhere", role, ways.write_elsewhere)
    routes.post("/conversations/{conversation_id}/said/{said}/wait", role, ways.wait)
    routes.post("/conversations/{conversation_id}/said/{said}/withdraw", role, ways.withdraw)
    routes.post("/conversations/{conversation_id}/snooze", role, snoozes.snooze)
    routes.post("/conversations/{conversation_id}/wake", role, snoozes.wake)
    routes.get("/conversations/{conversation_id}/person", role, person.show)
    routes.get("/conversations/{conversation_id}/history", role, history.show)
    routes.post("/conversations/{conversation_id}/person/link", role, person.link)
    routes.post("/conversations/{conversation_id}/person/undo", role, person.undo)
    routes.get("/tickets", role, tickets.show_list)
    routes.get("/tickets/{number}", role, tickets.show)
    routes.post("/tickets/{number}/owner", role, tickets.own)
    routes.post("/tickets/{number}/state", role, tickets.move)
    routes.post("/tickets/{number}/note", role, tickets.note)
    routes.get("/settings", role, settings.show)
    routes.post("/settings", role, settings.save)
    routes.post("/settings/password", role, settings.change_password)


def _for_managers(routes: Routes) -> None:
    role = Role.MANAGER
    routes.post("/conversations/{conversation_id}/person/erase-attachments", role, person.erase_attachments)
    routes.get("/conversations/{conversation_id}/history/export.json", role, history.export_json)
    routes.get("/conversations/{conversation_id}/history/export.txt", role, history.export_text)
    routes.get("/knowledge", role, knowledge.show)
    routes.post("/knowledge", role, knowledge.add)
    routes.get("/knowledge/new", role, knowledge.show_new)
    routes.get("/knowledge/{name}", role, knowledge.show_entry)
    routes.post("/knowledge/{name}", role, knowledge.change)
    routes.post("/knowledge/{name}/active", role, knowledge.switch)
    routes.post("/knowledge/{name}/delete", role, knowledge.delete)
    routes.get("/figures", role, figures.show)
    routes.get("/deadletters", role, dead_letters.show)
    routes.post("/deadletters/{letter_id}/retry", role, dead_letters.retry)
    routes.post("/deadletters/{letter_id}/drop", role, dead_letters.drop)
    routes.get("/transcripts", role, transcripts.search)
    routes.get("/transcripts/{conversation_id}", role, transcripts.show)
    routes.get("/transcripts/{conversation_id}/export.json", role, transcripts.export_json)
    routes.get("/transcripts/{conversation_id}/export.txt", role, transcripts.export_text)


def _for_admins(routes: Routes) -> None:
    role = Role.ADMIN
    routes.get("/people", role, people.show)
    routes.post("/people", role, people.add)
    routes.post("/people/{agent_id}/role", role, people.set_role)
    routes.post("/people/{agent_id}/active", role, people.set_active)
    routes.post("/people/{agent_id}/password", role, people.reset_password)
