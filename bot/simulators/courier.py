"""Carries a platform's webhooks: signs, delivers, delivers again until 2xx, and goes wrong when asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import httpx

Sign = Callable[[bytes], dict[str, str]]
Sleep = Callable[[float], Awaitable[None]]


@dataclass
class CourierKnobs:
    """Faults to inject.

    ``delay_s`` before each delivery; ``repeat`` more deliveries of each body; ``hold`` keeps bodies back until
    ``release``; ``forge`` spoils the signature; ``retry_after_s`` the waits between tries until a 2xx.
    """

    delay_s: float = 0.0
    repeat: int = 0
    hold: bool = False
    forge: bool = False
    retry_after_s: tuple[float, ...] = ()


class Courier:
    """Delivers bodies to one webhook; ``sleep`` lets a test's clock pass instead of time."""

    def __init__(self, http: httpx.AsyncClient, webhook: str, sign: Sign, sleep: Sleep = asyncio.sleep) -> None:
        self.knobs = CourierKnobs()
        self.held: list[bytes] = []
        self.statuses: list[int] = []
        self._http = http
        self._webhook = webhook
        self._sign = sign
        self._sleep = sleep

    async def deliver(self, body: bytes, again: Callable[[bytes], bytes] = bytes) -> httpx.Response:
        """Deliver a body; ``again`` marks it as the platform marks a repeat. Gives the last answer."""
        if self.knobs.hold:
            self.held.append(body)
            return httpx.Response(httpx.codes.ACCEPTED)
        answer = await self.post(body)
        for wait_s in self.knobs.retry_after_s:
            if answer.is_success:
                break
            await self._sleep(wait_s)
            answer = await self.post(again(body))
        for _ in range(self.knobs.repeat):
            answer = await self.post(again(body))
        return answer

    async def release(self, order: Sequence[int] = ()) -> list[httpx.Response]:
        """Deliver what was held back, in the given order (default: last first)."""
        bodies, self.held, self.knobs.hold = self.held, [], False
        places = order or range(len(bodies) - 1, -1, -1)
        return [await self.post(bodies[place]) for place in places]

    async def post(self, body: bytes) -> httpx.Response:
        """Deliver once."""
        if self.knobs.delay_s:
            await self._sleep(self.knobs.delay_s)
        # A forged signature is a right one of another body.
        headers = self._sign(body + b" " if self.knobs.forge else body) | {"content-type": "application/json"}
        answer = await self._http.post(self._webhook, content=body, headers=headers)
        self.statuses.append(answer.status_code)
        return answer
