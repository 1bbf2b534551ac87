"""The passive reply: our own XML, safe against whatever the text holds, sealed in safe mode.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Passive_user_reply_message.html (text up to
2048 bytes) and .../Message_encryption_and_decryption_instructions.html (the sealed reply).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.channels.cleaning import clean_message
from bot.channels.degrade import measure, number_options, split_text
from bot.domain.exchange_ports import Composed
from bot.domain.messages import OutboundMessage

MAX_REPLY_BYTES = 2048
_UNIT = "bytes"
_MORE_ZH = "（未完，回复任意内容看下文）"
_MORE_EN = "(To be continued: write anything to read on.)"
_CJK = re.compile("[\u3400-\u9fff]")
# What XML 1.0 has no place for, even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_xml(fields: Mapping[str, str | int]) -> str:
    """Write the flat XML of the platform; texts are CDATA, in which ``]]>`` is cut in two."""
    parts = [f"<{name}>{value if isinstance(value, int) else _cdata(value)}</{name}>" for name, value in fields.items()]
    return f"<xml>{''.join(parts)}</xml>"


def text_reply(to: str, account: str, created_at: int, text: str) -> str:
    """Write a text reply to ``to`` (OpenID) from ``account`` (the ToUserName of the callback)."""
    return write_xml(
        {"ToUserName": to, "FromUserName": account, "CreateTime": created_at, "MsgType": "text", "Content": text}
    )


def compose(messages: Sequence[OutboundMessage], *, alone: bool) -> Composed | None:
    """Put waiting messages into one reply, choices as numbered lines, up to the first with a picture.

    ``alone``: the account has no other way to send, so that of a text too long for one reply the beginning goes now
    and the rest with the next reply, and words go without their picture; otherwise such a message is left to be sent
    by itself.
    """
    shown: list[str] = []
    for message in messages:
        text = as_text(message)
        if message.attachments and not (alone and text):
            break
        if measure("\n\n".join([*shown, text]), _UNIT) > MAX_REPLY_BYTES:
            break
        shown.append(text)
    together = "\n\n".join(text for text in shown if text)
    if shown:
        # Nothing to read is no answer.
        return Composed(together, len(shown)) if together else None
    return _beginning(messages[0]) if alone and messages and as_text(messages[0]) else None


def rejoin(answer: str, rest: OutboundMessage) -> OutboundMessage:
    """Put the beginning of a message, which was an answer, before its rest again."""
    beginning = answer.removesuffix(f"\n{_MORE_ZH}").removesuffix(f"\n{_MORE_EN}")
    return OutboundMessage(f"{beginning}\n{rest.text}", rest.buttons, rest.attachments)


def as_text(message: OutboundMessage) -> str:
    """Write a message as the text a reply can hold."""
    clean = clean_message(replace(message, text=_NOT_XML.sub("", message.text)))
    return number_options(clean.text, clean.buttons) if clean.buttons else clean.text


def _beginning(message: OutboundMessage) -> Composed:
    text = as_text(message)
    more = _MORE_ZH if _CJK.search(text) else _MORE_EN
    first = split_text(text, MAX_REPLY_BYTES - measure(f"\n{more}", _UNIT), _UNIT)[0]
    return Composed(f"{first}\n{more}", 0, OutboundMessage(text[len(first) :].strip()))


def _cdata(text: str) -> str:
    return f"<![CDATA[{_NOT_XML.sub('', text).replace(']]>', ']]]]><![CDATA[>')}]]>"
