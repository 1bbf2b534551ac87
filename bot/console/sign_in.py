"""Signing in and out."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from bot.console.visits import Visit


async def show(visit: Visit) -> Response:
    """Show the sign-in form, or go on when somebody is signed in."""
    if visit.agent is not None:
        return visit.go("/inbox")
    return visit.show("login", login="", problem="", next=visit.query("next"), lang=visit.query("lang"))


async def enter(visit: Visit) -> Response:
    """Let a person in with a session of his own; a wrong login and a wrong password look the same."""
    login = visit.form.get("login", "")
    client = visit.request.client
    answer = await visit.desk.login.enter(login, visit.form.get("password", ""), client.host if client else "")
    wanted = visit.form.get("next", "")
    if answer.agent is None:
        problem = visit.word("login.throttled" if answer.throttled else "login.wrong")
        status = 429 if answer.throttled else 401
        return visit.show("login", status, login=login[:64], problem=problem, next=wanted, lang=visit.query("lang"))
    session = await visit.desk.sessions.open(answer.agent)
    await visit.desk.presence.heard_from(answer.agent.id)
    target = wanted if _is_ours(wanted, visit.root) else f"{visit.root}/inbox"
    return visit.enter(session, RedirectResponse(target, 303))


async def leave(visit: Visit) -> Response:
    """End the person's sessions everywhere."""
    if visit.agent is not None:
        await visit.desk.sessions.end_all(visit.agent.id)
        await visit.desk.presence.gone(visit.agent.id)
    return visit.leave(visit.go("/login"))


def _is_ours(path: str, root: str) -> bool:
    return path.startswith(f"{root}/") and not path.startswith("//") and "\\" not in path and path.isprintable()
