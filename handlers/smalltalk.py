"""Good manners: greet, goodbye, thank, affirm, deny, stop, bot_challenge, repeat, chitchat."""

from __future__ import annotations

from functools import partial

from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.turns import Outcome, Turn
from handlers.proof import HUMAN

_WHAT_WE_DO = (
    Choice("/track_order", "intent.track_order"),
    Choice("/request_return", "intent.request_return"),
    Choice("/file_complaint", "intent.file_complaint"),
    HUMAN,
)
_PLAIN = {
    "goodbye": Reply("goodbye.bye"),
    "thank": Reply("thank.welcome"),
    "affirm": Reply("affirm.nothing_open", {}, _WHAT_WE_DO),
    "deny": Reply("deny.nothing_open"),
    "stop": Reply("stop.nothing_open"),
    "bot_challenge": Reply("bot_challenge.honest", {}, (HUMAN,)),
    "chitchat": Reply("chitchat.friendly", {}, _WHAT_WE_DO),
}


def entries() -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    rows = {intent: HandlerEntry(partial(_say, reply)) for intent, reply in _PLAIN.items()}
    return rows | {"greet": HandlerEntry(_greet), "repeat": HandlerEntry(_repeat)}


async def _say(reply: Reply, _turn: Turn) -> Outcome:
    return Outcome(replies=(reply,))


async def _greet(turn: Turn) -> Outcome:
    name = turn.customer.display_name.strip()
    reply = Reply("greet.by_name", {"name": name}, _WHAT_WE_DO) if name else Reply("greet.hello", {}, _WHAT_WE_DO)
    return Outcome(replies=(reply,))


async def _repeat(turn: Turn) -> Outcome:
    said = "\n\n".join(turn.tracker.last_replies)
    if not said:
        return Outcome(replies=(Reply("repeat.nothing", {}, _WHAT_WE_DO),))
    choices = tuple(
        Choice(button.get("payload", ""), label=button.get("label", "")) for button in turn.tracker.last_buttons
    )
    return Outcome(replies=(Reply("repeat.again", {"said": said}, choices),))
