"""Edits, recalls and reactions find the message they are about, whatever has become of its conversation."""

from __future__ import annotations

from dataclasses import replace

from bot.domain import events as ev
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage, MessageKind
from bot.engine import revisions
from storage.tables import CONVERSATIONS, CUSTOMERS
from tests.contract.line import NOW, Line, message


def about(key: str, kind: MessageKind, concerns: str, text: str = "") -> InboundMessage:
    """Make an edit, recall or reaction."""
    return replace(message(key, text), kind=kind, concerns=concerns)


async def say(line: Line, key: str, platform_id: str) -> Accepted:
    """Take in a message and record it."""
    (accepted,) = await line.inbox.accept([replace(message(key), platform_id=platform_id)], NOW)
    return accepted


async def pending(line: Line, conversation_id: ConversationId) -> list[InboundMessage]:
    """List what a turn would read."""
    found = await line.turns.load_turn(conversation_id)
    return [one for _, one in found.inbox] if found else []


async def record(line: Line, conversation_id: ConversationId, owner: Owner | None = None) -> None:
    """Commit what is pending as a turn would."""
    found = await line.turns.load_turn(conversation_id)
    assert found is not None
    events = tuple(
        revisions.as_event(one) or ev.CustomerUttered(one.text, dedupe_key=one.dedupe_key, platform_id=one.platform_id)
        for _, one in found.inbox
    )
    await line.commit(found, events=events, owner=owner)


async def test_recall_of_a_resolved_conversation_opens_no_other(line: Line):
    """It goes to the conversation its message was said in."""
    said = await say(line, "m1", "p1")
    await record(line, said.conversation_id, Owner.RESOLVED)
    (recalled,) = await line.inbox.accept([about("m2", MessageKind.RECALL, "p1")], NOW)
    assert recalled.conversation_id == said.conversation_id
    (kept,) = await pending(line, said.conversation_id)
    assert kept.concerns_seq > 0
    assert len(await line.rows(CONVERSATIONS)) == 1


async def test_revision_of_nobody_we_know_is_not_kept(line: Line):
    """Somebody who never wrote takes something back: no customer, no conversation."""
    (accepted,) = await line.inbox.accept([about("m1", MessageKind.RECALL, "p1")], NOW)
    assert (accepted.conversation_id, accepted.duplicate) == ("", True)
    assert await line.rows(CUSTOMERS) == []


async def test_edit_of_an_unknown_message_is_said_now(line: Line):
    """In a group the first words were not for us; the edited ones are."""
    said = await say(line, "m1", "p1")
    await line.inbox.accept([about("m2", MessageKind.EDIT, "p9", "W1234567")], NOW)
    kept = (await pending(line, said.conversation_id))[-1]
    assert (kept.kind, kept.platform_id, kept.text) == (MessageKind.TEXT, "p9", "W1234567")


async def test_edit_of_what_waits_changes_what_is_read(line: Line):
    """Before the turn: the edited words are read once, and both are on record."""
    said = await say(line, "m1", "p1")
    await line.inbox.accept([about("m2", MessageKind.EDIT, "p1", "size M")], NOW)
    waiting = await pending(line, said.conversation_id)
    assert [one.kind for one in waiting] == [MessageKind.TEXT, MessageKind.EDIT]
    assert [one.text for one in revisions.as_they_read(waiting)] == ["size M"]


async def test_recall_of_what_waits_leaves_nothing_to_read(line: Line):
    """Before the turn: nothing is answered, and the words are not kept."""
    said = await say(line, "m1", "p1")
    await line.inbox.accept([about("m2", MessageKind.RECALL, "p1")], NOW)
    waiting = await pending(line, said.conversation_id)
    assert revisions.as_they_read(waiting) == []
    assert revisions.taken_back(waiting) == {waiting[0].dedupe_key}


async def test_repeated_revision_is_one(line: Line):
    """The platform delivers a recall twice."""
    said = await say(line, "m1", "p1")
    for _ in range(2):
        await line.inbox.accept([about("m2", MessageKind.RECALL, "p1")], NOW)
    assert len(await pending(line, said.conversation_id)) == 2
