"""What an agent does with a conversation."""

from __future__ import annotations

from bot.desk.bells import Bells
from bot.desk.refusals import Refusal
from bot.domain.clock import Clock
from bot.domain.conversation import Conversation
from bot.domain.desk_ports import Notebook
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OwnershipStore
from bot.domain.messages import MAX_TEXT_CHARS, Attachment, OutboundMessage
from bot.domain.people import Agent

_MAX_KEY_CHARS = 64


class DeskActions:
    """Takes, answers, notes, gives back, resolves; the store decides who was first."""

    def __init__(self, ownership: OwnershipStore, notebook: Notebook, bells: Bells, clock: Clock) -> None:
        self._ownership = ownership
        self._notebook = notebook
        self._bells = bells
        self._clock = clock

    async def take(self, conversation_id: ConversationId, agent: Agent) -> Conversation:
        """Take the conversation; Conflict when somebody else has it."""
        taken = await self._ownership.take(conversation_id, agent, self._clock.now())
        await self._bells.deliver(conversation_id)
        return taken

    async def give_back(self, conversation_id: ConversationId, agent: Agent) -> Conversation:
        """Return it to the bot; Conflict unless the agent holds it."""
        returned = await self._ownership.give_back(conversation_id, agent, self._clock.now())
        await self._bells.deliver(conversation_id)
        return returned

    async def requeue(self, conversation_id: ConversationId, agent: Agent) -> Conversation:
        """Let it wait for another agent, since this one is gone; unchanged unless he holds it."""
        waiting = await self._ownership.requeue(conversation_id, agent, self._clock.now())
        await self._bells.deliver(conversation_id)
        return waiting

    async def resolve(self, conversation_id: ConversationId, agent: Agent) -> Conversation:
        """End it; Conflict unless the agent holds it."""
        ended = await self._ownership.resolve(conversation_id, agent, self._clock.now())
        await self._bells.deliver(conversation_id)
        return ended

    async def reply(self, conversation_id: ConversationId, agent: Agent, text: str, client_key: str) -> None:
        """Send words to the shopper; ``client_key`` makes a repeat harmless. Conflict unless the agent holds it."""
        if not client_key or len(client_key) > _MAX_KEY_CHARS:
            raise Refusal("reload", f"a reply needs a key of 1 to {_MAX_KEY_CHARS} characters; reload the page")
        words = checked_words(text)
        await self._ownership.reply(conversation_id, agent, words, self._clock.now(), client_key)
        await self._bells.deliver(conversation_id)

    async def send_file(
        self, conversation_id: ConversationId, agent: Agent, attachment: Attachment, client_key: str
    ) -> None:
        """Send an attachment that is kept; errors and ``client_key`` as with ``reply``."""
        if not client_key or len(client_key) > _MAX_KEY_CHARS:
            raise Refusal("reload", f"a file needs a key of 1 to {_MAX_KEY_CHARS} characters; reload the page")
        message = OutboundMessage("", attachments=(attachment,))
        await self._ownership.send(conversation_id, agent, message, self._clock.now(), client_key)
        await self._bells.deliver(conversation_id)

    async def note(self, conversation_id: ConversationId, agent: Agent, text: str) -> None:
        """Leave a private note; anybody at the desk may, whoever holds the conversation."""
        await self._notebook.write(conversation_id, agent, checked_words(text), self._clock.now())
        await self._bells.show(conversation_id)


def checked_words(text: str) -> str:
    """Strip and check what a person wrote; Refusal when empty or beyond MAX_TEXT_CHARS."""
    words = text.replace("\r\n", "\n").strip()
    if not words:
        raise Refusal("empty_text", "nothing was written; write something first")
    if len(words) > MAX_TEXT_CHARS:
        sentence = f"the text has {len(words)} characters; at most {MAX_TEXT_CHARS} can be sent at once"
        raise Refusal("long_text", sentence, chars=len(words), limit=MAX_TEXT_CHARS)
    return words
