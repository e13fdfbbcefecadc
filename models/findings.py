"""Differences that reconciliation finds, and their messages."""

from collections.abc import Mapping, Sequence

from models.base import Payload
from models.ledger import Account

AUDIT_FINDING = "audit:"
"""The beginning of the ids of findings about the audit trail."""
UNPRINTABLE = "unprintable"
"""The kind of findings about characters that no font has."""


class Difference(Payload):
    """One difference. `finding_id` stays the same in every reconciliation."""

    finding_id: str
    subject: str
    message: str


class Counted(Payload):
    """On hand, reserved and value of a stock key, as its counters or other records have them."""

    on_hand: int = 0
    reserved: int = 0
    value_minor: int = 0


def stock_differences(
    sku: str, location: str, counters: Counted, moved: Counted, held: int
) -> list[Difference]:
    """Compare the counters of a stock key with its movements and its reservations.

    `moved`: the sums of its movements. `held`: its reserved units. Negative counters are a
    difference too.
    """
    subject = f"{sku} at {location}"
    checks = {
        "reservations": (
            held != counters.reserved,
            f"the counter has {counters.reserved} reserved, the reservations {held}",
        ),
        "on_hand": (
            moved.on_hand != counters.on_hand,
            f"the counter has {counters.on_hand} on hand, the movements {moved.on_hand}",
        ),
        "reserved": (
            moved.reserved != counters.reserved,
            f"the counter has {counters.reserved} reserved, the movements {moved.reserved}",
        ),
        "value": (
            moved.value_minor != counters.value_minor,
            f"the counter has a value of {counters.value_minor} minor units, the movements "
            f"{moved.value_minor}",
        ),
        "negative": (
            min(counters.on_hand, counters.reserved, counters.value_minor) < 0
            or counters.reserved > counters.on_hand,
            f"{counters.on_hand} on hand, {counters.reserved} reserved, value "
            f"{counters.value_minor} minor units: a counter, or what is available, is negative",
        ),
    }
    return [
        Difference(
            finding_id=f"{kind}:{sku}:{location}", subject=subject, message=f"{subject}: {text}"
        )
        for kind, (differs, text) in checks.items()
        if differs
    ]


def line_difference(
    order_id: str, line_no: int, sku: str, ordered: int, held: int, short: int
) -> Difference | None:
    """Compare the ordered units of an allocated line with its held, shipped and short units.

    `held`: units reserved or shipped. Returns None if they add up.
    """
    if held + short == ordered:
        return None
    return Difference(
        finding_id=f"line:{order_id}:{line_no}",
        subject=order_id,
        message=f"order {order_id}, line {line_no}: {ordered} x {sku} ordered, {held} reserved or "
        f"shipped and {short} short",
    )


def delivery_difference(order_id: str, line_no: int, issued: int, invoiced: int) -> Difference:
    """Describe a line of an order that is invoiced by delivery, and has goods without an invoice or
    an invoice without goods."""
    return Difference(
        finding_id=f"delivery:{order_id}:{line_no}",
        subject=order_id,
        message=f"order {order_id}, line {line_no}: {issued} units were issued, and {invoiced} are "
        "on its invoices",
    )


def left_over_difference(
    order_id: str, stage: str, sku: str, location: str, held: int, short: int
) -> Difference:
    """Describe an order that is over and still has units reserved (`held`) or short."""
    return Difference(
        finding_id=f"left_over:{order_id}:{sku}:{location}",
        subject=order_id,
        message=f"order {order_id} is {stage}, and of {sku} at {location} {held} are still "
        f"reserved for it and {short} still short",
    )


def inventory_difference(currency: str, account_minor: int, stock_minor: int) -> Difference | None:
    """Compare the inventory account with the value of the stock, in minor units; None if equal."""
    if account_minor == stock_minor:
        return None
    return Difference(
        finding_id=f"inventory:{currency}",
        subject="ledger",
        message=f"the inventory account has {account_minor} minor units {currency}, the stock a "
        f"value of {stock_minor}",
    )


def invoice_difference(
    invoice_id: str, po_id: str, lines: Mapping[str, tuple[int, int, int]]
) -> Difference:
    """Describe a supplier invoice without its goods.

    `lines`: by SKU the units invoiced, received in good condition, and received damaged.
    """
    parts = [
        f"{invoiced} x {sku}, {good} came" + (f" and {damaged} damaged ones" if damaged else "")
        for sku, (invoiced, good, damaged) in sorted(lines.items())
        if good < invoiced
    ]
    return Difference(
        finding_id=f"supplier_invoice:{invoice_id}",
        subject=po_id,
        message=f"supplier invoice {invoice_id} of {po_id} asks for {'; '.join(parts)}: it is "
        "not posted. Receive the missing units, or settle it with the supplier",
    )


