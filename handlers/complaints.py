"""Complaints and what became of them: file_complaint, ticket_status, ticket_unresolved."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bot.domain.forms import Form, Missing, ParsedSlot, SlotSpec
from bot.domain.handoff import Priority
from bot.domain.ids import new_ticket_number
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.tickets import PROMISED_WITHIN, Ticket, TicketDraft, TicketKind, TicketState
from bot.domain.turns import Outcome, TicketMove, Turn
from bot.domain.understanding import Recognition, Urgency
from handlers.answers import (
    parse_among,
    parse_optional_order,
    parse_photos,
    parse_text,
    parse_ticket_number,
    photos_of,
    tells_a_story,
    ticket_number_in,
)
from handlers.proof import HUMAN
from handlers.services import Services

CATEGORY_WORDS = {
    "safety": r"安全|过敏|漏电|起火|烫伤|受伤|safety|unsafe|danger|allerg|burn",
    "quality": r"质量|坏了|瑕疵|掉色|做工|quality|defect|faulty|doesn'?t work",
    "wrong_item": r"发错|寄错|错货|wrong",
    "missing_item": r"少发|漏发|少了|缺|missing|incomplete",
    "damaged": r"破|碎|裂|坏|漏|damaged?|broken|crack|smash|leak",
    "late": r"慢|迟|晚|延误|没到|拖|late|delay|slow|overdue",
    "attitude": r"态度|骂|不理|敷衍|没礼貌|attitude|rude|impolite|service",
    "price": r"价|贵|收费|多扣|price|expensive|charg|fee",
    "false_advertising": r"虚假|宣传|不符|假货|照骗|advert|mislead|fake|described",
    "other": r"其他|其它|别的|other|something else|none of",
}
CATEGORIES = (
    "quality",
    "damaged",
    "wrong_item",
    "missing_item",
    "late",
    "attitude",
    "price",
    "false_advertising",
    "safety",
    "other",
)
WISH_WORDS = {
    "refund": r"退款|退钱|退货|refund|money back",
    "exchange": r"换|exchange|replace|swap",
    "resend": r"补发|补寄|重发|重新发|补|resend|send (it |me )?again|another one|missing (part|item)",
    "compensation": r"赔|补偿|compensat|voucher|discount|credit",
    "apology": r"道歉|说法|apolog|sorry",
    "other": r"其他|其它|别的|other|something else|don'?t know|不知道|你们看",
}
WISHES = tuple(WISH_WORDS)
_TO_SHOW = frozenset({"quality", "wrong_item", "missing_item", "damaged", "false_advertising", "safety"})
_OPEN = frozenset({TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.WAITING_FOR_CUSTOMER})
_SHOWN_TICKETS = 3
_ANNOYED = -0.6
_NOTE_CHARS = 500


def _can_be_shown(slots: Mapping[str, Any]) -> bool:
    return slots.get("category") in _TO_SHOW


def _parse_story(message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    """Take what happened; a picture alone says nothing yet."""
    return Missing.VALUE if message.kind is MessageKind.BUTTON else parse_text(message, recognition)


COMPLAINT_FORM = Form(
    "file_complaint",
    (
        SlotSpec(
            "category",
            ask="file_complaint.ask_category",
            entity="complaint_category",
            parse=parse_among(CATEGORY_WORDS, "complaint_category"),
            options=CATEGORIES,
        ),
        SlotSpec(
            "order_number",
            ask="file_complaint.ask_order",
            entity="order_number",
            parse=parse_optional_order,
            optional=True,
        ),
        SlotSpec("story", ask="file_complaint.ask_story", parse=_parse_story),
        SlotSpec("photos", ask="file_complaint.ask_photos", parse=parse_photos, optional=True, wanted=_can_be_shown),
        SlotSpec("wish", ask="file_complaint.ask_wish", parse=parse_among(WISH_WORDS), options=WISHES),
    ),
    confirm="file_complaint.confirm",
)
UNRESOLVED_FORM = Form(
    "ticket_unresolved",
    (SlotSpec("ticket_number", ask="ticket_unresolved.ask_ticket", parse=parse_ticket_number),),
)


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    return {
        "file_complaint": HandlerEntry(_start, COMPLAINT_FORM, partial(_file, services)),
        "ticket_status": HandlerEntry(partial(_status, services)),
        "ticket_unresolved": HandlerEntry(
            partial(_reopen, services), UNRESOLVED_FORM, partial(_reopen_chosen, services)
        ),
    }


async def _start(turn: Turn) -> Outcome:
    known: dict[str, Any] = {}
    if tells_a_story(turn.text):
        known["story"] = turn.text
    category = turn.recognition.entity("complaint_category")
    if category in CATEGORIES:
        known["category"] = category
    number = turn.recognition.entity("order_number") or "".join(turn.tracker.proved_orders[-1:])
    if number:
        known["order_number"] = number
    photos = [one.reference for one in turn.message.attachments if one.kind is MessageKind.IMAGE]
    if photos:
        known["photos"] = photos
    return Outcome(replies=(Reply("file_complaint.sorry"),), start_form=COMPLAINT_FORM.name, form_slots=known)


async def _file(services: Services, turn: Turn) -> Outcome:
    slots = turn.slots
    category, wish = str(slots.get("category") or "other"), str(slots.get("wish") or "other")
    order_number, story = str(slots.get("order_number") or ""), str(slots.get("story") or "")
    summary = services.say(
        "file_complaint.summary", turn.locale, {"category": category, "story": story[:200], "wish": wish}
    )
    draft = TicketDraft(
        number=new_ticket_number(),
        kind=TicketKind.COMPLAINT,
        summary=summary,
        priority=_priority(category, turn),
        category=category,
        order_number=order_number,
        details={"story": story, "wish": wish, "order_proved": order_number in turn.tracker.proved_orders},
        photos=photos_of(slots.get("photos")),
    )
    due_at = (turn.now + PROMISED_WITHIN[draft.priority]).isoformat()
    data = {"ticket": draft.number, "due_at": due_at, "category": category}
    follow = Choice("/ticket_status", "intent.ticket_status")
    return Outcome(replies=(Reply("file_complaint.filed", data, (follow,)),), tickets=(draft,))


def _priority(category: str, turn: Turn) -> Priority:
    if category == "safety":
        return Priority.URGENT
    mood = turn.recognition.sentiment
    return Priority.HIGH if mood.urgency is not Urgency.NONE or mood.score <= _ANNOYED else Priority.NORMAL


def ticket_data(ticket: Ticket, turn: Turn) -> dict[str, Any]:
    """Shape a ticket for a template."""
    return {
        "number": ticket.number,
        "kind": ticket.kind.value,
        "state": ticket.state.value,
        "has_owner": ticket.owner_id is not None,
        "due_at": ticket.due_at.isoformat(),
        "is_overdue": ticket.due_at < turn.now,
        "created_at": ticket.created_at.isoformat(),
    }


async def _status(services: Services, turn: Turn) -> Outcome:
    tickets = await services.tickets.of_customer(turn.customer.id)
    number = ticket_number_in(turn.text)
    if number:
        # Somebody else's number and a number that never was sound the same.
        tickets = tuple(ticket for ticket in tickets if ticket.number == number)
        if not tickets:
            return Outcome(replies=(Reply("ticket_status.not_found", {"number": number}, (HUMAN,)),))
    wanted = [ticket for ticket in tickets if ticket.state in _OPEN] or list(tickets[:1])
    if not wanted:
        complain = Choice("/file_complaint", "intent.file_complaint")
        return Outcome(replies=(Reply("ticket_status.none", {}, (complain, HUMAN)),))
    shown = [ticket_data(ticket, turn) for ticket in wanted[:_SHOWN_TICKETS]]
    return Outcome(
        replies=(Reply("ticket_status.found", {"tickets": shown, "more": len(wanted) - len(shown)}, _after(wanted)),)
    )


def _after(tickets: list[Ticket]) -> tuple[Choice, ...]:
    if any(ticket.state in _OPEN for ticket in tickets):
        return (HUMAN,)
    return (Choice("/ticket_unresolved", "intent.ticket_unresolved"),)


async def _reopen(services: Services, turn: Turn) -> Outcome:
    tickets = await services.tickets.of_customer(turn.customer.id)
    number = ticket_number_in(turn.text)
    if number:
        return _reopened(_own(tickets, number), number, turn)
    if not tickets:
        complain = Choice("/file_complaint", "intent.file_complaint")
        return Outcome(replies=(Reply("ticket_unresolved.none", {}, (complain, HUMAN)),))
    ended = tuple(ticket for ticket in tickets if ticket.state not in _OPEN)
    candidates = ended or tickets
    if len(candidates) == 1:
        return _reopened(candidates[0], candidates[0].number, turn)
    choices = tuple(Choice(f"={one.number}", label=one.number) for one in candidates[:_SHOWN_TICKETS])
    shown = [ticket_data(ticket, turn) for ticket in candidates[:_SHOWN_TICKETS]]
    which = Reply("ticket_unresolved.which", {"tickets": shown}, choices)
    return Outcome(replies=(which,), start_form=UNRESOLVED_FORM.name)


async def _reopen_chosen(services: Services, turn: Turn) -> Outcome:
    number = str(turn.slots.get("ticket_number") or "")
    return _reopened(_own(await services.tickets.of_customer(turn.customer.id), number), number, turn)


def _own(tickets: tuple[Ticket, ...], number: str) -> Ticket | None:
    return next((ticket for ticket in tickets if ticket.number == number), None)


def _reopened(ticket: Ticket | None, number: str, turn: Turn) -> Outcome:
    if ticket is None:
        return Outcome(replies=(Reply("ticket_status.not_found", {"number": number}, (HUMAN,)),))
    data = ticket_data(ticket, turn)
    if ticket.state in {TicketState.OPEN, TicketState.IN_PROGRESS}:
        # The state stays; the shopper's words are added to the ticket for the one who works on it.
        stays = TicketMove(ticket.number, ticket.state, note=turn.text[:_NOTE_CHARS])
        return Outcome(replies=(Reply("ticket_unresolved.still_open", data, (HUMAN,)),), ticket_moves=(stays,))
    back_at_work = ticket.owner_id is not None and ticket.state is not TicketState.CLOSED
    to = (
        TicketState.IN_PROGRESS
        if back_at_work or ticket.state is TicketState.WAITING_FOR_CUSTOMER
        else TicketState.OPEN
    )
    due_at = (turn.now + PROMISED_WITHIN[ticket.priority]).isoformat()
    reply = Reply("ticket_unresolved.reopened", data | {"due_at": due_at}, (HUMAN,))
    return Outcome(replies=(reply,), ticket_moves=(TicketMove(ticket.number, to, note=turn.text[:_NOTE_CHARS]),))
