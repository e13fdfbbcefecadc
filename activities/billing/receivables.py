"""Receivables: write-offs with their tax relief, and the reversal of write-offs."""

from datetime import date

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, money_of
from models import billing_entries
from models.billing import relieved_tax
from models.ledger import Account
from models.money import round_half_up
from models.tables.billing import CreditNoteRow
from models.tables.orders import Order


def write_off_receivable(
    work: UnitOfWork,
    order: Order,
    account: Account,
    amount_minor: int,
    occurred_on: date | None = None,
) -> None:
    """Write off a part of an order's receivable to `account`, with its tax relief."""
    tax_minor = (
        _tax_relief(work.session, order, amount_minor) if work.rules.billing.bad_debt_relief else 0
    )
    order.forgiven_minor += amount_minor
    order.relieved_minor += tax_minor
    entry = billing_entries.write_off_entry(
        f"{order.order_id}:{order.version}",
        order.order_id,
        order.currency,
        account,
        amount_minor=amount_minor,
        tax_minor=tax_minor,
    )
    post(work, entry, occurred_on)


def _tax_relief(session: Session, order: Order, lost_minor: int) -> int:
    credited_tax = select(func.sum(col(CreditNoteRow.total_minor) - col(CreditNoteRow.net_minor)))
    return relieved_tax(
        balance_of(order),
        lost_minor,
        credited_tax_minor=int(
            session.exec(credited_tax.where(CreditNoteRow.order_id == order.order_id)).one() or 0
        ),
        relieved_minor=order.relieved_minor,
    )


def reverse_write_off(work: UnitOfWork, order: Order, amount_minor: int) -> None:
    """Reverse `amount_minor` of an order's write-offs, as it is paid or credited after all.

    Bad debts are reversed first, payment differences last.
    """
    if not amount_minor:
        return
    lost_minor = order.forgiven_minor - order.difference_minor
    difference_minor = max(0, amount_minor - lost_minor)
    tax_minor = round_half_up(order.relieved_minor * amount_minor, order.forgiven_minor)
    order.forgiven_minor -= amount_minor
    order.difference_minor -= difference_minor
    order.relieved_minor -= tax_minor
    entry = billing_entries.recovery_entry(
        f"{order.order_id}:{order.version}",
        order.order_id,
        order.currency,
        amount_minor=amount_minor,
        difference_minor=difference_minor,
        tax_minor=tax_minor,
    )
    post(work, entry)
    record_event(work, order.order_id, "recovered", str(money_of(order, amount_minor)))
