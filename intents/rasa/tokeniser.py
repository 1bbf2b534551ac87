"""A tokeniser for Rasa that reads Chinese and English in one sentence.

It runs inside Rasa's own environment (Python 3.10, none of our dependencies) and is named in ``config.yml`` by its
module path. A Chinese character is a token of its own, so that n-grams of tokens are n-grams of characters there and
of words elsewhere, and an entity may begin at any character.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.training_data.message import Message

from intents.rasa.cutting import cut


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class ShopTokeniser(Tokenizer):  # type: ignore[misc]  # Rasa lives elsewhere: its classes are unknown here
    """Chinese characters, and the words of every other script."""

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        """Give the settings that every tokeniser of Rasa has."""
        return {"intent_tokenization_flag": False, "intent_split_symbol": "_", "token_pattern": None}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> ShopTokeniser:
        """Make the component, as Rasa's graph asks for it."""
        del model_storage, resource, execution_context
        return cls(config)

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        """Tokenise one attribute of a message; full-width forms and capitals count as the plain letters."""
        tokens = [
            Token(token, start, lemma=unicodedata.normalize("NFKC", token).lower())
            for token, start in cut(message.get(attribute))
        ]
        return list(self._apply_token_pattern(tokens))
