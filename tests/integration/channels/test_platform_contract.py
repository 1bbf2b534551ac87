"""What every webhook platform's adapter promises, against its simulator: LINE, WhatsApp, Messenger, Instagram."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import MetaPorts
from bot.channels.line.send import LineAdapter, LineSettings
from bot.channels.line.webhook import build_router as build_line_router
from bot.channels.messenger.send import Disclosure, MessengerAdapter
from bot.channels.messenger.webhook import build_router as build_messenger_router
from bot.channels.whatsapp.send import WhatsappAdapter
from bot.channels.whatsapp.webhook import build_router as build_whatsapp_router
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import Addressee, Deferred, Delivery, Failed, Sent
from bot.domain.clock import ManualClock
from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage, MessageKind, OutboundMessage
from bot.domain.receipts import Receipt
from bot.simulators.line.people import LinePeople
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.meta import graph
from bot.simulators.network import SimulatedNetwork
from tests.integration.channels.platforms import APP, LINE_SECRET, LINE_TOKEN, NODES, Platform, simulated
from tests.unit.channels.doubles import NOON, MemoryInbox, MemoryReplyTokens
from tests.unit.channels.payloads import fixtures, read

SECRETS = (LINE_SECRET, LINE_TOKEN, APP.token, APP.secret, APP.verify_token)


class Town:
    """A simulated platform, our webhook before an inbox, and our adapter."""

    def __init__(self, name: str) -> None:
        self.clock = ManualClock(NOON)
        self.platform: Platform = simulated(name, self.clock)
        self.server = self.platform.server
        self.shopper = self.platform.shopper
        self.inbox = MemoryInbox()
        self.receipts: list[Receipt] = []
        self.storage_fails = 0
        self._outbox = 0
        network = SimulatedNetwork(self.server)
        self.adapter: Any
        router: APIRouter
        if name == "line":
            line = LineSettings(LINE_SECRET, LINE_TOKEN)
            self.adapter = LineAdapter(line, MemoryReplyTokens(self.inbox), self.clock, network)
            router = build_line_router(line, self.accept)
        else:
            meta = MetaSettings(name, NODES[name], APP.token, APP.secret, APP.verify_token)
            ports = MetaPorts(self.accept, self.told)
            if name == "whatsapp":
                self.adapter, router = WhatsappAdapter(meta, network), build_whatsapp_router(meta, ports)
            else:
                disclosure = Disclosure(MemoryFirstMark(self.clock), wanted=False)
                self.adapter, router = MessengerAdapter(meta, disclosure, network), build_messenger_router(meta, ports)
        app = FastAPI()
        app.include_router(router)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")
        self.people: Any = self.platform.people(self.http)

    async def told(self, receipts: Sequence[Receipt]) -> None:
        """Keep receipts."""
        self.receipts += receipts

    async def accept(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        """Take messages in, unless storage is in trouble."""
        if self.storage_fails:
            self.storage_fails -= 1
            raise StorageError("disk full at /data/xiaoer.db")
        return await self.inbox(messages)

    async def send(self, message: OutboundMessage, outbox: int = 0, sender: str = "bot") -> Delivery:
        """Send as the delivery does; every call is a message of its own unless ``outbox`` names one."""
        self._outbox += 1
        to = Addressee("main", self.shopper, ConversationId("c1"), sender)
        delivery: Delivery = await self.adapter.send(to, message, OutboxId(outbox or 1000 + self._outbox))
        return delivery

    def screen(self) -> list[str]:
        """Read the shopper's screen."""
        found: list[str] = self.people.screen(self.shopper)
        return found


