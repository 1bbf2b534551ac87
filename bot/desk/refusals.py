"""Input the desk refuses, with a key so that the console can say it in the reader's language."""

from __future__ import annotations

from typing import Any

from bot.domain.errors import RefusedInput


class Refusal(RefusedInput):
    """What a person at the desk entered cannot be accepted; ``key`` and ``data`` name the words for his page."""

    def __init__(self, key: str, sentence: str, **data: Any) -> None:
        """Keep the key (``refused.<key>`` of the console's catalogue), its values, and the English sentence."""
        super().__init__(sentence)
        self.key = key
        self.data = data
