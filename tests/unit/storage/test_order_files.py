"""Order files are read whole, and every mistake is named by its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.domain.errors import ImportRefused
from bot.domain.orders import OrderState
from storage.order_files import read_orders
from storage.orders import canonical_number

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
DEMO = Path(__file__).parents[3] / "bot" / "demo" / "orders.csv"

ROW = {
    "order_number": "W1234567",
    "state": "shipped",
    "placed_at": "2026-02-27T17:30:00+08:00",
    "total": "207.00",
    "currency": "CNY",
    "phone": "13800000001",
    "recipient": "李小雨",
    "address": "杭州",
    "item_name": "水壶",
    "item_options": "白",
    "item_quantity": "1",
    "item_unit_price": "129.00",
    "item_sku": "SA-202",
    "carrier": "中通",
    "tracking_number": "73",
    "last_event": "已揽收",
    "exception": "",
    "estimated_at": "now+1d",
    "delivered_at": "",
    "promised_ship_at": "now-5h",
    "refunded_at": "",
}


def _csv(tmp_path: Path, *rows: dict[str, str], encoding: str = "utf-8") -> Path:
    lines = [",".join(ROW), *(",".join(f'"{row[name]}"' for name in ROW) for row in rows)]
    path = tmp_path / "orders.csv"
    path.write_bytes(("\n".join(lines) + "\n").encode(encoding))
    return path


def _json(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "orders.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def _json_order(**changes: Any) -> dict[str, Any]:
    order: dict[str, Any] = {name: ROW[name] for name in list(ROW)[:8]}
    order["items"] = [{"item_name": "水壶", "item_quantity": 1, "item_unit_price": 129.1}]
    order["parcels"] = [{"carrier": "中通", "tracking_number": "73"}]
    return order | changes


def _problems(path: Path, **options: Any) -> tuple[tuple[int, str], ...]:
    with pytest.raises(ImportRefused) as refused:
        read_orders(path, NOW, **options)
    return refused.value.problems


def test_read_orders_reads_the_demo_shop():
    """The shop's own file is right, and its parcels and items are put together."""
    orders = {order.number: order for order in read_orders(DEMO, NOW)}
    assert len(orders) == 38
    order = orders["W1234567"]
    assert (order.state, order.total, order.phone_last4) == (OrderState.SHIPPED, Decimal("207.00"), "0001")
    assert [item.name for item in order.items] == ["电热水壶", "手工陶瓷马克杯"]
    assert len(order.parcels) == 1
    assert order.placed_at == NOW - timedelta(days=3)
    assert len(orders["W1234579"].parcels) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_read_orders_takes_utf8_with_and_without_mark(tmp_path: Path, encoding: str):
    """The mark that Excel writes is no part of the first column."""
    (order,) = read_orders(_csv(tmp_path, ROW, encoding=encoding), NOW)
    assert (order.recipient, order.placed_at) == ("李小雨", datetime(2026, 2, 27, 9, 30, tzinfo=UTC))
    assert order.promised_ship_at == NOW - timedelta(hours=5)


def test_read_orders_names_gbk_and_takes_it_when_told(tmp_path: Path):
    """GBK is never guessed: the answer says the line, what it may be and what to do."""
    path = _csv(tmp_path, ROW, encoding="gbk")
    with pytest.raises(ImportRefused, match=r"not UTF-8: line 2 .*CSV UTF-8.*looks like GBK.*gb18030") as refused:
        read_orders(path, NOW)
    assert refused.value.problems == ((2, "byte 0xc0 is not utf-8"),)
    assert read_orders(path, NOW, encoding="gb18030")[0].recipient == "李小雨"


