"""The same person on two channels: linked on evidence, never against verified facts, and undone without a loss."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from bot.domain.errors import Conflict, NotFound
from bot.domain.links import Evidence, LinkWish
from bot.domain.messages import Sender
from bot.domain.people import Agent
from bot.domain.turns import ProofAttempt
from storage.stream import SqlShopperStream
from storage.tables import CUSTOMERS, EVENTS, FACTS, LINKS, OUTBOX, PROOF_ATTEMPTS
from tests.contract.line import NOW, Line
from tests.contract.people_on_channels import Town, complaint

KNOWN = "k" + "0" * 24
ANOTHER = "k" + "1" * 24


@pytest.fixture
async def town(line: Line) -> Town:
    """Give a town with two orders of one phone and one of another."""
    made = Town(line)
    await made.sells("W1", "0001")
    await made.sells("W2", "0001")
    await made.sells("W9", "9999")
    return made


@pytest.fixture
async def mei(line: Line) -> Agent:
    """Give an agent."""
    return await line.hire("mei")


async def links_of(town: Town, who: str) -> list[tuple[Evidence, str]]:
    """List why an identity's customer is linked."""
    conversation = await town.writes(who, channel_of(who))
    file = await town.book.person(conversation)
    return [(link.kind, link.value) for link in file.links if link.undone_at is None]


def channel_of(who: str) -> str:
    """Tell the channel by the name: ``tg-...``, ``wa-...``, else the web."""
    return {"tg": "telegram", "wa": "whatsapp"}.get(who.partition("-")[0], "web")


async def test_same_order_proved_on_two_channels_makes_one_customer_with_all_history(town: Town):
    """One customer, both conversations, the evidence kept, each conversation marked."""
    first = await town.writes("lin", proves=("W1",), tickets=(complaint("TK1"),))
    second = await town.writes("tg-lin", "telegram", proves=("W1",))
    changed = await town.linking.run_due()
    assert set(changed) == {first, second}
    assert await town.customer("lin") == await town.customer("tg-lin")
    picture = await town.picture()
    assert picture["tg-lin"][1] == picture["lin"][1] == {await town.customer("lin")}
    assert await links_of(town, "lin") == [(Evidence.ORDER, "W1")]
    marks = [row["data"] for row in await town.line.rows(EVENTS) if row["kind"] == "identity_linked"]
    assert {(mark["channel"], mark["evidence"], mark["value"]) for mark in marks} == {
        ("web", "order", "W1"),
        ("telegram", "order", "W1"),
    }
    assert await town.linking.run_due() == []


async def test_bot_knows_what_was_proved_on_the_other_channel_until_the_link_is_undone(town: Town, mei: Agent):
    """Also in conversations that were open before; after the undoing only what was proved there."""
    first = await town.writes("lin", proves=("W1", "W2"))
    second = await town.writes("tg-lin", "telegram", proves=("W1",))
    await town.linking.run_due()
    await town.line.accept("next", who=Sender("telegram", "main", "tg-lin"))
    assert set((await town.line.pending(second)).tracker.proved_orders) == {"W1", "W2"}
    file = await town.book.person(first)
    await town.book.undo(file.links[0].id, mei, "两个人", town.clock.now())
    assert (await town.line.pending(second)).tracker.proved_orders == ("W1",)
    await town.line.accept("first-next", who=Sender("web", "main", "lin"))
    assert set((await town.line.pending(first)).tracker.proved_orders) == {"W1", "W2"}


@pytest.mark.parametrize("late", [("W9",), ("W2", "W9")])
async def test_two_verified_phones_are_never_one_customer_by_themselves(town: Town, late: tuple[str, ...]):
    """Who proved an order of another phone as well stays apart, and an agent sees why."""
    await town.writes("lin", proves=("W1",))
    conversation = await town.writes("tg-lin", "telegram", proves=("W1", *late))
    assert await town.linking.run_due() == []
    assert await town.customer("lin") != await town.customer("tg-lin")
    (suggestion,) = (await town.book.person(conversation)).suggestions
    assert suggestion.clues[0].kind is Evidence.ORDER
    assert suggestion.clues[0].verified
    assert suggestion.conflict.phones == ("0001", "9999")


async def test_same_last_digits_of_other_orders_only_suggest(town: Town):
    """Four digits are not a phone: nothing is linked, the agent sees the clue."""
    await town.writes("lin", proves=("W1",))
    conversation = await town.writes("tg-lin", "telegram", proves=("W2",))
    assert await town.linking.run_due() == []
    (suggestion,) = (await town.book.person(conversation)).suggestions
    assert [(clue.kind, clue.verified) for clue in suggestion.clues] == [(Evidence.PHONE_TAIL, False)]
    assert not suggestion.conflict


