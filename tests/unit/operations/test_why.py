"""Every wait of an order or purchase order: who acts next, until when, and what helps.

The cases are also the table of docs/waits.md.
"""

import shlex
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from models.messages.attention import (
    Attention,
    OpenAttention,
    not_collected,
    return_silent,
    shipment_silent,
)
from models.messages.policy import Policy
from models.operator_actions import CLI, OFFERS
from models.orders import Fulfilment, Terms
from models.progress import Cancellation, Pause, Progress, ShipmentProgress, ShipmentState
from models.purchasing import PurchaseOrderState
from models.refunds import PaidBy, RefundState
from models.returns import ReturnState
from models.shipping import FreightMode
from models.situation import OpenRefund, OpenReturn, Retrying, Situation, Supply
from models.views.why import Explanation, Owner, Wait
from models.why import explain, of_subject
from models.why_purchase import OpenPurchase, explain_purchase
from starter import app

COMMAND_LINE: Any = get_command(app)
PAGE = Path(__file__).parents[3] / "docs" / "waits.md"
SINCE = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
LATER = SINCE + timedelta(days=2)
POLICY = Policy(payment_deadline=7 * 86_400, partner_timeout=10, attention_after_attempts=5)
ALLOCATED = {"allocated": True}
PAID = ALLOCATED | {"paid_minor": 6_010, "received_minor": 6_010, "due_minor": 0}
CREDIT = ALLOCATED | {
    "terms": Terms.NET30,
    "invoice_number": "INV-1",
    "receivable_minor": 6_010,
}
SHORT = PAID | {"backordered": 3, "expected_date": date(2026, 12, 9)}


def shipment(state: ShipmentState, **changes: Any) -> ShipmentProgress:
    """Make a shipment of all units."""
    fields = {"shipment_id": "O-1-S1", "planned_at": SINCE, "units": 10, "is_booked": True}
    return ShipmentProgress(state=state, mode=FreightMode.PARCEL, **fields | changes)


def situation(progress: dict[str, Any] | None = None, **known: Any) -> Situation:
    """Make the situation of an order of ten units for 60.10 EUR."""
    fields = {"order_id": "O-1", "version": 1, "terms": Terms.PREPAID, "currency": "EUR"}
    amounts = {"total_minor": 6_010, "paid_minor": 0, "due_minor": 6_010, "ordered": 10}
    found = None if progress is None else Progress(**fields | amounts | progress)
    of_order: dict[str, Any] = {"order_id": "O-1", "since": SINCE, "policy": POLICY}
    return Situation(**of_order | known, progress=found)


def with_shipment(state: ShipmentState, money: dict[str, Any], **changes: Any) -> Situation:
    """Make the situation of an order with one shipment."""
    order = {name: changes.pop(name) for name in ("fulfilment",) if name in changes}
    left = {"shipped": 10} if state.has_left else {}
    one = shipment(state, **changes)
    return situation(money | order | left | {"shipments": (one,)}, carriers={"O-1-S1": "DHL"})


def needing(attention: Attention, **known: Any) -> Situation:
    """Make the situation of a paid order with an attention."""
    shown = (OpenAttention(attention=attention, since=SINCE),)
    return situation(PAID | {"shipped": 10}, attentions=shown, **known)


def supply(**changes: Any) -> tuple[Supply, ...]:
    """Make the supply of three units."""
    units: dict[str, Any] = {"sku": "SAW", "quantity": 3, "location": "BER"}
    return (Supply(**units | changes),)


def refund(state: RefundState, paid_by: PaidBy) -> tuple[OpenRefund, ...]:
    """Make an open refund."""
    fields: dict[str, Any] = {
        "number": 1,
        "payment_id": "P-1",
        "amount": "20.00 EUR",
        "asked_at": SINCE,
    }
    return (OpenRefund(state=state, paid_by=paid_by, **fields),)


def returned(state: ReturnState, **changes: Any) -> tuple[OpenReturn, ...]:
    """Make an open return."""
    return (OpenReturn(return_id="RMA-1", state=state, since=SINCE, **changes),)


