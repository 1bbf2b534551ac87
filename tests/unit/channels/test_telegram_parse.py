"""parse_update: whatever bytes come, a message, a reason, or BadPayload."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.telegram.parse import TelegramSettings, parse_update
from bot.domain.errors import BadPayload
from tests.unit.channels.doubles import NOON

BOT = TelegramSettings("700100:token", "xiaoer_demo_bot")
PERSON = {"id": 42, "is_bot": False, "first_name": "Li"}
CHAT = {"id": 42, "type": "private", "first_name": "Li"}
MESSAGE = {"message_id": 1, "date": 1777896000, "from": PERSON, "chat": CHAT, "text": "hi"}
UPDATES: list[dict[str, Any]] = [
    {"update_id": 1, "message": MESSAGE},
    {"update_id": 1, "edited_message": MESSAGE},
    {
        "update_id": 1,
        "callback_query": {"id": "1", "from": PERSON, "chat_instance": "1", "data": "/x", "message": MESSAGE},
    },
    {
        "update_id": 1,
        "my_chat_member": {
            "chat": CHAT,
            "from": PERSON,
            "date": 1777896000,
            "old_chat_member": {"user": PERSON, "status": "member"},
            "new_chat_member": {"user": PERSON, "status": "kicked", "until_date": 0},
        },
    },
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List the paths of all fields."""
    found = [at] if at else []
    for name, inner in value.items() if isinstance(value, dict) else ():
        found += paths(inner, (*at, name))
    return found


def replaced(value: Any, path: tuple[str, ...], new: Any) -> Any:
    """Copy ``value`` with another value at ``path``."""
    if not path:
        return new
    return {**value, path[0]: replaced(value[path[0]], path[1:], new)}


@given(st.data(), st.sampled_from(UPDATES), junk)
def test_parse_update_survives_any_field_being_junk(data: st.DataObject, update: dict[str, Any], value: Any):
    """A field of a wrong type gives BadPayload or a message that can be stored, never another error."""
    broken = replaced(update, data.draw(st.sampled_from(paths(update))), value)
    with contextlib.suppress(BadPayload):
        parsed = parse_update(json.dumps(broken).encode(), BOT, NOON)
        for message in parsed.messages:
            assert message.dedupe_key.startswith("update:")
            assert isinstance(message.text, str)
            assert message.sent_at.tzinfo is not None
            assert message.sender.channel_user_id


@given(st.binary(max_size=200))
def test_parse_update_survives_any_bytes(body: bytes):
    """Bytes that are no Update are BadPayload."""
    with contextlib.suppress(BadPayload):
        parse_update(body, BOT, NOON)


def test_parse_update_without_a_time_takes_the_time_it_came():
    """A membership change whose date is null is kept with our own time."""
    update = next(one for one in UPDATES if "my_chat_member" in one)
    parsed = parse_update(json.dumps(replaced(update, ("my_chat_member", "date"), None)).encode(), BOT, NOON)
    assert [message.sent_at for message in parsed.messages] == [NOON]


@pytest.mark.parametrize("number", ["", "42", 4.2, None])
def test_parse_update_refuses_a_chat_without_a_number(number: Any):
    """Nobody could be answered there."""
    update = next(one for one in UPDATES if "message" in one)
    with pytest.raises(BadPayload):
        parse_update(json.dumps(replaced(update, ("message", "chat", "id"), number)).encode(), BOT, NOON)
