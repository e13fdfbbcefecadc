"""Test the stage of an order, and other values of its progress."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing import Balance
from models.orders import Terms
from models.progress import Cancellation, Progress, ShipmentProgress, ShipmentState, Stage, stage
from models.shipping import FreightMode


def progress(**changes: Any) -> Progress:
    """Build the progress of a prepaid order of ten units for 100.00, just recorded."""
    amounts = {"total_minor": 10_000, "paid_minor": 0} | changes
    due = Balance(tax_minor=0, total_minor=amounts["total_minor"], paid_minor=amounts["paid_minor"])
    fields = {"order_id": "O-1", "version": 1, "terms": Terms.PREPAID, "currency": "EUR"}
    return Progress(**fields | {"ordered": 10, "due_minor": due.due_minor} | amounts)


DONE = {"allocated": True, "paid_minor": 10_000, "shipped": 10, "delivered": 10}
CREDIT = {"terms": Terms.NET30}
SERVICES = {"ordered": 0, "allocated": True}
"""An order of services alone."""
INVOICED = {"invoice_number": "INV-2026-000001"}

OBLIGATIONS = [
    ("to be allocated", {}, Stage.RECEIVED),
    ("paid before it is allocated", {"paid_minor": 10_000}, Stage.RECEIVED),
    ("short", {"allocated": True, "backordered": 1}, Stage.AWAITING_STOCK),
    ("short, on credit", {"allocated": True, "backordered": 1} | CREDIT, Stage.AWAITING_STOCK),
    (
        "short, part has left",
        {"allocated": True, "backordered": 1, "paid_minor": 10_000, "shipped": 9, "delivered": 9},
        Stage.AWAITING_STOCK,
    ),
    ("to be paid", {"allocated": True}, Stage.AWAITING_PAYMENT),
    ("to be paid in cash", {"allocated": True, "terms": Terms.CASH}, Stage.AWAITING_PAYMENT),
    ("a cent is due", {"allocated": True, "paid_minor": 9_999}, Stage.AWAITING_PAYMENT),
    ("paid", {"allocated": True, "paid_minor": 10_000}, Stage.DISPATCHING),
    ("paid more than is due", {"allocated": True, "paid_minor": 10_001}, Stage.DISPATCHING),
    ("on credit", {"allocated": True} | CREDIT, Stage.DISPATCHING),
    ("part has left", DONE | {"shipped": 9, "delivered": 9}, Stage.DISPATCHING),
    ("all has left", DONE | {"delivered": 0}, Stage.IN_TRANSIT),
    ("part has arrived", DONE | {"delivered": 9}, Stage.IN_TRANSIT),
    ("arrived, on credit", DONE | CREDIT | {"paid_minor": 0}, Stage.DELIVERED),
    ("all done", DONE, Stage.COMPLETED),
    ("all done, on credit", DONE | CREDIT, Stage.COMPLETED),
    ("being cancelled", {"cancellation": Cancellation.REQUESTED}, Stage.CANCELLING),
    ("done and cancelling", DONE | {"cancellation": Cancellation.REQUESTED}, Stage.CANCELLING),
    ("cancelled", {"cancellation": Cancellation.DONE}, Stage.CANCELLED),
    ("free", {"total_minor": 0, "allocated": True}, Stage.DISPATCHING),
    ("services, to be allocated", SERVICES | {"allocated": False}, Stage.RECEIVED),
    ("services, to be paid", SERVICES, Stage.AWAITING_PAYMENT),
    ("services, paid", SERVICES | {"paid_minor": 10_000} | INVOICED, Stage.COMPLETED),
    ("services, on credit", SERVICES | CREDIT | INVOICED, Stage.DELIVERED),
    ("services, cancelled", SERVICES | {"cancellation": Cancellation.DONE}, Stage.CANCELLED),
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [(changes, expected) for _, changes, expected in OBLIGATIONS],
    ids=[name for name, _, _ in OBLIGATIONS],
)
def test_stage_is_earliest_unfinished_obligation(changes: dict[str, Any], expected: Stage) -> None:
    assert stage(progress(**changes)) is expected


def test_cases_cover_every_stage() -> None:
    assert {expected for _, _, expected in OBLIGATIONS} == set(Stage)


FORWARD: list[Stage] = [s for s in Stage if s not in (Stage.CANCELLING, Stage.CANCELLED)]
"""The stages in the order in which an order passes them."""


@st.composite
def steps_forward(draw: st.DrawFn) -> list[Progress]:
    """Draw the progress of one order over time: counters rise, shortages are filled."""
    count = draw(st.integers(2, 6))
    ordered, total_minor = draw(st.integers(1, 10)), draw(st.integers(0, 1_000))

    def rising(top: int) -> list[int]:
        return sorted(draw(st.lists(st.integers(0, top), min_size=count, max_size=count)))

    shipped, paid = rising(ordered), rising(total_minor + 5)
    delivered = rising(ordered)
    short, allocated_at = rising(ordered)[::-1], draw(st.integers(0, count))
    terms = draw(st.sampled_from(Terms))
    return [
        progress(
            terms=terms,
            total_minor=total_minor,
            ordered=ordered,
            paid_minor=paid[n],
            shipped=shipped[n],
            delivered=min(delivered[n], shipped[n]),
            allocated=n >= allocated_at,
            backordered=short[n] if n >= allocated_at else 0,
        )
        for n in range(count)
    ]


@given(history=steps_forward())
def test_facts_move_order_forward_only(history: list[Progress]) -> None:
    ranks = [FORWARD.index(stage(one)) for one in history]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("cancellation", "expected"),
    [
        (Cancellation.REQUESTED, Stage.CANCELLING),
        (Cancellation.DONE, Stage.CANCELLED),
    ],
)
@given(history=steps_forward())
def test_fact_never_resumes_cancelled_order(
    cancellation: Cancellation, expected: Stage, history: list[Progress]
) -> None:
    stages = {stage(one.model_copy(update={"cancellation": cancellation})) for one in history}
    assert stages == {expected}


@given(total_minor=st.integers(0, 1_000), paid_minor=st.integers(0, 1_000))
def test_amount_due_is_never_below_zero(total_minor: int, paid_minor: int) -> None:
    order = progress(total_minor=total_minor, paid_minor=paid_minor)
    assert order.due_minor == max(0, total_minor - paid_minor)
    assert order.paid_in_full is (order.due_minor == 0)


def test_shipments_are_selected_by_state() -> None:
    states = (ShipmentState.PLANNED, ShipmentState.DISPATCHED, ShipmentState.PLANNED)
    shipments = tuple(
        ShipmentProgress(
            shipment_id=f"S-{n}",
            state=state,
            planned_at=datetime(2026, 7, 6, tzinfo=UTC),
            mode=FreightMode.PARCEL,
            is_booked=False,
            units=1,
        )
        for n, state in enumerate(states)
    )
    order = progress(shipments=shipments)
    assert order.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED) == ["S-0", "S-2"]
    left = [state for state in ShipmentState if state.has_left]
    assert left == ["dispatched", "delivered", "failed"]
