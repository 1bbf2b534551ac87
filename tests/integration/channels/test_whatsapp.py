"""WhatsApp's own rules: customers without a number, labels as it counts them, files, what its errors mean."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.channels._api import Answer
from bot.channels.whatsapp.send import render
from bot.domain.channel_ports import Deferred, Failed, Refusal, Refused, Sent, Unclear
from bot.domain.media import OutgoingFile
from bot.domain.messages import Attachment, Button, MessageKind, OutboundMessage
from bot.domain.receipts import ReceiptState
from bot.simulators.meta.graph import Declined
from tests.integration.channels.test_platform_contract import Town

HIDDEN = "US.13491208655302741918"
SHARED = "US.ENT.11815799212886844830"
FAMILY = "👩‍👩‍👧‍👦"


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    made = Town("whatsapp")
    yield made
    await made.http.aclose()
    await made.adapter.close()


@pytest.mark.parametrize("customer", [HIDDEN, SHARED])
async def test_customer_who_hides_his_number_is_heard_and_answered(town: Town, customer: str):
    """Known by his id alone he writes, is answered with choices, chooses, and his receipts come back."""
    town.shopper = customer
    await town.people.say(customer, "hi")
    sent = await town.send(OutboundMessage("Which?", (Button("Red", "/r"), Button("Blue", "/b"))))
    assert isinstance(sent, Sent)
    await town.people.press(customer, "Blue")
    assert [(one.sender.channel_user_id, one.text) for one in town.inbox.messages] == [
        (customer, "hi"),
        (customer, "Blue"),
    ]
    await town.people.status(sent.platform_id, "read")
    assert [(one.channel_user_id, one.state) for one in town.receipts] == [(customer, ReceiptState.READ)]


async def test_customer_with_number_and_id_stays_who_he_was(town: Town):
    """The number he has always been known by goes first, in and out."""
    message = town.people.message(town.shopper, "text", text={"body": "hi"})
    await town.people.deliver(message | {"from_user_id": HIDDEN})
    assert [one.sender.channel_user_id for one in town.inbox.messages] == [town.shopper]
    assert isinstance(await town.send(OutboundMessage("hello")), Sent)


async def test_message_without_any_writer_does_not_take_its_batch_along(town: Town):
    """The others of the batch come in."""
    good = town.people.message(town.shopper, "text", text={"body": "hi"})
    nobody = {name: value for name, value in good.items() if name != "from"} | {"id": "wamid.nobody"}
    answer = await town.people.deliver(good, nobody)
    assert answer.status_code == 200
    assert [one.text for one in town.inbox.messages] == ["hi"]


async def test_message_to_another_number_of_the_account_is_not_ours(town: Town):
    """One body holds the changes of several numbers; only our own is answered."""
    about = {"display_phone_number": "15550001111", "phone_number_id": "999"}
    other = town.people.message("16505550000", "text", text={"body": "for the other shop"})
    answer = await town.people.deliver_value(metadata=about, messages=[other])
    assert answer.status_code == 200
    assert not town.inbox.messages


@pytest.mark.parametrize("label", [FAMILY + " family", "🙂" * 11, "a" * 20])
def test_labels_with_emoji_are_counted_as_strictly_as_may_be(label: str):
    """A label that might be too long for a button becomes a row, with the whole of it below."""
    (part,) = render(OutboundMessage("Which?", (Button(label, "/a"), Button("No", "/deny"))))
    interactive = part["interactive"]
    if interactive["type"] == "button":
        titles = [one["reply"]["title"] for one in interactive["action"]["buttons"]]
        assert all(len(title.encode("utf-16-le")) <= 40 for title in titles)
    else:
        rows = interactive["action"]["sections"][0]["rows"]
        assert all(len(row["title"].encode("utf-16-le")) <= 48 for row in rows)
        assert label in {row.get("description", row["title"]) for row in rows}


def file_of(size: int, mime: str) -> OutgoingFile:
    return OutgoingFile("picture.png", mime, b"\0" * size)


@pytest.mark.parametrize(
    ("mime", "size", "shown"),
    [
        ("image/png", 5 * 1024 * 1024, "image"),
        ("image/png", 5 * 1024 * 1024 + 1, "document"),
        ("text/plain", 9, "document"),
    ],
)
async def test_picture_too_large_to_be_shown_goes_as_a_document(town: Town, mime: str, size: int, shown: str):
    """It arrives all the same."""
    bodies: list[dict[str, object]] = []

    async def read(attachment: Attachment) -> OutgoingFile:
        return file_of(size, attachment.mime)

    async def post(to: str, part: dict[str, object]) -> Sent:
        bodies.append(part)
        return Sent("wamid.1")

    await town.people.say(town.shopper, "hi")
    town.adapter.files = read
    town.adapter._post = post
    town.adapter._graph.upload = _taken
    message = OutboundMessage("here", attachments=(Attachment(MessageKind.IMAGE, "1", mime),))
    assert isinstance(await town.send(message), Sent)
    assert [body["type"] for body in bodies] == [shown]


async def _taken(*_: object) -> Answer:
    return Answer(200, {"id": "1"})


@pytest.mark.parametrize(
    ("code", "subcode", "kind"),
    [
        (131047, 0, Refusal.WINDOW),
        (131026, 0, Refusal.BLOCKED),
        (131049, 0, Refusal.QUOTA),
        (131062, 0, Refusal.TEMPLATE),
        (132001, 0, Refusal.TEMPLATE),
        (132015, 0, Refusal.TEMPLATE),
        (131030, 0, Refusal.OTHER),
        (368, 0, Refusal.OTHER),
    ],
)
async def test_error_that_no_repeat_mends_is_refused_with_a_sentence(
    town: Town, code: int, subcode: int, kind: Refusal
):
    """The reason is ours, with the platform's number."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.fail_next = [Declined(400, code, "no", subcode)]
    result = await town.send(OutboundMessage("hi"))
    assert isinstance(result, Refused)
    assert (result.kind, f"error {code}" in result.reason) == (kind, True)


