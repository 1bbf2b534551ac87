"""The parsers of Meta's platforms: every documented payload, and whatever else comes."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import Parse, sign
from bot.channels.messenger import parse as messenger
from bot.channels.whatsapp import parse as whatsapp
from bot.domain.errors import BadPayload
from bot.domain.receipts import ReceiptState, further
from tests.unit.channels.payloads import fixtures, paths, read, replaced, shown

PARSERS: dict[str, tuple[Parse, str]] = {
    "whatsapp": (whatsapp.parse_webhook, "106540352242922"),
    "messenger": (messenger.parse_webhook, "682498302938465"),
    "instagram": (messenger.parse_webhook, "17841405822304914"),
}
FIXTURES = [(name, path) for name in PARSERS for path in fixtures(name)]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def settings(channel: str) -> MetaSettings:
    return MetaSettings(channel, PARSERS[channel][1], "token", "secret", "verify")


@pytest.mark.parametrize(
    ("channel", "path"), FIXTURES, ids=lambda value: value if isinstance(value, str) else value.stem
)
def test_documented_payload_is_read(channel: str, path: Path):
    """Each payload of the documentation gives what its fixture says."""
    fixture = read(path)
    batch = PARSERS[channel][0](json.dumps(fixture["payload"]).encode(), settings(channel))
    wanted = fixture["expect"]
    found = [shown(message, set(each)) for message, each in zip(batch.messages, wanted["messages"], strict=True)]
    assert found == wanted["messages"]
    assert [[receipt.platform_id, receipt.state.value] for receipt in batch.receipts] == wanted["receipts"]
    assert list(batch.ignored) == wanted["ignored"]
    assert [[move.sender.channel_user_id, move.owner.value] for move in batch.moves] == wanted.get("moves", [])
    said = [[words.sender.channel_user_id, words.name, words.text] for words in batch.staff]
    assert said == wanted.get("staff", [])
    assert {message.sender.channel for message in batch.messages} <= {channel}


@given(st.data(), st.sampled_from(FIXTURES), junk)
def test_mutated_payload_never_breaks_the_parser(data: st.DataObject, fixture: tuple[str, Path], new: Any):
    """Any value anywhere gives messages, receipts, reasons or BadPayload."""
    channel, path = fixture
    payload = read(path)["payload"]
    changed = replaced(payload, data.draw(st.sampled_from(paths(payload))), new)
    with contextlib.suppress(BadPayload):
        PARSERS[channel][0](json.dumps(changed).encode(), settings(channel))


@given(st.sampled_from(list(PARSERS)), st.binary(max_size=200))
def test_any_bytes_are_refused_with_a_sentence(channel: str, body: bytes):
    """What is no webhook is BadPayload."""
    with pytest.raises(BadPayload):
        PARSERS[channel][0](body, settings(channel))


def test_signature_is_the_documented_scheme():
    """``sha256=`` and the hexadecimal HMAC of the raw body."""
    assert sign("It's a Secret to Everybody", b"Hello, World!") == (
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    )


@given(st.permutations(["sent", "delivered", "read", "failed"]))
def test_receipts_never_go_back(order: list[str]):
    """Whatever order receipts come in, and twice, the last state is the furthest."""
    seen: list[ReceiptState] = []
    for state in [*order, *order]:
        seen.append(further(seen[-1] if seen else None, ReceiptState(state)))
    assert seen[-1] is ReceiptState.READ
    assert all(further(before, after) is after for before, after in itertools.pairwise(seen))
