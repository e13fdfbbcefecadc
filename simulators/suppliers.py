"""The suppliers: acknowledge a purchase order, then ship its lines."""

from collections import Counter
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from simulators import clock
from simulators.books import Books
from simulators.contract import (
    Body,
    BusinessId,
    Callback,
    Currency,
    Outcome,
    Price,
    Quantity,
    problem,
)
from simulators.desk import Operation

LEAD_TIME_DAYS = 3


class PurchaseLine(Body):
    """So many of a SKU, at so much each."""

    sku: BusinessId
    quantity: Quantity
    unit_cost: Price


class PurchaseOrder(Body):
    """Buy from a supplier, for a location."""

    po_id: BusinessId
    supplier_id: BusinessId
    location: BusinessId
    currency: Currency
    lines: Annotated[list[PurchaseLine], Field(min_length=1)]


def accept(books: Books, body: PurchaseOrder) -> Outcome:
    """Take the order; acknowledged after one delay, all goods received after another."""
    if books.states("suppliers", "purchase_order", body.po_id):
        return Outcome(409, problem("already_ordered", f"{body.po_id} was ordered before"))
    callbacks = (_acknowledged(body.po_id), *_received(body))
    return Outcome(202, {"reference": f"so-{body.po_id}"}, "ordered", callbacks)


def _acknowledged(po_id: str) -> Callback:
    expected = clock.now().date() + timedelta(days=LEAD_TIME_DAYS)
    event_id = f"ack-{po_id}"
    return Callback(
        "purchase_order.acknowledged",
        event_id,
        {"acknowledgement_id": event_id, "po_id": po_id, "expected_date": expected.isoformat()},
    )


def _received(body: PurchaseOrder) -> list[Callback]:
    """One receipt a SKU, as its id is derived from the SKU."""
    quantities: Counter[str] = Counter()
    for line in body.lines:
        quantities[line.sku] += line.quantity
    return [
        Callback(
            "goods.received",
            receipt_id := f"rc-{body.po_id}-{sku}",
            {"receipt_id": receipt_id, "po_id": body.po_id, "sku": sku, "quantity": quantity},
            delays=2,
        )
        for sku, quantity in quantities.items()
    ]


OPERATIONS = (
    Operation(
        "suppliers", "purchase_order", "/suppliers/purchase-orders",
        PurchaseOrder, lambda body: body.po_id, accept,
    ),
)  # fmt: skip
