"""docs/adding-a-channel.md, done: three files, a section and one line make a channel of the whole house."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from fastapi import FastAPI
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.app import House, check_channel, make_routers, open_house
from bot.config import Config, DatabaseSection, Secrets, Turns
from bot.config_channels import Channels, Platform
from bot.domain.clock import ManualClock
from bot.wiring.platforms import PLATFORMS
from intents.recogniser import EmbeddedRecogniser
from tests.conversations.conftest import OpenShop, clock, filled_shops, model_folder, open_shop, recogniser
from tests.conversations.script import DEFAULT_START
from tests.integration.channels.pigeon.send import MAX_TEXT
from tests.integration.channels.pigeon.webhook import seal
from tests.unit.channels.doubles import serving

__all__ = ["clock", "filled_shops", "model_folder", "open_shop", "recogniser"]

ROOT = Path(__file__).parents[3]
LINE = "tests.integration.channels.pigeon.webhook:PigeonPlug"
SECRET = "a seal of wax"


class PigeonChannel(Platform):
    """The section of config.yml."""

    SECRETS: ClassVar[tuple[str, ...]] = ("pigeon_secret",)

    enabled: bool = True
    account: str = "main"
    api_base: str = ""
    quiet_time_s: float | None = None


class WithPigeons(Channels):
    """The channels, and one more line."""

    pigeon: PigeonChannel = PigeonChannel()


class PigeonSecrets(Secrets):
    """The secrets, and one more line."""

    pigeon_secret: str = Field("", description="Seals notes.", repr=False)


class Post:
    """The pigeon post: it carries what it is given, unless no bird is at home."""

    def __init__(self) -> None:
        self.carried: list[dict[str, Any]] = []
        self.away = 0
        self.application = Starlette(routes=[Route("/birds", self._take, methods=["POST"])])

    async def _take(self, request: Request) -> Response:
        if self.away:
            self.away -= 1
            return JSONResponse({}, status_code=503, headers={"Retry-After": "7"})
        note = await request.json()
        assert len(note["words"]) <= MAX_TEXT, "a bird cannot carry that"
        self.carried.append(note)
        return JSONResponse({"ring": f"b{len(self.carried)}"})

    def read(self) -> str:
        """Read everything that came."""
        return "\n".join(note["words"] for note in self.carried)


class Loft:
    """The open house, with a shopper who keeps pigeons."""

    def __init__(self, house: House, post: Post, http: httpx.AsyncClient, time: ManualClock) -> None:
        self.post, self._house, self._http, self._time, self._ring = post, house, http, time, 0

    async def write(self, words: str, *, sealed_with: str = SECRET, ring: str = "", key: str = "") -> int:
        """Send a note by pigeon, and wait until the house is quiet; the webhook's status."""
        self._ring += 1
        note = {"ring": ring or f"r{self._ring}", "loft": "north", "at": int(self._time.now().timestamp())}
        body = json.dumps(note | {"words": words, "key": key}).encode()
        answer = await self._http.post("/webhooks/pigeon", content=body, headers={"x-seal": seal(sealed_with, body)})
        await self.settle()
        return answer.status_code

    async def settle(self, seconds: float = 0) -> None:
        """Let time pass, ring for everybody, and wait until the house is quiet."""
        self._time.advance(timedelta(seconds=seconds))
        for conversation in await self._house.stores.turns.pending_conversations():
            await self._house.dispatcher.ring(conversation, 0)
        await self._house.dispatcher.settle()  # type: ignore[attr-defined]


@asynccontextmanager
async def opened(database: Path, time: ManualClock, recogniser: EmbeddedRecogniser) -> AsyncIterator[Loft]:
    """Open the house with pigeons."""
    post = Post()
    async with serving(post.application) as base:
        config = Config(database=DatabaseSection(url=f"sqlite:///{database}"), turns=Turns(quiet_time_s=0))
        config = config.model_copy(update={"channels": WithPigeons(pigeon=PigeonChannel(api_base=base))})
        secrets = PigeonSecrets(secret_key="a key for tests, long enough to sign with", pigeon_secret=SECRET)
        async with open_house(config, secrets, time, recogniser) as house:
            app = FastAPI()
            for router in make_routers(house):
                app.include_router(router)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as http:
                yield Loft(house, post, http, time)


@pytest.fixture
async def loft(
    open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Loft]:
    monkeypatch.setitem(PLATFORMS, "pigeon", LINE)
    async with opened(await open_shop(DEFAULT_START), clock, recogniser) as made:
        yield made


async def test_added_channel_holds_a_conversation(loft: Loft) -> None:
    """A question is answered within the bird's strength; a complaint's choices are numbers, and 1 is the first."""
    assert await loft.write("退款一般多久到账") == 200
    assert "退款" in loft.post.read()
    assert await loft.write("我要投诉") == 200
    assert "1." in loft.post.read() or "1、" in loft.post.read(), loft.post.read()
    before = len(loft.post.carried)
    assert await loft.write("1") == 200
    assert len(loft.post.carried) > before


async def test_added_channel_is_kept_safe_by_what_all_share(loft: Loft) -> None:
    """A wrong seal is 401, junk 400, a repeat is answered once, and a bird that is away is waited for."""
    assert await loft.write("你好", sealed_with="another seal") == 401
    assert await loft.write("x" * 2000) == 413
    assert loft.post.carried == []
    loft.post.away = 1
    assert [await loft.write("你好", ring="same"), await loft.write("你好", ring="same")] == [200, 200]
    assert loft.post.carried == []
    await loft.settle(8)
    said = len(loft.post.carried)
    assert said > 0
    await loft.settle(60)
    assert len(loft.post.carried) == said


async def test_added_channel_is_looked_at_and_its_secret_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """`xiaoer channels check pigeon`, with and without the secret."""
    monkeypatch.setitem(PLATFORMS, "pigeon", LINE)
    config = Config().model_copy(update={"channels": WithPigeons(pigeon=PigeonChannel(api_base="http://127.0.0.1"))})
    (missing,) = await check_channel(config, PigeonSecrets(), "pigeon")
    assert "XIAOER_PIGEON_SECRET" in missing.what
    (found,) = await check_channel(config, PigeonSecrets(pigeon_secret=SECRET), "pigeon")
    assert found.good


@pytest.mark.parametrize("folder", ["bot/channels/line", "bot/channels/telegram", "bot/channels/whatsapp"])
def test_channel_is_three_files_and_one_line(folder: str) -> None:
    """As the page says of LINE: nothing else of the program names its modules."""
    channel = folder.rpartition("/")[2]
    files = {file.name for file in (ROOT / folder).glob("*.py")}
    assert files == {"__init__.py", "parse.py", "send.py", "webhook.py"}
    others = [file for file in (ROOT / "bot").rglob("*.py") if f"bot/channels/{channel}" not in file.as_posix()]
    naming = [
        file.relative_to(ROOT / "bot").as_posix() for file in others if f"bot.channels.{channel}." in file.read_text()
    ]
    assert [name for name in naming if not name.startswith("simulators/")] == ["wiring/platforms.py"]


def test_every_line_of_the_wiring_names_a_plug() -> None:
    """A name that is mistyped would be met only by the shop that switches the channel on."""
    for name, line in PLATFORMS.items():
        module, _, plug = line.partition(":")
        assert name in Channels.model_fields, name
        tree = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
        assert plug in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}, line
