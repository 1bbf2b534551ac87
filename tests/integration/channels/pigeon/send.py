"""Sending by pigeon: 80 characters a bird, no buttons."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx

from bot.channels._api import DEFAULT_WAIT_S, call, open_http
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import degrade
from bot.channels.fetching import Downloads, MediaHosts
from bot.channels.reading import text_of
from bot.domain.channel_ports import Addressee, Capabilities, Deferred, Delivery, Failed, Sent
from bot.domain.errors import ConfigError
from bot.domain.ids import OutboxId
from bot.domain.messages import OutboundMessage
from tests.integration.channels.pigeon.parse import CHANNEL

MAX_TEXT = 80
_NO_BIRD = 503


@dataclass(frozen=True, slots=True)
class PigeonSettings:
    """One loft."""

    secret: str = field(repr=False)
    account: str
    api_url: str

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.api_url:
            raise ConfigError("the pigeon post needs the address of its loft; set xiaoer.channels.pigeon.api_base")


class PigeonAdapter(PlatformAdapter):
    """The ``pigeon`` channel."""

    name, platform = CHANNEL, "Pigeon Post"
    capabilities = Capabilities(MAX_TEXT)

    def __init__(self, settings: PigeonSettings) -> None:
        self._http = open_http(settings.api_url)

        async def nothing(_reference: str, _most_bytes: int) -> tuple[str, dict[str, str]]:
            return settings.api_url, {}

        super().__init__(Downloads(MediaHosts(settings.api_url), nothing), self._http.aclose)

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Let one bird a part fly."""
        parts = degrade(clean_message(message), self.capabilities)
        return await self.parts.send(outbox_id, parts, lambda part: self._fly(to.channel_user_id, part.text))

    async def _fly(self, loft: str, words: str) -> Delivery:
        request: httpx.Request = self._http.build_request("POST", "/birds", json={"to": loft, "words": words})
        answer = await call(self._http, request)
        if answer.good:
            return Sent(text_of(answer.data, "ring"))
        if answer.status == _NO_BIRD:
            return Deferred(answer.wait_s or DEFAULT_WAIT_S, "no bird is at home")
        return Failed(f"the pigeon post refuses (HTTP {answer.status})", retryable=False)
