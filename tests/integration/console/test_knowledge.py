"""The merchant's answers: written, found, switched, deleted and tried at the console."""

from __future__ import annotations

import pytest

from bot.desk.knowledge import Trial
from bot.domain.knowledge import KnowledgeEntry, MerchantEntry
from bot.domain.understanding import Verdict
from tests.integration.console.shop import Browser, Shop

FORM = {
    "title_zh": " 刻字服务 ",
    "title_en": "Engraving",
    "questions_zh": "能刻字吗\n\n 可以刻名字吗 \r\n能刻字吗",
    "questions_en": "",
    "answer_zh": "可以，<b>八个字</b>以内。",
    "answer_en": "Yes.",
}


async def _only(shop: Shop) -> MerchantEntry:
    assert shop.stores.knowledge is not None
    page = await shop.stores.knowledge.page()
    assert page.total == 1
    return page.entries[0]


def _name(kept: MerchantEntry) -> str:
    return kept.entry.topic.removeprefix("merchant/")


async def test_saved_entry_is_kept_trimmed_and_shown_escaped(shop: Shop, zhao: Browser):
    """Lines become questions, each once; what was written is shown as written, never as markup."""
    answer = await zhao.post("/knowledge", FORM)
    assert answer.status_code == 303
    entry = (await _only(shop)).entry
    assert entry.titles == {"zh": "刻字服务", "en": "Engraving"}
    assert entry.questions == {"zh": ("能刻字吗", "可以刻名字吗")}
    page = (await zhao.get("/knowledge")).text
    assert "刻字服务" in page or "Engraving" in page
    assert "<b>八" not in page


async def test_entry_is_changed_in_its_place(shop: Shop, zhao: Browser):
    """The form comes back filled, and saving writes the same entry."""
    await zhao.post("/knowledge", FORM)
    name = _name(await _only(shop))
    page = (await zhao.get(f"/knowledge/{name}")).text
    assert "可以刻名字吗" in page
    assert "&lt;b&gt;八个字" in page
    assert (await zhao.post(f"/knowledge/{name}", FORM | {"answer_zh": "不可以。"})).status_code == 303
    kept = await _only(shop)
    assert (_name(kept), kept.entry.answers["zh"]) == (name, "不可以。")


async def test_entry_is_switched_off_and_on_and_deleted(shop: Shop, zhao: Browser):
    """Each by one press; what is deleted is not found any more."""
    await zhao.post("/knowledge", FORM)
    name = _name(await _only(shop))
    for pressed, active in (("no", False), ("yes", True)):
        await zhao.post(f"/knowledge/{name}/active", {"active": pressed})
        assert (await _only(shop)).active is active
    assert (await zhao.post(f"/knowledge/{name}/delete", {})).status_code == 303
    assert (await zhao.get(f"/knowledge/{name}")).status_code == 404
    assert (await zhao.post(f"/knowledge/{name}", FORM)).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"title_zh": " ", "title_en": ""},
        {"answer_zh": "", "answer_en": " \n"},
        {"title_en": "x" * 61},
        {"questions_en": "x" * 301},
        {"questions_en": "\n".join(str(number) for number in range(101))},
        {"answer_en": "x" * 2001},
    ],
    ids=range(6),
)
async def test_bad_entry_gets_a_sentence(shop: Shop, zhao: Browser, wrong: dict[str, str]):
    """Nothing is saved, and the page says why."""
    answer = await zhao.post("/knowledge", FORM | wrong)
    assert answer.status_code == 400
    assert "refused." not in answer.text
    assert shop.stores.knowledge is not None
    assert (await shop.stores.knowledge.page()).total == 0


async def test_agents_neither_see_nor_change_entries(shop: Shop, li: Browser):
    """Managers and admins only."""
    assert (await li.get("/knowledge")).status_code == 403
    assert (await li.post("/knowledge", FORM)).status_code == 403
    assert "/console/knowledge" not in (await li.get("/inbox")).text


async def test_words_are_searched(zhao: Browser):
    """The list keeps the entries that have the words."""
    await zhao.post("/knowledge", FORM)
    await zhao.post("/knowledge", FORM | {"title_zh": "礼品卡", "title_en": "Gift cards", "questions_zh": ""})
    page = (await zhao.get("/knowledge?q=gift+cards&lang=en")).text
    assert "Gift cards" in page or "礼品卡" in page
    assert "刻字服务" not in page
    assert (await zhao.get("/knowledge?q=%25&page=2")).status_code == 200


class _Rehearsal:
    """Answers as told."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial

    async def try_it(self, text: str) -> Trial:
        """Give the trial."""
        assert text
        return self.trial


ENTRY = KnowledgeEntry("merchant/x", {"zh": "刻字", "en": "Engraving"}, {}, {"zh": "可以。", "en": "Yes we do."})


@pytest.mark.parametrize(
    ("trial", "shown"),
    [
        (Trial(Verdict.SURE, "merchant/x", ENTRY), ["可以。", "Yes we do."]),
        (Trial(Verdict.SURE, "order_status"), ["chip-with_agent"]),
        (Trial(Verdict.CLARIFY, offered=(("merchant/x", ENTRY), ("greet", None))), ["chip-waiting_for_agent"]),
        (Trial(Verdict.ABSTAIN), ["chip-waiting_for_agent"]),
    ],
    ids=range(4),
)
async def test_tried_message_shows_what_would_be_answered(shop: Shop, zhao: Browser, trial: Trial, shown: list[str]):
    """Answered, done, asked back or abstained."""
    assert shop.desk.knowledge is not None
    shop.desk.knowledge.rehearsal = _Rehearsal(trial)
    page = await zhao.get("/knowledge?try=%E8%83%BD%E5%88%BB%E5%AD%97%E5%90%97%3Cb%3E")
    assert page.status_code == 200
    assert all(part in page.text for part in shown)
    assert "吗<b>" not in page.text


async def test_message_that_nobody_could_try_is_kept_with_a_sentence(zhao: Browser):
    """The page says what is missing, what was asked stays in the box, and without asking nothing is missing."""
    page = await zhao.get("/knowledge?try=engraved%3F")
    assert page.status_code == 200
    assert "No worker answered" in page.text
    assert 'value="engraved?"' in page.text
    assert "No worker answered" not in (await zhao.get("/knowledge")).text
