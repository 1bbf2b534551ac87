"""Entities: right values, right spans, no false ones."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.understanding import Entity, Expectation
from intents.entities import find_entities
from intents.normalising import fold
from intents.numbers import compile_shapes
from intents.shapes import Shapes

_SHAPES = compile_shapes(Shapes())
_TODAY = date(2026, 11, 21)


def _find(text: str, asked: str = "", shapes: Shapes | None = None) -> tuple[Entity, ...]:
    return find_entities(fold(text), compile_shapes(shapes) if shapes else _SHAPES, _TODAY, Expectation(entity=asked))


def _pairs(text: str, asked: str = "") -> list[tuple[str, str]]:
    return [(entity.name, entity.value) for entity in _find(text, asked) if entity.name != "complaint_category"]


@pytest.mark.parametrize(
    ("text", "name", "value", "piece"),
    [
        ("订单号是#W1234567，帮我查", "order_number", "#W1234567", "#W1234567"),
        ("订单ｗ１２３４５６７到哪了", "order_number", "W1234567", "ｗ１２３４５６７"),
        ("我的订单 2024 1101 1234 56 在哪", "order_number", "20241101123456", "2024 1101 1234 56"),
        ("order W 1234567 please", "order_number", "W1234567", "W 1234567"),
        ("my order is 12345678", "order_number", "12345678", "12345678"),
        ("单号一二三四五六七八九零", "order_number", "1234567890", "一二三四五六七八九零"),
        ("🙂🙂订单12345678", "order_number", "12345678", "12345678"),
        ("TK12345678怎么样了", "ticket_number", "TK12345678", "TK12345678"),
        ("tk 1234 5678 solved?", "ticket_number", "TK12345678", "tk 1234 5678"),
        ("快递单号 773012345678901", "tracking_number", "773012345678901", "773012345678901"),
        ("SF1234567890123到哪了", "tracking_number", "SF1234567890123", "SF1234567890123"),
        ("我手机13800138000", "phone", "13800138000", "13800138000"),
        ("+86 138-0013-8000 call me", "phone", "13800138000", "+86 138-0013-8000"),
        ("一三八零零一三八零零零", "phone", "13800138000", "一三八零零一三八零零零"),
        ("1 3 8 0 0 1 3 8 0 0 0", "phone", "13800138000", "1 3 8 0 0 1 3 8 0 0 0"),
        ("call +44 7911 123456", "phone", "+447911123456", "+44 7911 123456"),
        ("发到Foo.Bar@Example.com吧", "email", "foo.bar@example.com", "Foo.Bar@Example.com"),
        ("昨天买的", "date", "2026-11-20", "昨天"),
        ("上周三付的款", "date", "2026-11-11", "上周三"),
        ("上週三付的款", "date", "2026-11-11", "上週三"),
        ("11月5号下的单", "date", "2026-11-05", "11月5号"),
        ("十一月五日", "date", "2026-11-05", "十一月五日"),
        ("12月30日那单", "date", "2025-12-30", "12月30日"),
        ("三天前就签收了", "date", "2026-11-18", "三天前"),
        ("双十一买的", "date", "2026-11-11", "双十一"),
        ("11.11买的", "date", "2026-11-11", "11.11"),
        ("bought it 3 days ago", "date", "2026-11-18", "3 days ago"),
        ("a week ago", "date", "2026-11-14", "a week ago"),
        ("since last friday", "date", "2026-11-20", "last friday"),
        ("on Nov 3rd", "date", "2026-11-03", "Nov 3rd"),
        ("3 November 2025", "date", "2025-11-03", "3 November 2025"),
        ("the day before yesterday", "date", "2026-11-19", "the day before yesterday"),
        ("2026/10/01 下单", "date", "2026-10-01", "2026/10/01"),
        ("扣了我¥1,299.00", "amount", "1299", "¥1,299.00"),
        ("多收二百五十块", "amount", "250", "二百五十块"),
        ("199块5一件", "amount", "199.5", "199块5"),
        ("charged 25.50 dollars", "amount", "25.5", "25.50 dollars"),
        ("给你们两星", "score", "2", "两星"),
        ("8/10", "score", "4", "8/10"),
        ("打8分", "score", "4", "8分"),
        ("two out of five", "score", "2", "two out of five"),
        ("5 stars!", "score", "5", "5 stars"),
    ],
)
def test_entity_value_and_span_are_right(text: str, name: str, value: str, piece: str) -> None:
    """The value is normalised, the span is that of the original."""
    found = [entity for entity in _find(text) if entity.name == name]
    assert [(entity.value, text[entity.start : entity.end]) for entity in found] == [(value, piece)]


@pytest.mark.parametrize(
    "text",
    [
        "我买了2件",
        "5分钟了还没人理",
        "等了3天",
        "has been 24 hours",
        "iPhone 15 有货吗",
        "XL码有吗",
        "满300减50怎么用",
        "1 2 3",
        "第2个",
    ],
)
def test_numbers_without_shape_are_no_numbers(text: str) -> None:
    """A count, a size or a time is neither order nor phone nor score."""
    assert not {"order_number", "phone", "ticket_number", "tracking_number", "score"} & {
        entity.name for entity in _find(text)
    }


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("12345", "order_number", ("order_number", "12345")),
        ("13800138000", "order_number", ("order_number", "13800138000")),
        ("13800138000", "phone", ("phone", "13800138000")),
        ("是 9988 77", "order_number", ("order_number", "998877")),
        ("2", "score", ("score", "2")),
        ("四", "score", ("score", "4")),
        ("250", "amount", ("amount", "250")),
        ("773012345678", "tracking_number", ("tracking_number", "773012345678")),
        ("62791234", "phone", ("phone", "62791234")),
    ],
)
def test_bare_answer_is_what_was_asked_for(text: str, asked: str, expected: tuple[str, str]) -> None:
    """The same digits mean what the conversation waits for."""
    assert expected in _pairs(text, asked)


def test_bare_digits_mean_nothing_when_nothing_was_asked() -> None:
    """Five digits are no order number by themselves."""
    assert _pairs("12345") == []


def test_order_shapes_come_from_the_shop() -> None:
    """A shop's own shape is found, the default ones are not."""
    shapes = Shapes(order_number=(r"ORD-?\d{4}",))
    assert [entity.value for entity in _find("单号ORD1234", shapes=shapes)] == ["ORD1234"]
    assert not [entity for entity in _find("单号12345678", shapes=shapes) if entity.name == "order_number"]


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("杯子收到就碎了", "damaged"),
        ("发错颜色了", "wrong_item"),
        ("少发了一件", "missing_item"),
        ("客服态度太差", "attitude"),
        ("穿一次就开线", "quality"),
        ("用了之后过敏", "safety"),
        ("跟描述不符", "false_advertising"),
        ("the mug arrived broken", "damaged"),
        ("you sent the wrong size", "wrong_item"),
        ("your agent was so rude", "attitude"),
        ("I was overcharged", "price"),
    ],
)
def test_complaint_category_is_named(text: str, category: str) -> None:
    """The category is read from its words."""
    assert next(entity.value for entity in _find(text) if entity.name == "complaint_category") == category


