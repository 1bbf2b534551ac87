"""The pigeons' channel: its webhook, and a look at its set-up."""

from __future__ import annotations

import hashlib
import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._http import check_header, read_body, take_in, webhook_router
from bot.channels.findings import Finding
from bot.channels.plug import Heard, Lent, Plug, Setup
from tests.integration.channels.pigeon.parse import CHANNEL, parse_note
from tests.integration.channels.pigeon.send import PigeonAdapter, PigeonSettings


class PigeonPlug(Plug[PigeonAdapter]):
    """The pigeon post, set up."""

    def __init__(self, setup: Setup) -> None:
        section = setup.section
        self.settings = PigeonSettings(setup.secrets["pigeon_secret"], section.account, section.api_base)

    def adapter(self, lent: Lent) -> PigeonAdapter:
        """Make what sends."""
        del lent
        return PigeonAdapter(self.settings)

    def router(self, adapter: PigeonAdapter, heard: Heard) -> APIRouter:
        """Make the webhook."""
        del adapter

        async def receive(request: Request) -> Response:
            body = await read_body(request, 1000)
            check_header(request, "x-seal", seal(self.settings.secret, body), "is not our seal")
            await take_in(CHANNEL, [parse_note(body, self.settings.account)], [], heard.on_messages)
            return JSONResponse({})

        return webhook_router(CHANNEL, f"/webhooks/{CHANNEL}", receive)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return (Finding(f"birds find {webhook}"),)


def seal(secret: str, body: bytes) -> str:
    """Seal a note."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
