"""The evaluation: rows read as they were written, figures that can be worked out by hand, a page that is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import ConfigError
from bot.domain.understanding import Entity, IntentScore, Recognition, Verdict
from intents.evaluation import folding
from intents.evaluation.figures import Judged, confusions, entity_shares, percentile, summary
from intents.evaluation.measuring import resident_mb
from intents.evaluation.report import EngineResult, page, picture
from intents.evaluation.rows import Row, labels_of, read_rows, unknown_intents
from intents.training_data import Example, read_examples
from tests.project.tree import ROOT


def judged(label: str, verdict: Verdict, *ranking: tuple[str, float], slice_: str = "", second: str = "") -> Judged:
    scores = tuple(IntentScore(name, confidence) for name, confidence in ranking)
    found = Recognition(scores, verdict, second_intent=second, engine="embedded")
    return Judged(Row(f"text of {label}", labels_of(label), slice_), found, 2.0)


SURE, CLARIFY, ABSTAIN = Verdict.SURE, Verdict.CLARIFY, Verdict.ABSTAIN
TEN = [
    judged("a", SURE, ("a", 1.0), slice_="x"),
    judged("a", SURE, ("a", 1.0), slice_="x"),
    judged("a", SURE, ("b", 1.0), ("a", 0.0), slice_="y"),
    judged("b", CLARIFY, ("b", 0.5), slice_="y"),
    judged("b", ABSTAIN, ("a", 0.5), ("c", 0.3), ("d", 0.1), ("b", 0.1), slice_="y"),
    judged("b+c", SURE, ("c", 1.0), second="b"),
    judged("b+c", SURE, ("b", 1.0)),
    judged("b", ABSTAIN),
    judged("oos", SURE, ("a", 0.9)),
    judged("oos", CLARIFY, ("a", 0.9)),
]


def test_figures_are_those_worked_out_by_hand() -> None:
    """Ten messages, every share counted on paper."""
    figures = summary(TEN, "embedded", 100.0)
    wanted = {
        "rows": 10,
        "in_scope": 8,
        "accuracy": 5 / 8,
        "top3": 6 / 8,
        "answered_right": 4 / 8,
        "wrong_answer_rate": 1 / 8,
        "clarify_rate": 1 / 8,
        "abstain_rate": 2 / 8,
        "oos_recall": 1 / 2,
        "both_seen": 1 / 2,
        "p50_ms": 2.0,
        "rss_mb": 100.0,
    }
    assert {name: figures[name] for name in wanted} == wanted
    shares = ("answered_right", "wrong_answer_rate", "clarify_rate", "abstain_rate")
    assert sum(figures[name] for name in shares) == pytest.approx(1)


def test_macro_f1_averages_over_the_wanted_intents() -> None:
    """a: 2 of 3 wanted, 3 found; b: 2 of 4 wanted, 3 found; c: 1 of 1."""
    a, b, c = 2 * 2 / (3 + 3), 2 * 2 / (4 + 3), 1.0
    assert summary(TEN, "e", 0)["macro_f1"] == pytest.approx((a + b + c) / 3, abs=1e-4)


def test_calibration_error_is_the_gap_between_saying_and_being() -> None:
    """Wholly sure and always right is 0; wholly sure and half right is a half."""
    right = judged("a", SURE, ("a", 1.0))
    wrong = judged("a", SURE, ("b", 1.0))
    assert summary([right, right], "e", 0)["ece"] == 0
    assert summary([right, wrong], "e", 0)["ece"] == 0.5


def test_slices_hold_only_their_own() -> None:
    """The figures of a slice are of its rows; rows without one belong to none."""
    slices = summary(TEN, "e", 0)["slices"]
    assert {name: part["rows"] for name, part in slices.items()} == {"x": 2, "y": 3}
    assert slices["x"]["accuracy"] == 1


def test_figures_of_nothing_are_none() -> None:
    """A file with nothing out of scope tells nothing about it."""
    figures = summary([TEN[0]], "e", 0)
    assert (figures["oos_recall"], figures["both_seen"]) == (None, None)
    assert summary([TEN[-1]], "e", 0)["accuracy"] is None


def test_confusions_are_ranked_with_an_example() -> None:
    """Most frequent first; nothing found has a name of its own."""
    found = confusions([*TEN, TEN[2]])
    assert (found[0].wanted, found[0].found, found[0].count, found[0].example) == ("a", "b", 2, "text of a")
    assert {one.found for one in found} == {"a", "b", "(nothing)"}


def test_entities_are_compared_by_value() -> None:
    """Spaces and capitals do not matter; what is labelled nowhere is not judged."""
    row = Row("x", ("a",), "", (("phone", "138 0013 8000"), ("order_number", "w1"), ("order_number", "w2")))
    entities = (Entity("phone", "13800138000"), Entity("order_number", "W1"), Entity("date", "2026-01-01"))
    shares = entity_shares([Judged(row, Recognition(entities=entities), 1.0)])
    assert shares["phone"] == {"wanted": 1, "recall": 1.0, "precision": 1.0}
    assert shares["order_number"] == {"wanted": 2, "recall": 0.5, "precision": 1.0}
    assert "date" not in shares


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_percentile_is_the_nearest_rank(share: float, value: float) -> None:
    """Of one to a hundred it is plain."""
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value
    assert percentile([], share) == 0


# ---------------------------------------------------------------- rows


def test_tsv_keeps_quotation_marks(tmp_path: Path) -> None:
    """A quotation mark belongs to the message; two labels are two; oos is none."""
    file = tmp_path / "t.tsv"
    file.write_text(
        'id\tintent\tslice\ttext\tentities\n1\ta+b\ts\t他说"不\tphone=1;score=9/10\n2\toos\t\tx\t\n', "utf-8"
    )
    assert read_rows(file) == (
        Row('他说"不', ("a", "b"), "s", (("phone", "1"), ("score", "9/10"))),
        Row("x", ()),
    )


def test_csv_is_read_with_quotes_and_other_headings(tmp_path: Path) -> None:
    """Commas within quotes, a byte order mark, and the headings of public data."""
    file = tmp_path / "t.csv"
    file.write_text('text,category\n"a, ""b""",card\n', "utf-8-sig")
    assert read_rows(file) == (Row('a, "b"', ("card",)),)


