"""The data that is shipped: it can be learned, the knowledge is whole, and plain messages are understood."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bot.domain.understanding import Expectation, Verdict
from intents.knowledge import FileKnowledge
from intents.recogniser import EmbeddedRecogniser
from intents.training_data import read_examples, read_outside

# Own wordings, none of them an example: what a shop must get right without being told twice.
_PLAIN = (
    ("我的快递到哪了呀", "track_order"),
    ("請問我的包裹幾時會到", "track_order"),
    ("wode baoguo dao nali le", "track_order"),
    ("any idea when my stuff will show up?", "track_order"),
    ("不想要了，订单取消吧", "cancel_order"),
    ("please call off my order", "cancel_order"),
    ("我要退款", "request_refund"),
    ("不要换货了，直接退我钱", "request_refund"),
    ("我不是要退钱，换个新的给我就行", "request_exchange"),
    ("我的退款怎么还没到账", "track_refund"),
    ("退款一般要几天", "faq/refund_time"),
    ("帮我开个发票，抬头是公司", "request_invoice"),
    ("我要投诉，收到的碗是裂的", "file_complaint"),
    ("我上次的投诉处理到哪一步了", "ticket_status"),
    ("转人工", "request_human"),
    ("can i speak with someone real", "request_human"),
    ("包邮吗", "faq/delivery_fee"),
    ("do you deliver to canada", "faq/delivery_area"),
    ("别再给我发广告了", "unsubscribe"),
    ("你是机器人吧", "bot_challenge"),
)
_FOREIGN = (
    "帮我写一篇关于春天的作文",
    "what is the capital of Peru",
    "附近哪家火锅好吃",
    "how do I reset my router",
    "明天股市会涨吗",
    "asdkjhaskjd",
)


def test_knowledge_is_whole_in_both_languages(real_source: Path) -> None:
    """Every topic that can be recognised has an entry with title and answer in both languages."""
    knowledge = FileKnowledge.read(real_source)
    recognised = {example.intent for example in read_examples(real_source) if example.intent.startswith("faq/")}
    assert set(knowledge.topics()) == recognised
    for topic in knowledge.topics():
        entry = knowledge.entry(topic)
        assert entry is not None
        assert all(entry.answers[language] and entry.titles[language] for language in ("zh", "en"))
        assert all(entry.questions[language] for language in ("zh", "en"))
    assert knowledge.entry("faq/none") is None


def test_outside_messages_are_no_examples(real_source: Path) -> None:
    """What teaches the gate is not taught as an intent."""
    assert not set(read_outside(real_source)) & {example.text for example in read_examples(real_source)}


@pytest.mark.parametrize(("text", "intent"), _PLAIN)
def test_plain_message_is_understood(real: EmbeddedRecogniser, text: str, intent: str) -> None:
    """The first intent is the right one."""
    assert real.parse([text], [Expectation()])[0].intent == intent


def test_other_trades_are_not_answered(real: EmbeddedRecogniser) -> None:
    """At most one of these is taken for a shop's question."""
    found = real.parse(list(_FOREIGN), [Expectation()] * len(_FOREIGN))
    assert sum(one.verdict is Verdict.SURE for one in found) <= 1


def test_a_message_takes_little_time(real: EmbeddedRecogniser) -> None:
    """Judged on the shipped data a message takes at most 25 ms of this thread."""
    taken = []
    for text, _ in _PLAIN:
        started = time.thread_time()
        real.parse([text], [Expectation()])
        taken.append(time.thread_time() - started)
    assert sorted(taken)[len(taken) // 2] < 0.025
