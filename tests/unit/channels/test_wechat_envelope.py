"""Envelope against the platform's published sample, and against junk."""

from __future__ import annotations

import contextlib
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.sealed import Seal
from bot.channels.wechat_oa.envelope import Envelope
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.errors import BadPayload, BadSignature

SAMPLE = WechatOaSettings("wx5823bf96d3bd56c7", "unused", "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C")
SEALED = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
QUERY = {
    "timestamp": "1409659589",
    "nonce": "263014780",
    "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
    "encrypt_type": "aes",
}


def test_official_sample_decrypts_to_its_known_number():
    """Signature and cipher are those of the platform's own sample."""
    seal = Seal(SAMPLE.token, SAMPLE.encoding_aes_key, SAMPLE.app_id)
    assert seal.open(QUERY, SEALED) == "1616140317555161061"


def test_official_sample_with_one_letter_changed_is_refused():
    """Another nonce breaks the signature of the sealed body."""
    body = f"<xml><Encrypt><![CDATA[{SEALED}]]></Encrypt></xml>".encode()
    with pytest.raises(BadSignature):
        Envelope(SAMPLE).open(QUERY | {"nonce": "263014781"}, body)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"<xml>{text}</xml>".encode()))
def test_open_survives_any_bytes(body: bytes):
    """Whatever the body, the answer is fields, BadPayload or BadSignature."""
    plain = Envelope(WechatOaSettings("wx1", "s", "token"))
    with contextlib.suppress(BadPayload, BadSignature):
        assert isinstance(plain.open({}, body), dict)


@given(st.binary(max_size=120))
def test_open_survives_any_sealed_bytes(sealed: bytes):
    """A rightly signed body that does not decrypt is told so."""
    encrypted = sealed.hex() or "00"
    signed = "".join(sorted(["QDG6eK", "1", "2", encrypted]))
    query = {"timestamp": "1", "nonce": "2", "encrypt_type": "aes"}
    query["msg_signature"] = hashlib.sha1(signed.encode()).hexdigest()  # noqa: S324 - the platform's scheme
    with pytest.raises((BadPayload, BadSignature)):
        Envelope(SAMPLE).open(query, f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode())


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=50))
def test_check_survives_any_query(timestamp: str, nonce: str, signature: str):
    """Junk in the query is a bad signature and nothing else."""
    with pytest.raises(BadSignature):
        Envelope(SAMPLE).check(
            {"timestamp": timestamp, "nonce": nonce, "signature": signature}, datetime(2026, 1, 1, tzinfo=UTC)
        )
