"""Attachments in the console: seen by people who are signed in, run by no browser, sent where that is possible."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain import events as ev
from bot.domain.errors import Conflict
from bot.domain.ids import ConversationId
from bot.domain.media import MediaState
from bot.domain.people import Role
from bot.domain.tickets import TicketKind
from storage.database import Database
from tests.integration.console.media_shop import PAGE, PICTURE, MediaShop
from tests.integration.console.shop import PASSWORDS, Browser, Shop, ticket


@pytest.fixture
async def media_shop(database: Database, tmp_path: Path) -> MediaShop:
    """Give a shop with an agent and a manager."""
    shop = MediaShop(database, tmp_path / "media")
    await shop.hire("li", "Li", Role.AGENT)
    await shop.hire("zhao", "Zhao", Role.MANAGER)
    return shop


async def signed_in(shop: Shop, login: str = "li") -> Browser:
    """Open a person's browser."""
    browser = shop.browser()
    await browser.sign_in(login, PASSWORDS[shop.agents[login].role.value])
    return browser


async def send(browser: Browser, conversation: ConversationId, data: bytes, name: str = "a.png", **more: Any) -> Any:
    """Send a file as the page does."""
    headers = {"x-csrf-token": browser.token, "x-file-name": name, "x-send-key": "k1", "hx-request": "true"}
    headers |= more.get("headers", {})
    return await browser.http.post(f"/console/conversations/{conversation}/file", content=data, headers=headers)


async def test_picture_is_shown_to_people_who_are_signed_in_only(media_shop: MediaShop):
    """A thumbnail in the thread; its bytes with the right type, and a sandbox around it; to strangers the sign-in."""
    conversation = await media_shop.show("web", "image")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    browser = await signed_in(media_shop)
    page = await browser.get(f"/conversations/{conversation}")
    assert f'src="/console/media/{media}"' in page.text
    answer = await browser.http.get(f"/console/media/{media}")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, PICTURE, "image/png")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert answer.headers["content-disposition"].startswith("inline")
    stranger = await media_shop.browser().http.get(f"/console/media/{media}", headers={"accept": "image/*"})
    assert stranger.status_code == 401
    assert PICTURE not in stranger.content


async def test_what_a_browser_could_run_is_only_handed_over(media_shop: MediaShop):
    """Even when a page has come onto the shelf, it goes out as a nameless download."""
    conversation = await media_shop.show("web", "file", name='x".html\r\nSet-Cookie: a=b')
    media = await media_shop.keep(conversation, PAGE, "text/html")
    browser = await signed_in(media_shop)
    answer = await browser.http.get(f"/console/media/{media}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert "set-cookie" not in answer.headers or "a=b" not in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=0-9", 206, PICTURE[:10]), ("bytes=2000-", 206, PICTURE[2000:]), ("bytes=9999999-", 416, b""),
     ("bytes=5-2", 416, b""), ("nonsense", 200, PICTURE)],
)  # fmt: skip
async def test_player_may_ask_for_a_part(media_shop: MediaShop, asked: str, status: int, part: bytes):
    """Films are moved about in; a part that is not there is told."""
    conversation = await media_shop.show("web", "video")
    media = await media_shop.keep(conversation, PICTURE, "video/mp4")
    browser = await signed_in(media_shop)
    answer = await browser.http.get(f"/console/media/{media}", headers={"range": asked})
    assert answer.status_code == status
    assert status == 416 or answer.content == part


async def test_attachment_that_could_not_be_fetched_is_asked_for_again(media_shop: MediaShop):
    """The reason is shown with a button; pressed, it waits again."""
    conversation = await media_shop.show("web", "voice")
    (file,) = (await media_shop.record.of_conversation(conversation)).values()
    await media_shop.record.give_up(file.id, MediaState.FAILED, "the platform answers HTTP 500")
    browser = await signed_in(media_shop)
    page = await browser.get(f"/conversations/{conversation}")
    assert "could not be fetched: the platform answers HTTP 500" in page.text
    assert (await browser.http.get(f"/console/media/{file.id}")).status_code == 404
    assert (await browser.post(f"/media/{file.id}/retry")).status_code == 303
    assert (await media_shop.record.get(file.id)).state is MediaState.WAITING


