"""LINE's own rules over its simulator: the free reply first, the billed push after, and nothing twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from bot.channels._api import Answer, Unreached, call
from bot.channels.line import send
from bot.channels.line.send import LineSettings
from bot.domain.channel_ports import Failed, Refusal, Refused, Sent, Unclear
from bot.domain.errors import ConfigError
from bot.domain.messages import Button, MessageKind, OutboundMessage
from tests.integration.channels.test_platform_contract import Town


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town("line")
    yield made
    await made.http.aclose()
    await made.adapter.close()


def billed(town: Town) -> list[bool]:
    """Tell of every shown message whether it was billed."""
    return [shown.billed for shown in town.server.shown]


async def test_answer_in_time_is_free_and_the_next_is_pushed(town: Town):
    """One token pays for one call."""
    await town.people.say(town.shopper, "在吗")
    await town.send(OutboundMessage("在的"))
    await town.send(OutboundMessage("请讲"))
    assert (town.screen(), billed(town)) == (["在的", "请讲"], [False, True])


async def test_burst_of_messages_is_answered_with_its_last_token(town: Town):
    """The newest is good for longest."""
    for text in ("一", "二", "三"):
        await town.people.say(town.shopper, text)
        town.clock.advance(timedelta(seconds=20))
    for number in range(2):
        await town.send(OutboundMessage(f"答 {number}"))
    assert billed(town) == [False, True]


async def test_late_answer_is_pushed_without_asking_the_old_token(town: Town):
    """After more than fifty seconds the token is not tried."""
    await town.people.say(town.shopper, "在吗")
    town.clock.advance(timedelta(seconds=51))
    calls = town.server.calls
    await town.send(OutboundMessage("在的"))
    assert (billed(town), town.server.calls - calls) == ([True], 1)


async def test_token_that_line_no_longer_takes_falls_back_to_a_push(town: Town):
    """The shopper reads the answer once."""
    await town.people.say(town.shopper, "在吗")
    town.server.knobs.window_closed = True
    assert isinstance(await town.send(OutboundMessage("在的")), Sent)
    assert (town.screen(), billed(town)) == (["在的"], [True])


async def test_reply_whose_answer_was_lost_arrives_once(town: Town):
    """The second try of the same token tells that the first had arrived."""
    await town.people.say(town.shopper, "在吗")
    town.server.knobs.drop_next = 1
    assert isinstance(await town.send(OutboundMessage("在的")), Sent)
    assert town.screen() == ["在的"]


async def test_reply_lost_twice_is_flagged(town: Town):
    """LINE in trouble twice over: it may have arrived."""
    await town.people.say(town.shopper, "在吗")
    town.server.knobs.fail_next = [(500, "Internal Server Error")] * 2
    assert isinstance(await town.send(OutboundMessage("在的")), Unclear)


@pytest.mark.parametrize("then", [Unreached("ConnectError"), Answer(429, {}, 3.0), Answer(401, {})])
async def test_reply_that_may_have_arrived_is_not_pushed_after_it(
    town: Town, monkeypatch: pytest.MonkeyPatch, then: Unreached | Answer
):
    """The first try's answer is lost and the second says nothing of the first: it is flagged, and shown once."""
    tries: list[httpx.Request] = []

    async def second_fails(http: httpx.AsyncClient, request: httpx.Request) -> Answer:
        tries.append(request)
        if len(tries) != 2:
            return await call(http, request)
        if isinstance(then, Answer):
            return then
        raise then

    await town.people.say(town.shopper, "在吗")
    town.server.knobs.drop_next = 1
    monkeypatch.setattr(send, "call", second_fails)
    assert isinstance(await town.send(OutboundMessage("在的")), Unclear)
    assert town.screen() == ["在的"]


async def test_push_whose_answer_was_lost_arrives_once(town: Town):
    """The retry key of the row makes the next try harmless (409 counts as sent)."""
    town.server.friends.add(town.shopper)
    town.server.knobs.drop_next = 1
    first = await town.send(OutboundMessage("在的"), outbox=5)
    assert isinstance(first, Failed)
    assert first.retryable
    assert isinstance(await town.send(OutboundMessage("在的"), outbox=5), Sent)
    assert town.screen() == ["在的"]


async def test_more_than_five_messages_are_several_calls(town: Town):
    """Eight texts of 5,000 characters: five in the reply, three pushed."""
    await town.people.say(town.shopper, "在吗")
    await town.send(OutboundMessage("订单已经发货了。" * 5000))
    assert billed(town) == [False] * 5 + [True] * 3


async def test_used_up_month_is_refused_with_what_to_do(town: Town):
    """The quota is no rate limit: waiting does not help."""
    town.server.friends.add(town.shopper)
    town.server.knobs.monthly_limit = 0
    result = await town.send(OutboundMessage("在的"))
    assert isinstance(result, Refused)
    assert result.kind is Refusal.QUOTA
    assert "plan" in result.reason


async def test_stranger_and_redelivery_have_no_token(town: Town):
    """A push to somebody who is no friend fails for good; a repeated delivery's token is not used."""
    result = await town.send(OutboundMessage("在的"))
    assert isinstance(result, Failed)
    assert not result.retryable
    event = town.people.event(town.shopper, "message", message={"id": "9", "type": "text", "text": "在吗"})
    await town.people.deliver(event | {"deliveryContext": {"isRedelivery": True}})
    await town.send(OutboundMessage("在的"))
    assert billed(town) == [True]


async def test_follow_unfollow_and_pressed_quick_reply(town: Town):
    """Friends come and go; thirteen choices are quick replies."""
    await town.people.follow(town.shopper)
    await town.send(OutboundMessage("选一个", tuple(Button(f"选项 {n}", f"/p{n}") for n in range(13))))
    assert len(town.people.buttons(town.shopper)) == 13
    await town.people.press(town.shopper, "选项 12")
    await town.people.unfollow(town.shopper)
    kinds = [(message.kind, message.payload) for message in town.inbox.messages]
    assert kinds == [(MessageKind.FOLLOW, ""), (MessageKind.BUTTON, "/p12"), (MessageKind.UNFOLLOW, "")]


async def test_answer_to_a_group_goes_to_the_group(town: Town):
    """Pushed to the group's id, not to the person's."""
    town.server.friends.add("Cgroup")
    town.shopper = "Cgroup/Uperson"
    await town.send(OutboundMessage("在的"))
    assert [shown.to for shown in town.server.shown] == ["Cgroup"]


def test_missing_secret_is_told_at_start():
    """The sentence says where to find it."""
    with pytest.raises(ConfigError, match="LINE Developers Console"):
        LineSettings("", "token")
