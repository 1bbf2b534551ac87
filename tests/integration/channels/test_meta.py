"""Meta's own rules over the simulators: challenge, windows, templates, rates, tags, disclosure, receipts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import reduce

import pytest

from bot.channels._api import Answer
from bot.channels._meta.settings import MetaSettings
from bot.channels.messenger.send import Disclosure, MessengerAdapter
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import Addressee, Deferred, Failed, Refusal, Refused, Sent, Unclear
from bot.domain.errors import ConfigError
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.media import OutgoingFile
from bot.domain.messages import Attachment, Button, MessageKind, OutboundMessage, TemplateUse
from bot.domain.receipts import ReceiptState, further
from bot.simulators.meta.graph import Declined
from bot.simulators.network import SimulatedNetwork
from tests.integration.channels.platforms import APP, NODES
from tests.integration.channels.test_platform_contract import Town

HI = OutboundMessage("hi")


@pytest.fixture(params=["whatsapp", "messenger", "instagram"])
async def town(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    made = Town(request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()


@pytest.fixture
async def whatsapp() -> AsyncIterator[Town]:
    made = Town("whatsapp")
    yield made
    await made.http.aclose()
    await made.adapter.close()


@pytest.fixture(params=["messenger", "instagram"])
async def messenger(request: pytest.FixtureRequest) -> AsyncIterator[Town]:
    made = Town(request.param)
    yield made
    await made.http.aclose()
    await made.adapter.close()


async def test_dashboard_gets_its_challenge_only_with_our_verify_token(town: Town):
    """Anybody else gets a sentence."""
    query = {"hub.mode": "subscribe", "hub.verify_token": APP.verify_token, "hub.challenge": "1158201444"}
    right = await town.http.get(town.platform.webhook, params=query)
    assert (right.status_code, right.text) == (200, "1158201444")
    for change in ({"hub.verify_token": "é"}, {"hub.mode": "x"}, {"hub.verify_token": ""}):
        wrong = await town.http.get(town.platform.webhook, params=query | change)
        assert wrong.status_code == 401
        assert "XIAOER_META_VERIFY_TOKEN" in wrong.json()["message"]


async def test_closed_window_is_refused(town: Town):
    """A day and a second after the shopper's last word nothing goes out."""
    await town.people.say(town.shopper, "hi")
    town.clock.advance(timedelta(hours=24, seconds=1))
    result = await town.send(HI)
    assert isinstance(result, Refused)
    assert result.kind is Refusal.WINDOW
    assert "24 hours" in result.reason
    await town.people.say(town.shopper, "hi again")
    assert isinstance(await town.send(HI), Sent)


