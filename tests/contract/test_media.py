"""Attachments: recorded with their message, fetched once, kept by what they hold, forgotten with their customer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.media import (
    Erased,
    Erasure,
    Holding,
    MediaFault,
    MediaFile,
    MediaLimits,
    MediaShelf,
    MediaState,
    media_id,
)
from bot.domain.media_types import KNOWN_TYPES
from bot.domain.messages import Attachment, MessageKind, OutboundMessage
from bot.domain.tickets import TicketDraft, TicketKind
from bot.engine.live import MemoryLiveFeed
from bot.engine.media import WAITS_S, MediaCollector, MediaParts
from storage.media import SqlMediaRecord
from storage.models import Base
from storage.shelves import PIECE_BYTES, FolderShelf, SqlShelf
from storage.tables import CUSTOMERS, EVENTS, TICKET_NOTES
from tests.contract.line import NOW, Line, message, sender

PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 2000
PAGE = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"


@pytest.fixture(params=["folder", "database"])
def shelf(request: pytest.FixtureRequest, line: Line, tmp_path: Path) -> MediaShelf:
    """Give each kind of shelf."""
    return FolderShelf(tmp_path / "media") if request.param == "folder" else SqlShelf(line.database, ManualClock(NOW))


class Platform:
    """A platform that gives out what it has; ``faults`` come first, in order."""

    def __init__(self, holds: dict[str, bytes]) -> None:
        self.holds = holds
        self.faults: list[MediaFault] = []
        self.asked: list[str] = []

    @asynccontextmanager
    async def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Give one thing in small pieces."""
        del account, most_bytes
        self.asked.append(attachment.reference)
        if self.faults:
            raise self.faults.pop(0)
        if attachment.reference not in self.holds:
            raise MediaFault("it is gone", lasting=True)
        yield pieces(self.holds[attachment.reference])