@pytest.fixture(params=["line", "whatsapp", "messenger", "instagram"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    made = Town(request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()


async def test_round_trip_from_words_to_pressed_choice(town: Town):
    """Words come in, an answer with buttons goes out, the pressed one comes back with its payload."""
    await town.people.say(town.shopper, "I have a complaint ]]> <b>&amp; \x07👩‍👩‍👧")
    result = await town.send(OutboundMessage("Which?", (Button("Quality", "=quality"), Button("Other", "=other"))))
    assert isinstance(result, Sent)
    assert result.platform_id
    await town.people.press(town.shopper, "Other")
    first, second = town.inbox.messages
    assert (first.text, first.kind) == ("I have a complaint ]]> <b>&amp; 👩‍👩‍👧", MessageKind.TEXT)
    assert (second.kind, second.payload) == (MessageKind.BUTTON, "=other")
    assert first.sender.channel_user_id == second.sender.channel_user_id == town.shopper


async def test_bad_signature_is_refused_and_nothing_is_stored(town: Town):
    """A right signature of another body, a missing one and an odd one are all 401."""
    town.people.courier.knobs.forge = True
    answer = await town.people.say(town.shopper, "hi")
    assert (answer.status_code, answer.json()["code"]) == (401, "BadSignature")
    body = town.people.bodies[-1]
    for headers in ({}, {"x-line-signature": "é", "x-hub-signature-256": "é"}, {"x-hub-signature-256": "sha256="}):
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = await town.http.post(town.platform.webhook, content=body, headers=raw)
        assert answer.status_code == 401
    assert town.inbox.calls == 0


async def test_redelivered_batch_is_kept_once(town: Town):
    """Deliver again as often as you like, in any order."""
    await town.people.say(town.shopper, "one")
    await town.people.deliver_again()
    town.people.courier.knobs.repeat = 3
    await town.people.say(town.shopper, "two")
    await town.people.deliver_again(0)
    assert [message.text for message in town.inbox.messages] == ["one", "two"]


async def test_unordered_deliveries_keep_the_platform_time(town: Town):
    """A batch that comes late still tells when it was said."""
    town.people.courier.knobs.hold = True
    await town.people.say(town.shopper, "first")
    town.clock.advance(NOON.replace(hour=13) - NOON)
    await town.people.say(town.shopper, "second")
    await town.people.courier.release()
    assert [message.text for message in sorted(town.inbox.messages, key=lambda one: one.sent_at)] == ["first", "second"]


async def test_failing_storage_makes_the_platform_deliver_again(town: Town):
    """503 until the message is committed, then once; the sentence tells nothing of the database."""
    town.storage_fails = 2
    waits: list[float] = []

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)

    town.people.courier._sleep = sleep
    town.people.courier.knobs.retry_after_s = (60.0, 600.0, 3600.0)
    await town.people.say(town.shopper, "hi")
    assert town.people.courier.statuses == [503, 503, 200]
    assert waits == [60.0, 600.0]
    assert [message.text for message in town.inbox.messages] == ["hi"]


JUNK = [b"", b"null", b"[]", b"{}", b'{"events": 1}', b"\xff\xfe", b"[" * 100_000, b'{"object": "page", "entry": {}}']


@pytest.mark.parametrize("body", JUNK, ids=range(len(JUNK)))
async def test_signed_junk_is_a_sentence_and_never_500(town: Town, body: bytes):
    """400 that says what was expected."""
    answer = await town.people.courier.post(body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "BadPayload"
    assert town.inbox.calls == 0


async def test_too_large_body_is_refused(town: Town):
    """413 names the limit."""
    answer = await town.people.courier.post(b" " * 3_500_000)
    assert answer.status_code == 413
    assert "send less" in answer.json()["message"]


async def test_every_documented_payload_passes_the_webhook(town: Town):
    """Each is acknowledged; unknown types are recorded as unknown."""
    for path in fixtures(town.platform.name):
        answer = await town.people.courier.post(json.dumps(read(path)["payload"]).encode())
        assert answer.status_code == 200, path
    assert MessageKind.UNKNOWN in {message.kind for message in town.inbox.messages}


async def test_long_text_goes_out_in_order_and_whole(town: Town):
    """Twelve thousand characters in as many parts as it takes; nothing lost."""
    await town.people.say(town.shopper, "hi")
    text = "".join(f"Line {number} of the answer. " for number in range(500))
    assert isinstance(await town.send(OutboundMessage(text)), Sent)
    assert " ".join(" ".join(town.screen()).split()) == " ".join(text.split())


async def test_wait_that_the_platform_asks_for_is_honoured(town: Town):
    """429 with Retry-After is a deferral of that length."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.retry_after_s = 17
    if town.platform.name == "line":
        town.server.knobs.fail_next = [(429, "The API rate limit has been exceeded. Try again later.")]
    else:
        town.server.knobs.fail_next = [graph.Declined(429, 4, "Application request limit reached")]
    result = await town.send(OutboundMessage("hi"))
    assert isinstance(result, Deferred)
    assert result.after_s == 17


async def test_expired_access_token_waits_for_the_operator(town: Town):
    """It is tried again later, and the reason does not hold the token."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.token_expired = True
    result = await town.send(OutboundMessage("hi"))
    assert isinstance(result, Failed)
    assert result.retryable
    assert "token" in result.reason
    town.server.knobs.token_expired = False
    assert isinstance(await town.send(OutboundMessage("hi")), Sent)


async def test_repeat_after_a_failure_goes_on_where_it_stopped(town: Town):
    """Parts that were taken are not sent twice."""
    await town.people.say(town.shopper, "hi")
    message = OutboundMessage("订单已经发货了。" * 3500)
    real = town.adapter._one if town.platform.name == "line" else town.adapter._post
    calls = 0

    async def flaky(*arguments: Any) -> Delivery:
        nonlocal calls
        calls += 1
        if calls == 2:
            return Failed("the connection was refused", retryable=True)
        delivery: Delivery = await real(*arguments)
        return delivery

    setattr(town.adapter, "_one" if town.platform.name == "line" else "_post", flaky)
    assert isinstance(await town.send(message, outbox=7), Failed)
    assert isinstance(await town.send(message, outbox=7), Sent)
    assert "".join(town.screen()) == message.text


async def test_restart_after_a_failure_goes_on_where_it_stopped(town: Town):
    """Another process, which has sent nothing yet, goes on behind the parts that are on record."""
    await town.people.say(town.shopper, "hi")
    message = OutboundMessage("订单已经发货了。" * 3500)
    assert isinstance(await town.send(message, outbox=7), Sent)
    whole = town.screen()
    assert len(whole) > 1
    stale = len(whole)
    town.adapter.parts.resume(OutboxId(8), 1)
    assert town.adapter.parts.count(OutboxId(8)) == 1
    assert isinstance(await town.send(message, outbox=8), Sent)
    missing = len(message.text) - len("".join(town.screen()[stale:]))
    assert 0 < missing < len(message.text)
    assert "".join(town.screen()[stale:]) == message.text[missing:]


async def test_every_part_is_known_by_its_own_id(town: Town):
    """Receipts come for each part, so each part's id is kept; LINE takes several messages a call."""
    await town.people.say(town.shopper, "hi")
    sent = await town.send(OutboundMessage("订单已经发货了。" * 3500), outbox=7)
    assert isinstance(sent, Sent)
    ids = town.adapter.parts.ids(OutboxId(7))
    if town.platform.name != "line":
        assert list(ids) == list(range(len(town.screen())))
    assert len(set(ids.values())) == len(ids) > 1
    assert ids[len(ids) - 1] == sent.platform_id


async def test_secrets_never_reach_the_log_or_an_answer(
    town: Town, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    """Good and bad calls, good and bad webhooks: no secret, no token, no words of the shopper."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as entries:
        await town.people.say(town.shopper, "my private words")
        town.people.courier.knobs.forge = True
        answers = [await town.people.say(town.shopper, "my private words")]
        town.server.knobs.token_expired = True
        results = [await town.send(OutboundMessage("my private words"))]
        town.server.knobs.token_expired = False
        results.append(await town.send(OutboundMessage("my private words")))
    printed = capfd.readouterr()
    everything = "".join(
        [caplog.text, str(entries), printed.out, printed.err, *map(str, results), *(answer.text for answer in answers)]
    )
    for secret in (*SECRETS, "my private words"):
        assert secret not in everything
    assert not any(secret in repr(town.adapter.settings) for secret in SECRETS)


async def test_what_belongs_to_somebody_else_is_left_alone(town: Town):
    """What LINE's staff answers, echoes of our own side and notices of the platform are not answered."""
    people = town.people
    if isinstance(people, LinePeople):
        event = people.event(town.shopper, "message", mode="standby", message={"id": "1", "type": "text", "text": "hi"})
        answer = await people.deliver(event)
    elif isinstance(people, MessengerPeople):
        answer = await people.echo(town.shopper, "hi")
    else:
        changed = {"body": "changed the number", "type": "user_changed_number"}
        answer = await people.send(town.shopper, "system", system=changed)
    assert answer.status_code == 200
    assert town.inbox.calls == 0