async def test_lost_answer_is_flagged_and_a_call_that_never_left_is_tried_again(town: Town):
    """Meta takes no idempotency key: only what surely did not arrive is repeated."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.drop_next = 1
    assert isinstance(await town.send(HI), Unclear)
    town.server.knobs.fail_next = [Declined(503, 2, "Service temporarily unavailable")]
    broken = await town.send(HI)
    assert isinstance(broken, Failed)
    assert broken.retryable


async def test_blocked_customer_is_refused(town: Town):
    """No retry."""
    await town.people.say(town.shopper, "hi")
    town.server.blocked.add(town.shopper)
    result = await town.send(HI)
    assert isinstance(result, Refused)
    assert result.kind is Refusal.BLOCKED


async def test_wrong_app_secret_proves_nothing(town: Town):
    """Calls carry the proof of the app secret; the platform refuses another."""
    settings = MetaSettings(town.platform.name, NODES[town.platform.name], APP.token, "other", APP.verify_token)
    adapter = type(town.adapter)(
        settings,
        *([] if town.platform.name == "whatsapp" else [Disclosure(MemoryFirstMark(town.clock))]),
        transport=SimulatedNetwork(town.server),
    )
    result = await adapter.send(Addressee("main", town.shopper, ConversationId("c")), HI, OutboxId(1))
    assert isinstance(result, Failed)
    assert "appsecret_proof" in result.reason
    await adapter.close()


async def test_approved_template_passes_a_closed_window(whatsapp: Town):
    """The only thing that does; one that is not approved says so."""
    await whatsapp.people.say(whatsapp.shopper, "hi")
    whatsapp.server.templates[("order_shipped", "en_US")] = 1
    whatsapp.clock.advance(timedelta(days=3))
    to = Addressee("main", whatsapp.shopper, ConversationId("c"))
    assert isinstance(await whatsapp.adapter.send_template(to, TemplateUse("order_shipped", "en_US", ("W123",))), Sent)
    assert whatsapp.screen() == ["[order_shipped] W123"]
    refused = [
        await whatsapp.adapter.send_template(to, TemplateUse("order_shipped", "zh_CN", ("W123",))),
        await whatsapp.adapter.send_template(to, TemplateUse("order_shipped", "en_US")),
    ]
    assert [isinstance(each, Refused) and each.kind for each in refused] == [Refusal.TEMPLATE, Refusal.TEMPLATE]


async def test_pair_rate_is_a_wait_for_that_chat(whatsapp: Town):
    """One message in six seconds to one number; another number is not held up."""
    whatsapp.server.knobs.pair_rate = True
    await whatsapp.people.say(whatsapp.shopper, "hi")
    await whatsapp.send(HI)
    held = await whatsapp.send(HI)
    assert isinstance(held, Deferred)
    assert held.after_s == 6
    whatsapp.shopper = "16505559999"
    await whatsapp.people.say(whatsapp.shopper, "hi")
    assert isinstance(await whatsapp.send(HI), Sent)
    policy = whatsapp.adapter.capabilities.sending
    assert (policy.per_second, round(1 / policy.chat_per_second)) == (80, 6)


async def test_statuses_are_merged_and_never_go_back(whatsapp: Town):
    """Read before delivered before sent, twice: it stays read."""
    await whatsapp.people.say(whatsapp.shopper, "hi")
    sent = await whatsapp.send(HI)
    assert isinstance(sent, Sent)
    for status in ("delivered", "read", "sent", "delivered", "failed"):
        assert (await whatsapp.people.status(sent.platform_id, status)).status_code == 200
    known = [receipt.state for receipt in whatsapp.receipts if receipt.platform_id == sent.platform_id]
    assert reduce(further, known, None) is ReceiptState.READ
    assert len(whatsapp.inbox.messages) == 1


async def test_batch_of_one_body_keeps_every_message(whatsapp: Town):
    """Fifty messages in one change are fifty messages."""
    people = whatsapp.people
    batch = [people.message(whatsapp.shopper, "text", text={"body": f"word {n}"}) for n in range(50)]
    await people.deliver(*batch)
    assert [message.text for message in whatsapp.inbox.messages] == [f"word {n}" for n in range(50)]
    assert whatsapp.inbox.calls == 1


async def test_human_tag_is_for_humans_only(messenger: Town):
    """After a day an agent's words go out with the tag, the bot's never; after seven days nobody's."""
    await messenger.people.say(messenger.shopper, "hi")
    messenger.clock.advance(timedelta(days=2))
    bot = await messenger.send(OutboundMessage("from the bot"))
    assert isinstance(bot, Refused)
    assert isinstance(await messenger.send(OutboundMessage("from Mei"), sender="agent"), Sent)
    assert [(shown.text, shown.tag) for shown in messenger.server.shown] == [("from Mei", "HUMAN_AGENT")]
    messenger.clock.advance(timedelta(days=6))
    late = await messenger.send(OutboundMessage("from Mei"), sender="agent")
    assert isinstance(late, Refused)
    assert late.kind is Refusal.WINDOW


@pytest.mark.parametrize(("sender", "tags"), [("agent", ["", "HUMAN_AGENT"]), ("bot", [""])])
async def test_files_keep_the_same_rule_as_words(sender: str, tags: list[str]):
    """An agent's picture goes out with the tag after a day too; what a machine sends never does."""
    town = Town("messenger")
    forms: list[dict[str, str]] = []

    async def upload(_path: str, form: dict[str, str], *_: object) -> Answer:
        forms.append(form)
        closed = {"error": {"code": 10, "error_subcode": 2018278, "message": "outside of allowed window"}}
        return Answer(200, {"message_id": "m"}) if "tag" in form else Answer(400, closed)

    async def read(_: Attachment) -> OutgoingFile:
        return OutgoingFile("cup.png", "image/png", b"picture")

    town.adapter.files, town.adapter._graph.upload = read, upload
    message = OutboundMessage("", attachments=(Attachment(MessageKind.IMAGE, "1", "image/png"),))
    result = await town.send(message, sender=sender)
    assert [form.get("tag", "") for form in forms] == tags
    assert isinstance(result, Sent if sender == "agent" else Refused)
    await town.http.aclose()
    await town.adapter.close()