@pytest.mark.parametrize(("code", "wait_s"), [(130429, 1), (131056, 6), (80007, 60), (131048, 600), (4, 60)])
async def test_error_that_time_mends_is_a_wait(town: Town, code: int, wait_s: int):
    """Each as long as the platform's rule says."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.fail_next = [Declined(400, code, "slow down")]
    result = await town.send(OutboundMessage("hi"))
    assert isinstance(result, Deferred)
    assert result.after_s == wait_s


@pytest.mark.parametrize("code", [131000, 131016, 131057, 133004, 10, 200])
async def test_error_that_an_operator_or_meta_mends_is_tried_again(town: Town, code: int):
    """Nothing is given up at once."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.fail_next = [Declined(400, code, "trouble")]
    result = await town.send(OutboundMessage("hi"))
    assert isinstance(result, Failed)
    assert result.retryable


async def test_message_cut_off_is_told_by_its_status_under_our_name(town: Town):
    """The answer was lost, the message was not: its status names the outbox row. Of several parts none is named."""
    await town.people.say(town.shopper, "hi")
    town.server.knobs.drop_next = 1
    assert isinstance(await town.send(OutboundMessage("hello"), outbox=41), Unclear)
    (shown,) = town.server.shown
    await town.people.status(shown.id, "delivered")
    assert [(one.platform_id, one.ours) for one in town.receipts] == [(shown.id, "41")]
    assert isinstance(await town.send(OutboundMessage("long " * 2000), outbox=42), Sent)
    assert len(town.server.named) == 1


async def test_failure_told_later_says_what_it_was(town: Town):
    """Meta's title and number, for the page that shows it; the details, which may name the customer, stay away."""
    await town.people.say(town.shopper, "hi")
    sent = await town.send(OutboundMessage("hi"))
    assert isinstance(sent, Sent)
    fault = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "to 16505551234"}}
    await town.people.status(sent.platform_id, "failed", errors=[fault])
    assert [one.reason for one in town.receipts] == ["Re-engagement message (error 131047)"]


async def test_message_of_last_week_opens_no_window_today(town: Town):
    """What is delivered again after days still tells when it was said."""
    town.people.courier.knobs.hold = True
    await town.people.say(town.shopper, "hi")
    written = town.clock.now()
    town.clock.advance(timedelta(days=6))
    await town.people.courier.release()
    assert [one.sent_at for one in town.inbox.messages] == [written.replace(microsecond=0)]
