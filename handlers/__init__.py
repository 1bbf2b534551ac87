"""What we do: one module an intent family, and the table that says who does what."""

from __future__ import annotations

from bot.domain.errors import ConfigError
from bot.domain.forms import Form
from bot.domain.ports import HandlerEntry
from handlers import aftersale, billing, complaints, faq, human, order_changes, orders, privacy, smalltalk
from handlers.services import BusinessHours, Services, ShopFacts

__all__ = ["HANDLED", "BusinessHours", "Services", "ShopFacts", "build_handlers"]

HANDLED: dict[str, tuple[str, ...]] = {
    "orders": ("track_order", "order_status", "urge_shipping", "track_refund"),
    "order_changes": ("cancel_order", "change_order", "change_address"),
    "aftersale": ("request_return", "request_exchange", "request_refund"),
    "complaints": ("file_complaint", "ticket_status", "ticket_unresolved"),
    "billing": ("request_invoice", "payment_problem"),
    "privacy": ("subscribe", "unsubscribe", "export_my_data", "erase_my_data"),
    "human": ("request_human", "rate_service", "give_suggestion"),
    "smalltalk": ("greet", "goodbye", "thank", "affirm", "deny", "stop", "bot_challenge", "repeat", "chitchat"),
    "faq": ("faq",),
}
"""Module -> the intents it does; ``faq`` stands for every ``faq/...``."""


def build_handlers(services: Services) -> dict[str, HandlerEntry]:
    """Build the table: intent -> HandlerEntry, for every intent of HANDLED; ``faq`` does all of ``faq/``."""
    table: dict[str, HandlerEntry] = {
        **orders.entries(services),
        **order_changes.entries(services),
        **aftersale.entries(services),
        **complaints.entries(services),
        **billing.entries(services),
        **privacy.entries(services),
        **smalltalk.entries(),
        **faq.entries(services),
    }
    forms: dict[str, Form] = {entry.form.name: entry.form for entry in table.values() if entry.form}
    table |= human.entries(services, forms)
    promised = {intent for intents in HANDLED.values() for intent in intents}
    if promised != set(table):
        differing = ", ".join(sorted(promised ^ set(table)))
        raise ConfigError(f"the table of handlers and HANDLED differ in {differing}; register them in handlers/")
    return table
