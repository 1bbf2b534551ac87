"""Putting a turn's replies into words: buttons for intents, labels of options, leads, and an apology when it fails."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bot.domain.events import BotUttered
from bot.domain.forms import Form
from bot.domain.line_ports import OutboxDraft
from bot.domain.messages import OutboundMessage
from bot.domain.ports import Knowledge, Renderer
from bot.domain.replies import Choice, Locale, Reply
from bot.engine.draft import Said
from bot.engine.faults import describe
from bot.engine.forms import Labels

_LOG = logging.getLogger(__name__)

HUMAN = Choice("/request_human", label_key="engine.button_human")
STOP = Choice("/stop", label_key="engine.button_stop")
NEITHER = Choice("/deny", label_key="engine.button_neither")
APOLOGY = Reply("engine.failed", {}, (HUMAN,))


class Speech:
    """Renders replies; never raises for a template."""

    def __init__(self, renderer: Renderer, knowledge: Knowledge) -> None:
        self._renderer = renderer
        self._knowledge = knowledge
        self._labels: dict[str, Labels] = {}

    def offers(self, intents: Iterable[str], locale: Locale) -> tuple[Choice, ...]:
        """Shape a button for each intent; a topic is labelled by its title; what has no label is left out."""
        choices: list[Choice] = []
        for intent in intents:
            label = self.name_of(intent, locale)
            if label:
                choices.append(Choice(f"/{intent}", label=label))
        return tuple(choices)

    def name_of(self, intent: str, locale: Locale) -> str:
        """Say an intent's button label; ``""`` when it has none."""
        return self._title(intent, locale) if "/" in intent else self._text(f"intent.{intent}", locale)

    def labels(self, form: Form | None) -> Labels:
        """List what the buttons of a form's options say, in every language."""
        if form is None:
            return {}
        if form.name not in self._labels:
            self._labels[form.name] = {
                spec.name: {value: self._everywhere(f"{spec.ask}.{value}") for value in spec.options}
                for spec in form.slots
                if spec.options
            }
        return self._labels[form.name]

    def outbox(self, said: Sequence[Said], locale: Locale, turn: int) -> tuple[OutboxDraft, ...]:
        """Render a turn's replies in order; one that cannot be rendered becomes an apology, said once."""
        drafts: list[OutboxDraft] = []
        leads: list[str] = []
        failed = False
        for one in said:
            message = self._render(one.reply, locale, turn)
            if message is None and not failed:
                failed = True
                message = self._render(APOLOGY, locale, turn)
            if message is None or (not message.text and not message.buttons):
                continue
            if one.lead:
                leads.append(message.text)
                continue
            text = "\n".join([*leads, message.text])
            # What leads stands first, so that the first line is no title.
            drafts.append(_draft(replace(message, text=text, card=message.card and not leads), one.reply.key))
            leads = []
        return tuple(drafts)

    def _title(self, intent: str, locale: Locale) -> str:
        entry = self._knowledge.entry(intent) if "/" in intent else None
        return entry.title_in(locale.base) if entry else ""

    def _everywhere(self, key: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(text for locale in Locale if (text := self._text(key, locale))))

    def _text(self, key: str, locale: Locale) -> str:
        message = self._render(Reply(key), locale, 0)
        return message.text if message else ""

    def _render(self, reply: Reply, locale: Locale, turn: int) -> OutboundMessage | None:
        try:
            # The turn's number lets a text with several wordings change from turn to turn, and stay within one.
            return self._renderer.render(replace(reply, data={"turn": turn, **reply.data}), locale)
        except Exception as problem:  # noqa: BLE001 - a broken template must not lose the turn
            _LOG.error("text %s (%s) cannot be rendered: %s", reply.key, locale.value, describe(problem))
            return None


def _draft(message: OutboundMessage, key: str) -> OutboxDraft:
    buttons = [{"label": button.label, "payload": button.payload} for button in message.buttons]
    return OutboxDraft(message, "bot", BotUttered(message.text, key, buttons))
