"""LINE's parse_webhook: every documented event, and whatever else comes."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.line.parse import parse_webhook
from bot.channels.line.webhook import sign
from bot.domain.errors import BadPayload
from tests.unit.channels.payloads import fixtures, paths, read, replaced, shown

FIXTURES = fixtures("line")
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.stem)
def test_documented_payload_is_read(path: Path):
    """Each payload of the reference gives what its fixture says."""
    fixture = read(path)
    events = parse_webhook(json.dumps(fixture["payload"]).encode(), "main")
    assert len(events) == len(fixture["expect"])
    for event, wanted in zip(events, fixture["expect"], strict=True):
        assert event.ignored == wanted.get("ignored", "")
        expected: dict[str, Any] = dict(wanted.get("message", {}))
        if "reply_token" in expected:
            assert event.message.reply_token == expected.pop("reply_token")
        assert (event.message is None) == (not expected)
        if event.message:
            assert (event.message.sender.channel, event.message.sender.account) == ("line", "main")
            assert shown(event.message, set(expected)) == expected


@given(st.data(), st.sampled_from(FIXTURES), junk)
def test_mutated_payload_never_breaks_the_parser(data: st.DataObject, path: Path, new: Any):
    """Any value anywhere gives messages, reasons or BadPayload."""
    payload = read(path)["payload"]
    changed = replaced(payload, data.draw(st.sampled_from(paths(payload))), new)
    with contextlib.suppress(BadPayload):
        parse_webhook(json.dumps(changed).encode(), "main")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(body: bytes):
    """What is no webhook is BadPayload."""
    with contextlib.suppress(BadPayload):
        parse_webhook(body, "main")


def test_signature_is_the_published_scheme():
    """Base64 of HMAC-SHA256 over the raw body, as the console's example computes it."""
    assert sign(
        "8c570fa6dd201bb328f1c1eac23a96d8", b'{"destination":"U8e742f61d673b39c7fff3cecb7536ef0","events":[]}'
    ) == ("GhRKmvmHys4Pi8DxkF4+EayaH0OqtJtaZxgTD9fMDLs=")