def purchase(state: PurchaseOrderState) -> OpenPurchase:
    """Make a purchase order of three units."""
    return OpenPurchase(
        po_id="PO-1",
        supplier="HOLZ",
        location="BER",
        state=state,
        created_at=SINCE,
        collects_until=SINCE + timedelta(minutes=5),
        sent_at=SINCE,
        acknowledge_by=LATER,
        acknowledged_at=SINCE,
        expected_date=date(2026, 12, 9),
        due={"SAW": 3},
    )


DONE = PAID | {"shipped": 10, "delivered": 10}
OVER = situation(DONE)
CUSTOMER, OPERATOR, PIPELINE = Owner.CUSTOMER, Owner.OPERATOR, Owner.PIPELINE
CARRIER, SUPPLIER = Owner.CARRIER, Owner.SUPPLIER

CASES: list[tuple[Situation, str, Owner, object]] = [
    (situation(), "recording", PIPELINE, None),
    (
        situation(ALLOCATED | {"pay_by": LATER}),
        "payment",
        CUSTOMER,
        LATER,
    ),
    (situation(ALLOCATED | {"terms": Terms.CASH}), "payment", CUSTOMER, SINCE + timedelta(days=7)),
    (situation(SHORT), "goods", SUPPLIER, date(2026, 12, 9)),
    (
        situation(SHORT | {"held": 7, "invoice_number": "INV-1"}),
        "goods",
        SUPPLIER,
        date(2026, 12, 9),
    ),
    (
        situation(
            SHORT,
            supplies=supply(po_id="PO-1", supplier="HOLZ", expected_date=date(2026, 12, 9)),
        ),
        "goods",
        SUPPLIER,
        date(2026, 12, 9),
    ),
    (situation(SHORT, supplies=supply()), "purchase", PIPELINE, None),
    (situation(SHORT, supplies=supply(is_proposed=True)), "purchase_approval", OPERATOR, None),
    (
        situation(SHORT | {"consent_by": date(2026, 12, 5)}),
        "consent",
        CUSTOMER,
        date(2026, 12, 5),
    ),
    (
        situation(PAID | {"held": 10, "pause": Pause(by="ann", since=SINCE, reason="fraud check")}),
        "paused",
        OPERATOR,
        None,
    ),
    (situation(PAID | {"held": 10}), "packing", PIPELINE, None),
    (
        with_shipment(ShipmentState.PLANNED, PAID, is_booked=False),
        "booking",
        PIPELINE,
        None,
    ),
    (
        with_shipment(ShipmentState.PLANNED, PAID, is_booked=False, book_from=LATER),
        "opening",
        PIPELINE,
        LATER,
    ),
    (with_shipment(ShipmentState.PLANNED, PAID, called_back_by="C-9"), "recall", PIPELINE, None),
    (
        with_shipment(ShipmentState.PLANNED, PAID, fulfilment=Fulfilment.PICK_UP),
        "collection",
        CUSTOMER,
        SINCE + timedelta(days=14),
    ),
    (
        with_shipment(ShipmentState.PLANNED, PAID, fulfilment=Fulfilment.COUNTER),
        "hand_over",
        PIPELINE,
        None,
    ),
    (
        with_shipment(ShipmentState.BOOKED, PAID, news_at=SINCE),
        "pick_up",
        CARRIER,
        SINCE + timedelta(days=7),
    ),
    (
        with_shipment(ShipmentState.DISPATCHED, PAID, news_at=SINCE),
        "delivery",
        CARRIER,
        SINCE + timedelta(days=7),
    ),
    (
        situation(CREDIT | {"shipped": 10, "delivered": 10}, due_on=date(2026, 12, 30)),
        "receivable",
        CUSTOMER,
        date(2026, 12, 30),
    ),
    (
        situation(
            PAID | {"cancellation": Cancellation.REQUESTED, "refund_due_minor": 6_010},
        ),
        "undo",
        PIPELINE,
        None,
    ),
    (
        situation(
            PAID | {"held": 10},
            retrying=(Retrying(summary="book shipment", attempts=3, error="no answer"),),
        ),
        "retrying",
        PIPELINE,
        None,
    ),
    (
        situation(DONE, refunds=refund(RefundState.ASKED, PaidBy.PROVIDER)),
        "refund",
        Owner.PROVIDER,
        None,
    ),
    (
        situation(DONE, refunds=refund(RefundState.ASKED, PaidBy.CASH)),
        "refund_by_hand",
        OPERATOR,
        None,
    ),
    (
        situation(DONE, refunds=refund(RefundState.HELD, PaidBy.PROVIDER)),
        "refund_held",
        OPERATOR,
        None,
    ),
    (situation(DONE, returns=returned(ReturnState.REQUESTED)), "return_requested", OPERATOR, None),
    (
        situation(DONE, returns=returned(ReturnState.AUTHORISED, expires_at=LATER)),
        "return_authorised",
        CUSTOMER,
        LATER,
    ),
    (
        situation(DONE, returns=returned(ReturnState.IN_TRANSIT, news_at=SINCE)),
        "return_in_transit",
        CARRIER,
        SINCE + timedelta(days=7),
    ),
    (situation(DONE, returns=returned(ReturnState.RECEIVED)), "return_received", OPERATOR, None),
]
PURCHASES: list[tuple[PurchaseOrderState, str, Owner, object]] = [
    (PurchaseOrderState.PLANNED, "collecting", PIPELINE, SINCE + timedelta(minutes=5)),
    (PurchaseOrderState.SENDING, "sending", PIPELINE, None),
    (PurchaseOrderState.SENT, "acknowledgement", SUPPLIER, LATER),
    (PurchaseOrderState.ACKNOWLEDGED, "shipping", SUPPLIER, date(2026, 12, 9)),
    (PurchaseOrderState.SHIPPED, "arrival", SUPPLIER, date(2026, 12, 9)),
    (PurchaseOrderState.RECEIVED, "supplier_invoice", SUPPLIER, None),
]


