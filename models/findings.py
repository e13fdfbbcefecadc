"""What must agree in the books, and what is said where it doesn't. Nothing here mends anything."""

from collections.abc import Mapping

from models.base import Payload


class Difference(Payload):
    """One thing that doesn't agree. `finding_id` names it, the same every night."""

    finding_id: str
    subject: str
    message: str


class Counted(Payload):
    """On hand, reserved and value of a SKU at a location: as its counters say, or as what else was
    written down adds up to."""

    on_hand: int = 0
    reserved: int = 0
    value_minor: int = 0


def place_differences(
    sku: str, location: str, counters: Counted, moved: Counted, held: int
) -> list[Difference]:
    """What differs at a place between its counters, its movements (`moved`, their sums) and its
    reservations (`held`, units held or picked); and what is negative there."""
    subject = f"{sku} at {location}"
    facts = {
        "reservations": (
            held != counters.reserved,
            f"{counters.reserved} are counted as reserved, the reservations hold {held}",
        ),
        "on_hand": (
            moved.on_hand != counters.on_hand,
            f"{counters.on_hand} are counted as on hand, the movements add up to {moved.on_hand}",
        ),
        "reserved": (
            moved.reserved != counters.reserved,
            f"{counters.reserved} are counted as reserved, the movements add up to "
            f"{moved.reserved}",
        ),
        "value": (
            moved.value_minor != counters.value_minor,
            f"the stock is worth {counters.value_minor} minor units, the movements add up to "
            f"{moved.value_minor}",
        ),
        "negative": (
            min(counters.on_hand, counters.reserved, counters.value_minor) < 0
            or counters.reserved > counters.on_hand,
            f"{counters.on_hand} on hand, {counters.reserved} reserved, worth "
            f"{counters.value_minor} minor units: less than nothing is there",
        ),
    }
    return [
        Difference(
            finding_id=f"{kind}:{sku}:{location}", subject=subject, message=f"{subject}: {words}"
        )
        for kind, (differs, words) in facts.items()
        if differs
    ]


def line_difference(
    order_id: str, line_no: int, sku: str, ordered: int, held: int, short: int
) -> Difference | None:
    """Of an allocated line, what is reserved or shipped and what is short are all that was
    ordered; None where they are."""
    if held + short == ordered:
        return None
    return Difference(
        finding_id=f"line:{order_id}:{line_no}",
        subject=order_id,
        message=f"order {order_id}, line {line_no}: {ordered} x {sku} ordered, {held} reserved or "
        f"shipped and {short} short",
    )


def left_over_difference(
    order_id: str, stage: str, sku: str, location: str, held: int, short: int
) -> Difference:
    """An order that is over and yet has units reserved (`held`), or waits for some (`short`)."""
    return Difference(
        finding_id=f"left_over:{order_id}:{sku}:{location}",
        subject=order_id,
        message=f"order {order_id} is {stage}, and of {sku} at {location} {held} are still "
        f"reserved for it and {short} still short",
    )


def inventory_difference(currency: str, account_minor: int, stock_minor: int) -> Difference | None:
    """The inventory account is worth what the stock is; None where it is. Minor units."""
    if account_minor == stock_minor:
        return None
    return Difference(
        finding_id=f"inventory:{currency}",
        subject="ledger",
        message=f"the inventory account has {account_minor} minor units {currency}, the stock is "
        f"worth {stock_minor}",
    )


def invoice_difference(
    invoice_id: str, po_id: str, lines: Mapping[str, tuple[int, int, int]]
) -> Difference:
    """A supplier's invoice that waits in vain for its goods. `lines`: by SKU the units it asks for,
    the good ones that came for it, and the damaged ones."""
    parts = [
        f"{asked} x {sku}, {came} came" + (f" and {damaged} damaged ones" if damaged else "")
        for sku, (asked, came, damaged) in sorted(lines.items())
        if came < asked
    ]
    return Difference(
        finding_id=f"supplier_invoice:{invoice_id}",
        subject=po_id,
        message=f"supplier invoice {invoice_id} of {po_id} asks for {'; '.join(parts)}: nothing of "
        "it is posted. Receive what is missing, or settle it with the supplier",
    )


def workflow_difference(order_id: str, stage: str, workflow: str) -> Difference:
    """An order that isn't over and whose workflow doesn't run; `workflow` says how it ended."""
    return Difference(
        finding_id=f"workflow:{order_id}",
        subject=order_id,
        message=f"order {order_id} is {stage} and its workflow is {workflow}: place the same "
        "document again, it goes on",
    )


def failing_workflow(workflow_id: str) -> Difference:
    """A workflow of any kind that doesn't go on, as its code fails."""
    return Difference(
        finding_id=f"fails:{workflow_id}",
        subject=workflow_id,
        message=f"the workflow {workflow_id} fails whenever it is to go on; the worker's log says "
        "why, and with code that fits it goes on by itself",
    )


def call_back_difference(order_id: str, shipment_id: str, workflow: str) -> Difference:
    """A shipment that is being called back, by a workflow that doesn't run."""
    return Difference(
        finding_id=f"call_back:{shipment_id}",
        subject=shipment_id,
        message=f"{shipment_id} is being called back from its carrier, and the workflow that asks "
        f"is {workflow}: `retry {order_id}` starts it again",
    )


def replenishment_difference(sku: str, location: str, workflow: str) -> Difference:
    """A place that goods are missing at, or due to come to, and whose replenishment doesn't run."""
    return Difference(
        finding_id=f"replenishment:{sku}:{location}",
        subject=f"{sku} at {location}",
        message=f"{sku} at {location} is short or on order, and its replenishment is {workflow}: "
        f"`replenish {sku} --location {location}` starts it again",
    )


def unused_fact(source: str, fact_id: str, type_: str, subject: str | None) -> Difference:
    """A fact that a door took, and that nobody has applied."""
    about = f"{type_} {fact_id} from {source}, about {subject or 'nothing'}"
    return Difference(
        finding_id=f"fact:{source}:{fact_id}",
        subject=subject or fact_id,
        message=f"{about}: it was taken and never used; have it sent again under the same id",
    )


def asleep_difference(order_id: str) -> Difference:
    """An order that wasn't told that its goods are there."""
    return Difference(
        finding_id=f"asleep:{order_id}",
        subject=order_id,
        message=f"{order_id} waits for stock, and nothing of it is short: a retry wakes it",
    )


def receivable_difference(currency: str, account: str, owed: str) -> Difference:
    """The account of receivables isn't what customers owe by their orders."""
    return Difference(
        finding_id=f"receivables:{currency}",
        subject="Accounts receivable",
        message=f"Accounts receivable is {account} {currency}, the orders' customers owe {owed}",
    )