def test_read_orders_names_other_encodings(tmp_path: Path):
    """UTF-16 is named, an unknown encoding too."""
    with pytest.raises(ImportRefused, match="is UTF-16"):
        read_orders(_csv(tmp_path, ROW, encoding="utf-16"), NOW)
    with pytest.raises(ImportRefused, match="'klingon' is not known"):
        read_orders(_csv(tmp_path, ROW), NOW, encoding="klingon")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("order_number", "# -", "is not one"),
        ("order_number", "W1;DROP", "is not one"),
        ("state", "sent", "one of pending_payment, paid"),
        ("placed_at", "", "is empty"),
        ("placed_at", "2026-02-27T17:30:00", "has no offset"),
        ("placed_at", "yesterday", "is not a time"),
        ("placed_at", "now-999999d", "is not a time"),
        ("placed_at", "0001-01-01T00:00:00+08:00", "is not a time"),
        ("total", "1,234.00", "is not an amount"),
        ("total", "-1", "from 0 to"),
        ("total", "NaN", "from 0 to"),
        ("total", "1.005", "more than two decimals"),
        ("total", "9" * 30, "from 0 to"),
        ("currency", "元", "three letters"),
        ("phone", "123", "at least four digits"),
        ("phone", "call me", "at least four digits"),
        ("item_name", "", "is empty"),
        ("item_name", "x" * 301, "at most 300"),
        ("item_name", "a\x00b", "control character"),
        ("item_quantity", "0", "whole number"),
        ("item_quantity", "1.5", "whole number"),
        ("item_quantity", "²", "whole number"),
        ("delivered_at", "soon", "is not a time"),
    ],
)
def test_read_orders_names_each_bad_field(tmp_path: Path, column: str, value: str, reason: str):
    """The line is the editor's, the reason names column and value."""
    good = ROW | {"order_number": "W2"}
    ((line, said),) = _problems(_csv(tmp_path, good, ROW | {column: value}))
    assert line == 3
    assert said.startswith(f"{column}: ")
    assert reason in said


def test_read_orders_never_repeats_a_phone_number(tmp_path: Path):
    """The reason for a bad phone does not show it."""
    ((_, said),) = _problems(_csv(tmp_path, ROW | {"phone": "1380000000x"}))
    assert "1380" not in said


def test_read_orders_lists_all_problems_in_order(tmp_path: Path):
    """One look is enough to mend the file."""
    rows = (ROW | {"total": "x", "state": "y"}, ROW, ROW | {"order_number": ""})
    assert [line for line, _ in _problems(_csv(tmp_path, *rows))] == [2, 2, 4]


def test_read_orders_counts_lines_as_an_editor_does(tmp_path: Path):
    """A quoted line break and an empty line do not shift the numbers."""
    path = _csv(tmp_path, ROW | {"address": "杭州\n西湖区", "order_number": "W1"}, ROW | {"total": "x"})
    path.write_text(path.read_text(encoding="utf-8").replace('\n"W1234567"', '\n\n"W1234567"'), encoding="utf-8")
    assert [line for line, _ in _problems(path)] == [5]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"total": "1.00"}, "total differs from line 2"),
        ({"phone": "13800000002"}, "phone_last4 differs from line 2"),
        ({"last_event": "签收"}, "the parcel differs"),
    ],
)
def test_read_orders_refuses_an_order_that_contradicts_itself(tmp_path: Path, change: dict[str, str], reason: str):
    """Two rows of one order agree, or the file is not imported."""
    ((line, said),) = _problems(_csv(tmp_path, ROW, ROW | change))
    assert line == 3
    assert reason in said


def test_read_orders_names_missing_unknown_and_repeated_columns(tmp_path: Path):
    """The header is checked before any row."""
    path = tmp_path / "orders.csv"
    path.write_text("order_number,phon,state,state\nW1,1,paid,paid\n")
    said = [reason for line, reason in _problems(path) if line == 1]
    assert "the column phone is missing" in said
    assert "the column 'phon' is not known" in said
    assert "the column 'state' stands there twice" in said


@pytest.mark.parametrize("content", ["", "\n", ",".join(ROW) + "\n"])
def test_read_orders_refuses_a_file_without_orders(tmp_path: Path, content: str):
    """Nothing to import is said, not passed as success."""
    path = tmp_path / "orders.csv"
    path.write_text(content)
    assert _problems(path)


def test_read_orders_names_rows_of_the_wrong_length_and_broken_quotes(tmp_path: Path):
    """More, fewer, and a quote that never ends."""
    path = _csv(tmp_path, ROW)
    good = path.read_text(encoding="utf-8")
    path.write_text(good + "W1,paid\n" + "," * 30 + "x\n" + '"W3', encoding="utf-8")
    said = dict(_problems(path))
    assert "fewer" in said[3]
    assert "more" in said[4]
    assert "not CSV" in said[5]


