"""The house is killed when it has taken a message of every channel and handled none: each is answered once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import httpx
import pytest

from bot.domain.clock import SystemClock
from storage.database import Database
from tests.durability.all_channels import Shop, run
from tests.durability.child import nursery
from tests.durability.platforms import OnTheWeb
from tests.integration.channels.platforms import SECRETS, SHOPPERS, simulated
from tests.ports import free_port
from tests.unit.channels.doubles import serving

SAYS = "退款多久到账"
MORE = {
    "wechat_oa": {"replies": "service"},  # the passive answer has a contract of its own
    "messenger": {"disclose": False},
    "instagram": {"disclose": False},
}
_PATIENCE_S = 120.0
_LOOK_S = 0.05


class Shopper(Protocol):
    """Somebody on a platform."""

    async def deliver(self, text: str) -> bool:
        """Write; False when the house did not take it."""

    async def deliver_again(self) -> bool:
        """Deliver the same once more."""

    async def screen(self) -> list[str]:
        """Read what the shop has said."""


class OnPlatform:
    """The shopper of a simulated platform."""

    def __init__(self, people: Any, who: Any) -> None:
        self._people = people
        self._who = who

    async def deliver(self, text: str) -> bool:
        """Write."""
        return await _taken(lambda: self._people.say(self._who, text))

    async def deliver_again(self) -> bool:
        """Deliver the newest body again; customer service calls back again, and is pulled."""
        again = self._people.call_back if hasattr(self._people, "call_back") else self._people.deliver_again
        return await _taken(again)

    async def screen(self) -> list[str]:
        """Read the chat."""
        found: list[str] = self._people.screen(self._who)
        return found


async def _taken(deliver: Callable[[], Any]) -> bool:
    with contextlib.suppress(httpx.TransportError):
        answer = await deliver()
        return bool(answer.is_success)
    return False


@asynccontextmanager
async def house(shop: Shop) -> AsyncIterator[Callable[[], None]]:
    """Run the house; gives what kills it."""
    process = nursery().Process(target=run, args=(shop,), daemon=True)
    process.start()
    try:
        yield process.kill
    finally:
        process.terminate()
        await asyncio.to_thread(process.join, _PATIENCE_S)
        assert process.exitcode is not None


async def _until(true: Callable[[], Any], what: str) -> None:
    for _ in range(int(_PATIENCE_S / _LOOK_S)):
        if await true():
            return
        await asyncio.sleep(_LOOK_S)
    pytest.fail(f"{what} has not come true")


async def test_killed_between_taking_and_handling_every_channel_is_answered_once(sqlite_url: str) -> None:
    """Real kill, real sockets: seven platforms and the web, each with its own way in and out."""
    port = free_port()
    record = Database(sqlite_url)

    async def inbox(where: str) -> int:
        count = f"SELECT count(*) FROM inbox WHERE {where}"  # noqa: S608 - our own words
        return int(await record.read(lambda on: on.exec_driver_sql(count).scalar_one()))

    async def all_taken() -> bool:
        return await inbox("1 = 1") == len(shoppers)

    async def all_handled() -> bool:
        return await inbox("done_at IS NULL") == 0 and all([await each.screen() for each in shoppers.values()])

    async with AsyncExitStack() as stack:
        stack.callback(record.close)
        client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=_PATIENCE_S)
        http = await stack.enter_async_context(client)
        page = OnTheWeb(port)
        stack.push_async_callback(page.close)
        shoppers: dict[str, Shopper] = {"web": page}
        sections: dict[str, Any] = {"web": {"enabled": True}}
        for name, who in SHOPPERS.items():
            platform = simulated(name, SystemClock())
            address = await stack.enter_async_context(serving(platform))
            sections[name] = platform.section(address) | MORE.get(name, {})
            shoppers[name] = OnPlatform(platform.people(http), who)
        secrets = {name: str(value) for name, value in SECRETS.model_dump().items() if value}
        async with house(Shop(sqlite_url, port, sections, secrets, sleeps=True)) as kill:
            await _until(lambda: _taken(lambda: http.get("/widget/widget.js")), "the house is open")
            for name, shopper in shoppers.items():
                assert await shopper.deliver(SAYS), name
            await _until(all_taken, "everything is on record")
            kill()
        assert await inbox("done_at IS NULL") == len(shoppers)
        assert not any([await each.screen() for each in shoppers.values() if each is not page])
        async with house(Shop(sqlite_url, port, sections, secrets, sleeps=False)):
            await _until(all_handled, "everything is answered")
            for name, shopper in shoppers.items():
                assert await shopper.deliver_again(), name
            await _until(all_handled, "nothing is left")
            screens = {name: await shopper.screen() for name, shopper in shoppers.items()}
        assert await inbox("1 = 1") == len(shoppers)
    assert {name: len(screen) for name, screen in screens.items()} == dict.fromkeys(shoppers, 1)
