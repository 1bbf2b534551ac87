"""One person on two simulated platforms: linked on evidence, the conversation goes on with its history; undone, not."""

from __future__ import annotations

from datetime import timedelta

from bot.desk.customers import CustomerCard
from bot.domain.clock import ManualClock
from bot.domain.ids import CustomerId
from bot.domain.links import Evidence, Link, LinkWish
from bot.engine.dispatcher import EmbeddedDispatcher
from intents.embedded import EmbeddedRecogniser
from storage.tables import CONVERSATIONS, IDENTITIES, TICKETS
from tests.conversations.conftest import OpenShop, clock, filled_shops, model_folder, open_shop, recogniser
from tests.conversations.script import DEFAULT_START
from tests.integration.channels.stage import Stage, opened, script

__all__ = ["clock", "filled_shops", "model_folder", "open_shop", "recogniser"]


class Desk:
    """What the agent sees of the two, and does."""

    def __init__(self, stage: Stage, clock: ManualClock) -> None:
        self._stage = stage
        self._house = stage.house
        self._clock = clock
        self.first, self.second = stage.shoppers

    async def card(self, channel: str) -> CustomerCard:
        """Give what is shown beside the newest conversation of a channel."""
        return await self._house.desk.customers.card(await self._stage.conversation(channel))

    async def customer(self, channel: str) -> CustomerId:
        """Tell whose the newest conversation of a channel is."""
        return (await self.card(channel)).file.customer.id

    async def facts_are_looked_at(self) -> None:
        """Let the time of the next look come."""
        assert isinstance(self._house.dispatcher, EmbeddedDispatcher)
        assert self._house.dispatcher.timers is not None
        self._clock.advance(timedelta(minutes=1))
        await self._house.dispatcher.timers.sweep(self._house.dispatcher)

    async def decide(self, reason: str) -> None:
        """Make the two one."""
        wish = LinkWish(await self._stage.conversation(self.first), await self.customer(self.second), reason)
        await self._house.desk.links.link(wish, await self._stage.agent())

    async def undo(self, reason: str) -> None:
        """Make them two again."""
        await self._house.desk.links.undo((await self.link()).id, await self._stage.agent(), reason)

    async def link(self) -> Link:
        """Give the one link, with its evidence."""
        (link,) = (await self._house.desk.links.person(await self._stage.conversation(self.first))).links
        return link

    async def one_history(self) -> None:
        """Check that each conversation is shown beside the other, to be opened and read."""
        assert await self.customer(self.first) == await self.customer(self.second)
        for here, there in ((self.first, self.second), (self.second, self.first)):
            file = (await self.card(here)).file
            (past,) = file.past
            assert {one.channel for one in file.identities} == {self.first, self.second}
            assert (past.id, past.channel) == (await self._stage.conversation(there), there)

    async def two_histories(self) -> None:
        """Check that everything is back with the one by whose channel it came, and nobody sees the other's."""
        assert await self.customer(self.first) != await self.customer(self.second)
        for channel in (self.first, self.second):
            file = (await self.card(channel)).file
            assert file.past == ()
            assert [one.channel for one in file.identities] == [channel]
        rows = await self._house.stores.database.read(
            lambda on: [
                on.execute(TICKETS.select()).mappings().all(),
                on.execute(CONVERSATIONS.select()).mappings().all(),
                on.execute(IDENTITIES.select()).mappings().all(),
            ]
        )
        tickets, conversations, identities = rows
        owners = {one["id"]: one["customer_id"] for one in identities}
        homes = {one["id"]: owners[one["identity_id"]] for one in conversations}
        assert {one["id"]: one["customer_id"] for one in conversations} == homes
        assert all(one["customer_id"] == homes[one["conversation_id"]] for one in tickets)

    async def tickets(self, channel: str) -> int:
        """Count the tickets on a card."""
        return len((await self.card(channel)).file.tickets)

    async def orders(self, channel: str) -> set[str]:
        """List the orders on a card."""
        return {order.number for order in (await self.card(channel)).orders}


async def test_order_proved_on_both_channels_lets_the_second_go_on_where_the_first_was(
    open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser
) -> None:
    """Ticket and orders are known without another proof; undone, each knows his own, also what came meanwhile."""
    strangers, one_person, two_again = (part["steps"] for part in script("two_channels.zh"))
    channels = {"wechat_oa": "zh", "web": "zh"}
    async with opened(channels, await open_shop(DEFAULT_START), clock, recogniser) as stage:
        desk = Desk(stage, clock)
        await stage.play(strangers)
        said = {channel: await stage.said(channel) for channel in channels}
        await desk.facts_are_looked_at()
        await desk.one_history()
        link = await desk.link()
        assert (link.kind, link.value, link.made_by_name) == (Evidence.ORDER, "W1234567", "")
        assert await desk.orders("web") == {"W1234567", "W1234568"}
        await stage.play(one_person)
        assert await desk.tickets("web") == await desk.tickets("wechat_oa") == 2
        await desk.undo("两个人，合用一个收货电话")
        await desk.two_histories()
        assert (await desk.orders("web"), await desk.tickets("web")) == ({"W1234567"}, 1)
        assert (await desk.orders("wechat_oa"), await desk.tickets("wechat_oa")) == ({"W1234567", "W1234568"}, 1)
        await stage.play(two_again)
        await desk.facts_are_looked_at()
        await desk.two_histories()
        for channel, words in said.items():
            assert (await stage.said(channel))[: len(words)] == words


async def test_agents_decision_joins_the_conversations_and_mixes_no_messages(
    open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser
) -> None:
    """She reads both beside each other and answers each on its own channel, while they are one and after."""
    strangers, one_person, two_again = (part["steps"] for part in script("two_channels.en"))
    channels = {"telegram": "en", "whatsapp": "en"}
    async with opened(channels, await open_shop(DEFAULT_START), clock, recogniser) as stage:
        desk = Desk(stage, clock)
        await stage.play(strangers)
        await desk.two_histories()
        await desk.decide("he told me so himself")
        await desk.one_history()
        link = await desk.link()
        assert (link.kind, link.reason, link.made_by_name) == (Evidence.AGENT, "he told me so himself", "Mei")
        await stage.play(one_person)
        await desk.undo("his brother")
        await desk.two_histories()
        await stage.play(two_again)
