"""Simulate suppliers: acknowledge, ship, deliver and invoice purchase orders."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

from pydantic import Field, JsonValue

from simulators import clock
from simulators.books import Books
from simulators.contract import (
    Body,
    BusinessId,
    Callback,
    Currency,
    Data,
    Outcome,
    Price,
    Quantity,
    conflict,
)
from simulators.desk import Operation
from simulators.faults import Fault, FaultName, Faults

LEAD_TIME_DAYS = 3


class PurchaseLine(Body):
    """A purchase order line: SKU, units and unit cost."""

    sku: BusinessId
    quantity: Quantity
    unit_cost: Price


class PurchaseOrder(Body):
    """A purchase order to one supplier, for one location."""

    po_id: BusinessId
    supplier_id: BusinessId
    location: BusinessId
    currency: Currency
    lines: Annotated[list[PurchaseLine], Field(min_length=1)]


def accept_order(books: Books, body: PurchaseOrder) -> Outcome:
    """Accept a purchase order; it is acknowledged, shipped, received and invoiced.

    Each of these follows one delay after the last. Reject a known purchase order id.
    """
    if books.states("suppliers", "purchase_order", body.po_id):
        return conflict("already_ordered", f"{body.po_id} was ordered before")
    return Outcome(202, {"reference": f"so-{body.po_id}"}, "ordered", _fulfilment(body, {}))


class PurchaseCancellation(Body):
    """A request to cancel a purchase order."""

    po_id: BusinessId
    supplier_id: BusinessId


def cancel_order(books: Books, body: PurchaseCancellation) -> Outcome:
    """Cancel a purchase order, if there is one: no goods of it are sent any more."""
    books.cancel_requests("suppliers", "purchase_order", body.po_id, "ordered", "cancelled")
    states = books.states("suppliers", "purchase_order", body.po_id)
    return Outcome(200, {"state": "cancelled" if states else "unknown"}, "done")


def faulty_fulfilment(
    faults: Faults, body: PurchaseOrder, _answer: Data
) -> tuple[Callback, ...] | None:
    """Use the supplier's pending faults; return the resulting callbacks, None without faults."""
    active = faults.take_fulfilment_faults(body.supplier_id)
    return _fulfilment(body, active) if active else None


ActiveFaults = Mapping[FaultName, Fault]


def _fulfilment(body: PurchaseOrder, active: ActiveFaults) -> tuple[Callback, ...]:
    """Build the callbacks of a purchase order, in the order they are sent."""
    if "silence" in active:
        return ()
    ordered: Counter[str] = Counter()
    for line in body.lines:
        ordered[line.sku] += line.quantity
    if "decline" in active:
        return _acknowledgements(body.po_id, dict.fromkeys(ordered, 0), active)
    promised = dict(ordered)
    if "promise_part" in active:
        limit = active["promise_part"].units
        promised = {sku: min(units, limit) for sku, units in ordered.items()}
    shipped = {
        sku: max(0, units - _units(active, "ship_short")) + _units(active, "ship_long")
        for sku, units in promised.items()
    }
    shipped = {sku: units for sku, units in shipped.items() if units}
    damaged = {sku: min(units, _units(active, "damage")) for sku, units in shipped.items()}
    usable = {sku: units - damaged[sku] for sku, units in shipped.items()}
    is_partial = promised != dict(ordered)
    acknowledgements = _acknowledgements(body.po_id, promised if is_partial else None, active)
    goods = (
        *_shipping_notice(body.po_id, shipped),
        *_receipts(body.po_id, shipped, damaged),
        *_invoice(body, usable, active),
    )
    return (*goods, *acknowledgements) if "ship_first" in active else (*acknowledgements, *goods)


def _units(active: ActiveFaults, name: FaultName) -> int:
    return active[name].units if name in active else 0


def _acknowledgements(
    po_id: str, promised: Mapping[str, int] | None, active: ActiveFaults
) -> tuple[Callback, ...]:
    """Build one or two acknowledgements; `promised` (units by SKU) is None if complete."""
    delays = 5 if "ship_first" in active else 1
    slip = timedelta(days=active["slip"].days) if "slip" in active else timedelta()
    callbacks = [_acknowledgement(f"ack-{po_id}", po_id, promised, timedelta(), delays)]
    if slip or "answer_twice" in active:
        callbacks.append(_acknowledgement(f"ack-{po_id}-2", po_id, promised, slip, delays))
    return tuple(callbacks)


def _acknowledgement(
    event_id: str, po_id: str, promised: Mapping[str, int] | None, slip: timedelta, delays: int
) -> Callback:
    expected = clock.now().date() + timedelta(days=LEAD_TIME_DAYS) + slip
    data: Data = {
        "acknowledgement_id": event_id,
        "po_id": po_id,
        "expected_date": expected.isoformat(),
    }
    if promised is not None:
        data["lines"] = [{"sku": sku, "quantity": units} for sku, units in promised.items()]
    return Callback("purchase_order.acknowledged", event_id, data, delays)


def _shipping_notice(po_id: str, shipped: Mapping[str, int]) -> list[Callback]:
    if not shipped:
        return []
    expected = clock.now().date() + timedelta(days=LEAD_TIME_DAYS)
    notice_id = f"asn-{po_id}"
    data: Data = {
        "notice_id": notice_id,
        "po_id": po_id,
        "expected_date": expected.isoformat(),
    }
    return [Callback("purchase_order.shipped", notice_id, data, delays=2)]


def _receipts(po_id: str, shipped: Mapping[str, int], damaged: Mapping[str, int]) -> list[Callback]:
    """Build one goods receipt per SKU, because its id is derived from the SKU."""
    callbacks = []
    for sku, units in shipped.items():
        receipt_id = f"rc-{po_id}-{sku}"
        data: Data = {"receipt_id": receipt_id, "po_id": po_id, "sku": sku, "quantity": units}
        if damaged[sku]:
            data["damaged"] = damaged[sku]
        callbacks.append(Callback("goods.received", receipt_id, data, delays=3))
    return callbacks


def _invoice(
    body: PurchaseOrder, usable: Mapping[str, int], active: ActiveFaults
) -> list[Callback]:
    """Build one invoice for all usable units, at the unit cost of each SKU's first line."""
    percent = active["other_price"].percent if "other_price" in active else 0
    costs = {line.sku: line.unit_cost for line in reversed(body.lines)}
    lines: list[JsonValue] = [
        {"sku": sku, "quantity": units, "unit_cost": _marked_up(costs[sku], percent)}
        for sku, units in usable.items()
        if units
    ]
    if not lines:
        return []
    invoice_id = f"si-{body.po_id}"
    data: Data = {
        "invoice_id": invoice_id,
        "po_id": body.po_id,
        "currency": body.currency,
        "lines": lines,
    }
    return [Callback("purchase_order.invoiced", invoice_id, data, delays=4)]


def _marked_up(unit_cost: str, percent: int) -> str:
    """Raise a unit cost by `percent`, rounded half up to its own number of decimals."""
    cost = Decimal(unit_cost)
    return str((cost * (100 + percent) / 100).quantize(cost, ROUND_HALF_UP))


OPERATIONS = (
    Operation(
        "suppliers", "purchase_order", "/suppliers/purchase-orders",
        PurchaseOrder, lambda body: body.po_id, accept_order, faulty_fulfilment,
    ),
    Operation(
        "suppliers", "cancel", "/suppliers/purchase-orders/cancel",
        PurchaseCancellation, lambda body: body.po_id, cancel_order,
    ),
)  # fmt: skip
