"""Open amounts of an order's invoices.

Payments, credit notes and write-offs of an order are settled with its invoices like this:

1. A credit note lowers its own invoice.
2. A payment that names an invoice pays that first.
3. All else pays the invoice that is due first, and reminder fees last.

So debts are met in the order of their due dates, as the law has it where the payer names none
(German Civil Code, section 366).
"""

from collections.abc import Sequence
from datetime import date

from models.base import Payload


class InvoiceClaim(Payload):
    """What an invoice claims, in minor units.

    `credited_minor`: by its own credit notes; `named_minor`: by payments that name it.
    `fees_minor`: the fees of its reminders.
    """

    number: str
    due_on: date
    total_minor: int
    credited_minor: int = 0
    named_minor: int = 0
    fees_minor: int = 0


def open_amounts(claims: Sequence[InvoiceClaim], receivable_minor: int) -> dict[str, int]:
    """Distribute the receivable of an order over its invoices, fees included.

    A receivable beyond them, of a refund that was reversed as well, belongs to the first one.
    """
    by_due = sorted(claims, key=lambda claim: claim.due_on)
    left = {c.number: max(0, c.total_minor - c.credited_minor) for c in by_due}
    fees = {c.number: c.fees_minor for c in by_due}
    settled_minor = sum(left.values()) + sum(fees.values()) - receivable_minor
    for claim in by_due:
        settled_minor -= _settle(left, claim.number, min(claim.named_minor, settled_minor))
    for amounts in (left, fees):
        for claim in by_due:
            settled_minor -= _settle(amounts, claim.number, settled_minor)
    amounts = {number: left[number] + fees[number] for number in left}
    if by_due and settled_minor < 0:
        amounts[by_due[0].number] -= settled_minor
    return amounts


def _settle(amounts: dict[str, int], number: str, amount_minor: int) -> int:
    """Lower an amount by at most `amount_minor`; return by how much."""
    settled_minor = max(0, min(amounts[number], amount_minor))
    amounts[number] -= settled_minor
    return settled_minor
