"""Opens a callback: signature, age, safe XML, decryption. Nothing is parsed before the signature is right.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Access_Overview.html (sha1 of the sorted
token, timestamp, nonce) and .../Message_Management/Message_encryption_and_decryption_instructions.html (safe mode).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.channels.sealed import Seal, check_age, compare_signature, read_fields, read_xml
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.errors import BadPayload, BadSignature


class Envelope:
    """Opens the callbacks of one account."""

    def __init__(self, settings: WechatOaSettings) -> None:
        self._token = settings.token
        self._seal: Seal | None = None
        if settings.encoding_aes_key:
            self._seal = Seal(settings.token, settings.encoding_aes_key, settings.app_id)

    def check(self, query: Mapping[str, str], now: datetime) -> None:
        """Check signature (constant time) and age of the query; BadSignature."""
        signed = (self._token, query.get("timestamp", ""), query.get("nonce", ""))
        compare_signature(query.get("signature", ""), *signed)
        check_age(query, now)

    def open(self, query: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Give the message's fields out of a checked callback; BadSignature or BadPayload."""
        outer = read_xml(body)
        if self._seal is None:
            if "MsgType" not in outer and "Encrypt" in outer:
                raise BadPayload("the callback is encrypted, but no EncodingAESKey is set for this account")
            return outer
        encrypted = outer.get("Encrypt")
        if query.get("encrypt_type") != "aes" or not isinstance(encrypted, str):
            raise BadSignature("the callback is not encrypted, though this account is in safe mode; it is refused")
        return read_fields(self._seal.open(query, encrypted))

    def seal(self, xml: str, at: int) -> str:
        """Encrypt and sign a reply in safe mode; in plain mode it stays as it is. ``at`` in seconds since 1970."""
        return xml if self._seal is None else self._seal.close(xml, at)
