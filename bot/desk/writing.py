"""Lets a shopper see that his agent is writing, on the shop's page and where his platform can show it."""

from __future__ import annotations

from bot.domain.channel_ports import Addressee, TypingBoard
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.people import Agent
from bot.domain.ports import ConversationReader, LiveEvent, LiveFeed


class DeskWriting:
    """Passes on that somebody writes; ``board`` is how platforms are told, None where none are."""

    def __init__(self, conversations: ConversationReader, live: LiveFeed, board: TypingBoard | None = None) -> None:
        self._conversations = conversations
        self._live = live
        self._board = board

    async def tell(self, conversation_id: ConversationId, agent: Agent) -> None:
        """Tell the shopper that the agent is writing to him; nothing happens unless the agent has the conversation.

        NotFound when there is no such conversation.
        """
        conversation = await self._conversations.get(conversation_id)
        if conversation.owner is not Owner.WITH_AGENT or conversation.agent_id != agent.id:
            return
        topic = f"shopper:{conversation.channel}:{conversation.account}:{conversation.channel_user_id}"
        await self._live.publish(LiveEvent(topic, "typing", {"conversation_id": conversation.id}))
        if self._board is not None and self._board.shows(conversation.channel):
            to = Addressee(conversation.account, conversation.channel_user_id, conversation.id, "agent")
            self._board.show(conversation.channel, to, await self._conversations.last_said(conversation.id))
