"""The suppliers: acknowledge a purchase order, announce, ship and invoice its lines."""

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
    problem,
)
from simulators.desk import Operation
from simulators.faults import Fault, FaultName, Faults

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
    """Take the order; acknowledged after one delay, then shipped, received and invoiced, each
    after another."""
    if books.states("suppliers", "purchase_order", body.po_id):
        return Outcome(409, problem("already_ordered", f"{body.po_id} was ordered before"))
    return Outcome(202, {"reference": f"so-{body.po_id}"}, "ordered", _fulfilled(body, {}))


def misconduct(faults: Faults, body: PurchaseOrder) -> tuple[Callback, ...] | None:
    """What is told of an order that goes wrong; None: nothing does."""
    conduct = {fault.fault: fault for fault in faults.take_conduct(body.supplier_id)}
    return _fulfilled(body, conduct) if conduct else None


Conduct = Mapping[FaultName, Fault]


def _fulfilled(body: PurchaseOrder, conduct: Conduct) -> tuple[Callback, ...]:
    """All that is told of an order, in the order in which it happens."""
    if "silence" in conduct:
        return ()
    ordered: Counter[str] = Counter()
    for line in body.lines:
        ordered[line.sku] += line.quantity
    promised = dict(ordered)
    if "promise_part" in conduct:
        most = conduct["promise_part"].units
        promised = {sku: min(units, most) for sku, units in ordered.items()}
    if "decline" in conduct:
        return _acknowledged(body.po_id, dict.fromkeys(ordered, 0), conduct)
    shipped = {
        sku: max(0, units - _units(conduct, "ship_short")) + _units(conduct, "ship_long")
        for sku, units in promised.items()
    }
    shipped = {sku: units for sku, units in shipped.items() if units}
    damaged = {sku: min(units, _units(conduct, "damage")) for sku, units in shipped.items()}
    answers = _acknowledged(body.po_id, promised if promised != dict(ordered) else None, conduct)
    goods = (
        *_shipped(body.po_id, shipped),
        *_received(body.po_id, shipped, damaged),
        *_invoiced(body, {sku: units - damaged[sku] for sku, units in shipped.items()}, conduct),
    )
    return (*goods, *answers) if "ship_first" in conduct else (*answers, *goods)


def _units(conduct: Conduct, name: FaultName) -> int:
    return conduct[name].units if name in conduct else 0


def _acknowledged(
    po_id: str, promised: Mapping[str, int] | None, conduct: Conduct
) -> tuple[Callback, ...]:
    """`promised`: units by SKU, where they aren't all that was ordered."""
    delays = 5 if "ship_first" in conduct else 1
    slip = timedelta(days=conduct["slip"].days) if "slip" in conduct else timedelta()
    answers = [_acknowledgement(f"ack-{po_id}", po_id, promised, timedelta(), delays)]
    if slip or "answer_twice" in conduct:
        answers.append(_acknowledgement(f"ack-{po_id}-2", po_id, promised, slip, delays))
    return tuple(answers)


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


def _shipped(po_id: str, shipped: Mapping[str, int]) -> list[Callback]:
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


def _received(po_id: str, shipped: Mapping[str, int], damaged: Mapping[str, int]) -> list[Callback]:
    """One receipt a SKU, as its id is derived from the SKU."""
    callbacks = []
    for sku, units in shipped.items():
        receipt_id = f"rc-{po_id}-{sku}"
        data: Data = {"receipt_id": receipt_id, "po_id": po_id, "sku": sku, "quantity": units}
        if damaged[sku]:
            data["damaged"] = damaged[sku]
        callbacks.append(Callback("goods.received", receipt_id, data, delays=3))
    return callbacks


def _invoiced(body: PurchaseOrder, good: Mapping[str, int], conduct: Conduct) -> list[Callback]:
    """One invoice for all that is of use; the lines of a SKU cost what its first one does."""
    percent = conduct["other_price"].percent if "other_price" in conduct else 0
    costs = {line.sku: line.unit_cost for line in reversed(body.lines)}
    lines: list[JsonValue] = [
        {"sku": sku, "quantity": units, "unit_cost": _dearer(costs[sku], percent)}
        for sku, units in good.items()
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


def _dearer(unit_cost: str, percent: int) -> str:
    """With as many decimals as it had."""
    cost = Decimal(unit_cost)
    return str((cost * (100 + percent) / 100).quantize(cost, ROUND_HALF_UP))


OPERATIONS = (
    Operation(
        "suppliers", "purchase_order", "/suppliers/purchase-orders",
        PurchaseOrder, lambda body: body.po_id, accept, misconduct,
    ),
)  # fmt: skip
