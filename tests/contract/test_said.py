"""The index of what was said: it finds what is there, and nothing that is no longer there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, delete, select, text, update

from bot.domain import events as ev
from bot.domain.desk_ports import TranscriptQuery
from bot.domain.ids import ConversationId
from storage import events
from storage.said import TEXT
from storage.schema import downgrade, migrate
from storage.tables import EVENTS
from storage.transcripts import SqlTranscriptSearch
from tests.contract.line import Line, sender

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
TEXTS = (
    "退款一般多久到账",
    "我想退",
    'say "退款" AND OR NOT * now',
    "Where is my PARCEL W1234567?",
    "100% off_ \\ 'x' -- ok",
    "👨‍👩‍👧 好评 👍🏽",
    "a",
    "款项退回 款",
    "İstanbul ÄÖ straße",
    "  two  blanks ",
    "",
)
WORDS = (
    *("退", "退款", "款", "想退", "退回 款", "多久到账", "我要退款", "款退"),
    *("parcel", "RC", "el w", "w1234567?", "W123456 7", "1234567890", "12", "7?"),
    *(
        '"退',
        '"退款" and',
        "* n",
        "% o",
        "f_",
        "_",
        "%",
        "\\ '",
        "--",
        "👍🏽",
        "👨‍👩",
        "评 ",
        "k",
        "ok",
        "A",
        "i̇",
        "İs",
        "stra",
    ),
    *("  two", "s ", "ks x", "zz", "\U0010ffff\U0010ffff"),
)


async def say(line: Line, who: str, *said: str) -> ConversationId:
    """Let a shopper's conversation hold these words."""
    conversation_id = await line.accept(who, who=sender(who))
    await line.database.run(lambda on: events.append(on, conversation_id, [ev.BotUttered(each) for each in said], NOW))
    return conversation_id


async def found(line: Line, words: str) -> set[str]:
    """Name the conversations that the search finds."""
    page = await SqlTranscriptSearch(line.database).search(TranscriptQuery(text=words))
    assert page.total == len(page.hits)
    return {hit.conversation_id for hit in page.hits}


async def scanned(line: Line, words: str) -> set[str]:
    """Name the conversations that hold the words, by looking at each."""
    looked = select(EVENTS.c.conversation_id).where(TEXT.icontains(words, autoescape=True))
    return await line.database.read(lambda on: set(on.execute(looked).scalars()))


async def test_search_finds_what_a_look_at_each_text_finds(line: Line):
    """Chinese, English, signs that a query language knows, pictures, blanks: no hit less and none more."""
    for place, said in enumerate(TEXTS):
        await say(line, f"#{place}", said)
    for words in WORDS:
        assert await found(line, words) == await scanned(line, words), words


async def test_search_without_an_index_finds_the_same(line: Line):
    """An SQLite that cannot keep the index looks at each text."""
    if not line.database.is_sqlite:
        return
    for place, said in enumerate(TEXTS):
        await say(line, f"#{place}", said)
    for what in ("TRIGGER said_added", "TRIGGER said_changed", "TRIGGER said_erased", "TABLE said_index"):
        await line.database.run(lambda on, what=what: on.exec_driver_sql(f"DROP {what}") and None)
    for words in WORDS:
        assert await found(line, words) == await scanned(line, words), words


async def test_words_that_are_changed_or_deleted_leave_the_index(line: Line):
    """What was blanked is not found by its old words, whichever way it was blanked, and is by its new ones."""
    one, two = await say(line, "#1", "我的手机号码 555"), await say(line, "#2", "我的手机号码 777")
    blanked = update(EVENTS).where(EVENTS.c.conversation_id == one).values(data={"text": "[删除了]"})
    await line.database.run(lambda on: on.execute(blanked) and None)
    assert (await found(line, "手机"), await found(line, "机号码"), await found(line, "555")) == ({two}, {two}, set())
    assert await found(line, "删除") == {one}
    await line.database.run(lambda on: on.execute(delete(EVENTS).where(EVENTS.c.conversation_id == two)) and None)
    assert (await found(line, "手机"), await pieces(line, "手机")) == (set(), 0)


async def pieces(line: Line, begin: str) -> int:
    """Count what the index still holds of words."""
    of_pieces = text("SELECT count(*) FROM said_pieces WHERE term LIKE :begin || '%'")
    of_rows = text("SELECT count(*) FROM events WHERE said_pairs(data ->> 'text') @> ARRAY[:begin]")
    statement = of_pieces if line.database.is_sqlite else of_rows
    return await line.database.read(lambda on: int(on.execute(statement, {"begin": begin}).scalar_one()))


async def test_a_unit_that_fails_leaves_nothing_in_the_index(line: Line):
    """The index is written with the event or not at all."""
    conversation_id = await say(line, "#1", "在吗")

    def fail(on: Connection) -> None:
        events.append(on, conversation_id, [ev.BotUttered("请稍等一下")], NOW)
        raise LookupError

    with pytest.raises(LookupError):
        await line.database.run(fail)
    assert (await found(line, "稍等"), await found(line, "请稍等")) == (set(), set())


async def test_an_older_database_has_all_its_words_in_the_index(line: Line, database_url: str):
    """What was said before the index was there is found by it."""
    old = await say(line, "#1", "退款一般多久到账")
    downgrade(database_url, "0009")
    migrate(database_url)
    assert (await found(line, "退款"), await found(line, "多久到账"), await found(line, "运费")) == (
        {old},
        {old},
        set(),
    )
