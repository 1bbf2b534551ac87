"""Ways to a customer when the platform's window is closed: a template, another of his channels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.desk.bells import Bells
from bot.desk.refusals import Refusal
from bot.domain.clock import Clock
from bot.domain.conversation import Conversation
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, IdentityId
from bot.domain.line_ports import OwnershipStore
from bot.domain.messages import OutboundMessage, TemplateUse
from bot.domain.people import Agent
from bot.domain.ports import ConversationReader
from bot.domain.windows import Elsewhere, HeldWords, MessageTemplate, Room, Threads, WindowLedger

MAX_VALUE_CHARS = 200
_MAX_KEY_CHARS = 64
# Source: https://developers.facebook.com/docs/whatsapp/message-templates/guidelines ? (a parameter holds no line's end,
# no tab, and no more than four spaces in a row).
_BROKEN = re.compile(r"[\r\n\t]| {5,}")


class WaysStores(Protocol):
    """What is used here of the desk's stores."""

    @property
    def conversations(self) -> ConversationReader:
        """The conversations."""

    @property
    def ownership(self) -> OwnershipStore:
        """Who holds them."""

    @property
    def windows(self) -> WindowLedger | None:
        """What may be sent."""

    @property
    def threads(self) -> Threads | None:
        """Conversations that we begin."""

    @property
    def held(self) -> HeldWords | None:
        """Words that wait for the shopper."""

    @property
    def templates(self) -> Mapping[str, tuple[MessageTemplate, ...]]:
        """The approved templates of each channel."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What is still possible in a conversation whose window is closed."""

    room: Room
    templates: tuple[MessageTemplate, ...]
    elsewhere: tuple[Elsewhere, ...]


class DeskWays:
    """Offers the ways and goes them; each is an agent's choice."""

    def __init__(self, stores: WaysStores, bells: Bells, clock: Clock) -> None:
        self._stores = stores
        self._bells = bells
        self._clock = clock

    async def of_conversation(self, conversation: Conversation) -> Ways | None:
        """List what is possible; None where the window is open or there is none."""
        windows = self._stores.windows
        now = self._clock.now()
        room = await windows.of_conversation(conversation.id, now) if windows else None
        if windows is None or room is None or room.is_open:
            return None
        found = await windows.elsewhere(conversation.id, now)
        open_ones = tuple(other for other in found if other.is_open)
        return Ways(room, self.templates(conversation) if room.templates else (), open_ones)

    def templates(self, conversation: Conversation) -> tuple[MessageTemplate, ...]:
        """List the templates of the conversation's channel."""
        return self._stores.templates.get(conversation.channel, ())

    async def send_template(
        self, conversation_id: ConversationId, agent: Agent, key: str, values: tuple[str, ...], client_key: str
    ) -> None:
        """Send a template filled with ``values``; Refusal when one is missing, Conflict unless the agent holds it."""
        if not client_key or len(client_key) > _MAX_KEY_CHARS:
            raise Refusal("reload", f"a template needs a key of 1 to {_MAX_KEY_CHARS} characters; reload the page")
        conversation = await self._stores.conversations.get(conversation_id)
        template = next((each for each in self.templates(conversation) if each.key == key), None)
        if template is None:
            raise Refusal("choice", f"there is no template {key!r}; choose one of the list")
        given = tuple(_checked(value, label) for value, label in zip(values, template.variables, strict=False))
        if len(given) != len(template.variables):
            raise Refusal("template_value", "a value is missing; fill in every field", label=template.variables[-1])
        message = OutboundMessage(template.fill(given), template=TemplateUse(template.name, template.language, given))
        await self._stores.ownership.send(conversation_id, agent, message, self._clock.now(), client_key)
        await self._bells.deliver(conversation_id)

    async def write_elsewhere(
        self, conversation_id: ConversationId, identity_id: IdentityId, agent: Agent, said: int | None = None
    ) -> ConversationId:
        """Take the customer's conversation on another of his channels, opening one if need be; give its id.

        ``said`` are words kept back here that are said there instead: they never go out here. NotFound when the channel
        is not his or closed too, Conflict when somebody else holds the conversation there or the words went out.
        """
        windows, threads, now = self._stores.windows, self._stores.threads, self._clock.now()
        found = await windows.elsewhere(conversation_id, now) if windows else ()
        other = next((each for each in found if each.identity_id == identity_id and each.is_open), None)
        if other is None or threads is None:
            raise NotFound(f"the customer of {conversation_id!r} cannot be written to as {identity_id!r}")
        there = other.conversation_id or await threads.open(identity_id, now)
        await self._stores.ownership.take(there, agent, now)
        if said is not None:
            await self.withdraw(conversation_id, said, agent)
        await self._bells.deliver(there)
        return there

    async def reply_later(self, conversation_id: ConversationId, agent: Agent, client_key: str) -> None:
        """Let a reply that was just written wait until the shopper writes; it goes at once if he has meanwhile."""
        await self._held.hold_reply(conversation_id, client_key, agent, self._clock.now())
        await self._bells.deliver(conversation_id)

    async def wait(self, conversation_id: ConversationId, said: int, agent: Agent) -> None:
        """Let refused words wait until the shopper writes; they go at once if the window is open again.

        Conflict unless the agent holds the conversation and a closed window is what kept them back.
        """
        await self._held.hold(conversation_id, said, agent, self._clock.now())
        await self._bells.deliver(conversation_id)

    async def withdraw(self, conversation_id: ConversationId, said: int, agent: Agent) -> None:
        """Let waiting words never go out; Conflict when they do not wait, or another agent has the conversation."""
        await self._held.withdraw(conversation_id, said, agent, self._clock.now())
        await self._bells.show(conversation_id)

    @property
    def _held(self) -> HeldWords:
        if self._stores.held is None:
            raise NotFound("no words are held here")
        return self._stores.held


def _checked(value: str, label: str) -> str:
    words = value.strip()
    if not words or len(words) > MAX_VALUE_CHARS or _BROKEN.search(words):
        sentence = (
            f"the value of {label!r} is empty, too long or holds a line's end; write 1 to {MAX_VALUE_CHARS} letters"
        )
        raise Refusal("template_value", sentence, label=label)
    return words
