"""What phones are made of: the clock that time passes on, samples, knobs."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bot.domain.clock import ManualClock
from bot.domain.errors import RefusedInput
from bot.domain.media_types import sniff
from bot.simulators.courier import CourierKnobs
from bot.simulators.media import HeldFile, MediaHold
from bot.simulators.meta.graph import MetaApp
from bot.simulators.phones.clock import MAX_AHEAD, MAX_STEP, PassingClock
from bot.simulators.phones.levers import RETRY_AFTER_S, retrying
from bot.simulators.phones.samples import KEPT_FILES, keep, own_file, sample
from bot.simulators.phones.screen import Act
from bot.simulators.whatsapp.server import WhatsappServer

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def test_clock_lets_time_pass_and_goes_on() -> None:
    """A day passes at once; then it runs as before."""
    inner = ManualClock(NOW)
    clock = PassingClock(inner)
    clock.let_pass(timedelta(days=1))
    inner.advance(timedelta(seconds=5))
    assert clock.now() == NOW + timedelta(days=1, seconds=5)
    assert clock.ahead == timedelta(days=1)


@pytest.mark.parametrize("step", [timedelta(), timedelta(hours=-1), MAX_STEP + timedelta(hours=1)])
def test_clock_never_goes_back_nor_too_far(step: timedelta) -> None:
    """It says what it takes."""
    with pytest.raises(RefusedInput, match="forward"):
        PassingClock(ManualClock(NOW)).let_pass(step)


def test_clock_stops_where_everything_would_have_expired() -> None:
    """Many steps end too."""
    clock = PassingClock(ManualClock(NOW))
    for _ in range(MAX_AHEAD // MAX_STEP):
        clock.let_pass(MAX_STEP)
    with pytest.raises(RefusedInput):
        clock.let_pass(MAX_STEP)
    assert clock.ahead <= MAX_AHEAD


@pytest.mark.parametrize(
    ("act", "mime"), [(Act.IMAGE, "image/png"), (Act.VOICE, "audio/wav"), (Act.STICKER, "image/png")]
)
def test_sample_is_what_it_says(act: Act, mime: str) -> None:
    """By its bytes, as the shop looks at them."""
    found = sample(act)
    assert found is not None
    assert sniff(found.data) == found.mime == mime


@pytest.mark.parametrize(
    ("data", "act", "mime"),
    [
        (b"\xff\xd8\xff\xe0 a photo", Act.IMAGE, "image/jpeg"),
        (b"OggS a song", Act.VOICE, "audio/ogg"),
        (b"\0\0\0\x18ftypmp42", Act.VIDEO, "video/mp4"),
        (b"%PDF-1.7", Act.FILE, "application/pdf"),
        (b"\x01\x02\x03", Act.FILE, "application/octet-stream"),
    ],
)
def test_own_file_is_told_by_its_bytes(data: bytes, act: Act, mime: str) -> None:
    """Whatever it is called."""
    assert own_file(data, "mine.gif") == (act, HeldFile(data, mime, "mine.gif"))


def test_platform_keeps_the_newest_files_alone() -> None:
    """An afternoon of trying does not fill the memory."""
    hold = MediaHold()
    numbers = [keep(hold, HeldFile(b"%d" % number)) for number in range(KEPT_FILES + 3)]
    assert len(hold.files) == KEPT_FILES
    assert hold.there(numbers[0]) is None
    assert hold.there(numbers[-1]) is not None


def test_platform_calls_again_from_the_start() -> None:
    """As the real ones do; the knob takes it away and gives it back."""
    knobs = CourierKnobs()
    lever = retrying(knobs)
    assert knobs.retry_after_s == RETRY_AFTER_S
    assert lever.usual
    shop_is_called_once = False
    lever.turn(shop_is_called_once)
    assert knobs.retry_after_s == ()
    assert not lever.is_on()
    lever.turn(not shop_is_called_once)
    assert lever.is_on()


async def test_template_is_shown_as_the_person_reads_it() -> None:
    """With its values in their places."""
    server = WhatsappServer(MetaApp("token", "secret", "verify"), "1", ManualClock(NOW))
    server.templates["news", "en"] = 1
    server.wordings["news", "en"] = "Hello {{1}}, there is news."
    server.customers["16505550001"] = NOW
    parts = [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}]}]
    template = {"name": "news", "language": {"code": "en"}, "components": parts}
    body = {"messaging_product": "whatsapp", "to": "16505550001", "type": "template", "template": template}
    proof = hmac.new(b"secret", b"token", hashlib.sha256).hexdigest()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://graph.example") as http:
        where, head = f"/v23.0/1/messages?appsecret_proof={proof}", {"Authorization": "Bearer token"}
        answer = await http.post(where, json=body, headers=head)
    assert answer.status_code == 200, answer.text
    assert [shown.text for shown in server.shown] == ["Hello Ann, there is news."]
