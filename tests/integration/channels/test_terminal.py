"""TerminalChat over doubles of the line and the stream."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Sequence

from rich.console import Console

from bot.channels.terminal.adapter import TerminalAdapter
from bot.channels.terminal.chat import TerminalChat, TerminalPorts, TerminalSettings
from bot.domain.channel_ports import Addressee, Sent
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage, MessageKind, OutboundMessage, Sender
from tests.unit.channels.doubles import NOON, MemoryInbox, MemoryLiveFeed, MemoryShopperStream, eventually

ME = Sender("terminal", "shop", "local")
CHOICES = (Button("质量问题", "=quality"), Button("转人工", "/request_human"))


class Room:
    """A terminal whose lines are prepared and whose bot answers with choices."""

    def __init__(self, *lines: str) -> None:
        clock = ManualClock(NOON)
        self.live = MemoryLiveFeed()
        self.stream = MemoryShopperStream(self.live, clock)
        self.inbox = MemoryInbox()
        self.screen = io.StringIO()
        self.more = threading.Event()
        self._lines = list(lines)
        settings = TerminalSettings(answer_wait_s=60, settle_s=0.05, human_wait_s=0.05, poll_s=0.1)
        ports = TerminalPorts(self._on_messages, self.stream, self.live, clock)
        console = Console(file=self.screen, width=100)
        self.chat = TerminalChat(ports, settings, console, self._read_line)

    def _read_line(self, _prompt: str) -> str:
        if not self._lines:
            raise EOFError
        line = self._lines.pop(0)
        if line == "(wait)":
            self.more.wait(60)
            raise EOFError
        return line

    async def _on_messages(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        accepted = await self.inbox(messages)
        await self.stream.say(ME, "customer", messages[0].text, client_key=messages[0].dedupe_key)
        await self.stream.say(ME, "bot", f"echo {messages[0].text}", buttons=CHOICES)
        return accepted


async def test_chat_sends_lines_and_shows_answers_with_numbered_choices():
    """What is typed goes in, what is answered is shown before the next prompt."""
    room = Room("我要投诉", "/quit")
    await room.chat.run()
    assert [message.text for message in room.inbox.messages] == ["我要投诉"]
    shown = room.screen.getvalue()
    assert "echo 我要投诉" in shown
    assert "1. 质量问题" in shown
    assert "2. 转人工" in shown
    assert "Goodbye" in shown


async def test_number_presses_the_button_and_other_numbers_are_text():
    """2 is the second choice; 7 and an order number are words."""
    room = Room("hi", "2", "7", "1234567890")
    await room.chat.run()
    sent = [(message.kind, message.text, message.payload) for message in room.inbox.messages]
    assert sent == [
        (MessageKind.TEXT, "hi", ""),
        (MessageKind.BUTTON, "转人工", "/request_human"),
        (MessageKind.TEXT, "7", ""),
        (MessageKind.TEXT, "1234567890", ""),
    ]


async def test_empty_lines_and_control_characters_send_nothing():
    """Return pressed by mistake is no message."""
    room = Room("", "   ", "\x1b\x07", "/quit")
    await room.chat.run()
    assert room.inbox.messages == []


async def test_agents_words_appear_while_the_prompt_waits():
    """A human's answer is shown without a line being typed."""
    room = Room("(wait)")
    running = asyncio.create_task(room.chat.run())
    await eventually(lambda: bool(room.live.followers))
    await room.stream.say(ME, "agent", "我来了", agent_name="林晓")
    await eventually(lambda: "林晓: 我来了" in room.screen.getvalue())
    await room.stream.say(ME, "notice", "没有铃声", ring=False)
    await eventually(lambda: "没有铃声" in room.screen.getvalue())
    room.more.set()
    await running


async def test_history_is_shown_at_start_and_its_choices_can_be_picked():
    """Coming back, the open question is still answered by number."""
    room = Room("1", "/quit")
    await room.stream.say(ME, "customer", "在吗")
    await room.stream.say(ME, "bot", "哪一类？", buttons=CHOICES)
    await room.chat.run()
    assert "您 You: 在吗" in room.screen.getvalue()
    assert room.inbox.messages[0].payload == "=quality"


async def test_markup_in_words_stays_text():
    """Square brackets of a message are not styles."""
    room = Room("[bold red]x[/]", "/quit")
    await room.chat.run()
    assert "echo [bold red]x[/]" in room.screen.getvalue()


async def test_adapter_takes_every_message_at_once():
    """The record is the delivery."""
    result = await TerminalAdapter().send(
        Addressee("shop", "local", ConversationId("c")), OutboundMessage("x"), OutboxId(3)
    )
    assert result == Sent("terminal-3")