def test_rasa_yaml_is_read_without_its_markup(tmp_path: Path) -> None:
    """The training format is a test format too."""
    file = tmp_path / "t.yml"
    file.write_text(
        "version: '3.1'\nnlu:\n- intent: a\n  examples: |\n    - 单号 [SF1](tracking_number)\n"
        "- intent: faq/b\n  examples:\n  - text: q\n- synonym: z\n  examples: |\n    - y\n"
    )
    assert read_rows(file) == (Row("单号 SF1", ("a",), "", (("tracking_number", "SF1"),)), Row("q", ("faq/b",)))


def test_rasa_markup_labels_entities_in_both_its_ways(tmp_path: Path) -> None:
    """A value that is given goes before the words; what is no label is left alone."""
    file = tmp_path / "t.yml"
    marked = '单 [w 1]{"entity": "order_number", "value": "W1"} 电话 [139](phone) [x]{oops} [y]{"role": "z"}'
    file.write_text(f"nlu:\n- intent: a\n  examples: |\n    - {marked}\n", "utf-8")
    (row,) = read_rows(file)
    assert row.entities == (("order_number", "W1"), ("phone", "139"))
    assert row.text.startswith("单 w 1 电话 139")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.tsv", "a\tb\n1\t2\n", "line 1 names no column intent and text"),
        ("t.tsv", "text\tintent\n", "no labelled message"),
        ("t.tsv", "text\tintent\nx\t\n", "line 2 lacks its intent"),
        ("t.csv", "text,intent,entities\nx,a,phone\n", "name=value"),
        ("t.yml", "- a", "mapping"),
        ("t.yml", "nlu: [", "not valid YAML"),
        ("t.xlsx", "PK", "save it as CSV"),
        ("t.yml", "nlu:\n- intent: a\n", "examples"),
        ("t.yml", "nlu: words", "list of blocks"),
        ("t.yml", "nlu: [a, b]", "list of blocks"),
        ("t.yml", "nlu: []", "no labelled message"),
        ("t.csv", "", "names no column"),
        ("t.csv", f"text,intent\n{'x' * 200_000},a\n", "no table"),
    ],
)
def test_rows_that_are_wrong_are_named(tmp_path: Path, name: str, content: str, reason: str) -> None:
    """The sentence holds the file and what is wrong."""
    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(ConfigError, match=reason):
        read_rows(file)


