"""One word after a session's end, by the code that comes with it: once, in time, while it is over, as text or menu."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.channels.wecom_kf.send import content
from bot.domain.channel_ports import Refusal, Refused, Sent
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.media import OutgoingFile
from bot.domain.messages import Attachment, Button, MessageKind, OutboundMessage
from bot.domain.people import Agent, Role
from storage.ownership import SqlOwnershipStore
from storage.windows import SqlWindowLedger
from tests.integration.channels.kf_town import ACCOUNT, LI, KfTown, database_url, town

__all__ = ["database_url", "town"]

SECOND = timedelta(seconds=1)
SCORES = tuple(Button(str(score), f"/rate_service=score:{score}") for score in range(1, 6))
QUESTION = OutboundMessage("您给这次服务打几分？", SCORES)


async def begun(town: KfTown) -> ConversationId:
    """Let the customer write and the bot answer."""
    conversation = await town.answered()
    await town.send(OutboundMessage("您好"), conversation)
    await town.sent()
    town.clock.advance(SECOND)
    return conversation


async def ended_there(town: KfTown, at_once: bool = True) -> ConversationId:
    """Let WeCom's staff take and end it; ``at_once``: we hear of it when it happens."""
    conversation = await begun(town)
    await town.people.take_over(LI)
    await town.settle()
    town.clock.advance(SECOND)
    town.people.silent = not at_once
    await town.people.end(LI)
    await town.settle()
    town.people.silent = False
    return conversation


async def ended_here(town: KfTown) -> ConversationId:
    """Let our agent end it, and the platform be told."""
    conversation = await begun(town)
    mei = Agent("", "mei", "Mei", Role.MANAGER, active=True)  # type: ignore[arg-type]
    await SqlOwnershipStore(town.database, lambda *_: "").resolve(conversation, mei, town.clock.now())
    assert await town.follower.follow() == 1
    return conversation


async def reserve(town: KfTown, kind: str = "end") -> None:
    """Count the message as whoever sends does before."""
    await town.database.run(
        lambda on: on.exec_driver_sql("UPDATE windows SET used = used + 1 WHERE kind = ?", (kind,)) and None
    )


async def posted(town: KfTown, body: dict[str, Any]) -> int:
    """Call the simulator by itself; its error code."""
    answer = await town.adapter.client.post("send_msg_on_event", body)
    return int(answer["errcode"])


@pytest.mark.parametrize("end", [ended_there, ended_here])
async def test_question_after_an_end_goes_over_the_ends_code_and_its_click_is_a_choice(town: KfTown, end: Any) -> None:
    """A menu, by the code alone; pressing an entry comes back with what the button carries, in a new session."""
    conversation = await end(town)
    await reserve(town)
    town.server.calls.clear()
    assert isinstance(await town.send(QUESTION, conversation), Sent)
    assert "send_msg" not in town.server.calls
    assert (town.server.shapes[-1], town.people.screen(LI)[-1]) == ("msgmenu", QUESTION.text)
    town.clock.advance(SECOND)
    await town.people.press(LI, "4")
    await town.settle()
    (pressed,) = await town.taken()
    assert (pressed.kind, pressed.payload) == (MessageKind.BUTTON, "/rate_service=score:4")
    assert await town._owner_of(conversation) is Owner.RESOLVED


async def test_code_pays_for_one_message(town: KfTown) -> None:
    """The second is refused, and nothing is asked of the platform for it but the session's state."""
    conversation = await ended_there(town)
    await reserve(town)
    assert isinstance(await town.send(QUESTION, conversation), Sent)
    await reserve(town)
    town.server.calls.clear()
    refused = await town.send(QUESTION, conversation)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.WINDOW
    assert town.server.calls == ["service_state/get"]


@pytest.mark.parametrize("wait", [21, 3600])
async def test_end_that_is_heard_of_late_leaves_nothing_to_say(town: KfTown, wait: int) -> None:
    """The code's time runs from the end, not from our hearing of it."""
    conversation = await ended_there(town, at_once=False)
    town.clock.advance(wait * SECOND)
    await town.people.call_back()
    await town.settle()
    assert await town._owner_of(conversation) is Owner.RESOLVED
    room = await SqlWindowLedger(town.database).of_conversation(conversation, town.clock.now())
    assert room is not None
    assert not room.is_open
    refused = await town.send(QUESTION, conversation)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.WINDOW


async def test_code_is_kept_while_the_session_is_looked_at(town: KfTown) -> None:
    """The look that finds the session over closes the other windows, not this one."""
    conversation = await ended_there(town)
    await town.follower.follow()
    assert await SqlWindowLedger(town.database).of_conversation(conversation, town.clock.now())
    await reserve(town)
    assert isinstance(await town.send(QUESTION, conversation), Sent)


async def test_customer_who_has_written_since_is_answered_in_his_session(town: KfTown) -> None:
    """The code is no longer good, and not tried."""
    await ended_there(town)
    town.clock.advance(SECOND)
    conversation = await town.answered("还有问题")
    town.server.calls.clear()
    assert isinstance(await town.send(QUESTION, conversation), Sent)
    assert "send_msg_on_event" not in town.server.calls


async def test_picture_does_not_go_by_the_ends_code(town: KfTown) -> None:
    """It is refused as after any end, and the code is left for words."""

    async def read(attachment: Attachment) -> OutgoingFile:
        del attachment
        return OutgoingFile("图.png", "image/png", b"\x89PNG" + bytes(60))

    town.adapter.files = read
    conversation = await ended_there(town)
    picture = OutboundMessage("", (), (Attachment(MessageKind.IMAGE, "m0", "image/png"),))
    assert isinstance(await town.send(picture, conversation), Refused)
    await reserve(town)
    assert isinstance(await town.send(QUESTION, conversation), Sent)


async def test_simulated_code_is_as_strict_as_the_platform(town: KfTown) -> None:
    """Once, within 20 seconds, while the session is over, for a text or a menu."""
    await begun(town)
    menu = content(QUESTION)
    code = town.server.end(ACCOUNT, LI)
    assert [await posted(town, {"code": code, **menu}) for _ in range(2)] == [0, 95016]
    code = town.server.end(ACCOUNT, LI)
    town.clock.advance(21 * SECOND)
    assert await posted(town, {"code": code, **menu}) == 95016
    code = town.server.end(ACCOUNT, LI)
    picture = {"msgtype": "image", "image": {"media_id": "m"}}
    assert await posted(town, {"code": code, **picture}) == 40008
    code = town.server.end(ACCOUNT, LI)
    town.people.write(LI, "text", {"content": "在吗"})
    assert await posted(town, {"code": code, **menu}) == 95018


async def test_only_a_sessions_end_gives_a_code_that_is_good(town: KfTown) -> None:
    """What comes with queueing and accepting is for other words, which nobody says here."""
    conversation = await begun(town)
    session = {"open_kfid": ACCOUNT, "external_userid": LI}
    queued = await town.adapter.client.post("service_state/trans", session | {"service_state": 2})
    assert await posted(town, {"code": queued["msg_code"], **content(QUESTION)}) == 95016
    await town.people.take_over(LI)
    await town.settle()
    refused = await town.send(QUESTION, conversation)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.HUMAN_ONLY
