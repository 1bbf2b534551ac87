"""Reading training files as Rasa reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.domain.errors import ConfigError
from intents.training_data import read_examples


def _write(folder: Path, intent: str) -> Path:
    (folder / "nlu").mkdir()
    content = f'version: "3.1"\nnlu:\n  - intent: {intent}\n    examples: |\n      - well then\n'
    (folder / "nlu" / "one.yml").write_text(content, encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["yes", "no", "on", "Off", "y"])
def test_examples_of_an_intent_called_yes_are_read(tmp_path: Path, name: str) -> None:
    """YAML 1.2, which Rasa reads, knows no other booleans than true and false: such an intent must not get lost."""
    assert [example.intent for example in read_examples(_write(tmp_path, name))] == [name]


@pytest.mark.parametrize("name", ["true", "7"])
def test_an_intent_that_is_no_name_is_told(tmp_path: Path, name: str) -> None:
    """What YAML takes for something else than text is refused with the file's name, not passed over."""
    with pytest.raises(ConfigError, match=r"nlu/one\.yml: the intent"):
        read_examples(_write(tmp_path, name))