async def pieces(whole: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    """Cut bytes up."""
    for start in range(0, len(whole), size):
        yield whole[start : start + size]


async def everything(shelf: MediaShelf, content: str, start: int = 0) -> bytes:
    """Read a content whole."""
    return b"".join([chunk async for chunk in shelf.read(content, start)])


async def send(line: Line, key: str, *references: str, who: str = "lin") -> ConversationId:
    """Take in a message with attachments."""
    attachments = tuple(
        Attachment(MessageKind.IMAGE, reference, "image/jpeg", f"{reference}.jpg") for reference in references
    )
    picture = replace(message(key, "", sender(who)), kind=MessageKind.IMAGE, attachments=attachments)
    (accepted,) = await line.inbox.accept([picture], NOW)
    return accepted.conversation_id


def collector(line: Line, shelf: MediaShelf, platform: Platform, clock: ManualClock) -> MediaCollector:
    """Make a collector over the platform."""
    limits = MediaLimits(types=frozenset(KNOWN_TYPES))
    record = SqlMediaRecord(line.database)
    return MediaCollector(MediaParts(record, shelf, limits, {"web": platform}, MemoryLiveFeed(), clock))


async def files(line: Line, conversation_id: ConversationId) -> list[MediaFile]:
    """List a conversation's attachments by name."""
    found = await SqlMediaRecord(line.database).of_conversation(conversation_id)
    return sorted(found.values(), key=lambda file: file.attachment.name)


async def test_attachment_is_fetched_after_its_message_and_kept_once(line: Line, shelf: MediaShelf):
    """Two messages with the same picture: two rows, one content, readable from anywhere in it."""
    platform = Platform({"a": PICTURE, "b": PICTURE})
    first = await send(line, "m1", "a")
    await send(line, "m2", "b")
    assert [file.state for file in await files(line, first)] == [MediaState.WAITING] * 2
    assert await collector(line, shelf, platform, ManualClock(NOW)).collect() == 2
    kept = await files(line, first)
    assert [(file.state, file.mime, file.size) for file in kept] == [
        (MediaState.STORED, "image/jpeg", len(PICTURE))
    ] * 2
    assert len({file.content for file in kept}) == 1
    assert await everything(shelf, kept[0].content) == PICTURE
    assert await everything(shelf, kept[0].content, PIECE_BYTES + 5) == PICTURE[PIECE_BYTES + 5 :]
    assert media_id(first, "m1", 0) in {file.id for file in kept}


async def test_repeated_delivery_records_the_attachment_once(line: Line, shelf: MediaShelf):
    """The platform delivers again; nothing is fetched twice."""
    platform = Platform({"a": PICTURE})
    conversation = await send(line, "m1", "a")
    await send(line, "m1", "a")
    clock = ManualClock(NOW)
    await collector(line, shelf, platform, clock).collect()
    assert await collector(line, shelf, platform, clock).collect() == 0
    assert (platform.asked, len(await files(line, conversation))) == (["a"], 1)


async def test_fetching_is_tried_again_and_given_up_in_the_end(line: Line, shelf: MediaShelf):
    """Each failure waits longer; after the last a person may ask again, and then it comes."""
    platform, clock = Platform({"a": PICTURE}), ManualClock(NOW)
    conversation = await send(line, "m1", "a")
    platform.faults = [MediaFault("away")] * (len(WAITS_S) + 1)
    for wait_s in (0.0, *WAITS_S):
        clock.advance(timedelta(seconds=wait_s))
        assert await collector(line, shelf, platform, clock).collect() == 1
        assert await collector(line, shelf, platform, clock).collect() == 0
    (file,) = await files(line, conversation)
    assert (file.state, file.reason) == (MediaState.FAILED, "away")
    assert await SqlMediaRecord(line.database).retry(file.id, clock.now())
    await collector(line, shelf, platform, clock).collect()
    (file,) = await files(line, conversation)
    assert file.state is MediaState.STORED
    assert not await SqlMediaRecord(line.database).retry(file.id, clock.now())


async def test_drawing_with_a_script_is_not_kept(line: Line, shelf: MediaShelf):
    """The platform calls it a picture; its bytes say otherwise, and nothing of it lies on the shelf."""
    conversation = await send(line, "m1", "a")
    await collector(line, shelf, Platform({"a": PAGE}), ManualClock(NOW)).collect()
    (file,) = await files(line, conversation)
    assert file.state is MediaState.REFUSED
    assert "image/svg+xml" in file.reason
    assert await shelf.kept_before(NOW + timedelta(days=9000)) == ()


async def test_thing_without_a_way_to_it_is_never_asked_for(line: Line, shelf: MediaShelf):
    """An attachment the channel cannot give out is told as missing at once."""
    platform = Platform({})
    conversation = await send(line, "m1", "")
    assert await collector(line, shelf, platform, ManualClock(NOW)).collect() == 0
    (file,) = await files(line, conversation)
    assert (file.state, platform.asked) == (MediaState.FAILED, [])


async def test_half_fetched_attachment_is_fetched_by_another_after_its_lease(line: Line, shelf: MediaShelf):
    """A process that dies in the middle keeps nobody from it for ever; two at once do not do it twice."""
    record = SqlMediaRecord(line.database)
    await send(line, "m1", "a")
    (claimed,) = await record.claim(NOW, 300, 4)
    assert await record.claim(NOW, 300, 4) == ()
    (again,) = await record.claim(NOW + timedelta(seconds=301), 300, 4)
    assert (again.id, again.tries) == (claimed.id, 1)
    assert await shelf.kept_before(NOW + timedelta(days=9000)) == ()


async def test_customer_is_forgotten_with_what_nobody_else_has(line: Line, shelf: MediaShelf):
    """Bytes that another customer has sent too stay; the others go."""
    platform = Platform({"both": PICTURE, "own": PICTURE + b"own"})
    conversation = await send(line, "m1", "both", "own")
    other = await send(line, "m2", "both", who="mei")
    clock = ManualClock(NOW)
    while await collector(line, shelf, platform, clock).collect():
        pass
    both, own = await files(line, conversation)
    record = SqlMediaRecord(line.database)
    wish = Erasure(await customer_of(line, conversation), await line.hire("zhao"), "asked for", NOW)
    assert await record.holding(wish.customer_id) == Holding(2, 1, both.size + own.size)
    gone = await record.forget_customer(wish)
    assert gone == Erased(2, (conversation,), (own.content,))
    for content in gone.contents:
        await shelf.drop(content)
    left = await files(line, conversation)
    assert [(file.state, file.content, file.attachment.name) for file in left] == [(MediaState.ERASED, "", "")] * 2
    assert await record.holding(wish.customer_id) == Holding()
    assert await record.forget_customer(wish) == Erased(0, (), ())
    assert await everything(shelf, (await files(line, other))[0].content) == PICTURE
    assert both.content != own.content
    with pytest.raises(NotFound):
        await everything(shelf, own.content)


async def test_erased_attachment_is_named_nowhere_any_more(line: Line):
    """Messages, slots, tickets, the snapshot and the outbox say that there was something, and nothing else of it."""
    secret, way = "passport of Lin", "https://platform.example/secret/way"
    conversation = await send(line, "m1", way)
    agent = await line.hire("li")
    things = [{"kind": "image", "reference": way, "mime": "image/jpeg", "name": f"{secret}.jpg"}]
    said = (ev.CustomerUttered("see", "image", "m1", attachments=things), ev.FormStarted("f", "f"))
    said += (ev.SlotSet("photos", [way]), ev.SlotSet("story", "it broke"))
    draft = TicketDraft("TK12345678", TicketKind.COMPLAINT, "broken", photos=(way,))
    asked = TicketDraft("TK12345679", TicketKind.PRIVACY, "erase my data")
    await line.commit(await line.pending(conversation), "thanks", events=said, tickets=(draft, asked))
    await line.ownership.take(conversation, agent, NOW)
    ours = Attachment(MessageKind.IMAGE, "a" * 24, "image/jpeg", f"{secret} again.jpg")
    await line.ownership.send(conversation, agent, OutboundMessage("", attachments=(ours,)), NOW, "k")
    customer = (await line.rows(CUSTOMERS))[0]["id"]
    assert secret in str(await everywhere(line))
    await SqlMediaRecord(line.database).forget_customer(Erasure(CustomerId(customer), agent, "asked for", NOW))
    found = str(await everywhere(line))
    assert secret not in found
    assert way not in found
    for kept in ("it broke", "see", "a" * 24, "'photos': ['']"):
        assert kept in found
    events = [row for row in await line.rows(EVENTS) if row["kind"] == ev.AttachmentsErased.kind]
    assert [row["data"] for row in events] == [
        {"files": 1, "agent_id": agent.id, "agent_name": "Li", "reason": "asked for"}
    ]
    notes = [(row["change"], row["text"]) for row in await line.rows(TICKET_NOTES) if "erased" in row["change"]]
    assert notes == [({"erased": 1}, "asked for")]


async def test_customer_is_erased_across_linked_channels_and_nobody_else(line: Line):
    """All conversations of the person, old and new; a stranger's attachment stays as it was."""
    first, stranger = await send(line, "m1", "a"), await send(line, "m2", "b", who="mei")
    await line.commit(await line.pending(first), "ok", owner=Owner.RESOLVED)
    second = await send(line, "m3", "c")
    assert first != second
    wish = Erasure(await customer_of(line, second), await line.hire("zhao"), "asked for", NOW)
    erased = await SqlMediaRecord(line.database).forget_customer(wish)
    assert (erased.files, set(erased.conversations)) == (2, {first, second})
    (other,) = await files(line, stranger)
    assert (other.state, other.attachment.reference) == (MediaState.WAITING, "b")


async def test_attachment_erased_while_it_is_fetched_stays_erased(line: Line, shelf: MediaShelf):
    """The fetch that ends afterwards, or its failure, or a person who asks again brings nothing back."""
    record = SqlMediaRecord(line.database)
    conversation = await send(line, "m1", "a")
    (claimed,) = await record.claim(NOW, 300, 4)
    wish = Erasure(await customer_of(line, conversation), await line.hire("zhao"), "asked for", NOW)
    await record.forget_customer(wish)
    await record.stored(claimed.id, await shelf.put(pieces(PICTURE)), "image/jpeg", len(PICTURE))
    await record.wait(claimed.id, NOW, "away")
    await record.give_up(claimed.id, MediaState.FAILED, "away")
    assert not await record.retry(claimed.id, NOW)
    (file,) = await files(line, conversation)
    assert (file.state, file.content) == (MediaState.ERASED, "")
    assert await send(line, "m1", "a") == conversation
    assert [one.state for one in await files(line, conversation)] == [MediaState.ERASED]
    assert await record.claim(NOW + timedelta(days=1), 300, 4) == ()


async def test_unused_bytes_are_tidied_away_after_a_day(line: Line, shelf: MediaShelf):
    """An upload that was never sent goes; what a message has stays."""
    conversation = await send(line, "m1", "a")
    clock = ManualClock(NOW)
    tidier = collector(line, shelf, Platform({"a": PICTURE}), clock)
    await tidier.collect()
    orphan = await shelf.put(pieces(b"never sent"))
    assert await tidier.tidy() == 0
    clock.advance(timedelta(days=9000))
    assert await tidier.tidy() == 1
    with pytest.raises(NotFound):
        await everything(shelf, orphan)
    assert await everything(shelf, (await files(line, conversation))[0].content) == PICTURE


async def test_broken_stream_leaves_nothing(shelf: MediaShelf):
    """All of it or nothing."""

    async def breaks() -> AsyncIterator[bytes]:
        yield PICTURE
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await shelf.put(breaks())
    assert await shelf.kept_before(NOW + timedelta(days=9000)) == ()


async def customer_of(line: Line, conversation_id: ConversationId) -> CustomerId:
    """Find whose conversation it is."""
    pending = await line.turns.load_turn(conversation_id)
    assert pending is not None
    return pending.customer.id


async def everywhere(line: Line) -> list[dict[str, Any]]:
    """List all rows of all tables."""
    return [row for table in Base.metadata.sorted_tables for row in await line.rows(table)]
