"""Invoicing: invoices and credit notes, numbered, stored and posted."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.billing.credits import open_credit
from activities.billing.on_account import payments_on_account
from activities.billing.receivables import reverse_write_off
from activities.database.company import get_company
from activities.database.kept import keep
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import draw_number, post
from activities.order_record.audit import record_event
from activities.order_record.balance import (
    INVOICE_NUMBER,
    balance_of,
    balance_of_row,
    invoice_number,
    money_of,
)
from activities.order_record.lines import order_lines
from activities.order_record.standing import check_standing
from models import billing, billing_entries
from models.billing import (
    Bill,
    CreditNote,
    Invoice,
    Seller,
    credit_note_number,
    credited_tax,
    due_date,
    fit_gross,
    split_credit,
)
from models.customers import Address
from models.einvoice import why_no_einvoice
from models.pricing import PricedLine, TaxAmount, total
from models.stock import ReservationState
from models.tables.billing import CreditNoteRow, InvoiceRow
from models.tables.masterdata import Company, Customer
from models.tables.orders import Order
from models.tables.stock import Reservation


def create_invoice(
    work: UnitOfWork,
    order: Order,
    *,
    waived_minor: int = 0,
    taxed_on: date | None = None,
) -> bool:
    """Number, store and post the invoice of an order; returns False if it has one already.

    `waived_minor`: the underpayment not claimed. `taxed_on`: the tax date, if before today. Raises
    Refused for an order on credit whose customer is blocked or has no credit for it.
    """
    if invoice_number(work.session, order.order_id) is not None:
        return False
    if order.terms.on_credit and balance_of_row(order, invoiced=False).due_minor:
        check_standing(work.session, order)
    company = get_company(work.session)
    series = f"{company.legal_entity}:INV-{work.today.year}"
    number = billing.invoice_number(work.today.year, draw_number(work, series))
    invoice = _compose_invoice(work, order, company, number, waived_minor)
    work.session.add(
        InvoiceRow(
            number=invoice.number,
            order_id=order.order_id,
            customer_id=order.customer_id,
            currency=order.currency,
            net_minor=invoice.net_minor,
            total_minor=invoice.total_minor,
            issued_on=invoice.issued_on,
            due_on=invoice.due_on,
            content=invoice.model_dump(mode="json"),
        )
    )
    entry = billing_entries.invoice_entry(
        invoice.number,
        order.order_id,
        order.currency,
        net_minor=invoice.net_minor,
        tax_minor=invoice.tax_minor,
        paid_minor=order.paid_minor,
        taxed_minor=order.taxed_minor,
    )
    post(work, entry, taxed_on)
    order.taxed_minor = 0
    detail = f"{invoice.number}, {money_of(order, order.total_minor)}"
    if reason := why_no_einvoice(invoice):
        detail += f", without e-invoice: {reason}"
    record_event(work, order.order_id, "invoiced", detail)
    keep(work.session, INVOICE_NUMBER, order.order_id, invoice.number)
    return True


def credit_amount(
    work: UnitOfWork,
    order: Order,
    reason: str,
    amount_minor: int | None = None,
    *,
    refund: bool = True,
) -> CreditNoteRow:
    """Credit `amount_minor` (tax included; None: all that is left) of an order's invoice.

    The paid part is owed to the customer, the rest lowers the amount due. Without `refund` the
    credit note shows the paid part as the customer's credit.
    Raises ValueError for more than is left.
    """
    invoice = _invoice_to_credit(work.session, order)
    left = _uncredited(work.session, invoice)
    credited_minor = _gross_minor(left) if amount_minor is None else amount_minor
    taxes = split_credit(invoice.taxes, left, credited_minor)
    lines = invoice.lines if taxes == invoice.taxes else _lines_by_rate(invoice, taxes, reason)
    issued = goods_issued(work.session, order.order_id)
    return _create_credit_note(work, order, invoice, _Credit(taxes, lines, reason, issued, refund))


def credit_units(
    work: UnitOfWork,
    order: Order,
    lines: Sequence[PricedLine],
    reason: str,
    *,
    delivered: bool,
) -> CreditNoteRow | None:
    """Credit units of an order's lines, limited by rate to the uncredited part of its invoice.

    Returns None if nothing is left to credit. `delivered`: returned goods; else they never arrived.
    """
    invoice = _invoice_to_credit(work.session, order)
    left = {tax.rate_ppm: tax for tax in _uncredited(work.session, invoice)}
    wanted = {tax.rate_ppm: tax for tax in total(lines).taxes}
    taxes = tuple(
        _limited(wanted[tax.rate_ppm], tax, left[tax.rate_ppm], invoice.prices_include_tax)
        for tax in invoice.taxes
        if tax.rate_ppm in wanted
    )
    if not _gross_minor(taxes):
        return None
    net_minor = sum(tax.taxable_minor for tax in taxes)
    complete = net_minor == sum(line.net_minor for line in lines)
    shown = fit_gross(lines, taxes) if complete else _lines_by_rate(invoice, taxes, reason)
    return _create_credit_note(work, order, invoice, _Credit(taxes, shown, reason, delivered))


def _invoice_to_credit(session: Session, order: Order) -> Invoice:
    invoice = invoice_of(session, order.order_id)
    assert invoice is not None, f"{order.order_id} has no invoice to credit"
    return invoice


def is_creditable(session: Session, order: Order, lines: Sequence[PricedLine]) -> bool:
    """Check that the net amount of `lines` is not credited yet, at each of their rates."""
    invoice = invoice_of(session, order.order_id)
    left = {tax.rate_ppm: tax for tax in _uncredited(session, invoice)} if invoice else {}
    return all(
        tax.rate_ppm in left and tax.taxable_minor <= left[tax.rate_ppm].taxable_minor
        for tax in total(lines).taxes
    )


def _limited(
    wanted: TaxAmount, invoiced: TaxAmount, left: TaxAmount, includes_tax: bool
) -> TaxAmount:
    """Limit a credit to the uncredited part at its rate, and add its tax.

    Where prices include tax, it is the difference of price and net amount.
    """
    net_minor = min(wanted.taxable_minor, left.taxable_minor)
    if includes_tax and net_minor < left.taxable_minor:
        tax_minor = min(wanted.tax_minor, left.tax_minor)
    else:
        tax_minor = credited_tax(invoiced, left, net_minor)
    return left.model_copy(update={"taxable_minor": net_minor, "tax_minor": tax_minor})


class _Credit(NamedTuple):
    taxes: tuple[TaxAmount, ...]
    lines: tuple[PricedLine, ...]
    reason: str
    after_goods_issue: bool
    refund: bool = True


def _create_credit_note(
    work: UnitOfWork, order: Order, invoice: Invoice, credit: _Credit
) -> CreditNoteRow:
    """Number, store and post a credit note.

    It lowers the receivable first; the rest is owed to the customer as far as it was paid, and
    reverses write-offs beyond that.
    """
    credited_minor = _gross_minor(credit.taxes)
    receivable_minor = balance_of(work.session, order).receivable_minor
    beyond_minor = max(0, credited_minor - receivable_minor)
    payable_minor = min(beyond_minor, max(0, order.paid_minor - order.payable_minor))
    reverse_write_off(work, order, beyond_minor - payable_minor)
    credit_note = _compose_credit_note(work, invoice, credit, payable_minor)
    row = CreditNoteRow(
        number=credit_note.number,
        invoice_number=invoice.number,
        order_id=order.order_id,
        currency=order.currency,
        net_minor=credit_note.net_minor,
        total_minor=credit_note.total_minor,
        reason=credit.reason,
        issued_on=credit_note.issued_on,
        content=credit_note.model_dump(mode="json"),
    )
    work.session.add(row)
    order.credited_minor += credited_minor
    order.payable_minor += payable_minor
    entry = billing_entries.credit_note_entry(
        credit_note.number,
        order.order_id,
        order.currency,
        net_minor=credit_note.net_minor,
        tax_minor=credit_note.tax_minor,
        refund_minor=payable_minor,
        after_goods_issue=credit.after_goods_issue,
    )
    post(work, entry)
    detail = f"{credit_note.number} credits {money_of(order, credited_minor)} of {invoice.number}"
    record_event(work, order.order_id, "credited", detail)
    work.session.flush()
    open_credit(work, credit_note.number, order.order_id, payable_minor)
    return row


def invoice_of(session: Session, order_id: str) -> Invoice | None:
    """Return the invoice of an order as issued, if it has one."""
    query = select(InvoiceRow).where(InvoiceRow.order_id == order_id)
    row = session.exec(query).one_or_none()
    return Invoice.model_validate(row.content) if row else None


def _compose_invoice(
    work: UnitOfWork, order: Order, company: Company, number: str, waived_minor: int
) -> Invoice:
    customer = work.session.get_one(Customer, order.customer_id)
    rows = order_lines(work.session, order.order_id)
    lines = [PricedLine.model_validate(row.model_dump()) for row in rows]
    totals = total(lines)
    return Invoice(
        number=number,
        order_id=order.order_id,
        issued_on=work.today,
        due_on=due_date(order.terms, work.today),
        seller=Seller.model_validate(company.model_dump()),
        customer_id=customer.customer_id,
        customer_name=customer.name,
        customer_vat_id=order.vat_id or customer.vat_id,
        customer_email=customer.email,
        customer_reference=order.customer_reference,
        bill_to=Address.model_validate(order.bill_to) if order.bill_to else None,
        ship_to=Address.model_validate(order.ship_to),
        language=customer.language,
        terms=order.terms,
        tax_case=order.tax_case,
        prices_include_tax=order.prices_include_tax,
        currency=order.currency,
        discount_ppm=order.discount_ppm,
        lines=tuple(lines),
        taxes=totals.taxes,
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        paid_minor=order.paid_minor,
        on_account=tuple(payments_on_account(work, order)),
        waived_minor=min(waived_minor, max(0, totals.total_minor - order.paid_minor)),
        ordered_on=work.day_of(order.placed_at),
        supply_by=order.promised_date,
    )


def _uncredited(session: Session, invoice: Invoice) -> list[TaxAmount]:
    """Return the uncredited amounts of an invoice by rate."""
    left = {tax.rate_ppm: tax for tax in invoice.taxes}
    query = select(CreditNoteRow).where(CreditNoteRow.invoice_number == invoice.number)
    for row in session.exec(query):
        for tax in CreditNote.model_validate(row.content).taxes:
            rest = left[tax.rate_ppm]
            less = {
                "taxable_minor": rest.taxable_minor - tax.taxable_minor,
                "tax_minor": rest.tax_minor - tax.tax_minor,
            }
            left[tax.rate_ppm] = rest.model_copy(update=less)
    return list(left.values())


def uncredited_minor(session: Session, invoice: Invoice) -> int:
    """Return the uncredited amount of an invoice in minor units, tax included."""
    return _gross_minor(_uncredited(session, invoice))


def _gross_minor(taxes: Sequence[TaxAmount]) -> int:
    return sum(tax.taxable_minor + tax.tax_minor for tax in taxes)


def _compose_credit_note(
    work: UnitOfWork, invoice: Invoice, credit: _Credit, payable_minor: int
) -> CreditNote:
    legal_entity = get_company(work.session).legal_entity
    series = f"{legal_entity}:CN-{work.today.year}"
    common = invoice.model_dump(include=set(Bill.model_fields))
    return CreditNote.model_validate(
        common
        | {
            "number": credit_note_number(work.today.year, draw_number(work, series)),
            "issued_on": work.today,
            "discount_ppm": invoice.discount_ppm if credit.taxes == invoice.taxes else 0,
            "lines": credit.lines,
            "taxes": credit.taxes,
            "net_minor": sum(tax.taxable_minor for tax in credit.taxes),
            "total_minor": _gross_minor(credit.taxes),
            "invoice_number": invoice.number,
            "invoice_issued_on": invoice.issued_on,
            "reason": credit.reason,
            "refund_minor": payable_minor if credit.refund else 0,
            "kept_minor": 0 if credit.refund else payable_minor,
        }
    )


def _lines_by_rate(
    invoice: Invoice, taxes: Sequence[TaxAmount], reason: str
) -> tuple[PricedLine, ...]:
    """Build a line for each rate, with tax if the prices of the invoice include it."""
    return tuple(
        _line_of_amount(invoice, number, tax, reason) for number, tax in enumerate(taxes, 1)
    )


def _line_of_amount(invoice: Invoice, number: int, tax: TaxAmount, reason: str) -> PricedLine:
    gross_minor = tax.taxable_minor + tax.tax_minor if invoice.prices_include_tax else None
    price_minor = tax.taxable_minor if gross_minor is None else gross_minor
    return PricedLine(
        line_no=number,
        sku="",
        name=reason,
        quantity=1,
        list_price_minor=price_minor,
        unit_price_minor=price_minor,
        discount_ppm=0,
        net_minor=tax.taxable_minor,
        tax_rate_ppm=tax.rate_ppm,
        gross_minor=gross_minor,
    )


def goods_issued(session: Session, order_id: str) -> bool:
    """Check for a goods issue of an order, not counting goods to be sent again."""
    issued = select(Reservation.order_id).where(
        Reservation.order_id == order_id,
        col(Reservation.state).in_((ReservationState.SHIPPED, ReservationState.WRITTEN_OFF)),
    )
    return session.exec(issued).first() is not None
