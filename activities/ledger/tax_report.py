"""Reading the tax of a period by country, category and rate, from bills and postings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.company import find_company
from models.billing import Bill, CreditNote, Invoice
from models.einvoice import tax_category
from models.ledger import Account
from models.money import format_amount, format_percent
from models.pricing import PricedLine, TaxAmount, total
from models.tables.billing import CreditNoteRow, InvoiceRow
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.masterdata import Location
from models.tables.orders import Order, OrderLineRow
from models.tax_report import TaxKey, split_tax, tax_country
from models.views.ledger import CurrencyTax, TaxReport, TaxRow

IS_TAX = col(JournalPosting.account) == Account.TAX_PAYABLE.value
INVOICE, CREDIT_NOTE = "invoice:", "credit_note:"
RELIEF = ("write_off:", "recovery:")
"""The beginnings of the ids of entries."""


class _Entry(NamedTuple):
    """An entry of an order, with the tax that it makes payable; below zero: no longer."""

    entry_id: str
    order_id: str
    is_in_period: bool
    tax_minor: int


class _Sums:
    """Net amounts and tax by key."""

    def __init__(self) -> None:
        self.net: dict[TaxKey, int] = defaultdict(int)
        self.tax: dict[TaxKey, int] = defaultdict(int)

    def add(self, key: TaxKey, amount: TaxAmount, sign: int = 1) -> None:
        """Add an amount at a rate, or (`sign` -1) take it away."""
        self.net[key] += sign * amount.taxable_minor
        self.tax[key] += sign * amount.tax_minor


def read_tax(session: Session, from_: date | None, to: date | None) -> TaxReport:
    """Read the tax of a period by posting date: its sum is that of Tax payable."""
    days = []
    if from_:
        days.append(col(JournalEntry.posting_date) >= from_)
    if to:
        days.append(col(JournalEntry.posting_date) <= to)
    is_bill = col(JournalEntry.entry_id).startswith(INVOICE) | col(
        JournalEntry.entry_id
    ).startswith(CREDIT_NOTE)
    of_period = (
        select(JournalEntry.order_id)
        .outerjoin(
            JournalPosting, (col(JournalPosting.entry_id) == col(JournalEntry.entry_id)) & IS_TAX
        )
        .where(
            *days,
            col(JournalEntry.order_id).is_not(None),
            is_bill | col(JournalPosting.amount_minor).is_not(None),
        )
        .distinct()
    )
    order_ids = sorted(filter(None, session.exec(of_period)))
    sums = _Sums()
    for some in chunks(order_ids):
        _add_orders(session, sums, some, from_, to)
    return _report(from_, to, sums, _posted(session, days))


def _posted(session: Session, days: Sequence[object]) -> dict[str, int]:
    query = (
        select(JournalPosting.currency, func.sum(JournalPosting.amount_minor))
        .join(JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
        .where(IS_TAX, *days)  # type: ignore[arg-type]  # conditions of several types
        .group_by(col(JournalPosting.currency))
    )
    return {currency: -int(minor) for currency, minor in session.exec(query)}


def _add_orders(
    session: Session,
    sums: _Sums,
    order_ids: Sequence[str],
    from_: date | None,
    to: date | None,
) -> None:
    """Add the entries of some orders; earlier ones are read for their running totals."""
    entries: dict[str, list[_Entry]] = defaultdict(list)
    for entry in _entries(session, order_ids, from_, to):
        entries[entry.order_id].append(entry)
    orders = session.exec(select(Order).where(col(Order.order_id).in_(order_ids))).all()
    bills = _bills(session, order_ids)
    rates = _rates(session, order_ids)
    company = find_company(session)
    assert company is not None, "an order without a company"
    places = {
        row.location: (row.country, row.postal_code) for row in session.exec(select(Location))
    }
    for order in orders:
        country = tax_country(
            order.tax_case,
            order.fulfilment,
            seller=(company.country, company.postal_code),
            location=places.get(order.location or ""),
            ship_to=(order.ship_to["country"] or "", order.ship_to["postal_code"] or ""),
        )
        _add_order(sums, order, country, entries[order.order_id], bills, rates[order.order_id])


def _add_order(
    sums: _Sums,
    order: Order,
    country: str,
    entries: Iterable[_Entry],
    bills: dict[str, Bill],
    rates: Sequence[TaxAmount],
) -> None:
    before = {"on account": 0, "relief": 0}
    for entry in entries:
        rest_minor, bill = entry.tax_minor, bills.get(entry.entry_id)
        if bill is not None:
            sign = -1 if isinstance(bill, CreditNote) else 1
            rest_minor -= sign * bill.tax_minor
            for tax in bill.taxes if entry.is_in_period else ():
                category = tax_category(bill, tax.rate_ppm)
                sums.add(TaxKey(order.currency, country, category, tax.rate_ppm), tax, sign)
        kind = "relief" if entry.entry_id.startswith(RELIEF) else "on account"
        until_minor = before[kind] + rest_minor
        if entry.is_in_period and rest_minor:
            for sign, minor in ((1, until_minor), (-1, before[kind])):
                for tax in split_tax(minor, rates):
                    category = order.tax_case.category(tax.rate_ppm)
                    sums.add(TaxKey(order.currency, country, category, tax.rate_ppm), tax, sign)
        before[kind] = until_minor


def _entries(
    session: Session, order_ids: Sequence[str], from_: date | None, to: date | None
) -> Iterator[_Entry]:
    """Read the entries of orders until the end of the period, in their order."""
    rows = session.execute(
        select_columns(
            col(JournalEntry.entry_id),
            col(JournalEntry.order_id),
            col(JournalEntry.posting_date),
            col(JournalEntry.posted_at),
            col(JournalPosting.amount_minor),
        )
        .outerjoin(
            JournalPosting, (col(JournalPosting.entry_id) == col(JournalEntry.entry_id)) & IS_TAX
        )
        .where(col(JournalEntry.order_id).in_(order_ids))
    )
    in_order = sorted(rows, key=lambda row: (row.posting_date, row.posted_at, row.entry_id))
    for entry_id, order_id, day, _, amount_minor in in_order:
        if to is None or day <= to:
            is_in_period = from_ is None or day >= from_
            yield _Entry(entry_id, order_id, is_in_period, -(amount_minor or 0))


def _bills(session: Session, order_ids: Sequence[str]) -> dict[str, Bill]:
    """Read the invoices and credit notes of orders, by the ids of their entries."""
    invoices = select(InvoiceRow).where(col(InvoiceRow.order_id).in_(order_ids))
    notes = select(CreditNoteRow).where(col(CreditNoteRow.order_id).in_(order_ids))
    found: dict[str, Bill] = {
        f"{INVOICE}{row.number}": Invoice.model_validate(row.content)
        for row in session.exec(invoices)
    }
    for row in session.exec(notes):
        found[f"{CREDIT_NOTE}{row.number}"] = CreditNote.model_validate(row.content)
    return found


def _rates(session: Session, order_ids: Sequence[str]) -> dict[str, Sequence[TaxAmount]]:
    """Read the amounts of orders by tax rate, as ordered."""
    lines: dict[str, list[PricedLine]] = defaultdict(list)
    for row in session.exec(select(OrderLineRow).where(col(OrderLineRow.order_id).in_(order_ids))):
        lines[row.order_id].append(PricedLine.model_validate(row.model_dump()))
    return {order_id: total(lines[order_id]).taxes for order_id in order_ids}


def _report(from_: date | None, to: date | None, sums: _Sums, posted: dict[str, int]) -> TaxReport:
    keys = [key for key in sorted(sums.net) if sums.net[key] or sums.tax[key]]
    currencies = sorted({*posted, *(key.currency for key in keys)})
    tax = {
        currency: sum(sums.tax[key] for key in keys if key.currency == currency)
        for currency in currencies
    }
    return TaxReport(
        from_date=from_,
        to_date=to,
        equals_ledger=all(tax[currency] == posted.get(currency, 0) for currency in currencies),
        rows=tuple(
            TaxRow(
                country=key.country,
                category=key.category,
                rate_percent=format_percent(key.rate_ppm),
                currency=key.currency,
                net=format_amount(sums.net[key], key.currency),
                tax=format_amount(sums.tax[key], key.currency),
            )
            for key in keys
        ),
        totals=tuple(
            CurrencyTax(
                currency=currency,
                net=format_amount(
                    sum(sums.net[key] for key in keys if key.currency == currency), currency
                ),
                tax=format_amount(tax[currency], currency),
                ledger=format_amount(posted.get(currency, 0), currency),
            )
            for currency in currencies
        ),
    )