@pytest.mark.parametrize(
    ("channel", "mime"), [("messenger", "image/png"), ("whatsapp", "audio/ogg"), ("whatsapp", "image/png")]
)
async def test_what_is_said_with_a_file_arrives_with_it(channel: str, mime: str):
    """Under the file, or after it where there is no place for words."""
    town = Town(channel)

    async def read(_: Attachment) -> OutgoingFile:
        return OutgoingFile("cup", mime, b"bytes")

    await town.people.say(town.shopper, "hi")
    town.adapter.files = read
    words = "word " * 300
    message = OutboundMessage(words, attachments=(Attachment(MessageKind.FILE, "1", mime),))
    assert isinstance(await town.send(message, outbox=3), Sent)
    assert words.strip() in " ".join(town.screen())
    await town.http.aclose()
    await town.adapter.close()


@pytest.mark.parametrize(
    ("code", "wait_s"), [(4, 60), (32, 60), (341, 60), (613, 10), (1200, 5), (80001, 60), (80002, 60), (80006, 60)]
)
async def test_limit_of_any_kind_is_a_wait_and_loses_nothing(messenger: Town, code: int, wait_s: int):
    """The Page's, the account's, the app's and the user's limits all pass."""
    await messenger.people.say(messenger.shopper, "hi")
    messenger.server.knobs.fail_next = [Declined(400, code, "limit reached")]
    result = await messenger.send(HI)
    assert isinstance(result, Deferred)
    assert result.after_s == wait_s
    assert isinstance(await messenger.send(HI), Sent)


async def test_agent_inside_the_window_needs_no_tag(messenger: Town):
    """The tag is not spent where it is not needed."""
    await messenger.people.say(messenger.shopper, "hi")
    await messenger.send(OutboundMessage("from Mei"), sender="agent")
    assert [shown.tag for shown in messenger.server.shown] == [""]


async def test_thread_held_by_another_app_is_refused(messenger: Town):
    """A reply would speak over whoever holds it."""
    await messenger.people.say(messenger.shopper, "hi")
    messenger.server.held_elsewhere.add(messenger.shopper)
    result = await messenger.send(HI)
    assert isinstance(result, Refused)
    assert result.kind is Refusal.HUMAN_ONLY


async def test_bot_says_what_it_is_once_at_the_start(messenger: Town):
    """In the shopper's language, not for agents, again after a day, and not spent by a failed try."""
    disclosure = Disclosure(MemoryFirstMark(messenger.clock))
    settings = messenger.adapter.settings
    adapter = MessengerAdapter(settings, disclosure, SimulatedNetwork(messenger.server))

    async def say(text: str, sender: str = "bot", outbox: int = 1) -> object:
        to = Addressee("main", messenger.shopper, ConversationId("c"), sender)
        return await adapter.send(to, OutboundMessage(text, (Button("OK", "/affirm"),)), OutboxId(outbox))

    await messenger.people.say(messenger.shopper, "hi")
    await say("from Mei", "agent", 1)
    messenger.server.knobs.token_expired = True
    await say("Hello!", outbox=2)
    messenger.server.knobs.token_expired = False
    await say("Hello!", outbox=2)
    await say("And?", outbox=3)
    messenger.clock.advance(timedelta(hours=25))
    await messenger.people.say(messenger.shopper, "hi")
    await say("您好", outbox=4)
    agent, first, second, next_day = messenger.screen()
    assert (agent, second) == ("from Mei", "And?")
    assert first == '(You are chatting with an automated assistant; say "human" at any time.)\nHello!'
    assert next_day.startswith("（您正在与自动客服对话")
    await adapter.close()


@pytest.mark.parametrize(("node", "token"), [("", "t"), ("abc", "t"), ("１２", "t"), ("1", "")])
def test_missing_setting_is_told_at_start(node: str, token: str):
    """The sentence says what to copy, and does not repeat a secret."""
    with pytest.raises(ConfigError, match="whatsapp"):
        MetaSettings("whatsapp", node, token, "secret", "verify")
