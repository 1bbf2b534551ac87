"""The real house in a process of its own, which kills itself at a boundary; started by fork, so that it is quick."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing.context import ForkServerContext

import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from bot.app import House, make_routers, open_house
from bot.config import Config, Secrets, parse
from bot.domain.clock import SystemClock
from bot.domain.ids import ConversationId
from tests.durability.script import ScriptedRecogniser

SECRETS = Secrets(
    secret_key="a key for tests, long enough to sign with",
    telegram_token="700100:token",
    telegram_secret="webhook-secret",
)


@dataclass(frozen=True)
class Arming:
    """Where to die: at the ``crossing``-th crossing of the boundary; None: never."""

    boundary: StrEnum | None = None
    crossing: int = 1


@dataclass(frozen=True)
class Place:
    """Where the house stands: its database, its port, where Telegram is, and by which clock the shop opens."""

    database_url: str
    port: int
    telegram_url: str
    timezone: str = "Asia/Shanghai"

    def config(self) -> Config:
        """Give the configuration."""
        channels = {"telegram": {"enabled": True, "api_base": self.telegram_url}}
        house = {
            "database": {"url": self.database_url},
            "channels": channels,
            "turns": {"quiet_time_s": 0},
            "shop": {"timezone": self.timezone},
        }
        return parse({"xiaoer": house}, "durability")


@dataclass
class _Killer:
    """Kills its own process, without any chance to tidy up."""

    arming: Arming
    crossed: int = field(default=0)

    def __call__(self, boundary: StrEnum) -> None:
        """Count, and die when it is time."""
        if boundary is not self.arming.boundary:
            return
        self.crossed += 1
        if self.crossed == self.arming.crossing:
            os.kill(os.getpid(), signal.SIGKILL)


def run(place: Place, arming: Arming) -> None:
    """Serve until killed or told to stop."""
    asyncio.run(_serve(place, arming))


async def _serve(place: Place, arming: Arming) -> None:
    async with open_house(place.config(), SECRETS, SystemClock(), ScriptedRecogniser(), _Killer(arming)) as opened:
        application = FastAPI()
        for router in make_routers(opened):
            application.include_router(router)
        application.add_route("/act", _acting(opened), methods=["POST"])
        settings = uvicorn.Config(application, port=place.port, log_level="error", lifespan="off")
        await uvicorn.Server(settings).serve()


def _acting(opened: House) -> Callable[[Request], Awaitable[Response]]:
    """Let an agent act without signing in: ``{"what", "conversation", "login", "text", "key"}``."""

    async def act(request: Request) -> Response:
        said = await request.json()
        person = await opened.stores.desk.people.by_login(said["login"])
        assert person is not None
        conversation_id, actions = ConversationId(said["conversation"]), opened.desk.actions
        if said["what"] == "reply":
            await actions.reply(conversation_id, person.agent, said["text"], said["key"])
        else:
            await getattr(actions, said["what"])(conversation_id, person.agent)
        return Response(status_code=204)

    return act


def nursery() -> ForkServerContext:
    """Give the context that forks children with everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.durability.warm"])
    return context