async def test_agent_sends_a_picture_once(media_shop: MediaShop):
    """It is in the thread, in the outbox, and a second try with the same key changes nothing."""
    conversation = await media_shop.show("web", "image")
    browser = await signed_in(media_shop)
    refused = await send(browser, conversation, PICTURE)
    assert refused.status_code == 409
    await browser.post(f"/conversations/{conversation}/take")
    for _ in range(2):
        assert (await send(browser, conversation, PICTURE)).status_code == 204
    assert len(await media_shop.record.of_conversation(conversation)) == 2
    events = [event for _, _, event in await media_shop.stores.conversations.events(conversation)]
    sent = [event for event in events if isinstance(event, ev.AgentUttered)]
    assert [event.attachments[0]["name"] for event in sent] == ["a.png"]
    page = await browser.get(f"/conversations/{conversation}/thread")
    assert f"/console/media/{sent[0].attachments[0]['reference']}" in page.text


@pytest.mark.parametrize(
    ("channel", "data", "words"),
    [("line", PICTURE, "takes no files"), ("wechat_oa", b"%PDF-1.7 x", "takes only pictures"),
     ("web", PAGE, "text/html are not taken"), ("web", PICTURE * 10, "larger than"), ("web", b"", "empty")],
)  # fmt: skip
async def test_file_that_cannot_go_is_told_before_anything_is_sent(
    media_shop: MediaShop, channel: str, data: bytes, words: str
):
    """Channel, type and size are each said, and nothing is on record."""
    conversation = await media_shop.show(channel, "image")
    browser = await signed_in(media_shop)
    await browser.post(f"/conversations/{conversation}/take")
    answer = await send(browser, conversation, data, "x")
    assert answer.status_code in {400, 413, 422}
    assert words in answer.text
    events = [event for _, _, event in await media_shop.stores.conversations.events(conversation)]
    assert not [event for event in events if isinstance(event, ev.AgentUttered)]


async def test_file_without_the_forms_token_is_not_read(media_shop: MediaShop):
    """A foreign page cannot send for the agent."""
    conversation = await media_shop.show("web", "image")
    browser = await signed_in(media_shop)
    await browser.post(f"/conversations/{conversation}/take")
    assert (await send(browser, conversation, PICTURE, headers={"x-csrf-token": "wrong"})).status_code == 403
    foreign = {"sec-fetch-site": "cross-site"}
    assert (await send(browser, conversation, PICTURE, headers=foreign)).status_code == 403


async def test_recalled_picture_is_not_in_the_thread(media_shop: MediaShop):
    """The line says that it was taken back, and shows nothing of it."""
    conversation = await media_shop.show("web", "image")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    events = await media_shop.stores.conversations.events(conversation)
    seq = next(number for number, _, event in events if isinstance(event, ev.CustomerUttered) and event.attachments)
    await media_shop.exchange("lin", "sorry", "ok", events=[ev.CustomerRecalled("", seq)])
    page = await (await signed_in(media_shop)).get(f"/conversations/{conversation}")
    assert str(media) not in page.text
    assert "Taken back by the shopper" in page.text


