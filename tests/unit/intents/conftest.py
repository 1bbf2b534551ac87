"""A small shop's training data, and the model trained from it once."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest

from bot.domain.clock import ManualClock
from intents import embedded
from intents.recogniser import EmbeddedRecogniser
from intents.shapes import Shapes
from tests.conversations.conftest import model_folder, shared_encoder

__all__ = ["model_folder"]

SATURDAY = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)

_SMALL = {
    "track_order": (
        "我的快递到哪了|包裹什么时候送到|查一下物流|快递怎么还没到|我的货现在在哪里|物流信息不动了|包裹走到哪个城市了|"
        "where is my parcel|when will my package arrive|track my delivery|has my parcel left the depot|"
        "my package has not moved for days|which city is my parcel in|is it coming today"
    ),
    "request_refund": (
        "我要退款|把钱退给我|申请退款|这个我不要了退钱|想退款怎么弄|麻烦给我退款吧|钱退回来|"
        "i want a refund|give me my money back|please refund this order|i'd like to be refunded|"
        "refund me please|can i have my money back|start a refund"
    ),
    "request_human": (
        "转人工|我要人工客服|找个真人跟我说|有没有人工|别用机器人了叫人来|人工服务|请接人工|"
        "talk to an agent|i want a human|a real person please|get me an operator|connect me to support staff|"
        "human please|let me speak to somebody"
    ),
    "greet": "你好|在吗|您好|哈喽|早上好|嗨|有人在吗|hello|hi|hey there|good morning|hello there|hi shop|good evening",
}
_FAQ = {
    "invoice": (
        "发票怎么开|可以开专票吗|发票多久寄出|电子发票在哪下载|"
        "how do invoices work|can i get a vat invoice|where is my e-invoice kept"
    ),
    "coupon": (
        "优惠券怎么用|券可以叠加吗|优惠券过期了怎么办|在哪领券|"
        "how do coupons work|can i stack coupons|where do i find a voucher"
    ),
}


def write_source(folder: Path) -> Path:
    """Write the small shop's data into ``folder``."""
    for name, lines in _SMALL.items():
        _write(folder / "nlu" / f"{name}.yml", name, lines, "")
    for topic, lines in _FAQ.items():
        answers = (
            f"responses:\n  utter_faq/{topic}:\n"
            f"    - text: 中文答案\n      metadata: {{language: zh, title: 标题}}\n"
            f"    - text: English answer\n      metadata: {{language: en, title: Title}}\n"
        )
        _write(folder / "faq" / f"{topic}.yml", f"faq/{topic}", lines, answers)
    return folder


def _write(path: Path, intent: str, lines: str, rest: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    examples = "".join(f"      - {line}\n" for line in lines.split("|"))
    path.write_text(f'version: "3.1"\nnlu:\n  - intent: {intent}\n    examples: |\n{examples}{rest}', encoding="utf-8")


@pytest.fixture
def clock() -> ManualClock:
    """A Saturday noon in Shanghai."""
    return ManualClock(SATURDAY)


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small shop's training data."""
    return write_source(tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="session")
def small_models(small_source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder trained from the small shop's data."""
    folder = tmp_path_factory.mktemp("models")
    embedded.train(small_source, folder, lambda _what, _share: None)
    return folder


@pytest.fixture(scope="session")
def small(small_source: Path, small_models: Path) -> EmbeddedRecogniser:
    """The recogniser of the small shop."""
    return embedded.load(small_models, small_source, ManualClock(SATURDAY))


@pytest.fixture(scope="session")
def real_source() -> Path:
    """The training data that is shipped."""
    return Path(str(files("intents")))


@pytest.fixture(scope="session")
def real(real_source: Path, model_folder: Path) -> EmbeddedRecogniser:
    """The recogniser of the shipped data, trained once for all workers."""
    return embedded.load_with(model_folder, real_source, (ManualClock(SATURDAY), Shapes()), shared_encoder())
