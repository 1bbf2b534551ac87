"""The vault of access tokens: one request whoever asks, and no quota burnt on a token that stays refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.channels._api import Unreached
from bot.channels.vault import Fetched, MemoryTokenShelf, TokenVault
from bot.domain.clock import ManualClock
from tests.unit.channels.doubles import NOON


class Platform:
    """Gives the same token until it is asked for another, which ``fails`` so many times."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.fails = 0

    async def fetch(self, force: bool) -> Fetched:
        """Give a token."""
        if force and self.fails:
            self.fails -= 1
            raise Unreached("ConnectError")
        self.asked.append(force)
        await asyncio.sleep(0)
        return Fetched(f"token-{sum(self.asked)}", 7200)


async def test_refused_token_is_replaced_once_for_all_who_hold_it():
    """Twenty who were refused make the platform give one other token."""
    platform = Platform()
    vault = TokenVault("wx", platform.fetch, ManualClock(NOON))
    refused = await vault.token()
    assert set(await asyncio.gather(*(vault.replace(refused) for _ in range(20)))) == {"token-1"}
    assert platform.asked == [False, False, True]


async def test_token_refused_again_and_again_burns_no_quota():
    """Another is forced at most nineteen times a day, however many ask in however many processes: twenty is the end."""
    platform, clock, shelf = Platform(), ManualClock(NOON), MemoryTokenShelf()
    vaults = [TokenVault("wx", platform.fetch, clock, shelf) for _ in range(2)]
    for minute in range(24 * 60):
        vault = vaults[minute % 2]
        assert await vault.replace(await vault.token())
        clock.advance(timedelta(minutes=1))
    assert 15 < sum(platform.asked) < 20
    assert "token" not in repr(Fetched("token-1", 1))


async def test_token_that_is_refused_once_is_another_at_once():
    """The first of a while is forced without a wait, whoever asks; the next waits its time."""
    platform, clock, shelf = Platform(), ManualClock(NOON), MemoryTokenShelf()
    first, second = (TokenVault("wx", platform.fetch, clock, shelf) for _ in range(2))
    token = await first.replace(await first.token())
    assert (token, await second.replace(token)) == ("token-1", "token-1")
    clock.advance(timedelta(minutes=80))
    assert await second.replace(token) == "token-2"


async def test_forced_request_that_does_not_get_through_is_soon_made_again():
    """A network that fails at that moment does not keep the account silent for an hour."""
    platform, clock = Platform(), ManualClock(NOON)
    vault = TokenVault("wx", platform.fetch, clock)
    token = await vault.token()
    platform.fails = 1
    with pytest.raises(Unreached):
        await vault.replace(token)
    assert await vault.replace(token) == token
    clock.advance(timedelta(minutes=5))
    assert await vault.replace(token) == "token-1"


async def test_token_near_its_end_is_not_asked_for_at_every_call():
    """WeCom gives the same token with what is left of its life: the last minutes cost a handful of requests."""
    clock, asked = ManualClock(NOON), 0

    async def fetch(force: bool) -> Fetched:
        nonlocal asked
        asked += not force
        age_s = int((clock.now() - NOON).total_seconds())
        return Fetched(f"token-{age_s // 7200}", 7200 - age_s % 7200)

    vault = TokenVault("ww", fetch, clock)
    for _ in range(7300):
        assert await vault.token() == f"token-{int((clock.now() - NOON).total_seconds()) // 7200}"
        clock.advance(timedelta(seconds=1))
    assert asked < 15
