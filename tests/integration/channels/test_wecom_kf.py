"""WeCom customer service over its simulator and a real database: pulled once, answered in a session that is ours."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import timedelta
from typing import Any

import pytest

from bot.channels.sealed import Seal
from bot.channels.wecom_kf import pull
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.sessions import SessionState
from bot.channels.wecom_kf.settings import WECOM, WecomKfSettings
from bot.domain.channel_ports import Deferred, Failed, Refusal, Refused, Sent, Unclear
from bot.domain.conversation import Owner
from bot.domain.errors import BadSignature, ConfigError
from bot.domain.messages import Button, MessageKind, OutboundMessage
from bot.simulators.network import SimulatedNetwork
from bot.simulators.wecom_kf.people import to_xml
from storage.database import Database
from tests.contract.line import commit_of
from tests.integration.channels.kf_town import ACCOUNT, HOOK, LI, KfTown, database_url, town

__all__ = ["database_url", "town"]

HELLO = OutboundMessage("您好")


def test_official_sample_decrypts_to_its_known_number() -> None:
    """Signature and cipher are those of WeCom's own published sample; another nonce is refused."""
    seal = Seal("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
    query = {"timestamp": "1409659589", "nonce": "263014780",
             "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3"}  # fmt: skip
    sealed = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
    assert seal.open(query, sealed) == "1616140317555161061"
    with pytest.raises(BadSignature):
        seal.open(query | {"nonce": "1"}, sealed)


async def test_message_is_pulled_with_the_callbacks_token(town: KfTown) -> None:
    """The callback only rings; the message comes by its cursor and token, once."""
    answer = await town.people.say(LI, "在吗 ]]> 🙂")
    assert answer is not None
    assert answer.text == "success"
    await town.settle()
    await town.people.call_back()
    await town.settle()
    (message,) = await town.taken()
    assert (message.kind, message.text, message.sender.account) == (MessageKind.TEXT, "在吗 ]]> 🙂", ACCOUNT)
    assert town.server.pulls[0]["token"].startswith("ENC")
    assert town.server.pulls[-1]["cursor"] == "c1"


async def test_address_is_proved_by_opening_the_sealed_echo(town: KfTown) -> None:
    """The console's check is answered in the clear; a forged one is a sentence."""
    query, sealed = town.people.sealed("4242")
    right = await town.http.get(HOOK, params=query | {"echostr": sealed})
    assert right.text == "4242"
    wrong = await town.http.get(HOOK, params=query | {"echostr": sealed, "nonce": "1"})
    assert (wrong.status_code, "signature is wrong" in wrong.json()["message"]) == (401, True)


@pytest.mark.parametrize("changes", [{"msg_signature": "0" * 40}, {"nonce": "9"}, {"timestamp": "1"}])
async def test_forged_callback_is_refused_and_pulls_nothing(town: KfTown, changes: dict[str, str]) -> None:
    """401, and the API is not called."""
    answer = await town.people.post(to_xml({"Event": "kf_msg_or_event", "OpenKfId": ACCOUNT, "Token": "x"}), **changes)
    assert answer.status_code == 401
    assert town.server.token_requests == 0


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"<xml></xml>", b"<xml>x</xml>", b"{}", b"<xml><Encrypt>1</Encrypt></xml>"]
)
async def test_junk_is_a_sentence_and_never_500(town: KfTown, body: bytes) -> None:
    """400 or 401 with a reason."""
    answer = await town.http.post(HOOK, params={"msg_signature": "x"}, content=body)
    assert answer.status_code in {400, 401}
    assert answer.json()["message"]


async def test_replayed_callback_is_refused_by_its_age(town: KfTown) -> None:
    """A callback of an hour ago is no longer taken."""
    query, sealed = town.people.sealed(to_xml({"Event": "kf_msg_or_event", "OpenKfId": ACCOUNT, "Token": "x"}))
    town.clock.advance(timedelta(hours=1))
    answer = await town.http.post(HOOK, params=query, content=to_xml({"Encrypt": sealed}).encode())
    assert answer.status_code == 401