async def test_unverified_facts_suggest_and_never_link(town: Town):
    """An order only named, a phone only said, a name only shown."""
    await town.writes("lin", proves=("W1",))
    said = {"phone": "13800000001"}
    await town.writes("tg-lin", "telegram", tickets=(complaint("TK1", order_number="W1"),))
    await town.writes("wa-a", "whatsapp", tickets=(complaint("TK2", details=said),))
    conversation = await town.writes("wa-b", "whatsapp", tickets=(complaint("TK3", details=said),))
    assert await town.linking.run_due() == []
    (suggestion,) = (await town.book.person(conversation)).suggestions
    assert [clue.kind for clue in suggestion.clues] == [Evidence.PHONE_SAID]
    lin = await town.writes("lin")
    (suggestion,) = (await town.book.person(lin)).suggestions
    assert [clue.kind for clue in suggestion.clues] == [Evidence.ORDER_CLAIMED]
    await town.line.accept("n1", who=Sender("line", "main", "U1", "Lin"))
    assert {clue.kind for one in (await town.book.person(lin)).suggestions for clue in one.clues} == {
        Evidence.ORDER_CLAIMED,
        Evidence.NAME,
    }


async def test_login_vouched_for_in_the_same_browser_links_the_visitor(town: Town):
    """What was said before the login belongs to the customer; a second login elsewhere is another browser."""
    await town.writes("v-visitor")
    known = Sender("web", "main", KNOWN, "王芳")
    await town.logins.record(Sender("web", "main", "v-visitor"), known, town.clock.now())
    await town.linking.run_due()
    assert await town.customer("v-visitor") == await town.customer(KNOWN)
    assert (Evidence.MERCHANT_LOGIN, f"main:{KNOWN}") in await links_of(town, KNOWN)


async def test_visitor_who_signed_in_is_known_to_have(town: Town):
    """From then on his old token opens nothing; who has not signed in, and the customer himself, go on."""
    for who in ("v-visitor", "v-other", KNOWN):
        await town.writes(who)
    visitor, known = Sender("web", "main", "v-visitor"), Sender("web", "main", KNOWN)
    assert not await town.logins.has_signed_in(visitor)
    await town.logins.record(visitor, known, town.clock.now())
    assert await town.logins.has_signed_in(visitor)
    assert not await town.logins.has_signed_in(Sender("web", "main", "v-other"))
    assert not await town.logins.has_signed_in(Sender("web", "another", "v-visitor"))


async def test_known_customer_sees_what_he_said_before_he_signed_in(town: Town):
    """And what he is answered there, as long as the two are one person; nobody else does, nor the visitor any more."""
    visitor, known, other = (Sender("web", "main", who) for who in ("v-visitor", KNOWN, ANOTHER))
    for who in ("v-visitor", "v-stranger", KNOWN, ANOTHER):
        await town.writes(who)
    told = update(OUTBOX).values(state="sent", done_at=town.clock.now())
    await town.line.database.run(lambda connection: connection.execute(told))
    stream = SqlShopperStream(town.line.database)
    own = len(await stream.latest(known, 50))
    before = await stream.latest(visitor, 50)
    await town.logins.record(visitor, known, town.clock.now())
    assert len(await stream.latest(known, 50)) == own
    await town.linking.run_due()
    both = await stream.latest(known, 50)
    assert len(both) == own + len(before)
    assert {item.seq for item in before} < {item.seq for item in both}
    assert [item.seq for item in both] == sorted(item.seq for item in both)
    assert await stream.since(known, 0, 50) == both
    assert await stream.latest(visitor, 50) == before
    assert len(await stream.latest(other, 50)) == own


async def test_login_without_a_word_before_it_keeps_nothing(town: Town):
    """Who never wrote has nothing to be linked, and no customer is made for him."""
    before = await town.line.count(CUSTOMERS)
    known = Sender("web", "main", KNOWN)
    assert await town.logins.record(Sender("web", "main", "v-nobody"), known, town.clock.now()) is None
    assert await town.line.count(CUSTOMERS) == before
    assert await town.line.count(FACTS) == 0