@pytest.mark.parametrize(
    ("name", "content"),
    [("t.csv", "text,intent\n你好,greet\n"), ("t.yml", "nlu:\n- {intent: greet, examples: [你好]}")],
)
def test_byte_order_mark_is_no_part_of_a_heading(tmp_path: Path, name: str, content: str) -> None:
    """Spreadsheets write one."""
    file = tmp_path / name
    file.write_text("\ufeff" + content, "utf-8")
    assert read_rows(file) == (Row("你好", ("greet",)),)


def test_unknown_intents_are_counted() -> None:
    """Whether alone or beside a known one; what is out of scope has none."""
    rows = (Row("a", ("greet",)), Row("b", ("hail", "greet")), Row("c", ("hail",)), Row("d", ("bow",)), Row("e", ()))
    assert unknown_intents(rows, {"greet"}) == {"hail": 2, "bow": 1}


def test_rows_of_no_file_are_refused(tmp_path: Path) -> None:
    """Missing and binary files are sentences too."""
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rows(tmp_path / "none.tsv")
    (tmp_path / "b.tsv").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_rows(tmp_path / "b.tsv")


# ---------------------------------------------------------------- the page


def test_page_escapes_messages_and_loads_nothing() -> None:
    """A message cannot become markup, and the page fetches nothing from anywhere."""
    attack = "<script>alert(1)</script>"
    bad = Judged(Row(attack, (attack,), attack), Recognition((IntentScore(f"{attack}'", 0.9),), SURE), 1.0)
    html = page(attack, "now", [EngineResult("rasa", [bad], summary([bad], "rasa", 0))])
    assert "<script" not in html
    assert "http://" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in html


def test_picture_draws_every_pair_once() -> None:
    """One cell a pair, right on the diagonal, with names to point at."""
    drawn = picture(TEN)
    assert drawn.count("class=right") == 3
    assert drawn.count("class=wrong") == 3
    assert "a taken for b: 1 of 3" in drawn
    assert "oos" not in drawn


def test_picture_of_nothing_is_still_a_picture() -> None:
    """Only messages out of scope: no cell, no exception."""
    assert picture([TEN[-1]]).endswith("</svg>")


# ---------------------------------------------------------------- folds and memory


def test_folds_hold_every_example_once_and_twins_together() -> None:
    """Even within an intent; what differs only in digits never lies on both sides."""
    examples = [Example(f"{word} please", "a") for word in "qwertyuiop"] + [
        Example(f"order {n}", "b") for n in range(9)
    ]
    dealt = folding.deal(examples, 5)
    assert sorted(one.text for fold in dealt for one in fold) == sorted(one.text for one in examples)
    assert [sum(one.intent == "a" for one in fold) for fold in dealt] == [2] * 5
    assert [sum(one.intent == "b" for one in fold) for fold in dealt] == [9, 0, 0, 0, 0]


def test_folds_of_too_little_are_refused(tmp_path: Path) -> None:
    """One fold teaches nothing, and no data fills none."""
    with pytest.raises(ConfigError, match="at least 2"):
        folding.read_folds(ROOT / "intents", 1)
    with pytest.raises(ConfigError, match="too few"):
        folding.read_folds(tmp_path, 5)
    with pytest.raises(ConfigError, match="not of a file"):
        folding.read_folds(ROOT / "intents" / "domain.yml", 5)


def test_folded_source_teaches_what_it_was_given(tmp_path: Path) -> None:
    """The training folder of a fold holds its examples and the knowledge's answers."""
    taught = (Example("a: b # c", "track_order"), Example("- x", "faq/coupon"))
    folding.write_source(tmp_path / "s", ROOT / "intents", taught)
    assert set(read_examples(tmp_path / "s")) == set(taught)
    assert (tmp_path / "s" / "domain.yml").is_file()


def test_memory_of_this_process_is_told() -> None:
    """More than nothing, and 0 for a process that is not there."""
    assert resident_mb() > 10
    assert resident_mb(2**22 + 1) == 0