@pytest.mark.parametrize(
    ("text", "order", "phone"),
    [
        ("订单W12345678，电话13800138000", "W12345678", "13800138000"),
        ("单号W1234576，手机13800000009", "W1234576", "13800000009"),
        ("order W1234567 13800138000", "W1234567", "13800138000"),
    ],
)
def test_phone_after_an_order_number_stays_a_phone(text: str, order: str, phone: str) -> None:
    """The word that calls the first number an order does not reach the second."""
    assert [(entity.name, entity.value) for entity in _find(text)] == [("order_number", order), ("phone", phone)]


@given(st.text(max_size=120), st.sampled_from(["", "order_number", "phone", "score", "amount", "tracking_number"]))
def test_any_text_gives_spans_within_it(text: str, asked: str) -> None:
    """No text raises, and every span lies inside the original."""
    for entity in _find(text, asked):
        assert 0 <= entity.start < entity.end <= len(text)
        assert entity.value


@given(st.text(alphabet="买订单号在哪 \u200b\u202eＡ１2３w#-.，,!é😀", max_size=40))
def test_order_number_is_found_whatever_stands_around(noise: str) -> None:
    """Invisible characters, wide forms and emoji before a number move its span, not its value."""
    text = f"{noise}。订单号：W1234567"
    found = [entity for entity in _find(text) if entity.value == "W1234567"]
    assert found
    assert text[found[-1].start : found[-1].end] == "W1234567"


def test_zero_width_characters_inside_a_number_are_ignored() -> None:
    """A number with invisible characters in it is the number; the span covers them."""
    text = "订单W12\u200b345\u200d67"
    entity = next(entity for entity in _find(text) if entity.name == "order_number")
    assert (entity.value, re.sub(r"[^\w]", "", text[entity.start : entity.end])) == ("W1234567", "W1234567")


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("我花了198，你们页面却还让我付钱", "198"),
        ("我那笔129的退款到账没有", "129"),
        ("前天用899买的", "899"),
        ("they charged me 64.50 twice", "64.5"),
        ("i paid 40 quid", "40"),
        ("bought it for 249 on Tuesday", "249"),
        ("how many points for every ten pounds", "10"),
    ],
)
def test_amount_is_read_where_the_words_speak_of_money(text: str, amount: str) -> None:
    """A bare number is an amount when somebody paid, owes or refunds it."""
    assert ("amount", amount) in _pairs(text)


@pytest.mark.parametrize(
    "text",
    [
        "我付了3次都失败",
        "花了20分钟才打通",
        "收到12件衣服",
        "i paid 3 days ago",
        "it took 45 minutes",
        "bought it for 10 people",
        "version 12.50 of the manual",
        "订单号20261103558812",
        "尺码换成42码",
    ],
)
def test_amount_is_not_read_where_something_else_is_counted(text: str) -> None:
    """Days, pieces, sizes and minutes are no money."""
    assert "amount" not in {name for name, _ in _pairs(text)}


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("這雙波鞋窄咗", "波鞋"),
        ("羊毛大衣可以机洗吗", "羊毛大衣"),
        ("The Hiking Boots are too small", "hiking boots"),
        ("two knives are missing", "knives"),
        ("我的锅坏了，这锅不行", "锅"),
    ],
)
def test_product_is_read_with_what_belongs_to_it(text: str, product: str) -> None:
    """The longest name counts, with its material or use."""
    assert ("product", product) in _pairs(text)


@pytest.mark.parametrize(
    "text", ["包邮吗", "包裹到哪了", "我手机号13800138000", "please ring me back", "speak on the phone"]
)
def test_product_is_not_read_from_other_meanings(text: str) -> None:
    """A parcel is no bag and a call no ring."""
    assert "product" not in {name for name, _ in _pairs(text)}


@pytest.mark.parametrize(("text", "score"), [("⭐⭐⭐⭐ 很好", "4"), ("solid 10", "5"), ("俾十分你", "5")])
def test_score_is_read_from_stars_and_slang(text: str, score: str) -> None:
    """Drawn stars count; slang scores are brought to five."""
    assert ("score", score) in _pairs(text)