async def test_callback_is_acknowledged_at_once_while_the_api_is_slow(town: KfTown) -> None:
    """Pulling happens after the answer."""
    await town.people.message(LI, "text", {"content": "在吗"})
    await town.settle()
    town.server.knobs.delay_s = 3600
    async with asyncio.timeout(60):
        await town.people.say(LI, "在吗")


@pytest.mark.parametrize("seed", range(8))
async def test_bursts_over_pulls_and_a_restart_lose_and_double_nothing(town: KfTown, seed: int) -> None:
    """1 to 50 messages in small batches, with gaps, repeats and restarts: each once, in order where WeCom keeps it."""
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    town.server.knobs.limit = chance.choice([1, 3, 7, 50])
    town.server.knobs.repeat = chance.choice([0, 2, 5])
    town.server.knobs.gap_every = chance.choice([0, 1, 3])
    town.server.knobs.shuffle = chance if seed % 2 else None
    wanted: dict[str, list[str]] = {}
    for number in range(chance.randint(1, 50)):
        customer = f"wmCustomer{chance.randint(0, 3)}"
        wanted.setdefault(customer, []).append(f"第 {number} 句")
        town.people.write(customer, "text", {"content": f"第 {number} 句"})
        if chance.random() < 0.1:
            await town.people.call_back()
        if chance.random() < 0.05:
            await town.close()
            town.start()
    await town.people.call_back()
    await town.settle()
    got: dict[str, list[str]] = {}
    for message in await town.taken():
        got.setdefault(message.sender.channel_user_id, []).append(message.text)
    if town.server.knobs.shuffle:
        got, wanted = ({who: sorted(said) for who, said in each.items()} for each in (got, wanted))
    assert got == wanted


