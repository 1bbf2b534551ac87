"""Opens a callback: signature, age, safe XML, decryption. Nothing is parsed before the signature is right.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html (sha1 of the sorted
token, timestamp, nonce) and .../Message_Management/Message_encryption_and_decryption_instructions.html (safe mode).
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

from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.errors import BadPayload, BadSignature

REPLAY_WINDOW_S = 300
"""How far a callback's timestamp may be from our clock, in seconds; WeChat's own retries come within 15."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
# A document type, where entities are declared, can only stand before the root: nothing but the declaration may.
_PROLOG = re.compile(r"\s*(<\?xml[^<>]*\?>)?\s*<xml>")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_UNREADABLE = (binascii.Error, struct.error, ValueError, IndexError, TypeError, KeyError)


class Envelope:
    """Opens the callbacks of one account."""

    def __init__(self, settings: WechatOaSettings) -> None:
        self._token = settings.token
        self._crypto: Any = None
        if settings.encoding_aes_key:
            self._crypto = WeChatCrypto(settings.token, settings.encoding_aes_key, settings.app_id)

    def check(self, query: Mapping[str, str], now: datetime) -> None:
        """Check signature (constant time) and age of the query; BadSignature."""
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        self._compare(query.get("signature", ""), timestamp, nonce)
        age_s = abs(now.timestamp() - int(timestamp)) if _TIMESTAMP.fullmatch(timestamp) else None
        if age_s is None or age_s > REPLAY_WINDOW_S:
            message = f"the callback's timestamp {timestamp[:20]!r} is not within {REPLAY_WINDOW_S} s of this clock"
            raise BadSignature(f"{message}; it is a replay, or the clock is wrong")

    def open(self, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Give the message's fields out of a checked callback; BadSignature or BadPayload."""
        outer = _fields(_decode(body))
        if self._crypto is None:
            if "MsgType" not in outer and "Encrypt" in outer:
                raise BadPayload("the callback is encrypted, but no EncodingAESKey is set for this account")
            return outer
        encrypted = outer.get("Encrypt")
        if query.get("encrypt_type") != "aes" or not isinstance(encrypted, str):
            raise BadSignature("the callback is not encrypted, though this account is in safe mode; it is refused")
        timestamp, nonce = query.get("timestamp", ""), query.get("nonce", "")
        self._compare(query.get("msg_signature", ""), timestamp, nonce, encrypted)
        return _fields(self._decrypt(encrypted, query))

    def seal(self, xml: str, at: int) -> str:
        """Encrypt and sign a reply in safe mode; in plain mode it stays as it is. ``at`` in seconds since 1970."""
        if self._crypto is None:
            return xml
        return str(self._crypto.encrypt_message(xml, secrets.token_hex(8), str(at)))

    def _decrypt(self, encrypted: str, query: Mapping[str, str]) -> str:
        try:
            message = {"Encrypt": encrypted}
            signature, timestamp, nonce = query["msg_signature"], query["timestamp"], query["nonce"]
            return str(self._crypto.decrypt_message(message, signature, timestamp, nonce))
        except InvalidAppIdException as error:
            raise BadSignature("the callback was encrypted for another AppID; check the account's settings") from error
        except _UNREADABLE as error:
            raise BadPayload("the callback cannot be decrypted; check the account's EncodingAESKey") from error

    def _compare(self, signature: str, *signed: str) -> None:
        joined = "".join(sorted([self._token, *signed])).encode("utf-8", "surrogatepass")
        wanted = hashlib.sha1(joined).hexdigest()  # noqa: S324 - the platform's scheme
        if not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "surrogatepass")):
            raise BadSignature("the callback's signature is wrong; check that the token is the one set in the console")


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPayload("the callback is not UTF-8; send the XML the platform describes") from error


def _fields(text: str) -> dict[str, Any]:
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
