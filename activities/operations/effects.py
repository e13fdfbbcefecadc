"""Effects of a command that was executed to be undone: its rows, its money and its partners."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from activities.database.changes import Written
from models.ledger import Account
from models.messages.commands.results import CommandResult
from models.messages.effects import Effects, RowChange
from models.money import Money
from models.refunds import PaidBy

MAX_IDS = 5
"""The most ids of one table that are listed."""


def effects_of(result: CommandResult, written: Sequence[Written]) -> Effects:
    """Describe what a command has changed, and what would follow."""
    return Effects(
        history=tuple(_history(written)),
        money=(*_entries(written), *_refunds(written)),
        partners=(*_follow_up(result), *result.plans),
        notified=tuple(_notified(result)),
        rows=tuple(_rows(written)),
    )


def _history(written: Sequence[Written]) -> Iterator[str]:
    for row in _new_rows(written, "audit_trail"):
        yield f"{row['order_id']} {row['event']}: {row['detail']}".removesuffix(": ")


def _entries(written: Sequence[Written]) -> Iterator[str]:
    """Yield the entries of the ledger: debits, then credits."""
    postings = defaultdict(list)
    for row in _new_rows(written, "journal_postings"):
        postings[row["entry_id"]].append(row)
    for entry_id, rows in postings.items():
        sides = []
        for row in sorted(rows, key=lambda row: -row["amount_minor"]):
            amount = Money(amount_minor=abs(row["amount_minor"]), currency=row["currency"])
            side = "debit" if row["amount_minor"] > 0 else "credit"
            sides.append(f"{side} {_account(row['account'])} {amount}")
        yield f"{entry_id}: {', '.join(sides)}"


def _account(code: str) -> str:
    """Return our name of an account."""
    return Account(code).name.replace("_", " ").lower()


def _refunds(written: Sequence[Written]) -> Iterator[str]:
    for row in _new_rows(written, "refunds"):
        amount = Money(amount_minor=row["amount_minor"], currency=row["currency"])
        yield f"refund of {amount} of payment {row['payment_id']} {PaidBy(row['paid_by'])}"


def _follow_up(result: CommandResult) -> Iterator[str]:
    follow_up = result.follow_up
    if follow_up is None:
        return
    for end in follow_up.recalls:
        yield f"the carrier of {end.shipment_id} is asked to cancel the pick-up"
    if follow_up.cancels_purchase:
        yield f"the supplier of {follow_up.cancels_purchase} is asked to cancel it"
    if follow_up.requests_payment:
        yield "the payment provider is asked to collect the new amount instead"
    for key in follow_up.refund_keys:
        yield f"the payment provider is asked to pay {key}, unless it is paid by hand"
        yield f"the refund {key} is mailed to the customer"
    for bill in follow_up.bills:
        yield f"{bill.number} is mailed to the customer"


def _notified(result: CommandResult) -> Iterator[str]:
    notification = result.notification
    yield from (f"order {order_id}" for order_id in notification.orders)
    yield from (f"return {return_id}" for return_id in notification.returns)
    yield from (f"replenishment of {key.sku} at {key.location}" for key in notification.stock_keys)


def _rows(written: Sequence[Written]) -> Iterator[RowChange]:
    """Sum up the changes by table. A row that is changed twice counts once."""
    ids: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    unnamed = Counter[tuple[str, str]]()
    for one in written:
        key, named = (one.table.name, one.change), one.ids()
        ids[key].update(dict.fromkeys(named))
        unnamed[key] += max(0, one.rows - len(named))
    for (table, change), named_rows in sorted(ids.items()):
        fresh = ids.get((table, "new"), {}) if change == "changed" else {}
        named_ids = [each for each in named_rows if each not in fresh]
        count = len(named_ids) + unnamed[table, change]
        if count:
            shown = (*named_ids[:MAX_IDS], *(["..."] if len(named_ids) > MAX_IDS else []))
            yield RowChange(table=table, change=change, rows=count, ids=shown)


def _new_rows(written: Sequence[Written], table: str) -> Iterator[Mapping[str, Any]]:
    for one in written:
        if one.table.name == table and one.change == "new":
            yield from one.values