async def test_pull_killed_before_its_commit_is_pulled_again(town: KfTown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages and cursor are one commit: without it neither is there, and the next pull brings both."""
    monkeypatch.setattr("storage.cursors.move", _broken)
    await town.people.say(LI, "在吗")
    with pytest.raises(RuntimeError, match="killed"):
        await town.puller.pull(ACCOUNT)
    await town.close()
    assert await town.taken() == []
    monkeypatch.undo()
    town.start()
    assert await town.puller.pull(ACCOUNT) == 1
    assert [message.text for message in await town.taken()] == ["在吗"]


def _broken(*_: Any) -> None:
    raise RuntimeError("killed between two commits")


async def test_missed_callbacks_are_found_by_the_poll(town: KfTown) -> None:
    """What came while nobody listened is pulled at the start, without a token."""
    town.people.silent = True
    await town.people.say(LI, "有人吗")
    await town.puller.start()
    async with asyncio.timeout(20):
        while not await town.taken():  # noqa: ASYNC110 - a table has no event of its own
            await asyncio.sleep(0.02)
    assert "token" not in town.server.pulls[0]


async def test_only_the_leader_polls_and_who_takes_over_looks_at_once(
    town: KfTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of several processes one asks the platform now and then; callbacks are answered by whom they reach."""
    monkeypatch.setattr(pull, "_LEAD_LOOK_S", 0.02)
    town.leads = False
    town.people.silent = True
    await town.people.say(LI, "有人吗")
    async with asyncio.timeout(20):
        await town.puller.start()
        while town.looks < 3:  # noqa: ASYNC110 - a count has no event of its own
            await asyncio.sleep(0.02)
        assert town.server.calls == []
        town.leads = True
        while not await town.taken():  # noqa: ASYNC110 - a table has no event of its own
            await asyncio.sleep(0.02)


async def test_callback_token_that_is_over_is_left_out(town: KfTown) -> None:
    """A refused callback token costs one more call, no message."""
    town.people.write(LI, "text", {"content": "在吗"})
    town.server._msg_tokens["ENCold"] = town.clock.now()
    assert await town.puller.pull(ACCOUNT, "ENCold") == 1


async def test_choices_are_a_menu_and_come_back_by_their_click_ids(town: KfTown) -> None:
    """A pressed entry is the button's payload."""
    await town.people.say(LI, "投诉")
    await town.settle()
    conversation = await town.conversation()
    choices = (Button("质量问题", "=quality"), Button("转人工", "/request_human"))
    assert isinstance(await town.send(OutboundMessage("哪一类？", choices), conversation), Sent)
    await town.people.press(LI, "质量问题")
    await town.settle()
    pressed = (await town.taken())[-1]
    assert (pressed.kind, pressed.payload, pressed.text) == (MessageKind.BUTTON, "=quality", "质量问题")


async def test_long_head_or_many_choices_become_numbers(town: KfTown) -> None:
    """What no menu holds is one numbered text."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    many = tuple(Button(f"第 {n} 项", f"={n}") for n in range(12))
    for message in (OutboundMessage("选", many), OutboundMessage("长" * 400, many[:2])):
        assert isinstance(await town.send(message, conversation), Sent)
        assert "1. 第 0 项" in town.people.screen(LI)[-1]


async def test_welcome_goes_out_by_its_code_within_its_time_once(town: KfTown) -> None:
    """An entered session is greeted without a message of the customer; after 20 seconds it is refused."""
    await town.people.enter(LI)
    await town.settle()
    conversation = await town.conversation()
    assert (await town.taken())[0].kind is MessageKind.FOLLOW
    assert isinstance(await town.send(HELLO, conversation), Sent)
    assert town.people.screen(LI) == ["您好"]
    await town.people.enter("wmLate")
    await town.settle()
    late = await town.conversation("wmLate")
    town.clock.advance(timedelta(seconds=21))
    assert isinstance(await town.send(HELLO, late, "wmLate"), Refused)


async def test_message_that_fails_after_it_was_taken_is_recorded_as_refused(town: KfTown) -> None:
    """Types 4, 6 and 10 are told as window, quota and block on the row of the outbox."""
    await town.people.say(LI, "hi")
    await town.settle()
    turn = await town.pending()
    assert turn is not None
    await town.turns.commit_turn(commit_of(turn, "您好"))
    item = await town.outbox.next_due(turn.conversation.id, town.clock.now())
    assert item is not None
    await town.outbox.mark_sending(item.id, town.clock.now())
    sent = await town.send(item.message, turn.conversation.id)
    assert isinstance(sent, Sent)
    await town.outbox.mark_sent(item.id, town.clock.now(), sent.platform_id)
    await town.people.refuse(LI, sent.platform_id, 10)
    await town.settle()
    row = await town.database.read(lambda on: on.exec_driver_sql("SELECT state, refusal FROM outbox").one())
    assert tuple(row) == ("refused", "blocked")
    await town.people.refuse(LI, "of another program", 4)
    await town.settle()
    assert [failure.kind for failure in town.failures] == [Refusal.BLOCKED, Refusal.WINDOW]


async def test_staff_takes_over_and_ends_on_both_sides(town: KfTown) -> None:
    """A session taken by WeCom's staff is a human's here too, sends nothing, and is over when they end it."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    assert isinstance(await town.send(HELLO, conversation), Sent)
    assert town.people.is_with_bot(LI)
    await town.people.take_over(LI)
    await town.settle()
    assert await town._owner_of(conversation) is Owner.WITH_AGENT
    refused = await town.send(HELLO, conversation)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.HUMAN_ONLY
    await town.people.end(LI)
    await town.settle()
    assert await town._owner_of(conversation) is Owner.RESOLVED
    await town.people.say(LI, "还有问题")
    await town.settle()
    assert isinstance(await town.send(HELLO, await town.conversation()), Sent)


async def test_handed_over_session_is_queued_in_wecom_after_the_last_word(database: Database) -> None:
    """With staff in WeCom every word of the bot's turn still goes out, then the session leaves the API's hands."""
    town = KfTown(database, WECOM)
    conversation = await town.answered("转人工", owner=Owner.WAITING_FOR_AGENT)
    for words in ("请稍候", "工单号 T1"):
        assert isinstance(await town.send(OutboundMessage(words), conversation), Sent)
        assert await town.follower.follow() == 0
    await town.sent()
    assert await town.follower.follow() == 1
    assert town.server.session(ACCOUNT, LI).state == SessionState.QUEUED
    refused = await town.send(HELLO, conversation)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.HUMAN_ONLY
    await town.close()


async def test_wrong_state_is_looked_at_again_once(town: KfTown) -> None:
    """95018 on a session believed to be ours: the state is asked anew, and an ended one is told."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    await town.send(HELLO, conversation)
    town.server.session(ACCOUNT, LI).state = SessionState.ENDED
    refused = await town.send(HELLO, conversation)
    assert isinstance(refused, Refused)
    assert refused.kind is Refusal.WINDOW


async def test_sixth_message_and_late_message_are_refused_for_their_reason(town: KfTown) -> None:
    """The simulated platform counts; each refusal is its kind."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    results = [await town.send(HELLO, conversation) for _ in range(6)]
    assert [type(result) for result in results] == [Sent] * 5 + [Refused]
    town.clock.advance(timedelta(hours=49))
    late = await town.send(HELLO, conversation)
    assert isinstance(late, Refused)
    assert late.kind is Refusal.WINDOW


@pytest.mark.parametrize(
    ("code", "kind"), [(45009, Deferred), (-1, Deferred), (95001, Refused), (95002, Refused), (40008, Failed)]
)
async def test_error_codes_are_the_right_kind_of_delivery(town: KfTown, code: int, kind: type) -> None:
    """Each code is what the delivery needs to know."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    await town.send(HELLO, conversation)
    town.server.knobs.fail_next = [code]
    assert isinstance(await town.send(HELLO, conversation), kind)


async def test_broken_platform_is_tried_again_and_a_lost_connection_is_unclear(town: KfTown) -> None:
    """A 502 was not carried out; a connection lost after sending may have been."""
    await town.people.say(LI, "hi")
    await town.settle()
    conversation = await town.conversation()
    await town.send(HELLO, conversation)
    town.server.knobs.status_next = [502]
    failed = await town.send(HELLO, conversation)
    assert isinstance(failed, Failed)
    assert failed.retryable
    town.server.knobs.drop_next = 1
    assert isinstance(await town.send(HELLO, conversation), Unclear)


async def test_twenty_senders_make_one_token(town: KfTown) -> None:
    """A cold start and an expiry under twenty callers make one token each."""
    town.server.knobs.delay_s = 0.01
    client = KfClient(town.settings, town.clock, SimulatedNetwork(town.server))

    async def all_call() -> list[Any]:
        return await asyncio.gather(*(client.post("account/list", {}) for _ in range(20)))

    assert all(answer["errcode"] == 0 for answer in await all_call())
    assert town.server.token_requests == 1
    town.server.expire_token()
    assert all(answer["errcode"] == 0 for answer in await all_call())
    assert (town.server.tokens_made, town.server.token_requests) == (2, 2)
    await client.close()


async def test_secrets_and_words_never_reach_the_log(town: KfTown, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the token of the addresses nor what a customer said is logged."""
    caplog.set_level(logging.DEBUG)
    await town.people.say(LI, "我的电话 13800000001")
    await town.settle()
    await town.send(HELLO, await town.conversation())
    assert town.server._token
    for secret in (town.server._token, "kf-secret-for-tests", "13800000001"):
        assert secret not in caplog.text
    assert "kf-secret" not in repr(town.settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("", "s", "token", "k" * 43), "CorpID"),
        (("ww", "s", "x", "k" * 43), "3 to 32"),
        (("ww", "s", "token", "k"), "43"),
    ],
)
def test_settings_the_platform_would_not_take_are_refused(settings: tuple[str, ...], words: str) -> None:
    """A wrong setting is told at start."""
    with pytest.raises(ConfigError, match=words):
        WecomKfSettings(*settings)
