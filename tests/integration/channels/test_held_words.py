"""A window that closes on an agent, through the whole house: nothing is tried, and the words come when they may."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from intents.embedded import EmbeddedRecogniser
from storage.tables import OUTBOX
from tests.conversations.conftest import OpenShop, clock, filled_shops, model_folder, open_shop, recogniser
from tests.conversations.script import DEFAULT_START
from tests.integration.channels.stage import Stage, opened

__all__ = ["clock", "filled_shops", "model_folder", "open_shop", "recogniser"]

LANGUAGES = {"wechat_oa": "zh", "wecom_kf": "zh", "whatsapp": "en", "messenger": "en", "instagram": "en"}
HUMAN = {"zh": "转人工", "en": "could I speak to a real person please"}
AGAIN = {"zh": "还在吗", "en": "are you there?"}
WORDS = "LATE-1 明天到货"


async def held(stage: Stage, channel: str) -> ConversationId:
    """Let the shopper ask for a human, and Mei take it."""
    await stage.shoppers[channel].say(HUMAN[LANGUAGES[channel]])
    await stage.reads(channel)
    conversation = await stage.conversation(channel)
    await stage.house.desk.actions.take(conversation, await stage.agent())
    await stage.reads(channel)
    return conversation


async def last_said(stage: Stage) -> tuple[int, str]:
    """Give the agent's last words' number and what became of them."""
    rows = await stage.house.stores.database.read(
        lambda on: on.execute(OUTBOX.select().where(OUTBOX.c.sender == "agent")).mappings().all()
    )
    return rows[-1]["event_seq"], rows[-1]["state"]


@pytest.mark.parametrize("channel", LANGUAGES)
async def test_words_into_a_closed_window_come_when_the_shopper_writes_again(
    open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser, channel: str
) -> None:
    """The platform is not asked before, shows them first after, once; what is said next follows them."""
    async with opened({channel: LANGUAGES[channel]}, await open_shop(DEFAULT_START), clock, recogniser) as stage:
        conversation = await held(stage, channel)
        clock.advance(timedelta(days=8))
        mei, desk = await stage.agent(), stage.house.desk
        await desk.actions.reply(conversation, mei, WORDS, "c1")
        assert WORDS not in await stage.reads(channel)
        said, state = await last_said(stage)
        assert state == "refused"
        await desk.ways.wait(conversation, said, mei)
        assert await stage.reads(channel) == ""
        await stage.shoppers[channel].say(AGAIN[LANGUAGES[channel]])
        assert WORDS in await stage.reads(channel)
        await desk.actions.reply(conversation, mei, "LATE-2", "c2")
        assert "LATE-2" in await stage.reads(channel)
        screen = "\n".join(await stage.shoppers[channel].screen())
        assert screen.count(WORDS) == 1
        assert screen.index(WORDS) < screen.index("LATE-2")


@pytest.mark.parametrize("channel", ["wechat_oa", "wecom_kf"])
async def test_agent_has_his_messages_and_no_more_and_the_sixth_waits(
    open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser, channel: str
) -> None:
    """However many he writes, no call is made beyond the platform's number, and the room says what is left."""
    async with opened({channel: LANGUAGES[channel]}, await open_shop(DEFAULT_START), clock, recogniser) as stage:
        conversation = await held(stage, channel)
        await stage.shoppers[channel].say(AGAIN[LANGUAGES[channel]])
        await stage.reads(channel)
        mei, desk = await stage.agent(), stage.house.desk
        windows = desk.stores.windows
        assert windows is not None
        for number in range(6):
            room = await windows.of_conversation(conversation, clock.now())
            assert room is not None
            assert room.left == max(5 - number, 0)
            await desk.actions.reply(conversation, mei, f"N{number}.", f"c{number}")
            read = await stage.reads(channel)
            assert (f"N{number}." in read) is (number < 5)
        said, state = await last_said(stage)
        assert state == "refused"
        await desk.ways.wait(conversation, said, mei)
        await stage.shoppers[channel].say(AGAIN[LANGUAGES[channel]])
        assert "N5." in await stage.reads(channel)