def acknowledged_price_difference(
    po_id: str, sku: str, ordered: str, acknowledged: str, currency: str
) -> Difference:
    """Describe a purchase order line that the supplier has acknowledged at another price."""
    return Difference(
        finding_id=f"acknowledged_price:{po_id}:{sku}",
        subject=po_id,
        message=f"{po_id}: {sku} is ordered at {ordered} {currency} and acknowledged at "
        f"{acknowledged}: agree on the price with the supplier, whose next acknowledgement counts "
        f"(`po ack {po_id} --line {sku}=UNITS@{ordered}`), or `po close {po_id}`",
    )


def workflow_difference(order_id: str, stage: str, workflow: str) -> Difference:
    """Describe an open order without a running workflow; `workflow`: how it ended."""
    return Difference(
        finding_id=f"workflow:{order_id}",
        subject=order_id,
        message=f"order {order_id} is {stage} and its workflow is {workflow}: place the same "
        "document again to continue it",
    )


def failing_workflow(workflow_id: str) -> Difference:
    """Describe a workflow whose tasks fail."""
    return Difference(
        finding_id=f"fails:{workflow_id}",
        subject=workflow_id,
        message=f"the workflow {workflow_id} fails: find the reason in the worker's log; with "
        "corrected code it continues by itself",
    )


def recall_difference(order_id: str, shipment_id: str, workflow: str) -> Difference:
    """Describe a shipment that is being recalled, without a running workflow."""
    return Difference(
        finding_id=f"call_back:{shipment_id}",
        subject=shipment_id,
        message=f"{shipment_id} is being recalled from its carrier, and the workflow of it is "
        f"{workflow}: `retry {order_id}` starts it again",
    )


def replenishment_difference(sku: str, location: str, workflow: str) -> Difference:
    """Describe a stock key with units short or on order, without a running replenishment."""
    return Difference(
        finding_id=f"replenishment:{sku}:{location}",
        subject=f"{sku} at {location}",
        message=f"{sku} at {location} is short or on order, and its replenishment is {workflow}: "
        f"`replenish {sku} --location {location}` starts it again",
    )


def unapplied_fact(source: str, fact_id: str, type_: str, subject: str | None) -> Difference:
    """Describe a fact that was recorded and not applied."""
    fact = f"{type_} {fact_id} from {source}, about {subject or 'nothing'}"
    return Difference(
        finding_id=f"fact:{source}:{fact_id}",
        subject=subject or fact_id,
        message=f"{fact}: recorded and not applied; send it again under the same id",
    )


def unnotified_order(order_id: str) -> Difference:
    """Describe an order that was not notified of its goods."""
    return Difference(
        finding_id=f"asleep:{order_id}",
        subject=order_id,
        message=f"{order_id} waits for stock, and nothing of it is short: `retry {order_id}`",
    )


def receivable_difference(currency: str, account: str, owed: str) -> Difference:
    """Describe a difference between accounts receivable and the amounts due of orders."""
    return Difference(
        finding_id=f"receivables:{currency}",
        subject="Accounts receivable",
        message=f"accounts receivable has {account} {currency}, the orders have {owed} due",
    )


def money_difference(account: Account, currency: str, posted: str, moved: str) -> Difference:
    """Describe a difference between an account of money and the payments and refunds in it."""
    return Difference(
        finding_id=f"money:{account.role}:{currency}",
        subject=account.label,
        message=f"{account.label.lower()} has {posted} {currency}, payments, refunds and payouts "
        f"make {moved}",
    )


def payout_difference(currency: str, paid_out: str, collected: str) -> Difference:
    """Describe payouts of the provider beyond all the payments it has collected."""
    return Difference(
        finding_id=f"payouts:{currency}",
        subject=Account.CASH_CLEARING.label,
        message="the provider's cash clearing is below zero: it has paid out "
        f"{paid_out} {currency} and collected {collected}: "
        "record the payments that are missing, or ask the provider",
    )


def unprintable_difference(document: str, texts: Sequence[str]) -> Difference:
    """Describe a document with characters that no configured font has."""
    shown = ", ".join(f"{text} ({' '.join(f'U+{ord(c):04X}' for c in text)})" for text in texts)
    return Difference(
        finding_id=f"{UNPRINTABLE}:{document}",
        subject=document,
        message=f"{document}: no font has {shown}, a replacement mark was printed; add a font to "
        "DOCUMENTS_FONTS",
    )


def undecided_difference(document: str, reason: str) -> Difference:
    """Describe a document with such characters that can't be rendered again."""
    return Difference(
        finding_id=f"{UNPRINTABLE}:{document}",
        subject=document,
        message=f"{document}: has characters that no font had, and can't be rendered: {reason}",
    )


def audit_difference(subject: str, problems: Sequence[str]) -> Difference:
    """Report that the audit trail of an order, or an anchor, differs from its hashes."""
    return Difference(
        finding_id=f"{AUDIT_FINDING}{subject}",
        subject=subject,
        message=f"the audit trail of {subject} was changed: {'; '.join(problems)}"[:1_000],
    )
