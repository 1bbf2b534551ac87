"""Who is whom, as agents see and decide it."""

from __future__ import annotations

from bot.desk.bells import Bells
from bot.desk.refusals import Refusal
from bot.domain.clock import Clock
from bot.domain.errors import NotFound
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.links import LinkBook, LinkWish, PersonFile
from bot.domain.people import Agent

MIN_REASON_CHARS = 3
MAX_REASON_CHARS = 500


class DeskLinks:
    """Shows evidence and suggestions, links and undoes with a reason."""

    def __init__(self, book: LinkBook | None, bells: Bells, clock: Clock) -> None:
        self._given = book
        self._bells = bells
        self._clock = clock

    async def person(self, conversation_id: ConversationId, search: str = "") -> PersonFile:
        """Load the customer of a conversation with links, suggestions and what ``search`` finds."""
        return await self._book.person(conversation_id, search)

    async def link(self, wish: LinkWish, agent: Agent) -> None:
        """Make two customers one; Refusal without a reason, Conflict when facts speak against it."""
        reason = checked_reason(wish.reason)
        kept = LinkWish(wish.conversation_id, CustomerId(wish.other_customer), reason, wish.sure)
        await self._show(await self._book.link(kept, agent, self._clock.now()))

    async def undo(self, link_id: str, agent: Agent, reason: str) -> None:
        """Undo a link; everything goes back to where it came from."""
        await self._show(await self._book.undo(link_id, agent, checked_reason(reason), self._clock.now()))

    @property
    def _book(self) -> LinkBook:
        if self._given is None:
            raise NotFound("no links are kept here")
        return self._given

    async def _show(self, changed: tuple[ConversationId, ...]) -> None:
        for conversation_id in changed:
            await self._bells.show(conversation_id)


def checked_reason(reason: str) -> str:
    """Strip and check why something is done; Refusal unless it has MIN_REASON_CHARS to MAX_REASON_CHARS."""
    words = " ".join(reason.split())
    if not MIN_REASON_CHARS <= len(words) <= MAX_REASON_CHARS:
        sentence = f"a reason has {MIN_REASON_CHARS} to {MAX_REASON_CHARS} characters; this one has {len(words)}"
        raise Refusal("reason", sentence, least=MIN_REASON_CHARS, most=MAX_REASON_CHARS)
    return words
