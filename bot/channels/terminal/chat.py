"""The conversation in the terminal: lines in, the shopper's stream out, buttons as numbers."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.text import Text

from bot.channels.cleaning import clean_text
from bot.channels.terminal.adapter import CHANNEL
from bot.domain.channel_ports import OnMessages, ShopperStream, StreamItem
from bot.domain.clock import Clock
from bot.domain.messages import Button, InboundMessage, MessageKind, Sender
from bot.domain.ports import LiveFeed

QUIT = "/quit"
_PROMPT = "› "
_HISTORY = 10
_PAGE = 100
_STYLES = {"bot": "green", "agent": "bold yellow", "notice": "cyan", "customer": "dim"}
_NAMES = {"bot": "小二 Xiaoer", "notice": "店铺 Shop", "customer": "您 You"}
_GREETING = """和小二聊天：直接输入文字；输入数字选择选项；/quit 结束。
Chat with Xiaoer: just type; a number picks a choice; /quit ends."""
_GOODBYE = "再见。Goodbye."


@dataclass(frozen=True, slots=True)
class TerminalPorts:
    """What the terminal needs from the rest of the house."""

    on_messages: OnMessages
    stream: ShopperStream
    live: LiveFeed
    clock: Clock


@dataclass(frozen=True, slots=True)
class TerminalSettings:
    """Who is talking, and how long the prompt waits for an answer before it comes back, in seconds."""

    account: str = "shop"
    person: str = "local"
    answer_wait_s: float = 8.0
    human_wait_s: float = 0.3
    settle_s: float = 0.4
    poll_s: float = 2.0


@dataclass(slots=True)
class _Heard:
    """What has been shown so far: the last number, the choices now open, and who spoke last."""

    last_seq: int = 0
    buttons: tuple[Button, ...] = ()
    speaker: str = ""
    bell: asyncio.Event = field(default_factory=asyncio.Event)


class TerminalChat:
    """``xiaoer chat``; ``run`` talks until /quit or the end of the input.

    What an agent writes appears while the prompt waits. ``read_line`` is given the prompt and raises EOFError at the
    end; it runs on a thread of its own.
    """

    def __init__(
        self,
        ports: TerminalPorts,
        settings: TerminalSettings | None = None,
        console: Console | None = None,
        read_line: Callable[[str], str] = input,
    ) -> None:
        self._ports = ports
        self._settings = settings or TerminalSettings()
        self._console = console or Console(highlight=False)
        self._read_line = read_line
        self._me = Sender(CHANNEL, self._settings.account, self._settings.person)
        self._heard = _Heard()
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """Show the newest messages, then talk."""
        self._console.print(Text(_GREETING, style="dim"))
        for item in await self._ports.stream.latest(self._me, _HISTORY):
            self._show(item)
        listener = asyncio.create_task(self._listen())
        try:
            while (line := await self._next_line()) is not None:
                await self._say(line)
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
        self._console.print(Text(_GOODBYE, style="dim"))

    async def _next_line(self) -> str | None:
        """Ask for a line; None when the person is done."""
        line = await _on_daemon_thread(self._read_line, _PROMPT)
        return None if line is None or line.strip() == QUIT else line

    async def _say(self, line: str) -> None:
        words = clean_text(line)
        if not words.text:
            return
        button = self._picked(words.text)
        message = InboundMessage(
            sender=self._me,
            dedupe_key=f"{self._me.channel_user_id}:{secrets.token_hex(12)}",
            kind=MessageKind.BUTTON if button else MessageKind.TEXT,
            sent_at=self._ports.clock.now(),
            text=button.label if button else words.text,
            payload=button.payload if button else "",
            truncated=words.truncated,
        )
        self._heard.buttons = ()
        self._heard.bell.clear()
        await self._ports.on_messages([message])
        await self._wait_for_answer()

    def _picked(self, text: str) -> Button | None:
        """Find the button a bare number stands for."""
        if not (text.isascii() and text.isdigit()) or len(text) > len("99"):
            return None
        number = int(text)
        return self._heard.buttons[number - 1] if 1 <= number <= len(self._heard.buttons) else None

    async def _wait_for_answer(self) -> None:
        """Hold the prompt back until the answer is complete; a human may take his time."""
        human = self._heard.speaker == "agent"
        wait_s = self._settings.human_wait_s if human else self._settings.answer_wait_s
        with contextlib.suppress(TimeoutError):
            while True:
                await asyncio.wait_for(self._heard.bell.wait(), wait_s)
                self._heard.bell.clear()
                wait_s = self._settings.settle_s

    async def _listen(self) -> None:
        """Show what comes, on every bell and every ``poll_s`` seconds without one."""
        topic = f"shopper:{CHANNEL}:{self._me.account}:{self._me.channel_user_id}"
        bells = asyncio.create_task(self._follow(topic))
        try:
            while True:
                await asyncio.sleep(self._settings.poll_s)
                await self._look()
        finally:
            bells.cancel()
            await asyncio.gather(bells, return_exceptions=True)

    async def _follow(self, topic: str) -> None:
        async for event in self._ports.live.subscribe([topic]):
            if event.kind != "typing":
                await self._look()

    async def _look(self) -> None:
        async with self._looking:
            for item in await self._ports.stream.since(self._me, self._heard.last_seq, _PAGE):
                if item.sender == "customer":
                    self._heard.last_seq = max(self._heard.last_seq, item.seq)
                else:
                    self._show(item)
                    self._heard.bell.set()

    def _show(self, item: StreamItem) -> None:
        self._heard.last_seq = max(self._heard.last_seq, item.seq)
        if item.sender != "customer":
            self._heard.speaker = item.sender
        self._heard.buttons = item.buttons
        name = item.agent_name if item.sender == "agent" else _NAMES.get(item.sender, item.sender)
        line = Text.assemble((f"{name}: ", _STYLES.get(item.sender, "")), item.text)
        for number, button in enumerate(item.buttons, start=1):
            line.append(f"\n  {number}. {button.label}", style="magenta")
        self._console.print(line)


async def _on_daemon_thread(read_line: Callable[[str], str], prompt: str) -> str | None:
    """Read a line without keeping the process alive: a pool's thread would hold up the end after Ctrl-C."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()

    def settle(text: str | None) -> None:
        if not line.done():
            line.set_result(text)

    def read() -> None:
        try:
            text: str | None = read_line(prompt)
        except (EOFError, KeyboardInterrupt, ValueError):  # ValueError: the input was closed
            text = None
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, text)

    threading.Thread(target=read, daemon=True, name="terminal-input").start()
    return await line
