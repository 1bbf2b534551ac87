"""Every dialogue, through the real engine."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from bot.domain.clock import ManualClock
from bot.domain.ports import Recogniser
from tests.conversations.conftest import OpenShop
from tests.conversations.script import Dialogue, dialogues, said_by_shoppers
from tests.conversations.stage import Stage

# The first dialogue waits for the recogniser's training when there is no current model in the cache.
pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]
ALL = dialogues()
_ANNOTATED = re.compile(r"\[([^\]]*)\](?:\([^)]*\)|\{[^}]*\})")


@pytest.mark.parametrize("dialogue", ALL, ids=[one.name for one in ALL])
async def test_dialogue_goes_as_written(
    dialogue: Dialogue, open_shop: OpenShop, clock: ManualClock, recogniser: Recogniser
) -> None:
    """The bot says what the dialogue says, and leaves what it should."""
    await Stage(dialogue, await open_shop(dialogue.start), clock, recogniser).play()


def test_dialogues_are_enough() -> None:
    """At least 22 Chinese, 16 English and 6 mixed."""
    count = Counter(one.language for one in ALL)
    assert count["zh"] >= 22
    assert count["en"] >= 16
    assert count["mixed"] >= 6
    assert len({one.name for one in ALL}) == len(ALL)


def test_dialogues_are_not_taken_from_the_training_examples() -> None:
    """What the bot learned by heart proves nothing; single words may coincide."""
    trained = {_bare(example) for path in (ROOT / "intents").glob("*/*.yml") for example in _examples(path)}
    copied = [(name, text) for name, text in said_by_shoppers() if len(_bare(text)) > 6 and _bare(text) in trained]
    assert not copied


def _bare(text: str) -> str:
    text = _ANNOTATED.sub(r"\1", text)
    return "".join(char for char in text.casefold() if char.isalnum())


def _examples(path: Path) -> list[str]:
    entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("nlu", [])
    found: list[str] = []
    for entry in entries:
        examples = entry.get("examples", "")
        lines = examples.splitlines() if isinstance(examples, str) else examples
        found.extend(str(line).removeprefix("- ") for line in lines)
    return found
