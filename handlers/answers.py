"""Reading a shopper's answer to a question of a form; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.forms import Missing, Parse, ParsedSlot, Rejected
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.replies import Reply
from bot.domain.understanding import Recognition

_MAX_ANSWER_CHARS = 1000
_PHONE_DIGITS = 4
_MIN_PHONE = 7
_MAX_PHONE = 13
_NO_PHOTOS = re.compile(
    r"^\W*(没有?(图|照片|拍)?|没拍|无|不用了?|跳过|先不(发|传|用)了?|不发了?|拍不了|skip|no|none|nope|"
    r"no (photos?|pictures?|pics?)|don'?t have (any|one)|not now)\W*(照片|图片|图|了)?\W*$",
    re.IGNORECASE,
)
_YES = re.compile(
    r"^\W*(是的?|对的?|好的?|好吧|嗯+|恩+|行|可以|确定|确认|没错|要的?|同意|yes|yeah|yep|yup|ok(ay)?|sure|"
    r"confirm(ed)?|correct|please do|go ahead|do it)(\W|了|吧|啊|呀|please|$)|^\W*(确定|确认|确实|同意)(?!不)",
    re.IGNORECASE,
)
_NO = re.compile(r"^\W*(不|别|否|算了|先不|没有?|no|nope|nah|don'?t|do not|keep it|cancel that|wait)", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_TAX_NUMBER = re.compile(r"(?<![0-9A-Z])(?:[0-9A-Z]{15}|[0-9A-Z]{18}|[0-9A-Z]{20})(?![0-9A-Z])")
_TICKET = re.compile(r"(?<![A-Za-z0-9])TK\s?(\d{8})(?!\d)", re.IGNORECASE)
_LAST4_SAID = re.compile(
    r"(?:尾号|末四位|后四位|后4位|末4位|last (?:four|4)(?: digits)?|ending(?: in| with)?|ends (?:in|with)|phone)"
    r"(?:\s*(?:是|为|is|are|:|：|of my phone is))?\s*(\d{4})(?!\d)",
    re.IGNORECASE,
)


_MOBILE = re.compile(r"(?<![0-9A-Za-z])1[3-9]\d{5}(\d{4})(?!\d)")
_ORDER_SAID = re.compile(
    r"(?<![A-Za-z])[A-Za-z]{1,4}[#-]?(?!1[3-9]\d{9}(?!\d))\d{5,20}"
    r"|(?:订单号?|单号|\border(?: number| no\.?)?)\s*(?:是|为|is|:)?\s*#?\d{5,20}",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """Fold full-width characters and trim."""
    return unicodedata.normalize("NFKC", text).strip()


def answer_of(message: InboundMessage) -> str:
    """Give what was answered: a pressed button's value, else the words."""
    return message.payload[1:] if message.payload.startswith("=") else plain(message.text)


def parse_text(message: InboundMessage, _recognition: Recognition) -> ParsedSlot:
    """Take the words as they are, up to 1,000 characters."""
    return answer_of(message)[:_MAX_ANSWER_CHARS] or Missing.VALUE