@pytest.mark.parametrize(("found", "code", "owner", "until"), CASES, ids=[c[1] for c in CASES])
def test_wait_of_order(found: Situation, code: str, owner: Owner, until: object) -> None:
    """Its owner, its end, and lines to paste; a wait for an operator names at least one."""
    wait = explain(found).waits[0]
    assert (wait.code, wait.owner, wait.until) == (code, owner, until)
    assert wait.actions or wait.owner is PIPELINE
    _check_lines(wait)


@pytest.mark.parametrize(("state", "code", "owner", "until"), PURCHASES)
def test_wait_of_purchase_order(
    state: PurchaseOrderState, code: str, owner: Owner, until: object
) -> None:
    [wait] = explain_purchase(purchase(state)).waits
    assert (wait.code, wait.owner, wait.until) == (code, owner, until)
    _check_lines(wait)


@pytest.mark.parametrize(
    "state", [s for s in PurchaseOrderState if s not in {state for state, *_ in PURCHASES}]
)
def test_purchase_order_that_is_over_waits_for_nothing(state: PurchaseOrderState) -> None:
    assert explain_purchase(purchase(state)).waits == ()


def test_order_that_is_over_waits_for_nothing() -> None:
    cancelled = situation(PAID | {"cancellation": Cancellation.DONE})
    assert explain(OVER).waits == explain(cancelled).waits == ()


@pytest.mark.parametrize("code", sorted({*OFFERS, "some_partners_code"}))
def test_attention_of_every_code(code: str) -> None:
    """Comes first, waits for an operator, and has lines to paste."""
    [wait, *_] = explain(needing(Attention(code=code, message="m", subject="O-1-S1"))).waits
    assert (wait.code, wait.owner, wait.since) == (code, OPERATOR, SINCE)
    assert wait.actions
    _check_lines(wait)


