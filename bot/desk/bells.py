"""What is rung after a commit: the engine, to deliver; open pages, to look again."""

from __future__ import annotations

from bot.domain.ids import ConversationId
from bot.domain.ports import Dispatcher, LiveEvent, LiveFeed

DESK_TOPIC = "desk"
CHANGED = "changed"


def conversation_topic(conversation_id: str) -> str:
    """Name the topic of a conversation's page."""
    return f"conversation:{conversation_id}"


class Bells:
    """Rings after a commit; a lost bell loses nothing."""

    def __init__(self, dispatcher: Dispatcher, live: LiveFeed) -> None:
        self._dispatcher = dispatcher
        self._live = live

    async def deliver(self, conversation_id: ConversationId) -> None:
        """Ask for the conversation's messages to be delivered, and tell its pages."""
        await self._dispatcher.ring(conversation_id, 0.0)
        await self.show(conversation_id)

    async def show(self, conversation_id: ConversationId) -> None:
        """Tell open pages that the conversation changed."""
        await self._live.publish(LiveEvent(conversation_topic(conversation_id), CHANGED))
        await self._live.publish(LiveEvent(DESK_TOPIC, CHANGED, {"conversation": conversation_id}))
