"""Threads that another app of the shop may have at a platform: an agent passes one on, or takes it back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from bot.desk.bells import Bells
from bot.desk.refusals import Refusal
from bot.domain.channel_ports import Addressee
from bot.domain.channel_ports import Refusal as ToUs
from bot.domain.clock import Clock
from bot.domain.conversation import Conversation, Owner
from bot.domain.desk_ports import DeliveryStates
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId
from bot.domain.people import Agent
from bot.domain.ports import ConversationReader
from bot.domain.thread_ports import Handing, PassesThread, Place, ThreadHolders

_UNSENT = frozenset({"pending", "sending"})


class ThreadStores(Protocol):
    """What is used here of the desk's stores."""

    @property
    def conversations(self) -> ConversationReader:
        """The conversations."""

    @property
    def deliveries(self) -> DeliveryStates:
        """What became of the messages."""

    @property
    def holders(self) -> ThreadHolders | None:
        """Who has the threads."""

    @property
    def passing(self) -> Mapping[str, PassesThread]:
        """The channels that share their threads, by name."""

    @property
    def queues(self) -> Mapping[str, Place]:
        """Where conversations wait that are answered in the platform's own client, by channel."""


class DeskThreads:
    """Asks the platform first, then keeps what it did: it alone knows whose a thread is."""

    def __init__(self, stores: ThreadStores, bells: Bells, clock: Clock) -> None:
        self._stores = stores
        self._bells = bells
        self._clock = clock

    def inbox(self, conversation: Conversation) -> Place | None:
        """Name the inbox that the conversation can be passed to; None where there is none."""
        passing = self._stores.passing.get(conversation.channel)
        return passing.inbox if passing is not None and self._stores.holders is not None else None

    async def place(self, conversation: Conversation) -> Place | None:
        """Tell where else a human has the conversation; None: nowhere."""
        holders = self._stores.holders
        return await holders.place(conversation) if holders is not None else None

    async def queue(self, conversation: Conversation) -> Place | None:
        """Tell in which queue of its platform a conversation waits; None: it is not waiting, or waits here."""
        place, holders = self._stores.queues.get(conversation.channel), self._stores.holders
        if place is None or holders is None or not await holders.is_queued(conversation, self._clock.now()):
            return None
        return place

    async def check_here(self, conversation_id: ConversationId) -> None:
        """Refuse what nobody at our desk can do: who waits in the platform's queue, or was taken from it, stays there.

        Refusal says where to answer.
        """
        conversation = await self._stores.conversations.get(conversation_id)
        held = await self.place(conversation) if conversation.channel in self._stores.queues else None
        if held is not None or await self.queue(conversation) is not None:
            raise Refusal("answered_there", "the platform's own staff answers this; it cannot be taken from here")

    async def taken_from(self, conversation: Conversation) -> Place | None:
        """Tell from where it can be taken back: where it is, or what the platform gave away without a word to us.

        None: from nowhere. That the last message was refused for another's sake is how the second is seen.
        """
        if self.inbox(conversation) is None or conversation.owner is not Owner.WITH_AGENT:
            return None
        place = await self.place(conversation)
        if place is not None:
            return place
        states = await self._stores.deliveries.of_conversation(conversation.id)
        last = states[max(states)] if states else None
        return Place.OTHER_APP if last is not None and last.refusal == ToUs.HUMAN_ONLY else None

    async def pass_on(self, conversation_id: ConversationId, agent: Agent) -> Conversation:
        """Give the conversation to the platform's own inbox.

        Conflict unless the agent has it or nobody does; Refusal while words are unsent, or when the platform says no.
        """
        conversation = await self._stores.conversations.get(conversation_id)
        passing, holders = self._of(conversation)
        mine = conversation.owner is Owner.WITH_AGENT and conversation.agent_id == agent.id
        if not mine and conversation.owner is not Owner.WAITING_FOR_AGENT:
            raise Conflict("somebody else has this conversation, or it is over; take it first, then pass it on")
        states = await self._stores.deliveries.of_conversation(conversation_id)
        if any(one.state in _UNSENT for one in states.values()):
            raise Refusal("unsent", "words are still on their way; pass the conversation on once they are sent")
        handed = await passing.pass_thread(_addressee(conversation))
        if handed.handing is not Handing.DONE:
            raise Refusal("not_passed", f"the conversation was not passed on: {handed.reason}", reason=handed.reason)
        passed = await holders.passed(conversation_id, passing.inbox, agent, self._clock.now())
        await self._bells.show(conversation_id)
        return passed

    async def take_back(self, conversation_id: ConversationId, agent: Agent) -> Conversation:
        """Take the conversation from whoever has it at the platform.

        Conflict when one of ours has it or it is over; Refusal when the platform says no, also where it was asked for.
        """
        conversation = await self._stores.conversations.get(conversation_id)
        passing, holders = self._of(conversation)
        mine = conversation.owner is Owner.WITH_AGENT and conversation.agent_id == agent.id
        if not mine and await holders.place(conversation) is None:
            raise Conflict("one of ours has this conversation, or it is over; nobody else's thread can be taken back")
        handed = await passing.take_thread(_addressee(conversation))
        if handed.handing is Handing.ASKED:
            raise Refusal("thread_asked", f"the conversation was asked for: {handed.reason}")
        if handed.handing is not Handing.DONE:
            raise Refusal("not_taken", f"the conversation was not taken back: {handed.reason}", reason=handed.reason)
        taken = await holders.taken(conversation_id, agent, self._clock.now())
        await self._bells.deliver(conversation_id)
        return taken

    def _of(self, conversation: Conversation) -> tuple[PassesThread, ThreadHolders]:
        passing, holders = self._stores.passing.get(conversation.channel), self._stores.holders
        if passing is None or holders is None:
            raise NotFound(f"the channel {conversation.channel} shares its conversations with nobody")
        return passing, holders


def _addressee(conversation: Conversation) -> Addressee:
    return Addressee(conversation.account, conversation.channel_user_id, conversation.id)
