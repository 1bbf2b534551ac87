"""Voice notes in a real browser: AMR is heard in the console, and no page runs what its policy does not allow."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from bot.console.headers import DECODER_POLICY
from bot.domain.people import Role
from storage.database import Database
from tests.integration.console.browsing import complaints_of, signed_in
from tests.integration.console.media_shop import MediaShop

pytestmark = pytest.mark.browser

NARROW, WIDE = b"#!AMR\n", b"#!AMR-WB\n"
SILENCE = b"\x44" + bytes(5)
NO_DATA = b"\x7c"
SPEECH = b"\x3c" + random.Random(4867).randbytes(31)  # noqa: S311 - a frame of 12.2 kbit/s, whatever it says
WIDE_SPEECH = b"\x24" + random.Random(4867).randbytes(40)  # noqa: S311 - a frame of 15.85 kbit/s
SECOND = 50


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: the browser does not see the database."""
    return sqlite_url


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> MediaShop:
    """Give a shop with an agent."""
    shop = MediaShop(database, tmp_path / "media")
    await shop.hire("li", "Li", Role.AGENT)
    return shop


SOUNDS = (
    (NARROW + SPEECH * SECOND * 2, 2.0, True),
    (NARROW + NO_DATA * SECOND + SILENCE * SECOND, 2.0, False),
    (WIDE + WIDE_SPEECH * SECOND * 3, 3.0, True),
    (NARROW + SPEECH * SECOND + SPEECH[:7], 1.0, True),
    (NARROW + NO_DATA * SECOND * 700, 600.0, False),
)
"""Notes with their seconds and whether anything sounds: speech, silence, wide band, broken off, far too long."""

LISTEN = """async (sound) => {
  const context = new AudioContext();
  const ear = context.createAnalyser();
  context.createMediaElementSource(sound).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  const end = performance.now() + 60000;
  const soon = () => new Promise((next) => setTimeout(next, 20));
  while (performance.now() < end && !sound.currentTime) await soon();
  const played = sound.currentTime > 0;
  // It may be over before anybody listens: once more, until something is heard or nothing at many places.
  sound.loop = true;
  sound.currentTime = 0;
  await sound.play();
  let loudest = 0;
  for (let place = 0, places = 0; performance.now() < end && places < 25 && loudest <= 0.01; ) {
    await soon();
    if (sound.currentTime === place) continue;
    place = sound.currentTime;
    places += 1;
    ear.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
  }
  sound.pause();
  return { seconds: sound.duration, played, loud: loudest > 0.01 };
}"""
RENEW = """() => new Promise((done) => {
  document.addEventListener("htmx:afterSettle", (event) => event.detail.target.id === "lines" && done());
  htmx.trigger(document.body, "changed");
})"""


async def opened(shop: MediaShop, browser: Browser, address: str, *sounds: bytes) -> tuple[Page, list[str]]:
    """Open a conversation with these voice notes; give the page and what it complains about."""
    conversation = await shop.show("web", *["voice"] * len(sounds))
    for at, sound in enumerate(sounds):
        await shop.keep(conversation, sound, "audio/amr", at)
    page = await signed_in(browser, address, "li")
    complaints = complaints_of(page)
    await page.goto(f"{address}/conversations/{conversation}")
    return page, complaints


async def test_voice_of_wechat_is_heard_in_the_page(shop: MediaShop, browser: Browser, address: str):
    """Each is as long as it is and sounds when it should; the policy is kept; what is far too long says so."""
    page, complaints = await opened(shop, browser, address, *(sound for sound, *_ in SOUNDS))
    for number, (_, seconds, loud) in enumerate(SOUNDS):
        note = page.locator(".voice").nth(number)
        await note.get_by_role("button", name="Play", exact=True).click()
        sound = note.locator("audio")
        await expect(sound).to_be_focused()
        found = await sound.evaluate(LISTEN)
        assert found == {"seconds": pytest.approx(seconds), "played": True, "loud": loud}, number
    await expect(page.locator(".voice-state").nth(0)).to_have_text("")
    await expect(page.locator(".voice-state").nth(4)).to_have_text(
        "Only the first 10 minutes play here. Save it to hear all."
    )
    # What is heard goes on while the thread renews itself.
    await page.evaluate("document.querySelector('.voice audio').dataset.mark = 'same'")
    await page.evaluate(RENEW)
    await expect(page.locator(".voice audio").first).to_have_attribute("data-mark", "same")
    assert complaints == []


@pytest.mark.parametrize("broken", [NARROW, NARROW + SPEECH[:9], b"#!AMR_MC1.0\n" + bytes(4) + SPEECH * 9])
async def test_note_that_is_none_is_told(shop: MediaShop, browser: Browser, address: str, broken: bytes):
    """Nothing, a piece of one frame, several channels at once: a sentence, and the file itself to save."""
    page, complaints = await opened(shop, browser, address, broken)
    await page.get_by_role("button", name="Play", exact=True).click()
    await expect(page.locator(".voice-state")).to_have_text(
        "It cannot be played here. Save it and open it with another program."
    )
    await expect(page.get_by_role("button", name="Play", exact=True)).to_be_enabled()
    await expect(page.get_by_role("link", name="Save")).to_be_visible()
    assert complaints == []


async def test_pages_may_not_run_what_the_worker_runs(shop: MediaShop, browser: Browser, address: str):
    """WebAssembly is refused in the page itself, and the worker reaches no address."""
    page, _ = await opened(shop, browser, address, NARROW + SPEECH)
    refused = "() => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then(() => 'ran', () => 'no')"
    assert await page.evaluate(refused) == "no"
    answer = await page.request.get(f"{address}/static/amr.js")
    assert answer.headers["content-security-policy"] == DECODER_POLICY
    assert "connect-src" not in DECODER_POLICY
    assert DECODER_POLICY.startswith("default-src 'none'")