def test_read_orders_refuses_other_files(tmp_path: Path):
    """A spreadsheet, a file that is not there, a folder."""
    with pytest.raises(ImportRefused, match=r"neither \.csv nor \.json"):
        read_orders(tmp_path / "orders.xlsx", NOW)
    with pytest.raises(ImportRefused, match="cannot be read"):
        read_orders(tmp_path / "orders.csv", NOW)
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(ImportRefused, match="cannot be read"):
        read_orders(tmp_path / "a.csv", NOW)


def test_read_orders_json_is_the_same_as_csv(tmp_path: Path):
    """Numbers stay exact, order columns have the same names."""
    (order,) = read_orders(_json(tmp_path, [_json_order(total=207)]), NOW)
    assert (order.total, order.items[0].unit_price) == (Decimal("207.00"), Decimal("129.10"))
    (same,) = read_orders(_csv(tmp_path, ROW), NOW)
    assert (order.number, order.placed_at, order.phone_last4) == (same.number, same.placed_at, same.phone_last4)


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("{}", 1, "a list of orders is wanted"),
        ("", 1, "a list of orders is wanted"),
        ("[\n{]", 2, "not JSON"),
        ("[\n\n1]", 3, "an object in braces"),
        ("[{}\n,\n]", 3, "the next order"),
        ("[]\nx", 1, "nothing is wanted after"),
        ("[]", 0, "no orders"),
        ("[" * 100_000, 0, "nested too deeply"),
    ],
)
def test_read_orders_names_broken_json(tmp_path: Path, content: str, line: int, reason: str):
    """The line of the mistake, and no stack trace whatever is in the file."""
    problems = _problems(_json(tmp_path, content))
    assert any(at == line and reason in said for at, said in problems), problems


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"items": []}, "items: an order has at least one"),
        ({"items": "x"}, "items: a list of objects"),
        ({"items": [{"item_name": "x", "item_quantity": True, "item_unit_price": 1}]}, "items[0].item_quantity"),
        ({"items": [{"item_name": "x", "item_quantity": 1, "item_unit_price": 1, "price": 2}]}, "items[0].price"),
        ({"parcels": [{"carrier": "a"}, {"carrier": "a"}]}, "parcels: two have the same"),
        ({"shop": "x"}, "shop: is not known"),
        ({"total": float("nan")}, "total: 'NaN'"),
        ({"recipient": ["x"]}, "recipient: a text is wanted"),
    ],
)
def test_read_orders_names_bad_json_fields_by_their_path(tmp_path: Path, changes: dict[str, Any], reason: str):
    """The order's line and the path inside it."""
    content = "[\n" + json.dumps(_json_order(order_number="W1")) + ",\n" + json.dumps(_json_order(**changes)) + "\n]"
    problems = _problems(_json(tmp_path, content))
    assert any(line == 3 and reason in said for line, said in problems), problems


def test_read_orders_refuses_an_order_twice_in_json(tmp_path: Path):
    """The second one points to the first."""
    problems = _problems(_json(tmp_path, [_json_order(), _json_order(order_number="w-1234567")]))
    assert problems == ((1, "order_number: W1234567 stands on line 1 already"),)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), header=st.booleans(), suffix=st.sampled_from([".csv", ".json"]))
def test_read_orders_of_junk_is_refused_with_a_reason(tmp_path: Path, content: bytes, header: bool, suffix: str):
    """Whatever the bytes, the answer is a sentence."""
    path = tmp_path / f"junk{suffix}"
    path.write_bytes((",".join(ROW).encode() + b"\n" if header else b"") + content)
    with pytest.raises(ImportRefused) as refused:
        read_orders(path, NOW)
    assert str(refused.value)
    assert refused.value.problems


@pytest.mark.parametrize(
    "written", ["W1234567", "#w1234567", " w 123 4567 ", "W123-4567", "＃Ｗ１２３４５６７", "w123—4567\u200b"]
)
def test_canonical_number_is_one_for_all_ways_of_writing(written: str):
    """Full width, dashes, blanks and marks nobody sees."""
    assert canonical_number(written) == "W1234567"
