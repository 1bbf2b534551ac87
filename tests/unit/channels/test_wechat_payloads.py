"""Both WeChats' payloads: what the documentation shows is read, and what somebody broke never raises."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.wechat_oa.parse import parse_callback
from bot.channels.wecom_kf.parse import Batch, Entry, SendFailure, parse_batch
from bot.domain.errors import BadPayload
from bot.domain.messages import InboundMessage
from bot.domain.staff import StaffWords, ThreadMove
from tests.unit.channels.payloads import fixtures, paths, read, replaced, shown

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
KF, OA = fixtures("wecom_kf"), fixtures("wechat_oa")
JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers()),
                 st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))  # fmt: skip


def seen(message: InboundMessage, names: set[str]) -> dict[str, Any]:
    """Shape a message as the fixtures write it."""
    return shown(message, names) | ({"reply_token": message.reply_token} if "reply_token" in names else {})


@pytest.mark.parametrize("path", OA, ids=lambda path: path.stem)
def test_account_callback_is_read_as_documented(path: Path):
    """Each documented callback is its kind of message, or nothing anybody said."""
    fixture = read(path)
    message = parse_callback(fixture["payload"], "shop").message
    expected = [each["message"] for each in fixture["expect"]]
    assert [seen(message, set(expected[0]))] == expected if message else expected == []


@pytest.mark.parametrize("path", KF, ids=lambda path: path.stem)
def test_pulled_entry_is_read_as_documented(path: Path):
    """Each documented entry is a message, a failure, a change of session, or counted as ignored."""
    fixture = read(path)
    batch = parse_batch(fixture["payload"], NOW)
    assert found(batch, fixture["expect"]) == fixture["expect"]
    assert batch.next_cursor == fixture["payload"]["next_cursor"]
    assert sum(batch.ignored.values()) == (0 if fixture["expect"] else 1)


def found(batch: Batch, expect: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Shape what a batch holds as the fixtures write it."""
    names = set(expect[0].get("message", {})) if expect else set()
    return [_shaped(entry, names) for entry in batch.entries]


def _shaped(entry: Entry, names: set[str]) -> dict[str, Any]:
    match entry:
        case SendFailure():
            return {"failure": {"platform_id": entry.platform_id, "kind": entry.why.kind.value}}
        case ThreadMove():
            return {"change": {"owner": entry.owner.value, "by": entry.by}}
        case StaffWords():
            return {"staff": {"name": entry.name, "text": entry.text}}
    return {"message": seen(entry, names)}


@given(st.data())
def test_pulled_batch_with_anything_anywhere_never_raises(data: st.DataObject):
    """A field of another type, anywhere, is read around."""
    payload = read(data.draw(st.sampled_from(KF)))["payload"]
    broken = replaced(payload, data.draw(st.sampled_from(paths(payload))), data.draw(JUNK))
    assert isinstance(parse_batch(broken, NOW), Batch)


@given(st.data())
def test_account_callback_with_anything_anywhere_is_read_or_a_bad_payload(data: st.DataObject):
    """A field of another type is read around, or told as a bad payload."""
    payload = read(data.draw(st.sampled_from(OA)))["payload"]
    broken = replaced(payload, data.draw(st.sampled_from(paths(payload))), data.draw(JUNK))
    with contextlib.suppress(BadPayload):
        parse_callback(broken, "shop")


def test_empty_batch_with_more_to_come_is_read():
    """``has_more`` may be 1 with an empty list."""
    batch = parse_batch({"errcode": 0, "next_cursor": "c1", "has_more": 1, "msg_list": []}, NOW)
    assert (batch.entries, batch.has_more, batch.next_cursor) == ((), True, "c1")