async def test_manager_erases_a_customers_attachments(media_shop: MediaShop):
    """With a tick and a reason: page, bytes and names are gone, who did it and why is in the thread and the ticket."""
    media_shop.clock.advance(timedelta(days=9000))
    conversation = await media_shop.show("web", "image", name="passport.png")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    content = (await media_shop.record.get(media)).content
    asked = ticket("TK10000001", "erase my data", TicketKind.PRIVACY)
    await media_shop.exchange("lin", "erase it", "we will", tickets=(asked,))
    browser = await signed_in(media_shop, "zhao")
    assert f"/conversations/{conversation}/person#attachments" in (await browser.get("/tickets/TK10000001")).text
    person = await browser.get(f"/conversations/{conversation}/person")
    assert "1 in 1 conversations, 0.1 MB." in person.text
    form = {"reason": "asked in the chat <b>", "sure": "yes"}
    answer = await browser.post(f"/conversations/{conversation}/person/erase-attachments", form)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"/console/conversations/{conversation}/person#attachments",
    )
    assert (await browser.http.get(f"/console/media/{media}")).status_code == 404
    assert content not in media_shop.shelf.contents()
    page = (await browser.get(f"/conversations/{conversation}")).text
    assert "Attachments erased by Zhao (1): asked in the chat &lt;b&gt;" in page
    assert "Picture · erased" in page
    assert "passport.png" not in page
    assert "No attachments are kept." in (await browser.get(f"/conversations/{conversation}/person")).text
    assert "Attachments of the customer erased: 1" in (await browser.get("/tickets/TK10000001")).text
    assert f"conversation:{conversation}" in {event.topic for event in media_shop.live.heard}


@pytest.mark.parametrize("form", [{"reason": "asked for"}, {"sure": "yes", "reason": " a "}, {"sure": "yes"}, {}])
async def test_nothing_is_erased_without_a_tick_and_a_reason(media_shop: MediaShop, form: dict[str, str]):
    """The page says what is missing; the attachment is still there."""
    conversation = await media_shop.show("web", "image")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    browser = await signed_in(media_shop, "zhao")
    answer = await browser.post(f"/conversations/{conversation}/person/erase-attachments", form)
    assert answer.status_code == 400
    assert (await browser.http.get(f"/console/media/{media}")).content == PICTURE


async def test_agent_may_not_erase_and_is_not_shown_how(media_shop: MediaShop):
    """What cannot be undone is a manager's to decide."""
    conversation = await media_shop.show("web", "image")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    browser = await signed_in(media_shop)
    assert "erase-attachments" not in (await browser.get(f"/conversations/{conversation}/person")).text
    form = {"reason": "asked for", "sure": "yes"}
    answer = await browser.post(f"/conversations/{conversation}/person/erase-attachments", form)
    assert answer.status_code == 403
    assert (await browser.http.get(f"/console/media/{media}")).content == PICTURE


async def test_ticket_shows_the_photos_themselves(media_shop: MediaShop):
    """Thumbnails that open large; what failed or never came is told, and no platform's id is shown."""
    conversation = await media_shop.show("web", "image", "video", name="crack.png")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    film = await media_shop.keep(conversation, PICTURE, "video/mp4", 1)
    draft = ticket("TK10000001", "it is cracked", photos=("rimage", "rvideo", "gone-from-here"))
    await media_shop.exchange("lin", "cracked", "sorry", tickets=(draft,))
    browser = await signed_in(media_shop)
    page = (await browser.get("/tickets/TK10000001")).text
    assert f'<a href="/console/media/{media}"' in page
    assert f'<video id="media-{film}"' in page
    assert "Picture · not kept here" in page
    for hidden in ("rimage", "rvideo", "gone-from-here"):
        assert hidden not in page
    await media_shop.record.give_up(film, MediaState.FAILED, "the platform answers HTTP 500")
    page = (await browser.get("/tickets/TK10000001")).text
    assert "could not be fetched: the platform answers HTTP 500" in page
    assert (await browser.post(f"/media/{film}/retry")).status_code == 303


