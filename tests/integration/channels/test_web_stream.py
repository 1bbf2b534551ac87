"""The widget's event stream over a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from bot.channels.web.routes import WidgetSettings
from bot.domain.messages import Sender
from bot.domain.ports import LiveEvent
from tests.integration.channels.test_web_routes import Room
from tests.unit.channels.doubles import eventually, serving

WAIT_S = 60


class Reader:
    """Reads events from an open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> dict[str, Any]:
        """Give the next event that is not a ping; fails after WAIT_S."""
        async with asyncio.timeout(WAIT_S):
            fields: dict[str, Any] = {}
            async for line in self._lines:
                if not line and "data" in fields:
                    return {**fields, "data": json.loads(fields["data"])}
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
        raise AssertionError("the stream ended")


class Visit:
    """A visitor of a served widget."""

    def __init__(self, room: Room, base: str, token: str) -> None:
        self.room = room
        self.base = base
        self.token = token
        self.me = Sender("web", "shop", room.tokens.read(token))

    @asynccontextmanager
    async def listen(self, query: str = "", **headers: str) -> AsyncIterator[Reader]:
        """Open the stream and pass its greeting."""
        headers["Authorization"] = f"Bearer {self.token}"
        async with (
            httpx.AsyncClient(timeout=WAIT_S) as http,
            http.stream("GET", f"{self.base}/widget/stream{query}", headers=headers) as response,
        ):
            assert response.headers["content-type"].startswith("text/event-stream")
            reader = Reader(response)
            assert (await reader.next())["event"] == "ready"
            yield reader


@asynccontextmanager
async def visiting(ping_s: float = 15.0) -> AsyncIterator[Visit]:
    room = Room(WidgetSettings(ping_s=ping_s))
    async with serving(room.app) as base:
        yield Visit(room, base, await room.token())


async def test_stream_tells_what_is_said_while_it_is_open():
    """A bell brings the new message with its number as the event's id."""
    async with visiting() as visit, visit.listen() as reader:
        await visit.room.stream.say(visit.me, "bot", "您好\n请讲")
        event = await reader.next()
        assert (event["event"], event["id"]) == ("message", "1")
        assert event["data"]["text"] == "您好\n请讲"


async def test_stream_resumes_after_the_last_event_id():
    """What was seen is not told again, what was missed is."""
    async with visiting() as visit:
        for text in ("one", "two", "three"):
            await visit.room.stream.say(visit.me, "bot", text)
        async with visit.listen(**{"Last-Event-ID": "2"}) as reader:
            assert (await reader.next())["data"]["text"] == "three"
        async with visit.listen("?after=1") as reader:
            assert (await reader.next())["data"]["text"] == "two"


async def test_stream_pages_through_a_long_absence():
    """More than a page of missed messages comes whole and in order."""
    async with visiting() as visit:
        for number in range(230):
            await visit.room.stream.say(visit.me, "bot", str(number))
        async with visit.listen() as reader:
            assert [(await reader.next())["data"]["text"] for _ in range(230)] == [str(n) for n in range(230)]


async def test_stream_tells_a_message_that_was_sent_late():
    """A message numbered before the last one told, delivered after it, is not lost; ids never go back."""
    async with visiting() as visit, visit.listen() as reader:
        await visit.room.stream.say(visit.me, "customer", "later", seq=9)
        assert (await reader.next())["id"] == "9"
        await visit.room.stream.say(visit.me, "bot", "held back", seq=5)
        late = await reader.next()
        assert (late["data"]["seq"], late["id"]) == (5, "9")


async def test_stream_survives_a_lost_bell():
    """Without any bell the record is read again after the heartbeat's time."""
    async with visiting(ping_s=0.2) as visit, visit.listen() as reader:
        await visit.room.stream.say(visit.me, "bot", "no bell", ring=False)
        assert (await reader.next())["data"]["text"] == "no bell"


async def test_stream_shows_typing():
    """Typing is passed on without an id of its own and without our ids."""
    async with visiting() as visit, visit.listen() as reader:
        topic = f"shopper:web:shop:{visit.me.channel_user_id}"
        await visit.room.live.publish(LiveEvent(topic, "typing", {"conversation_id": "inner"}))
        event = await reader.next()
        assert (event["event"], event["data"]) == ("typing", {"on": True})
        assert "id" not in event


async def test_stream_of_another_visitor_stays_silent():
    """Nobody hears what is said to somebody else."""
    async with visiting() as visit, visit.listen() as reader:
        await visit.room.stream.say(Sender("web", "shop", "v" + "0" * 24), "bot", "secret")
        await visit.room.stream.say(visit.me, "bot", "mine")
        assert (await reader.next())["data"]["text"] == "mine"


async def test_closed_stream_leaves_nothing_behind():
    """After the page is closed no subscription and no slot remains."""
    async with visiting() as visit:
        for _ in range(12):
            async with visit.listen():
                pass
        await eventually(lambda: not visit.room.live.followers)


async def test_too_many_streams_of_one_visitor_are_declined():
    """The ninth open stream gets 429."""
    async with visiting() as visit, httpx.AsyncClient(timeout=WAIT_S) as http:
        headers = {"Authorization": f"Bearer {visit.token}"}
        requests = [http.build_request("GET", f"{visit.base}/widget/stream", headers=headers) for _ in range(9)]
        answers, readers = [], []
        for request in requests:
            answer = await http.send(request, stream=True)
            answers.append(answer)
            if answer.status_code == 200:
                readers.append(Reader(answer))  # kept: a reader that is dropped closes its stream
                await readers[-1].next()
        assert [answer.status_code for answer in answers] == [200] * 8 + [429]
        for answer in answers:
            await answer.aclose()


async def test_server_stops_while_a_stream_is_open():
    """An open page does not keep the server from ending."""
    async with asyncio.timeout(WAIT_S):
        async with visiting(ping_s=0.5) as visit, visit.listen() as reader:
            await visit.room.stream.say(visit.me, "bot", "bye")
            await reader.next()
