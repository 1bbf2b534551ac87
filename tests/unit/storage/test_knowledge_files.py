"""Files of knowledge entries: what is right is read, what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import ImportRefused
from bot.domain.knowledge import KnowledgeEntry
from storage.knowledge_files import COLUMNS, read_entries

CSV = """name,title_zh,title_en,questions_zh,questions_en,answer_zh,answer_en
engraving,刻字,Engraving,能刻字吗|可以刻名字吗|能刻字吗,do you engrave?,可以。,Yes.
,礼品卡,,礼品卡怎么用,,"在结账时用，
一次一张。",
"""
YAML = """
- name: engraving
  title: {zh: 刻字, en: Engraving}
  questions:
    zh: [能刻字吗, 可以刻名字吗]
    en: ["do you engrave?"]
  answer: {zh: 可以。, en: "Yes."}
- title: {zh: 礼品卡}
  questions: {zh: 礼品卡怎么用}
  answer:
    zh: |
      在结账时用，
      一次一张。
"""


def _file(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def _problems(file: Path, encoding: str = "utf-8") -> tuple[tuple[int, str], ...]:
    with pytest.raises(ImportRefused) as refused:
        read_entries(file, encoding)
    return refused.value.problems


def test_csv_and_yaml_give_the_same_entries(tmp_path: Path):
    """Columns or keys, with or without a byte order mark, in whatever order."""
    wanted = KnowledgeEntry(
        "merchant/engraving",
        {"zh": "刻字", "en": "Engraving"},
        {"zh": ("能刻字吗", "可以刻名字吗"), "en": ("do you engrave?",)},
        {"zh": "可以。", "en": "Yes."},
    )
    from_csv = read_entries(_file(tmp_path, "a.csv", "\ufeff" + CSV))
    assert from_csv[0] == wanted
    assert from_csv[1].answers == {"zh": "在结账时用，\n一次一张。"}
    assert read_entries(_file(tmp_path, "a.yml", YAML)) == from_csv
    assert read_entries(_file(tmp_path, "gbk.csv", CSV.encode("gb18030")), "gb18030") == from_csv


def test_entry_without_a_name_keeps_its_place_when_imported_again(tmp_path: Path):
    """It is named after its title, so changing the answer changes that entry."""
    before = read_entries(_file(tmp_path, "a.csv", CSV))[1]
    after = read_entries(_file(tmp_path, "b.csv", CSV.replace("一次一张", "不限张数")))[1]
    assert before.topic == after.topic
    assert before != after


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 0, "unknown columns"),
        ("title_zh,answer_zh\n", 0, "no entry"),
        ("title_zh,answer_zh,colour\n刻字,可以,red\n", 0, "'colour'"),
        ("title_zh,answer_zh\n刻字,可以\n,可以\n", 3, "no title"),
        ("title_zh,answer_zh\n刻字,\n", 2, "no answer"),
        ("name,title_zh,answer_zh\nBad Name,刻字,可以\n", 2, "'Bad Name'"),
        ("name,title_zh,answer_zh\na,刻字,可以\na,刻,好\n", 3, "line 2"),
        (f"title_zh,answer_zh\n{'字' * 61},可以\n", 2, "60 characters"),
    ],
    ids=range(8),
)
def test_wrong_csv_is_told_with_its_line(tmp_path: Path, content: str, line: int, reason: str):
    """Every wrong row is named; nothing of the file is taken."""
    problems = _problems(_file(tmp_path, "a.csv", content))
    assert problems[-1][0] == line
    assert reason in problems[-1][1]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 0, "list of entries"),
        ("a: b", 0, "list of entries"),
        ("- [", 0, "not valid YAML"),
        ("- title: {zh: 刻字}\n  answer: {zh: 可以}\n- title: {zh: 刻}\n", 3, "no answer"),
        ("- title: 刻字\n  answer: {zh: 可以}\n", 1, "by language"),
        ("- title: {fr: x}\n  answer: {zh: 可以}\n", 1, "by language"),
        ("- colour: red\n", 1, "keys"),
        ("- just words\n", 1, "keys"),
    ],
    ids=range(8),
)
def test_wrong_yaml_is_told_with_its_line(tmp_path: Path, content: str, line: int, reason: str):
    """As for CSV."""
    problems = _problems(_file(tmp_path, "a.yml", content))
    assert problems[0][0] == line
    assert reason in problems[0][1]


def test_file_that_cannot_be_read_is_told(tmp_path: Path):
    """Missing, not in the named encoding, or in one nobody knows."""
    assert "cannot be read" in _problems(tmp_path / "none.csv")[0][1]
    assert "is not utf-8" in _problems(_file(tmp_path, "a.csv", CSV.encode("gb18030")))[0][1]
    assert "no encoding" in _problems(_file(tmp_path, "a.csv", CSV), "klingon")[0][1]


def test_all_wrong_rows_are_told_at_once(tmp_path: Path):
    """Nobody mends a file one message at a time."""
    content = "title_zh,answer_zh\n,x\n刻字,\n礼品,好\n"
    assert [line for line, _ in _problems(_file(tmp_path, "a.csv", content))] == [2, 3]


def test_columns_are_documented():
    """Every column stands in the page about the import."""
    page = (Path(__file__).parents[3] / "docs" / "knowledge.md").read_text(encoding="utf-8")
    assert all(f"`{column}`" in page for column in COLUMNS)