def test_attention_about_a_part_replaces_its_wait() -> None:
    """A silent shipment, goods not collected, and a silent return are explained once each."""
    under_way = {"shipments": (shipment(ShipmentState.DISPATCHED, news_at=SINCE),)}
    silent = (OpenAttention(attention=shipment_silent("O-1-S1", SINCE), since=SINCE),)
    one = explain(situation(PAID | {"shipped": 10} | under_way, attentions=silent))
    assert [wait.code for wait in one.waits] == ["shipment_silent"]
    ready = {"shipments": (shipment(ShipmentState.PLANNED),), "fulfilment": Fulfilment.PICK_UP}
    late = (OpenAttention(attention=not_collected("O-1-S1", SINCE), since=SINCE),)
    two = explain(situation(PAID | ready, attentions=late))
    assert [wait.code for wait in two.waits] == ["not_collected"]
    lost = (OpenAttention(attention=return_silent("RMA-1", SINCE, None), since=SINCE),)
    on_its_way = returned(ReturnState.IN_TRANSIT, news_at=SINCE)
    three = explain(situation(DONE, attentions=lost, returns=on_its_way))
    assert [wait.code for wait in three.waits] == ["return_silent"]
    assert of_subject(three, "RMA-1", "in_transit").waits == three.waits
    assert of_subject(three, "O-1-S1", "delivered").waits == ()


def test_paused_order_waits_for_others_and_to_be_resumed() -> None:
    """The pipeline does nothing for it; a pause of an order that is over isn't shown."""
    pause = {"pause": Pause(by="ann", since=SINCE, reason="fraud check")}
    paused = explain(situation(SHORT | pause))
    assert [wait.code for wait in paused.waits] == ["paused", "goods"]
    assert "once it is resumed" in paused.waits[1].then
    assert explain(situation(DONE | pause)).waits == ()


def test_cancelling_costs_what_was_received() -> None:
    """The effect of a line names the money that it moves."""
    [unpaid] = explain(situation(ALLOCATED | {"pay_by": LATER})).waits
    assert [action.effect for action in unpaid.actions] == [
        "records 60.10 EUR as received",
        "changes its lines at the agreed prices, and requests the new amount",
        "releases the stock; nothing was paid",
    ]
    [deposit] = explain(situation(ALLOCATED | {"received_minor": 1_000, "pay_by": LATER})).waits
    assert deposit.actions[1].effect == "releases the stock; refunds 10.00 EUR"


def test_page_has_every_wait() -> None:
    """With the reason, who acts next, what happens by itself, and the commands, as explained."""
    cells = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines()]
    listed = {tuple(row) for row in cells if len(row) == 5 and row[0].startswith("`")}
    assert listed == set(_rows())


def _rows() -> list[tuple[str, ...]]:
    explained = [explain(found) for found, *_ in CASES]
    explained += [explain_purchase(purchase(state)) for state, *_ in PURCHASES]
    return [_row(explanation) for explanation in explained]


def _row(explanation: Explanation) -> tuple[str, ...]:
    wait = explanation.waits[0]
    commands = ", ".join(f"`{_command(action.command)}`" for action in wait.actions)
    return (f"`{wait.code}`", wait.reason, wait.owner.value, wait.then, commands or "-")


def _command(line: str) -> str:
    """Return the words of a line's command, without its arguments."""
    words = shlex.split(line.removeprefix(CLI))
    return " ".join(words[: len(_find(words)[1])])


def _check_lines(wait: Wait) -> None:
    """Each line is a command of the command line, with options that it has."""
    for action in wait.actions:
        assert action.command.startswith(CLI)
        words = shlex.split(action.command.removeprefix(CLI))
        command, path = _find(words)
        options = [each for each in command.params if isinstance(each, TyperOption)]
        given = {word for word in words[len(path) :] if word.startswith("--")}
        assert given <= {name for each in options for name in each.opts}, action.command
        assert {each.opts[0] for each in options if each.required} <= given, action.command


def _find(words: list[str]) -> tuple[Any, list[str]]:
    """Find the command of a line; returns it with the words that name it."""
    command = COMMAND_LINE
    path: list[str] = []
    for word in words:
        if not isinstance(command, TyperGroup) or word not in command.commands:
            break
        command = command.commands[word]
        path.append(word)
    assert not isinstance(command, TyperGroup), words
    return command, path
