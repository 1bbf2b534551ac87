"""What WeChat and WeCom callbacks have in common: sha1 signatures, AES sealing, flat XML.

Nothing is parsed before the signature is right.
Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html (sha1 of the sorted
parts) and https://developer.work.weixin.qq.com/document/path/90968 (sealed callbacks).
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
import secrets
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from xml.parsers.expat import ExpatError

import xmltodict  # type: ignore[import-untyped]
from wechatpy.crypto import WeChatCrypto
from wechatpy.exceptions import InvalidAppIdException

from bot.domain.errors import BadPayload, BadSignature

REPLAY_WINDOW_S = 300
"""How far a callback's timestamp may be from our clock, in seconds; the platforms' own retries come within 15."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
# A document type, where entities are declared, can only stand before the root: nothing but the declaration may.
_PROLOG = re.compile(r"\s*(<\?xml[^<>]*\?>)?\s*<xml>")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_UNREADABLE = (binascii.Error, struct.error, ValueError, IndexError, TypeError, KeyError)


def signature_of(*signed: str) -> str:
    """Give the sha1 of the sorted parts."""
    joined = "".join(sorted(signed)).encode("utf-8", "surrogatepass")
    return hashlib.sha1(joined).hexdigest()  # noqa: S324 - the platform's scheme


def compare_signature(signature: str, *signed: str) -> None:
    """Compare with the signature of the parts in constant time; BadSignature."""
    wanted = signature_of(*signed)
    if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogatepass")):
        raise BadSignature("the callback's signature is wrong; check that the token is the one set in the console")


def check_age(query: Mapping[str, str], now: datetime) -> None:
    """Check that the signed timestamp is near our clock; BadSignature."""
    timestamp = query.get("timestamp", "")
    age_s = abs(now.timestamp() - int(timestamp)) if _TIMESTAMP.fullmatch(timestamp) else None
    if age_s is None or age_s > REPLAY_WINDOW_S:
        message = f"the callback's timestamp {timestamp[:20]!r} is not within {REPLAY_WINDOW_S} s of this clock"
        raise BadSignature(f"{message}; it is a replay, or the clock is wrong")


class Seal:
    """Opens and closes what is sealed for one receiver (an AppID or CorpID)."""

    def __init__(self, token: str, encoding_aes_key: str, receiver: str) -> None:
        self._token = token
        self._crypto: Any = WeChatCrypto(token, encoding_aes_key, receiver)

    def open(self, query: Mapping[str, str], encrypted: str) -> str:
        """Check ``msg_signature`` and decrypt; BadSignature, or BadPayload for what cannot be decrypted."""
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        signature = query.get("msg_signature", "")
        compare_signature(signature, self._token, timestamp, nonce, encrypted)
        try:
            return str(self._crypto.decrypt_message({"Encrypt": encrypted}, signature, timestamp, nonce))
        except InvalidAppIdException as error:
            raise BadSignature("the callback was encrypted for another AppID; check the account's settings") from error
        except _UNREADABLE as error:
            raise BadPayload("the callback cannot be decrypted; check the account's EncodingAESKey") from error

    def close(self, xml: str, at: int) -> str:
        """Encrypt and sign; ``at`` in seconds since 1970."""
        return str(self._crypto.encrypt_message(xml, secrets.token_hex(8), str(at)))


def read_xml(body: bytes) -> dict[str, Any]:
    """Read the flat XML of a callback; BadPayload."""
    try:
        return read_fields(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadPayload("the callback is not UTF-8; send the XML the platform describes") from error


def read_fields(text: str) -> dict[str, Any]:
    """Read the flat XML of a callback; document types, and with them entities, are refused."""
    clean = _NOT_XML.sub("", text)
    if not _PROLOG.match(clean):
        raise BadPayload("the callback does not begin with <xml>; document types and entities are not taken")
    try:
        fields = xmltodict.parse(clean)["xml"]
    except (ExpatError, ValueError, RecursionError) as error:
        raise BadPayload("the callback is not well-formed XML; send the XML the platform describes") from error
    if not isinstance(fields, dict):
        raise BadPayload("the callback's XML holds no fields; send the XML the platform describes")
    return fields