async def test_two_accounts_on_the_merchants_site_are_never_one_customer_by_themselves(town: Town, mei: Agent):
    """One browser, two logins; and one order proved under two logins."""
    await town.writes("v-shared")
    for account in (KNOWN, ANOTHER):
        await town.writes(account)
        await town.logins.record(Sender("web", "main", "v-shared"), Sender("web", "main", account), town.clock.now())
    await town.linking.run_due()
    assert len({await town.customer(who) for who in (KNOWN, ANOTHER)}) == 2
    await town.writes(KNOWN, proves=("W1",))
    conversation = await town.writes(ANOTHER, proves=("W1",))
    await town.linking.run_due()
    assert len({await town.customer(who) for who in (KNOWN, ANOTHER)}) == 2
    file = await town.book.person(conversation)
    first = await town.customer(KNOWN)
    other = next(one for one in file.suggestions if one.customer_id == first)
    assert len(other.conflict.accounts) == 2
    wish = LinkWish(conversation, other.customer_id, "同一个人，核对过身份证")
    with pytest.raises(Conflict):
        await town.book.link(wish, mei, town.clock.now())
    sure = LinkWish(conversation, other.customer_id, wish.reason, sure=True)
    await town.book.link(sure, mei, town.clock.now())
    assert await town.customer(KNOWN) == await town.customer(ANOTHER)


async def test_agents_decision_is_kept_with_its_reason(town: Town, mei: Agent):
    """Who, when, why; and the same when it is undone."""
    here = await town.writes("lin")
    await town.writes("tg-lin", "telegram")
    await town.book.link(LinkWish(here, await town.customer("tg-lin"), "电话里确认"), mei, town.clock.now())
    (link,) = (await town.book.person(here)).links
    assert (link.kind, link.reason, link.made_by_name) == (Evidence.AGENT, "电话里确认", "Mei")
    assert link.undone_at is None
    await town.book.undo(link.id, mei, "认错人了", town.clock.now())
    (link,) = (await town.book.person(here)).links
    assert (link.undone_by_name, link.undone_reason) == ("Mei", "认错人了")
    assert await town.book.undo(link.id, mei, "again", town.clock.now()) == ()
    assert await town.line.count(LINKS) == 1


async def test_what_a_human_has_undone_is_not_linked_again_by_itself(town: Town, mei: Agent):
    """Another order proved on both is only suggested from then on."""
    here = await town.writes("lin", proves=("W1",))
    await town.writes("tg-lin", "telegram", proves=("W1",))
    await town.linking.run_due()
    await town.book.undo((await town.book.person(here)).links[0].id, mei, "夫妻", town.clock.now())
    await town.writes("lin", proves=("W2",))
    await town.writes("tg-lin", "telegram", proves=("W2",))
    assert await town.linking.run_due() == []
    (suggestion,) = (await town.book.person(here)).suggestions
    assert suggestion.undone


async def test_nothing_is_linked_that_is_not_there(town: Town, mei: Agent):
    """An unknown conversation, customer or link is a sentence; a customer is never linked with himself."""
    here = await town.writes("lin")
    with pytest.raises(NotFound):
        await town.book.link(LinkWish(here, await no_customer(), "x"), mei, NOW)
    with pytest.raises(NotFound):
        await town.book.undo("nothing", mei, "x", NOW)
    assert await town.book.link(LinkWish(here, await town.customer("lin"), "x"), mei, NOW) == ()
    assert await town.line.count(LINKS) == 0


async def no_customer() -> object:
    """Give an id of nobody."""
    return "0" * 24


async def test_refusal_of_messages_counts_for_the_whole_person_and_is_never_undone(town: Town, mei: Agent):
    """Who wants no messages on one channel gets none on the other."""
    here = await town.writes("lin")
    there = await town.writes("tg-lin", "telegram")
    await town.line.accept("stop", who=Sender("telegram", "main", "tg-lin"))
    await town.line.commit(await town.line.pending(there), "好的", messages_allowed=False)
    await town.book.link(LinkWish(here, await town.customer("tg-lin"), "同一人"), mei, town.clock.now())
    assert {drawn[-1] for drawn in (await town.picture()).values()} == {False}


async def test_linking_gives_no_fresh_tries_to_prove_an_order(town: Town, mei: Agent):
    """Wrong tries of both count together."""
    here = await town.writes("lin")
    there = await town.writes("tg-lin", "telegram")
    await town.line.accept("try", who=Sender("telegram", "main", "tg-lin"))
    tries = (ProofAttempt("W1", right=False),)
    await town.line.commit(await town.line.pending(there), "不对", proof_attempts=tries)
    await town.book.link(LinkWish(here, await town.customer("tg-lin"), "同一人"), mei, town.clock.now())
    (attempt,) = await town.line.rows(PROOF_ATTEMPTS)
    assert attempt["customer_id"] == await town.customer("lin")