async def test_ticket_of_an_erased_customer_says_that_there_were_photos(media_shop: MediaShop):
    """Nothing of them is left, and nobody looks for them."""
    conversation = await media_shop.show("web", "image")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    await media_shop.exchange("lin", "cracked", "sorry", tickets=(ticket("TK10000001", "cracked", photos=("rimage",)),))
    browser = await signed_in(media_shop, "zhao")
    await browser.get(f"/conversations/{conversation}/person")
    form = {"reason": "asked for", "sure": "yes"}
    await browser.post(f"/conversations/{conversation}/person/erase-attachments", form)
    page = (await browser.get("/tickets/TK10000001")).text
    assert "Picture · erased" in page
    assert str(media) not in page


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (MediaState.REFUSED, "it is larger than 10 MB", "未接收：文件大于 10 MB · 请让顾客发一个小一些的。"),
        (MediaState.FAILED, "the platform does not have it any more (HTTP 404)", "请让顾客重新发送。"),
    ],
)
async def test_reason_is_told_in_the_readers_language(
    media_shop: MediaShop, state: MediaState, reason: str, words: str
):
    """A Chinese page says why and what to do in Chinese; no English sentence of the record is in it."""
    conversation = await media_shop.show("web", "image")
    (file,) = (await media_shop.record.of_conversation(conversation)).values()
    await media_shop.record.give_up(file.id, state, reason)
    browser = await signed_in(media_shop)
    await browser.post("/settings", {"locale": "zh", "timezone": "UTC"})
    page = (await browser.get(f"/conversations/{conversation}")).text
    assert words in page
    assert reason not in page


async def test_full_disc_is_told_to_the_agent(media_shop: MediaShop, monkeypatch: pytest.MonkeyPatch):
    """What was chosen is not sent, the sentence says whom to tell, and nothing is on record."""
    conversation = await media_shop.show("web", "image")
    browser = await signed_in(media_shop)
    await browser.post(f"/conversations/{conversation}/take")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("storage.shelves._create", full)
    answer = await send(browser, conversation, PICTURE)
    assert answer.status_code == 400
    assert "disc cannot be written" in answer.text
    assert len(await media_shop.record.of_conversation(conversation)) == 1


async def test_name_that_no_header_can_hold_is_no_error(media_shop: MediaShop):
    """Half a character, a line break, quotes and other scripts: the file is handed over all the same."""
    conversation = await media_shop.show("web", "file", name='a\ud800"\r\nX: y;照片\u202egpj.exe')
    media = await media_shop.keep(conversation, PICTURE, "application/pdf")
    answer = await (await signed_in(media_shop)).http.get(f"/console/media/{media}")
    assert answer.status_code == 200
    assert "x" not in answer.headers
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_head_and_known_tag_cost_no_bytes(media_shop: MediaShop):
    """A browser that has it is told so; a look at the head brings the length and nothing else."""
    conversation = await media_shop.show("web", "image")
    media = await media_shop.keep(conversation, PICTURE, "image/png")
    browser = await signed_in(media_shop)
    head = await browser.http.head(f"/console/media/{media}")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(PICTURE)), b"")
    assert head.headers["cache-control"] == "private, no-cache"
    again = await browser.http.get(f"/console/media/{media}", headers={"if-none-match": head.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (await media_shop.browser().http.head(f"/console/media/{media}")).status_code != 200


async def test_words_of_a_voice_note_are_told_from_typed_ones(media_shop: MediaShop):
    """What the Official Account understood is shown with the note, and said to be that."""
    things = [{"kind": "voice", "reference": "v1", "mime": "audio/amr", "name": ""}]
    said = ev.CustomerUttered("我的单到哪了", "voice", "key-web", attachments=things)
    conversation = await media_shop.exchange("lin", "hello", "hi", events=[said])
    browser = await signed_in(media_shop)
    page = (await browser.get(f"/conversations/{conversation}")).text
    assert "我的单到哪了" in page
    assert page.count("As the platform understood the voice message") == 1


async def test_file_that_is_refused_after_its_upload_is_kept_nowhere(
    media_shop: MediaShop, monkeypatch: pytest.MonkeyPatch
):
    """The conversation changes hands while the bytes come: nothing of them counts as the customer's."""
    conversation = await media_shop.show("web", "image")
    browser = await signed_in(media_shop)
    await browser.post(f"/conversations/{conversation}/take")

    async def too_late(*_: object) -> None:
        raise Conflict("somebody else has it")

    monkeypatch.setattr(media_shop.stores.ownership, "send", too_late)
    assert (await send(browser, conversation, PICTURE)).status_code == 409
    assert len(await media_shop.record.of_conversation(conversation)) == 1
    assert await media_shop.record.unneeded(media_shop.shelf.contents()) == media_shop.shelf.contents()
