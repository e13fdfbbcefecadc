"""Explain what a purchase order waits for: a pure function, as `models.why` for orders."""

from collections.abc import Mapping
from datetime import date, datetime

from models.base import Payload
from models.operator_actions import REASON, act
from models.purchasing import PurchaseOrderState as State
from models.views.why import Action, Explanation, Owner, Wait


class OpenPurchase(Payload):
    """A purchase order, and the units that are still due."""

    po_id: str
    supplier: str
    location: str
    state: State
    created_at: datetime
    collects_until: datetime
    sent_at: datetime | None = None
    acknowledge_by: datetime | None = None
    acknowledged_at: datetime | None = None
    expected_date: date | None = None
    ended_reason: str | None = None
    due: Mapping[str, int]
    """Units that are still to arrive, by SKU."""


def explain_purchase(purchase: OpenPurchase) -> Explanation:
    """Explain what a purchase order waits for."""
    wait = _wait(purchase)
    waits = (wait,) if wait is not None else ()
    return Explanation(subject=purchase.po_id, state=purchase.state.value, waits=waits)


def _wait(purchase: OpenPurchase) -> Wait | None:
    po_id, units = purchase.po_id, ", ".join(f"{n} x {sku}" for sku, n in purchase.due.items())
    close = act(
        f"po close {po_id} {REASON}", "expects no more goods; what orders need is bought elsewhere"
    )
    reassign = act(
        f"reassign-supplier {po_id} {REASON}", "cancels it there; buys it from the best other offer"
    )
    owner, since = Owner.SUPPLIER, purchase.sent_at
    actions: tuple[Action, ...] = (close,)
    until: datetime | date | None = purchase.expected_date
    match purchase.state:
        case State.PLANNED:
            code, reason, owner = "collecting", f"it collects lines; so far {units}", Owner.PIPELINE
            since, until, then = purchase.created_at, purchase.collects_until, "it is sent"
        case State.SENDING:
            code, reason, owner = "sending", "it is being sent to the supplier", Owner.PIPELINE
            since, until = purchase.collects_until, None
            then = "it is sent again until the supplier answers; later an operator is asked"
            by_hand = f"resolve purchase {po_id} REFERENCE {REASON}"
            actions = (act(by_hand, "records that you gave it to the supplier by hand"), close)
        case State.SENT:
            code, reason = "acknowledgement", "the supplier has not acknowledged it"
            until, then = purchase.acknowledge_by, "it lapses, and another supplier is asked"
            acknowledge = act(f"po ack {po_id}", "records that the supplier accepts all of it")
            actions = (acknowledge, reassign, close)
        case State.ACKNOWLEDGED | State.SHIPPED:
            is_shipped = purchase.state is State.SHIPPED
            code = "arrival" if is_shipped else "shipping"
            reason = f"{units} {'are on their way' if is_shipped else 'are promised'}"
            since = purchase.acknowledged_at or purchase.sent_at
            then = f"they are received at {purchase.location}; late goods give orders a new date"
            others = (close,) if is_shipped else (reassign, close)
            actions = (*_receipts(purchase), *others)
        case State.RECEIVED:
            code, reason = "supplier_invoice", "all goods are here; the supplier's invoice is not"
            until, then = None, "the invoice is matched when it arrives; reconciliation reports it"
            actions = (close,)
        case _:
            return None
    return Wait(
        code=code,
        subject=po_id,
        reason=reason,
        owner=owner,
        name=purchase.supplier if owner is Owner.SUPPLIER else "",
        since=since,
        until=until,
        then=then,
        actions=actions,
    )


def _receipts(purchase: OpenPurchase) -> list[Action]:
    return [
        act(f"receive {purchase.po_id} {sku} {units}", f"records {units} units as received")
        for sku, units in purchase.due.items()
    ]
