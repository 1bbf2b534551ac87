"""The same stem runs through the house: examples, handler, template, dialogue."""

from __future__ import annotations

import pytest
import yaml

from bot.config import Config
from tests.project.tree import ROOT

INTENTS = frozenset(
    {
        "greet",
        "goodbye",
        "thank",
        "affirm",
        "deny",
        "stop",
        "bot_challenge",
        "repeat",
        "chitchat",
        "track_order",
        "order_status",
        "cancel_order",
        "change_order",
        "change_address",
        "urge_shipping",
        "request_return",
        "request_exchange",
        "request_refund",
        "track_refund",
        "request_invoice",
        "payment_problem",
        "file_complaint",
        "ticket_status",
        "ticket_unresolved",
        "request_human",
        "rate_service",
        "give_suggestion",
        "unsubscribe",
        "subscribe",
        "export_my_data",
        "erase_my_data",
    }
)
TOPICS = frozenset(
    {
        "payment_methods",
        "installments",
        "delivery_options",
        "delivery_time",
        "delivery_fee",
        "delivery_area",
        "return_policy",
        "exchange_policy",
        "refund_time",
        "cancel_policy",
        "warranty",
        "authenticity",
        "size_guide",
        "stock",
        "product_care",
        "coupon",
        "points",
        "membership",
        "price_protection",
        "promotion",
        "invoice",
        "place_order",
        "change_order_how",
        "address_setup",
        "create_account",
        "edit_account",
        "delete_account",
        "password",
        "registration_problem",
        "switch_account",
        "contact",
        "business_hours",
        "privacy",
        "newsletter",
    }
)


def stems(folder: str, pattern: str) -> set[str]:
    return {path.name.split(".")[0] for path in (ROOT / folder).glob(pattern)}


def test_every_fixed_intent_has_examples() -> None:
    """The names that test sets rely on are all there."""
    assert stems("intents/nlu", "*.yml") >= INTENTS
    assert stems("intents/faq", "*.yml") >= TOPICS


@pytest.mark.parametrize("locale", ["zh", "en"])
def test_every_intent_has_its_template(locale: str) -> None:
    """What is understood can be answered, in both languages."""
    assert stems(f"responses/templates/{locale}", "*.yml") >= stems("intents/nlu", "*.yml")


def test_every_intent_has_its_handler() -> None:
    """The table of handlers names exactly the intents there are examples for, and faq."""
    from handlers import build_handlers  # noqa: PLC0415 - the table is what is tested
    from tests.unit.handlers.fakes import make_services  # noqa: PLC0415

    assert set(build_handlers(make_services())) == stems("intents/nlu", "*.yml") | {"faq"}


def test_every_intent_has_a_dialogue() -> None:
    """Each intent, and each of the jobs, is held as a dialogue."""
    dialogues = stems("tests/conversations", "*.yml")
    missing = stems("intents/nlu", "*.yml") - dialogues
    assert not missing
    assert "faq" in dialogues


def test_examples_name_their_own_intent() -> None:
    """A file holds the intent it is named after, and no other."""
    for path in (ROOT / "intents").glob("*/*.yml"):
        wanted = path.stem if path.parent.name == "nlu" else f"faq/{path.stem}"
        named = {entry["intent"] for entry in yaml.safe_load(path.read_text())["nlu"] if "intent" in entry}
        assert named == {wanted}, path


def test_configuration_knows_what_is_shipped() -> None:
    """The defaults are a valid configuration by themselves."""
    assert Config().shop.zone().key == Config().shop.timezone