def parse_order_number(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take an order number the shopper gave bare, or pressed."""
    found = recognition.entity("order_number") or answer_of(message)
    compact = re.sub(r"[\s#-]", "", found)
    return compact.upper() if re.fullmatch(r"(?!TK)[A-Z]{0,4}\d{5,20}", compact.upper()) else Missing.VALUE


def parse_phone_last4(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take the last four digits of a phone, or of the whole number when that was sent."""
    whole = recognition.entity("phone")
    digits = re.sub(r"\D", "", whole) if whole else ""
    if not digits:
        said = last4_said(answer_of(message))
        if said:
            return said
        # Who names the order once more has not tried its phone.
        rest = _ORDER_SAID.sub(";", answer_of(message))
        groups = re.findall(r"\d+", re.sub(r"(?<=\d)[\s-](?=\d)", "", rest))
        digits = groups[-1] if groups else ""
    if not digits:
        return Missing.VALUE
    if len(digits) != _PHONE_DIGITS and not _MIN_PHONE <= len(digits) <= _MAX_PHONE:
        return Rejected(Reply("proof.four_digits"))
    return digits[-_PHONE_DIGITS:]


def last4_said(text: str) -> str:
    """Find ``尾号 0001``, ``ending in 0001`` or a mainland number in free words; ``""`` when none is there."""
    said = plain(text)
    found = _LAST4_SAID.search(said) or _MOBILE.search(said)
    return found.group(1) if found else ""


def parse_photos(message: InboundMessage, _recognition: Recognition) -> ParsedSlot:
    """Take pictures (their references), or ``""`` when the shopper has none."""
    photos = [one.reference for one in message.attachments if one.kind in {MessageKind.IMAGE, MessageKind.VIDEO}]
    if photos:
        return photos
    said = answer_of(message)
    return "" if _NO_PHOTOS.match(said) or message.payload == "=" else Missing.VALUE


def parse_yes_no(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take ``yes`` or ``no`` from words, a button or the recognised intent."""
    answer = answer_of(message)
    if answer in {"yes", "no"}:
        return answer
    if message.payload in {"/affirm", "/deny"}:
        return "yes" if message.payload == "/affirm" else "no"
    if _NO.match(answer):
        return "no"
    if _YES.match(answer):
        return "yes"
    return {"affirm": "yes", "deny": "no", "stop": "no"}.get(recognition.intent, Missing.VALUE)


def parse_email(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take an e-mail address; what looks meant as one but is not is rejected."""
    found = recognition.entity("email") or next(iter(_EMAIL.findall(answer_of(message))), "")
    if found:
        return found.lower()
    return Rejected(Reply("request_invoice.bad_email")) if answer_of(message) else Missing.VALUE


def parse_tax_number(message: InboundMessage, _recognition: Recognition) -> ParsedSlot:
    """Take a taxpayer number of 15, 18 or 20 characters."""
    found = _TAX_NUMBER.search(re.sub(r"[\s-]", "", answer_of(message)).upper())
    if found:
        return found.group()
    return Rejected(Reply("request_invoice.bad_tax_number")) if answer_of(message) else Missing.VALUE


def ticket_number_in(text: str) -> str:
    """Find a ticket number in free words; ``""`` when there is none."""
    found = _TICKET.search(plain(text))
    return f"TK{found.group(1)}" if found else ""


def parse_ticket_number(message: InboundMessage, _recognition: Recognition) -> ParsedSlot:
    """Take a ticket's number."""
    return ticket_number_in(answer_of(message)) or Missing.VALUE


def parse_among(words: Mapping[str, str], entity: str = "") -> Parse:
    """Make a parse that finds one of some values by its words (value -> pattern); the first that fits wins."""
    find = finder(words)

    def parse(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
        known = recognition.entity(entity) if entity else ""
        if known in words:
            return known
        answer = answer_of(message)
        return answer if answer in words else find(answer) or Missing.VALUE

    return parse


def finder(words: Mapping[str, str]) -> Callable[[str], str]:
    """Make a search for the first value whose pattern is in a text; it answers ``""`` when none is."""
    patterns = {value: re.compile(pattern, re.IGNORECASE) for value, pattern in words.items()}

    def find(text: str) -> str:
        said = plain(text)
        return next((value for value, pattern in patterns.items() if pattern.search(said)), "")

    return find


def photos_of(value: Any) -> tuple[str, ...]:
    """Give the references of a filled photo slot."""
    return tuple(str(one) for one in value) if isinstance(value, (list, tuple)) else ()


_NO_ORDER = re.compile(
    r"^\W*(没有?(订单)?(号)?|无|不(记得|知道|清楚)|忘了?|跳过|找不到|skip|none|no|nope|don'?t (know|have|remember)|"
    r"i (don'?t|forgot)|not sure|no idea|can'?t find)",
    re.IGNORECASE,
)
_STORY_CJK = 16
_STORY_WORDS = 10
_CJK = re.compile(r"[\u4e00-\u9fff]")


def parse_optional_order(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take an order number, or ``""`` when the shopper has none at hand."""
    number = parse_order_number(message, recognition)
    if number is not Missing.VALUE:
        return number
    return "" if message.payload == "=" or _NO_ORDER.match(answer_of(message)) else Missing.VALUE


def tells_a_story(text: str) -> bool:
    """Tell whether the words already say what happened, so that nobody has to say it twice."""
    return len(_CJK.findall(text)) >= _STORY_CJK or len(re.findall(r"[A-Za-z']+", text)) >= _STORY_WORDS
