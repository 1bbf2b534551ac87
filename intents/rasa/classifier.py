"""Rasa's logistic regression, over whole retrieval intents.

Rasa's own classifiers see every ``faq/<topic>`` as the one intent ``faq`` and leave the topic to a response selector,
which is a neural network to train. Here the topics are intents of their own, in one linear model. It runs inside
Rasa's environment (Python 3.10) and is named in ``config.yml`` by its module path.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.classifiers.logistic_regression_classifier import LogisticRegressionClassifier
from rasa.shared.nlu.constants import INTENT, INTENT_RESPONSE_KEY, TEXT
from rasa.shared.nlu.training_data.training_data import TrainingData


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class TopicClassifier(LogisticRegressionClassifier):  # type: ignore[misc]  # Rasa's classes are unknown here
    """Logistic regression that tells ``faq/coupon`` from ``faq/points`` by itself."""

    def _create_training_matrix(self, training_data: TrainingData) -> tuple[Any, list[str]]:
        examples = [example for example in training_data.intent_examples if example.get(INTENT) and example.get(TEXT)]
        labels = [example.get(INTENT_RESPONSE_KEY) or example.get(INTENT) for example in examples]
        return self._create_X(examples), labels