async def test_search_finds_by_name_order_and_ticket(town: Town):
    """And never the customer himself."""
    here = await town.writes("lin", tickets=(complaint("TK1"),))
    await town.writes("tg-chen", "telegram", proves=("W9",), tickets=(complaint("TK2", order_number="W2"),))
    for search in ("chen", "w9", "#W9", "TK2", "W2", "tg-chen"):
        (found,) = (await town.book.person(here, search)).found
        assert found.customer_id == await town.customer("tg-chen")
    for search in ("lin", "TK1", "%", "_", "x" * 300, "", "'; DROP TABLE links"):
        assert (await town.book.person(here, search)).found == ()


async def test_messages_that_come_while_links_change_reach_their_own_identity(town: Town, mei: Agent):
    """Linking, undoing, first messages and turns at the same time: every conversation follows its identity."""
    here = await town.writes("lin", proves=("W1",))
    names = [f"tg-{number}" for number in range(8)]

    async def write(name: str) -> None:
        await town.line.accept(f"first-{name}", who=Sender("telegram", "main", name))
        await town.line.accept(f"second-{name}", who=Sender("telegram", "main", name))

    async def join(name: str) -> None:
        await town.line.accept(f"zero-{name}", who=Sender("telegram", "main", name))
        changed = await town.book.link(LinkWish(here, await town.customer(name), "同一人"), mei, town.clock.now())
        assert here in changed

    await asyncio.gather(*(work(name) for name in names for work in (write, join)))
    file = await town.book.person(here)
    assert len(file.identities) == 9
    await asyncio.gather(
        *(town.book.undo(link.id, mei, "x", town.clock.now()) for link in file.links),
        *(town.line.accept(f"third-{name}", who=Sender("telegram", "main", name)) for name in names),
    )
    picture = await town.picture()
    assert len({drawn[0] for drawn in picture.values()}) == 9
    assert all(drawn[1] == {drawn[0]} for drawn in picture.values())
    assert sum(len(drawn[3]) for drawn in picture.values()) == 1 + 4 * len(names)


STEPS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.booleans()), max_size=12)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(steps=STEPS, order=st.randoms(use_true_random=False))
async def test_links_made_and_undone_in_any_order_lose_nothing(
    town: Town, steps: list[tuple[int, int, bool]], order: Random
):
    """Who is with whom is what the links say at every step; when all are undone everything is where it began."""
    tag = f"{town._messages:06}"
    mei = Agent("agent-x", "x", "X", "agent", active=True)  # type: ignore[arg-type]
    names = [f"{tag}-{number}" for number in range(5)]
    heres = [
        await town.writes(name, proves=("W1",) if number % 2 else (), tickets=(complaint(f"T{tag}{number}"),))
        for number, name in enumerate(names)
    ]
    begun = {name: drawn for name, drawn in (await town.picture()).items() if name in names}
    for one, other, makes in steps:
        town.clock.advance(timedelta(seconds=1))
        live = [link for link in (await town.book.person(heres[one])).links if link.undone_at is None]
        if makes:
            wish = LinkWish(heres[one], await town.customer(names[other]), "同一人", sure=True)
            await town.book.link(wish, mei, town.clock.now())
        elif live:
            await town.book.undo(order.choice(live).id, mei, "不是", town.clock.now())
        await check(town, names, begun)
    left = [row["id"] for row in await town.line.rows(LINKS) if row["undone_at"] is None]
    order.shuffle(left)
    for link in left:
        await town.book.undo(link, mei, "不是", town.clock.now())
    assert {name: drawn for name, drawn in (await town.picture()).items() if name in names} == begun


async def check(town: Town, names: list[str], begun: dict[str, tuple[object, ...]]) -> None:
    """Compare with what the links that count say."""
    identities = {row["id"]: row["channel_user_id"] for row in await town.identities()}
    groups = [{name} for name in names]
    for row in await town.line.rows(LINKS):
        ends = {identities[row["identity_id"]], identities[row["other_id"]]}
        if row["undone_at"] is None and ends <= set(names):
            joined = set().union(*(group for group in groups if group & ends))
            groups = [group for group in groups if not group & ends] + [joined]
    picture = await town.picture()
    for group in groups:
        customers = {picture[name][0] for name in group}
        assert len(customers) == 1
        proved = {number for name in group for number in begun[name][5]}
        for name in group:
            assert picture[name][1] == picture[name][2] == customers
            assert picture[name][3:5] == begun[name][3:5]
            assert set(picture[name][5]) == proved
    assert len({picture[name][0] for name in names}) == len(groups)
