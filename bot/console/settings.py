"""One's own settings."""

from __future__ import annotations

from starlette.responses import Response

from bot.console.problems import Problem
from bot.console.visits import Visit
from bot.console.words import LOCALES
from bot.desk.people import known_zones

_ODD_ZONES = ("Etc/", "SystemV/", "US/", "posix/", "right/")


async def show(visit: Visit) -> Response:
    """Show language, time zone and password."""
    return visit.show("settings", locales=LOCALES, zones=_zones(visit.me.timezone), saved=visit.query("saved"))


async def save(visit: Visit) -> Response:
    """Store language and time zone."""
    await visit.desk.people.set_preferences(visit.me, visit.form.get("locale", ""), visit.form.get("timezone", ""))
    return visit.go("/settings?saved=yes")


async def change_password(visit: Visit) -> Response:
    """Set another password; all sessions end, and this one is opened anew."""
    wanted = visit.form.get("password", "")
    if wanted != visit.form.get("again", ""):
        raise Problem(400, "refused.different_passwords")
    await visit.desk.people.change_password(visit.me, visit.form.get("present", ""), wanted)
    return visit.enter(await visit.desk.sessions.open(visit.me), visit.go("/settings?saved=yes"))


def _zones(present: str) -> list[str]:
    named = {name for name in known_zones() if "/" in name and not name.startswith(_ODD_ZONES)}
    return sorted(named | {present, "UTC"})
