"""A simulated WeCom, our callback and puller over a real database, and what the deliverer would do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from bot.channels.plug import Heard
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.following import SessionFollower
from bot.channels.wecom_kf.pull import KfPuller
from bot.channels.wecom_kf.send import WecomKfAdapter
from bot.channels.wecom_kf.settings import DEFAULT_API_URL, WecomKfSettings
from bot.channels.wecom_kf.webhook import build_router
from bot.domain.channel_ports import Addressee, Delivery, Refused
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import PendingTurn
from bot.domain.messages import InboundMessage, OutboundMessage
from bot.domain.staff import StaffWords, ThreadMove
from bot.engine.intake import Intake, PulledIntake
from bot.simulators.media import MediaHold, WithMedia, tencent_media
from bot.simulators.network import SimulatedNetwork
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.server import KfServer
from storage.conversations import SqlConversationReader
from storage.database import Database
from storage.inbox import SqlInboxStore
from storage.outbox import SqlOutboxStore
from storage.platform_moves import SqlPlatformMoves
from storage.platform_sessions import SqlPlatformSessions
from storage.tables import OUTBOX
from storage.turns import SqlTurnStore
from storage.windows import SqlWindowLedger
from tests.contract.line import commit_of
from tests.unit.channels.doubles import NOON, MemoryLiveFeed

CORP, SECRET, TOKEN = "wwdemo0000000001", "kf-secret-for-tests", "kfcallbacktoken"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
ACCOUNT, LI, HOOK = "wkDemo01", "wmLi_00000000000001", "/webhooks/wecom_kf"


class Bells:
    """A Dispatcher that only counts."""

    def __init__(self) -> None:
        self.rung: list[ConversationId] = []

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Note the bell."""
        del quiet_s
        self.rung.append(conversation_id)


class KfTown:
    """Everything around one company; ``start`` makes our half anew over the same database.

    ``api_url`` is that of a company which is served elsewhere, in place of the one made here.
    """

    def __init__(self, database: Database, humans: str = "console", api_url: str = "") -> None:
        self.clock = ManualClock(NOON)
        self.database = database
        self.server = KfServer(CORP, SECRET, self.clock)
        self.settings = WecomKfSettings(CORP, SECRET, TOKEN, AES_KEY, humans=humans, api_url=api_url or DEFAULT_API_URL)
        self._is_elsewhere = bool(api_url)
        self.outbox = SqlOutboxStore(database)
        self.turns = SqlTurnStore(database)
        self.failures: list[Refused] = []
        self.leads, self.looks = True, 0
        self.sends = 0
        self.hold = MediaHold()
        self.start()

    def start(self) -> None:
        """Make our half."""
        bells, inbox = Bells(), SqlInboxStore(self.database)
        intake = Intake(inbox, bells, MemoryLiveFeed(), self.clock)
        network = SimulatedNetwork(WithMedia(self.server, tencent_media(self.hold, self.server)))
        client = KfClient(self.settings, self.clock, None if self._is_elsewhere else network)
        ledger = SqlWindowLedger(self.database)
        self.adapter = WecomKfAdapter(self.settings, client, ledger, self.clock)
        heard = self._heard(intake, PulledIntake(intake, inbox, self.clock))
        self.puller = KfPuller(self.settings, self.adapter, heard)
        self.follower = SessionFollower(self.adapter, heard)
        app = FastAPI()
        app.include_router(build_router(self.settings, self.puller.ring, self.clock))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")
        self.people = KfPeople(self.server, self.http, HOOK, TOKEN, AES_KEY)

    async def close(self) -> None:
        """Stop our half."""
        await self.puller.stop()
        await self.http.aclose()
        await self.adapter.close()

    async def settle(self) -> None:
        """Wait until everything is pulled."""
        async with asyncio.timeout(30):
            await self.puller.settle()

    async def pending(self, customer: str = LI) -> PendingTurn | None:
        """Load what waits to be handled of a customer."""
        for conversation_id in await self.turns.pending_conversations():
            turn = await self.turns.load_turn(conversation_id)
            if turn is not None and turn.conversation.channel_user_id == customer:
                return turn
        return None

    async def taken(self) -> list[InboundMessage]:
        """List all messages that were taken in and are not handled, in order."""
        found = []
        for conversation_id in await self.turns.pending_conversations():
            turn = await self.turns.load_turn(conversation_id)
            found += [message for _, message in turn.inbox] if turn else []
        return found

    async def conversation(self, customer: str = LI) -> ConversationId:
        """Give a customer's conversation."""
        turn = await self.pending(customer)
        assert turn is not None
        return turn.conversation.id

    async def answered(self, words: str = "hi", customer: str = LI, **changes: Any) -> ConversationId:
        """Let a customer write and the bot answer; its words stay in the outbox until ``sent``."""
        await self.people.say(customer, words)
        await self.settle()
        turn = await self.pending(customer)
        assert turn is not None
        await self.turns.commit_turn(commit_of(turn, "您好", at=self.clock.now(), **changes))
        return turn.conversation.id

    async def sent(self) -> None:
        """Let all that waits in the outbox be sent."""
        done = update(OUTBOX).where(OUTBOX.c.done_at.is_(None)).values(state="sent", done_at=self.clock.now())
        await self.database.run(lambda on: on.execute(done) and None)

    async def send(self, message: OutboundMessage, conversation: ConversationId, customer: str = LI) -> Delivery:
        """Send as the delivery does, each time another row of the outbox."""
        self.sends += 1
        return await self.adapter.send(Addressee(ACCOUNT, customer, conversation), message, OutboxId(self.sends))

    async def _owner_of(self, conversation_id: ConversationId) -> Owner:
        return (await SqlConversationReader(self.database).get(conversation_id)).owner

    def _heard(self, intake: Intake, pulled: PulledIntake) -> Heard:
        unused = cast("Any", None)
        moves = SqlPlatformMoves(self.database)

        async def undelivered(channel: str, platform_id: str, why: Refused) -> None:
            self.failures.append(why)
            await self.outbox.mark_undelivered(channel, platform_id, self.clock.now(), (why.reason, why.kind.value))

        async def on_staff(words: StaffWords) -> None:
            await moves.said(words, self.clock.now())

        async def on_move(move: ThreadMove) -> None:
            await moves.follow(move, self.clock.now())

        async def leads() -> bool:
            self.looks += 1
            return self.leads

        return Heard(
            clock=self.clock,
            live=unused,
            on_messages=intake.accept,
            on_receipts=unused,
            on_staff=on_staff,
            on_move=on_move,
            on_undelivered=undelivered,
            pulled=pulled,
            exchanges=unused,
            sessions=SqlPlatformSessions(self.database),
            ring=unused,
            leads=leads,
        )


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: nothing here depends on the kind of database."""
    return sqlite_url


@pytest.fixture
async def town(database: Database) -> AsyncIterator[KfTown]:
    """Give a company, and close our half of it."""
    made = KfTown(database)
    yield made
    await made.close()
