"""Plays one dialogue on the real house: SQLite, the trained recogniser, the demo shop's orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.app import House, open_house
from bot.config import Secrets, parse
from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.desk_ports import NewPerson
from bot.domain.ids import ConversationId
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender
from bot.domain.people import Agent, Role
from bot.domain.ports import Recogniser
from bot.domain.tickets import Ticket
from tests.conversations.script import Dialogue

SECRETS = Secrets(secret_key="a key for tests, long enough to sign with")


class Stage:
    """A shop with one shopper and one agent."""

    def __init__(self, dialogue: Dialogue, database: Path, clock: ManualClock, recogniser: Recogniser) -> None:
        self._dialogue = dialogue
        self._clock = clock
        self._recogniser = recogniser
        shop = {"database": {"url": f"sqlite:///{database}"}, "turns": {"quiet_time_s": 0}}
        self._config = parse({"xiaoer": shop}, "dialogue")
        self._stack = AsyncExitStack()
        self._house: House | None = None
        self._agent: Agent | None = None
        self._conversation: ConversationId | None = None
        self._told = 0
        self._heard: list[ev.Event] = []
        self._all: list[ev.Event] = []
        self._seq = 0
        self._ticket = ""

    @property
    def house(self) -> House:
        """Give the open house."""
        assert self._house is not None
        return self._house

    async def play(self) -> None:
        """Play all steps; AssertionError tells the step and the talk so far."""
        await self._open()
        try:
            for number, step in enumerate(self._dialogue.steps, start=1):
                try:
                    await self._step(step)
                except AssertionError as problem:
                    raise AssertionError(f"step {number} {step}: {problem}\n{self._talk()}") from None
        finally:
            await self._stack.aclose()

    async def _open(self) -> None:
        opened = open_house(self._config, SECRETS, self._clock, self._recogniser)
        self._house = await self._stack.enter_async_context(opened)
        people = self._house.stores.desk.people
        if self._agent is None:
            person = NewPerson("mei", "小美", Role.AGENT, password_hash="none")
            self._agent = await people.add(person, self._clock.now())
        if self._dialogue.agents:
            await people.mark_seen(self._agent.id, self._clock.now())

    async def _step(self, step: Mapping[str, Any]) -> None:
        kind = next(iter(step))
        play = getattr(self, f"_play_{kind}")
        await play(step)

    # ------------------------------------------------------------ the shopper

    async def _play_shopper(self, step: Mapping[str, Any]) -> None:
        said = step["shopper"]
        texts = [str(one).format(ticket=self._ticket) for one in (said if isinstance(said, list) else [said])]
        photos = tuple(Attachment(MessageKind.IMAGE, f"photo-{n}") for n in range(step.get("photos", 0)))
        await self._send([self._message(text=text, attachments=photos) for text in texts])

    async def _play_photo(self, step: Mapping[str, Any]) -> None:
        photos = tuple(Attachment(MessageKind.IMAGE, f"photo-{n}") for n in range(int(step["photo"])))
        await self._send([self._message(kind=MessageKind.IMAGE, attachments=photos)])

    async def _play_press(self, step: Mapping[str, Any]) -> None:
        wanted = str(step["press"])
        offered = [one for event in self._all if isinstance(event, ev.BotUttered) for one in event.buttons]
        found = [one for one in offered if wanted in (one["label"], one["payload"])]
        assert found, f"no button {wanted!r} was offered, only {offered}"
        await self._send(
            [self._message(kind=MessageKind.BUTTON, text=found[-1]["label"], payload=found[-1]["payload"])]
        )

    def _message(
        self,
        text: str = "",
        kind: MessageKind = MessageKind.TEXT,
        payload: str = "",
        attachments: tuple[Attachment, ...] = (),
    ) -> InboundMessage:
        self._told += 1
        sender = Sender("web", "main", "visitor", self._dialogue.shopper_name)
        return InboundMessage(sender, f"key-{self._told}", kind, self._clock.now(), text, payload, attachments)

    async def _send(self, messages: Sequence[InboundMessage]) -> None:
        self._heard = []
        self._clock.advance(timedelta(seconds=2))
        accepted = await self.house.intake.accept(messages)
        if accepted[0].conversation_id != self._conversation:
            self._conversation, self._seq = accepted[0].conversation_id, 0
        await self._listen()

    async def _listen(self) -> None:
        assert self._conversation is not None, "the shopper must speak first"
        await self._settle()
        reader = self.house.stores.desk.conversations
        for seq, _, event in await reader.events(self._conversation, self._seq):
            self._seq = seq
            self._heard.append(event)
            self._all.append(event)

    async def _settle(self) -> None:
        await self.house.dispatcher.settle()

    # ------------------------------------------------------------ what is expected

    async def _play_bot(self, step: Mapping[str, Any]) -> None:
        wanted = step["bot"] if isinstance(step["bot"], dict) else {"key": step["bot"]}
        said = [event for event in self._heard if isinstance(event, ev.BotUttered)]
        at = next((place for place, event in enumerate(said) if event.reply_key == wanted["key"]), None)
        assert at is not None, f"the bot said {[event.reply_key for event in said]}"
        found = said[at]
        self._heard = self._heard[self._heard.index(found) + 1 :]
        self._check_text(found.text, wanted)
        labels = {one["label"] for one in found.buttons} | {one["payload"] for one in found.buttons}
        for button in wanted.get("buttons", []):
            assert button in labels, f"no button {button!r} among {sorted(labels)}"

    def _check_text(self, text: str, wanted: Mapping[str, Any]) -> None:
        for part in wanted.get("contains", []):
            assert str(part).format(ticket=self._ticket) in text, f"{part!r} is not in {text!r}"
        for part in wanted.get("not_contains", []):
            assert str(part) not in text, f"{part!r} is in {text!r}"

    async def _play_silent(self, step: Mapping[str, Any]) -> None:
        assert step["silent"] is True
        said = [event for event in self._heard if isinstance(event, ev.BotUttered)]
        assert not said, f"the bot said {[event.text for event in said]}"

    async def _play_notice(self, step: Mapping[str, Any]) -> None:
        wanted = step["notice"] if isinstance(step["notice"], dict) else {"key": step["notice"]}
        found = [event for event in self._heard if isinstance(event, ev.NoticeSent)]
        keys = [event.reply_key for event in found]
        assert wanted["key"] in keys, f"notices were {keys}"
        self._check_text(next(event.text for event in found if event.reply_key == wanted["key"]), wanted)

    async def _play_ticket(self, step: Mapping[str, Any]) -> None:
        tickets = await self._tickets()
        assert tickets, "there is no ticket"
        ticket = tickets[0]
        self._ticket = ticket.number
        for name, value in step["ticket"].items():
            found = len(ticket.photos) if name == "photos" else _plain(ticket, name)
            assert found == value, f"{name} is {found!r}"

    async def _play_tickets(self, step: Mapping[str, Any]) -> None:
        tickets = await self._tickets()
        assert len(tickets) == step["tickets"], f"there are {len(tickets)}: {[one.kind.value for one in tickets]}"

    async def _tickets(self) -> tuple[Ticket, ...]:
        assert self._conversation is not None
        conversation = await self.house.stores.desk.conversations.get(self._conversation)
        return await self.house.stores.ticket_book.of_customer(conversation.customer_id)

    async def _play_owner(self, step: Mapping[str, Any]) -> None:
        assert self._conversation is not None
        conversation = await self.house.stores.desk.conversations.get(self._conversation)
        assert conversation.owner.value == step["owner"], f"the owner is {conversation.owner.value}"

    async def _play_handoff(self, step: Mapping[str, Any]) -> None:
        asked = [event for event in self._all if isinstance(event, ev.HandoffRequested)]
        assert asked, "no human was asked for"
        assert asked[-1].reason == step["handoff"]["reason"], f"the reason is {asked[-1].reason}"
        self._check_text(asked[-1].summary, step["handoff"])

    async def _play_event(self, step: Mapping[str, Any]) -> None:
        kinds = [event.kind for event in self._all]
        assert step["event"] in kinds, f"events are {kinds}"

    async def _play_order(self, step: Mapping[str, Any]) -> None:
        order = await self.house.stores.desk.orders.find(step["order"])
        assert order is not None
        assert order.state.value == step["state"], f"the order is {order.state.value}"

    # ------------------------------------------------------------ the merchant

    async def _play_knowledge(self, step: Mapping[str, Any]) -> None:
        entries = [entry_of(one) for one in step["knowledge"]]
        await self.house.stores.merchant_knowledge.save(entries, self._clock.now())

    async def _play_knowledge_off(self, step: Mapping[str, Any]) -> None:
        topic = f"merchant/{step['knowledge_off']}"
        await self.house.stores.merchant_knowledge.switch(topic, active=False, at=self._clock.now())

    # ------------------------------------------------------------ the agent, the clock, the machine

    async def _play_agent(self, step: Mapping[str, Any]) -> None:
        assert self._agent is not None
        self._heard = []
        if step["agent"] in {"online", "away"}:
            at = self._clock.now() if step["agent"] == "online" else None
            await self.house.stores.desk.people.mark_seen(self._agent.id, at)
            return
        if step["agent"] == "moves_ticket":
            await self.house.desk.tickets.move(self._ticket, step["ticket_to"], self._agent)
        else:
            assert self._conversation is not None
            await getattr(self.house.desk.actions, step["agent"])(self._conversation, self._agent)
        await self._listen()

    async def _play_agent_says(self, step: Mapping[str, Any]) -> None:
        assert self._agent is not None
        assert self._conversation is not None
        self._told += 1
        words = str(step["agent_says"])
        await self.house.desk.actions.reply(self._conversation, self._agent, words, f"agent-{self._told}")
        await self._listen()
        assert any(isinstance(event, ev.AgentUttered) and event.text == words for event in self._all)

    async def _play_wait_minutes(self, step: Mapping[str, Any]) -> None:
        self._clock.advance(timedelta(minutes=step["wait_minutes"]))

    async def _play_restart(self, step: Mapping[str, Any]) -> None:
        assert step["restart"] is True
        await self._stack.aclose()
        self._stack = AsyncExitStack()
        await self._open()

    def _talk(self) -> str:
        lines = []
        for event in self._all:
            if isinstance(event, ev.CustomerUttered):
                lines.append(f"  shopper: {event.text or event.message_kind} {event.payload} {event.recognition}")
            elif isinstance(event, (ev.BotUttered, ev.NoticeSent)):
                lines.append(f"  {event.reply_key}: {event.text}")
            elif isinstance(event, ev.AgentUttered):
                lines.append(f"  agent: {event.text}")
        return "\n".join(lines)


def entry_of(written: Mapping[str, Any]) -> KnowledgeEntry:
    """Make an entry of ``{name, title: {zh, en}, questions: {zh: [...]}, answer: {zh, en}}``."""
    questions = {language: tuple(asked) for language, asked in written.get("questions", {}).items()}
    return KnowledgeEntry(f"merchant/{written['name']}", written["title"], questions, written["answer"])


def _plain(ticket: Ticket, name: str) -> Any:
    value = getattr(ticket, name)
    return getattr(value, "value", value)
