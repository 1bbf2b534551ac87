"""Every platform that can show that an answer is being made does, over its strict simulator."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bot.channels._api import Lost
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.channels.wecom_kf.send import WecomKfAdapter
from bot.domain.channel_ports import Addressee, ShowsTyping
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from bot.domain.messages import OutboundMessage
from bot.simulators.network import SimulatedNetwork
from bot.simulators.wechat_oa.server import Follower, WechatServer
from tests.integration.channels.test_platform_contract import Town
from tests.integration.channels.test_telegram import GROUP, LI
from tests.integration.channels.test_telegram import Town as TelegramTown
from tests.unit.channels.doubles import NOON

OPENID = "oLi"


@pytest.fixture(params=["line", "whatsapp", "messenger", "instagram"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    made = Town(request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()


def to(person: str) -> Addressee:
    """Address somebody."""
    return Addressee("main", person, ConversationId("c1"), "bot")


async def test_shopper_sees_that_an_answer_is_made(town: Town):
    """From the call until the answer comes; it is no message and uses nothing up."""
    await town.people.say(town.shopper, "hi")
    assert isinstance(town.adapter, ShowsTyping)
    await town.adapter.show_typing(to(town.shopper), town.inbox.messages[0].platform_id)
    assert town.server.typing.is_shown_to(town.shopper)
    assert town.screen() == []
    await town.send(OutboundMessage("Hello"))
    assert not town.server.typing.is_shown_to(town.shopper)
    assert town.server.typing.told == [town.shopper]


async def test_typing_goes_away_by_itself(town: Town):
    """Half a minute later nobody types any more."""
    await town.people.say(town.shopper, "hi")
    await town.adapter.show_typing(to(town.shopper), town.inbox.messages[0].platform_id)
    town.clock.advance(timedelta(seconds=30))
    assert not town.server.typing.is_shown_to(town.shopper)


async def test_typing_to_a_stranger_shows_nothing(town: Town):
    """What the platform declines is taken without a word."""
    await town.adapter.show_typing(to("1"), "no-message-of-his")
    assert town.server.typing.told == []


async def test_lost_typing_is_no_lost_message(town: Town):
    """The connection may break; the answer goes out as ever."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.drop_next = 1
    with contextlib.suppress(Lost):
        await town.adapter.show_typing(to(town.shopper), town.inbox.messages[0].platform_id)
    await town.send(OutboundMessage("Hello"))
    assert town.screen() == ["Hello"]


async def test_whatsapp_needs_the_message_that_is_answered():
    """Without its id nothing is asked; with it the message is marked as read."""
    town = Town("whatsapp")
    await town.people.say(town.shopper, "hi")
    calls = town.server.calls
    await town.adapter.show_typing(to(town.shopper), "")
    assert town.server.calls == calls
    number = town.inbox.messages[0].platform_id
    await town.adapter.show_typing(to(town.shopper), number)
    assert town.server.read == [number]
    await town.http.aclose()
    await town.adapter.close()


async def test_line_shows_none_in_groups():
    """The loading animation is for one person only: nothing is asked."""
    town = Town("line")
    calls = town.server.calls
    await town.adapter.show_typing(to("Cgroup/Uperson"), "1")
    assert town.server.calls == calls
    await town.http.aclose()
    await town.adapter.close()


async def test_telegram_shows_it_in_the_chat():
    """Also in a group, which is addressed by itself; for five seconds."""
    town = TelegramTown()
    await town.adapter.show_typing(to(str(LI)), "7")
    await town.adapter.show_typing(to(f"{GROUP}/7"), "8")
    assert town.server.typing.told == [str(LI), str(GROUP)]
    town.clock.advance(timedelta(seconds=5))
    assert not town.server.typing.is_shown_to(str(LI))
    await town.adapter.show_typing(to(str(LI)), "7")
    await town.send(OutboundMessage("hello"))
    assert not town.server.typing.is_shown_to(str(LI))
    await town.http.aclose()
    await town.adapter.close()


def oa(replies: str = "both") -> tuple[WechatServer, Any, ManualClock]:
    """Make an Official Account with a follower who wrote just now, and its adapter."""
    clock = ManualClock(NOON)
    server = WechatServer("wx1", "secret", clock)
    server.followers[OPENID] = Follower(spoke_at=NOON)
    settings = WechatOaSettings("wx1", "secret", "callbacktoken", replies=replies)
    return server, WechatOaAdapter(settings, clock, SimulatedNetwork(server)), clock


async def test_wechat_shows_it_to_who_wrote_just_now():
    """Shown once for as long as it stands; not after half a minute of silence."""
    server, adapter, clock = oa()
    await adapter.show_typing(to(OPENID), "")
    await adapter.show_typing(to(OPENID), "")
    assert server.typing.told == [OPENID]
    clock.advance(timedelta(seconds=31))
    await adapter.show_typing(to(OPENID), "")
    assert server.typing.told == [OPENID]
    assert server.followers[OPENID].used == 0
    await adapter.close()


async def test_wechat_account_that_may_not_send_asks_nothing():
    """An account of passive replies only has no permission for it either."""
    server, adapter, _ = oa("passive")
    await adapter.show_typing(to(OPENID), "")
    assert (server.typing.told, server.token_requests) == ([], 0)
    await adapter.close()


def test_wecom_customer_service_has_none():
    """WeCom knows no such call, so the adapter does not pretend to."""
    assert not issubclass(WecomKfAdapter, ShowsTyping)
