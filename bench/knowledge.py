"""Measure how long a question over the merchant's entries takes: ``python bench/knowledge.py [--entries 10000]``.

Entries are made up: a title and two questions each, in one language. Times are this thread's CPU times, for reading and
encoding the question, for searching the entries, and for both; build times are for all entries together.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

from bot.domain.knowledge import KnowledgeEntry
from intents.arithmetic import use_one_core
from intents.encoder import load_encoder
from intents.retrieval import KnowledgeSearch, Rarity, Reader

_THINGS = ("杯子", "毛巾", "茶壶", "花瓶", "台灯", "书包", "mug", "towel", "teapot", "vase", "lamp", "bag")
_DOINGS = ("刻字", "包装", "寄存", "清洗", "修理", "定制", "engrave", "wrap", "store", "clean", "repair", "dye")
_ASKED = 200


def made_up(number: int, dice: random.Random) -> KnowledgeEntry:
    """Make an entry up."""
    thing, doing = dice.choice(_THINGS), dice.choice(_DOINGS)
    zh = (f"第{number}号{thing}能{doing}吗", f"怎么给{thing}{number}{doing}")
    en = (f"can you {doing} {thing} number {number}?", f"how do i {doing} my {thing} {number}")
    language, asked = ("zh", zh) if number % 2 else ("en", en)
    return KnowledgeEntry(
        f"merchant/{number}", {language: f"{doing} {thing} {number}"}, {language: asked}, {"zh": "好"}
    )


def main() -> None:
    """Print one line a figure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--entries", type=int, default=10_000)
    wanted = options.parse_args().entries
    use_one_core()
    dice = random.Random(1)  # noqa: S311 - makes up entries
    reader = Reader(Rarity(), load_encoder())
    entries = [made_up(number, dice) for number in range(wanted)]
    started = time.process_time()
    read = [one for start in range(0, wanted, 200) for one in reader.entries(entries[start : start + 200])]
    encoded = time.process_time()
    search = KnowledgeSearch(read)
    laid_out_s = time.process_time() - encoded
    print(f"{wanted} entries: read and encoded in {encoded - started:.1f} s, laid out in {laid_out_s:.1f} s")
    reading, searching = [], []
    for number in dice.sample(range(wanted), min(_ASKED, wanted)):
        began = time.thread_time()
        question = reader.question(f"请问{dice.choice(_THINGS)}{number}可以{dice.choice(_DOINGS)}吗")
        middle = time.thread_time()
        search.nearest(question, 4)
        reading.append(1000 * (middle - began))
        searching.append(1000 * (time.thread_time() - middle))
    both = [sum(pair) for pair in zip(reading, searching, strict=True)]
    for name, times in (("read and encode", reading), ("search", searching), ("together", both)):
        ranked = sorted(times)
        print(f"{name:16} p50 {statistics.median(ranked):5.2f} ms   p99 {ranked[int(0.99 * len(ranked))]:5.2f} ms")


if __name__ == "__main__":
    main()
