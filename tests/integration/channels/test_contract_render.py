"""Whatever is to be said goes out within a platform's limits and reads back to the same choices, through the adapter.

LINE and Meta's channels have the same test without the sending, in tests/unit/channels/test_platform_render.py.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.channels.cleaning import clean_text
from bot.channels.telegram.parse import TelegramSettings
from bot.channels.telegram.send import TelegramAdapter
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.send import WecomKfAdapter
from bot.channels.wecom_kf.settings import WecomKfSettings
from bot.domain.channel_ports import Addressee, Sent
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.messages import Button, OutboundMessage
from bot.domain.windows import Opening
from bot.simulators.network import SimulatedNetwork
from bot.simulators.wechat_oa.server import Follower
from bot.simulators.wecom_kf.server import BOT, Session
from tests.integration.channels.platforms import APP_ID, CORP_ID, SECRETS, SHOPPERS, simulated
from tests.unit.channels.doubles import NOON

Shown = list[tuple[str, list[str]]]
"""Texts with the payloads of the buttons below them."""

words = st.text(max_size=30) | st.sampled_from(
    ["订单 W123 已发货。", "👩‍👩‍👧‍👦🇨🇳", "]]> <b>&amp;", "\x00\x1b[31m", "\ud800"]
)
texts = st.builds(lambda text, times: text * times, words, st.integers(1, 60))
payloads = st.builds("/{}{}".format, st.sampled_from(["affirm", "track_order", "x" * 50]), st.integers(0, 99))
buttons = st.builds(Button, st.text(max_size=90), payloads)
messages = st.builds(OutboundMessage, texts, st.lists(buttons, max_size=15).map(tuple))


class NoCodes:
    """No welcome code."""

    async def token(self, conversation_id: ConversationId, kind: Opening, at: datetime) -> str:
        """Give none."""
        del conversation_id, kind, at
        return ""

    async def take(self, conversation_id: ConversationId, at: datetime) -> str:
        """Give none."""
        del conversation_id, at
        return ""


class Counter:
    """An adapter before its simulated platform, on a loop of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.platform = simulated(name, ManualClock(NOON))
        self._sent = 0
        self._loop = asyncio.Runner()
        network = SimulatedNetwork(self.platform.server)
        make: Callable[[SimulatedNetwork], Any] = getattr(self, f"_{name}")
        self.adapter = make(network)

    def _telegram(self, network: SimulatedNetwork) -> TelegramAdapter:
        return TelegramAdapter(TelegramSettings(SECRETS.telegram_token), network)

    def _wechat_oa(self, network: SimulatedNetwork) -> WechatOaAdapter:
        credentials = WechatOaSettings(APP_ID, SECRETS.wechat_oa_app_secret, SECRETS.wechat_oa_token)
        return WechatOaAdapter(credentials, self.platform.server.clock, network)

    def _wecom_kf(self, network: SimulatedNetwork) -> WecomKfAdapter:
        keys = (SECRETS.wecom_kf_secret, SECRETS.wecom_kf_token, SECRETS.wecom_kf_aes_key)
        credentials, clock = WecomKfSettings(CORP_ID, *keys), self.platform.server.clock
        return WecomKfAdapter(credentials, KfClient(credentials, clock, network), NoCodes(), clock)

    def shows(self, message: OutboundMessage) -> Shown:
        """Send; give what the shopper reads."""
        server, who = self.platform.server, SHOPPERS[self.name]
        server.sent.clear()
        self._speaks(who)
        self._sent += 1
        account = "wkDemo01" if self.name == "wecom_kf" else "main"
        to = Addressee(account, str(who), ConversationId("c1"))
        result = self._loop.run(self.adapter.send(to, message, OutboxId(self._sent)))
        assert isinstance(result, Sent), result
        return self._seen()

    def close(self) -> None:
        """Let go."""
        self._loop.run(self.adapter.close())
        self._loop.close()

    def _speaks(self, who: Any) -> None:
        server = self.platform.server
        if self.name == "wechat_oa":
            server.followers[who] = Follower(spoke_at=server.clock.now())
        elif self.name == "wecom_kf":
            server.offered.clear()
            server.sessions["wkDemo01", who] = Session(state=BOT, spoke_at=server.clock.now())

    def _seen(self) -> Shown:
        server = self.platform.server
        if self.name == "telegram":
            return [(one.text, [payload for _, payload in one.buttons]) for one in server.sent]
        if self.name == "wecom_kf":
            offered = [[key for key, _ in keys] for keys in server.offered]
            return list(zip([text for _, _, text in server.sent], offered, strict=True))
        return [(text, []) for _, text in server.sent]


@pytest.fixture(scope="module", params=["telegram", "wechat_oa", "wecom_kf"])
def counter(request: pytest.FixtureRequest) -> Iterator[Counter]:
    made = Counter(request.param)
    yield made
    made.close()


def squeezed(text: str) -> str:
    """Keep what a reader sees, without white space, which splitting may drop."""
    return re.sub(r"\s+", "", clean_text(text, len(text)).text)


@settings(max_examples=60)
@given(message=messages)
def test_any_message_is_taken_and_reads_back_to_the_same_choices(counter: Counter, message: OutboundMessage) -> None:
    """The strict simulator takes every part; choices are buttons in order, or numbered lines in order."""
    shown = counter.shows(message)
    told = squeezed("".join(text for text, _ in shown))
    assert squeezed(message.text) in told
    pressed = [payload for _, keys in shown for payload in keys]
    if pressed:
        assert pressed == [button.payload for button in message.buttons]
        assert shown[-1][1], "choices stand under the last part"
    else:
        for number, button in enumerate(message.buttons, start=1):
            assert f"{number}.{squeezed(button.label)}" in told
