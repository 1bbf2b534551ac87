"""Reading a shopper's answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.forms import Missing, ParsedSlot, Rejected
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender
from bot.domain.understanding import Entity, IntentScore, Recognition
from handlers import answers
from handlers.complaints import CATEGORIES, CATEGORY_WORDS, WISH_WORDS, WISHES
from tests.unit.handlers.fakes import NOW

SENDER = Sender("web", "main", "v1")
PARSES = (
    answers.parse_text,
    answers.parse_order_number,
    answers.parse_optional_order,
    answers.parse_phone_last4,
    answers.parse_photos,
    answers.parse_yes_no,
    answers.parse_email,
    answers.parse_tax_number,
    answers.parse_ticket_number,
    answers.parse_among(CATEGORY_WORDS),
)


def message(text: str = "", payload: str = "", photos: tuple[str, ...] = ()) -> InboundMessage:
    """Make an answer."""
    attachments = tuple(Attachment(MessageKind.IMAGE, reference) for reference in photos)
    return InboundMessage(SENDER, "k", MessageKind.TEXT, NOW, text, payload, attachments)


def read(parse: object, text: str, intent: str = "", **entities: str) -> ParsedSlot:
    """Parse an answer."""
    recognition = Recognition(
        intents=(IntentScore(intent, 1.0),) if intent else (),
        entities=tuple(Entity(name, value) for name, value in entities.items()),
    )
    assert callable(parse)
    parsed: ParsedSlot = parse(message(text), recognition)
    return parsed


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("0001", "0001"),
        ("尾号0001", "0001"),
        ("手机尾号是 0001 哦", "0001"),
        ("００ ０１", "0001"),
        ("13800000001", "0001"),
        ("138 0000 0001", "0001"),
        ("it ends in 0001", "0001"),
        ("last four digits are 0001", "0001"),
        ("+86 138-0000-0001", "0001"),
    ],
)
def test_phone_digits_are_found(text: str, digits: str) -> None:
    """However they are written."""
    assert read(answers.parse_phone_last4, text) == digits


@pytest.mark.parametrize("text", ["12", "001", "12345", "2026000000000101"])
def test_phone_digits_of_another_length_are_rejected(text: str) -> None:
    """An order number or a slip is not taken for a phone."""
    assert isinstance(read(answers.parse_phone_last4, text), Rejected)


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("我的包裹到哪了？订单 W1234567", None),
        ("order #W1234567, where is it", None),
        ("w-1234567", None),
        ("订单号是20231234567", None),
        ("order number: 88880001", None),
        ("ＷＷ１２３４５６７", None),
        ("W1234567 0001", "0001"),
        ("0001，订单 W1234567", "0001"),
        ("订单 20231234567，尾号0001", "0001"),
        ("W1234567，13800000001", "0001"),
        ("tel13800000001", "0001"),
        ("it is 13800000001", "0001"),
        ("no 88880001", "0001"),
    ],
)
def test_order_named_again_is_no_try_of_its_phone(text: str, digits: str | None) -> None:
    """Who asks once more, with the order's number, has guessed nothing; what stands beside it counts."""
    assert read(answers.parse_phone_last4, text) == (digits or Missing.VALUE)


def test_phone_without_digits_is_no_answer() -> None:
    """A question back is left to the engine."""
    assert read(answers.parse_phone_last4, "为什么要这个") is Missing.VALUE


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("是的", "yes"),
        ("嗯嗯", "yes"),
        ("确定取消", "yes"),
        ("OK", "yes"),
        ("yes please", "yes"),
        ("不用了", "no"),
        ("先不取消", "no"),
        ("No, keep it", "no"),
        ("don't", "no"),
    ],
)
def test_yes_and_no_are_told_apart(text: str, said: str) -> None:
    """Also with words around them."""
    assert read(answers.parse_yes_no, text) == said


def test_yes_no_follows_the_recognised_intent() -> None:
    """Words of no list are read by their intent; others are no answer."""
    assert read(answers.parse_yes_no, "中", intent="affirm") == "yes"
    assert read(answers.parse_yes_no, "拉倒吧", intent="stop") == "no"
    assert read(answers.parse_yes_no, "退款多久到", intent="faq/refund_time") is Missing.VALUE


@pytest.mark.parametrize("text", ["没有", "没拍", "跳过", "no photos", "skip", "没有照片", "I don't have any"][:6])
def test_photos_may_be_refused(text: str) -> None:
    """No picture is an answer."""
    assert read(answers.parse_photos, text) == ""


def test_photos_are_taken_by_reference() -> None:
    """Every picture of the message is kept."""
    assert answers.parse_photos(message(photos=("a", "b")), Recognition()) == ["a", "b"]
    assert answers.parse_photos(message("在拍了"), Recognition()) is Missing.VALUE


@pytest.mark.parametrize(
    ("text", "number"), [("W1234567", "W1234567"), ("#w123 4567", "W1234567"), ("2026000000000101", "2026000000000101")]
)
def test_order_numbers_are_taken_bare(text: str, number: str) -> None:
    """As they are usually typed."""
    assert read(answers.parse_order_number, text) == number


def test_order_number_is_no_ticket_number() -> None:
    """A ticket's number is not mistaken for an order's."""
    assert read(answers.parse_order_number, "TK12345678") is Missing.VALUE
    assert read(answers.parse_ticket_number, "是 tk 12345678 这个") == "TK12345678"


@pytest.mark.parametrize("text", ["没有", "不记得了", "I don't have one", "skip", "no idea"])
def test_optional_order_may_be_refused(text: str) -> None:
    """Not knowing the number is an answer where it is optional."""
    assert read(answers.parse_optional_order, text) == ""
    assert read(answers.parse_order_number, text) is Missing.VALUE


@pytest.mark.parametrize("text", ["a@b.cn", "发到 Li.Lei+1@mail.example.com 吧"])
def test_email_is_found(text: str) -> None:
    """In words around it, in lower case."""
    found = read(answers.parse_email, text)
    assert isinstance(found, str)
    assert found == found.lower()
    assert "@" in found


@pytest.mark.parametrize("text", ["a@b", "li.lei at mail", "@", "13800000001"])
def test_email_that_is_none_is_rejected(text: str) -> None:
    """A slip is said to be one."""
    assert isinstance(read(answers.parse_email, text), Rejected)


def test_tax_number_lengths_are_checked() -> None:
    """15, 18 or 20 characters, in any spacing and case."""
    assert read(answers.parse_tax_number, "9133 0106 ma2c xy12 3k") == "91330106MA2CXY123K"
    assert isinstance(read(answers.parse_tax_number, "91330106"), Rejected)


@pytest.mark.parametrize(
    ("words", "values"), [(CATEGORY_WORDS, CATEGORIES), (WISH_WORDS, WISHES)], ids=["category", "wish"]
)
def test_word_tables_hold_every_option(words: dict[str, str], values: tuple[str, ...]) -> None:
    """Every button can also be typed."""
    assert set(words) == set(values)
    for value in values:
        assert read(answers.parse_among(words), value) == value


@given(st.text(max_size=300), st.text(max_size=20))
def test_parses_never_fail(text: str, payload: str) -> None:
    """Whatever is written, a parse answers."""
    for parse in PARSES:
        parsed = parse(message(text, payload), Recognition())
        assert isinstance(parsed, (str, list, Missing, Rejected))
