"""Invoicing: invoices and credit notes, numbered, stored and posted."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from sqlmodel import Session, col, select

from activities.billing.credits import open_credit
from activities.billing.on_account import payments_on_account, tax_on_account
from activities.billing.receivables import reverse_write_off
from activities.billing.services import recognise_services
from activities.database.company import get_company
from activities.database.kept import keep
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import draw_number, post
from activities.order_record.audit import record_event
from activities.order_record.balance import (
    INVOICE_NUMBERS,
    balance_of,
    invoice_numbers,
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
    issue_order,
    split_credit,
)
from models.customers import Address
from models.deliveries import InvoicedPart
from models.einvoice import why_no_einvoice
from models.pricing import PricedLine, TaxAmount, total
from models.progress import ShipmentState
from models.services import is_service_order
from models.stock import ReservationState
from models.tables.billing import CreditNoteRow, InvoiceRow
from models.tables.masterdata import Company, Customer
from models.tables.orders import Order
from models.tables.shipping import Shipment
from models.tables.stock import Reservation


class CreditedLine(NamedTuple):
    """Units of an order's line to credit, and the shipment they came with."""

    priced: PricedLine
    shipment_id: str | None = None


def create_invoice(
    work: UnitOfWork,
    order: Order,
    *,
    waived_minor: int = 0,
    taxed_on: date | None = None,
) -> bool:
    """Invoice a whole order; returns False if it is invoiced already, or by delivery.

    `waived_minor`: the underpayment not claimed. `taxed_on`: the tax date, if before today. Raises
    Refused for an order on credit whose customer is blocked or has no credit for it.
    """
    if order.invoiced_by_delivery or invoice_numbers(work.session, order.order_id):
        return False
    if order.terms.on_credit and balance_of(order).due_minor:
        check_standing(work.session, order)
    lines = priced_lines(work.session, order)
    part = InvoicedPart(tuple(lines), total(lines).taxes)
    issue_invoice(work, order, part, waived_minor=waived_minor, taxed_on=taxed_on)
    return True


def priced_lines(session: Session, order: Order) -> list[PricedLine]:
    """Read the lines of an order with their prices."""
    rows = order_lines(session, order.order_id)
    return [PricedLine.model_validate(row.model_dump()) for row in rows]


def issue_invoice(
    work: UnitOfWork,
    order: Order,
    part: InvoicedPart,
    *,
    shipment: Shipment | None = None,
    waived_minor: int = 0,
    taxed_on: date | None = None,
) -> None:
    """Number, store and post an invoice for a part of an order, or for the whole.

    `shipment`: the delivery that it is for, supplied on the day `taxed_on`. It deducts the payments
    on account for its part.
    """
    earlier = invoice_numbers(work.session, order.order_id)
    before_minor, taxed_before_minor = balance_of(order).advance_minor, order.taxed_minor
    total_minor = part.net_minor + part.tax_minor
    paid_minor = min(before_minor, total_minor)
    order.invoiced_minor += total_minor
    order.invoiced_tax_minor += part.tax_minor
    order.taxed_minor = tax_on_account(order, work.rules.billing)
    taxed_minor = taxed_before_minor - order.taxed_minor
    company = get_company(work.session)
    series = f"{company.legal_entity}:INV-{work.today.year}"
    number = billing.invoice_number(work.today.year, draw_number(work, series))
    on_account = payments_on_account(work, order, before_minor, paid_minor, taxed_minor)
    invoice = _compose_invoice(work, order, company, number, part).model_copy(
        update={
            "paid_minor": paid_minor,
            "on_account": tuple(on_account),
            "waived_minor": min(waived_minor, max(0, total_minor - paid_minor)),
            "supplied_on": taxed_on if shipment is not None else None,
        }
    )
    work.session.add(
        InvoiceRow(
            number=invoice.number,
            order_id=order.order_id,
            shipment_id=shipment.shipment_id if shipment is not None else None,
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
        paid_minor=paid_minor,
        taxed_minor=taxed_minor,
    )
    post(work, entry, taxed_on)
    if is_service_order(invoice.lines):
        recognise_services(work, order)
    detail = f"{invoice.number}, {money_of(order, total_minor)}"
    if shipment is not None:
        detail += f" for {shipment.shipment_id}"
    if reason := why_no_einvoice(invoice):
        detail += f", without e-invoice: {reason}"
    record_event(work, order.order_id, "invoiced", detail)
    keep(work.session, INVOICE_NUMBERS, order.order_id, (*earlier, invoice.number))


def credit_amount(
    work: UnitOfWork,
    order: Order,
    invoice: Invoice,
    reason: str,
    amount_minor: int | None = None,
    *,
    rate_ppm: int | None = None,
    refund: bool = True,
) -> CreditNoteRow:
    """Credit `amount_minor` (tax included; None: all that is left) of an invoice of an order.

    `rate_ppm`: only of the part at this tax rate. The paid part is owed to the customer, the rest
    lowers the amount due. Without `refund` the credit note shows the paid part as the customer's
    credit.
    Raises ValueError for more than is left.
    """
    left = uncredited_taxes(work.session, invoice, rate_ppm)
    credited_minor = gross_minor(left) if amount_minor is None else amount_minor
    invoiced = [tax for tax in invoice.taxes if rate_ppm in (None, tax.rate_ppm)]
    taxes = split_credit(invoiced, left, credited_minor)
    lines = invoice.lines if taxes == invoice.taxes else lines_by_rate(invoice, taxes, reason)
    issued = goods_issued(work.session, order.order_id)
    return create_credit_note(work, order, invoice, Credit(taxes, lines, reason, issued, refund))


def credit_units(
    work: UnitOfWork,
    order: Order,
    lines: Sequence[CreditedLine],
    reason: str,
    *,
    delivered: bool,
) -> list[CreditNoteRow]:
    """Credit units of an order's lines, limited by rate to the uncredited part of its invoices.

    Units are credited to the invoice of the shipment they came with: a credit note for each.
    Returns none if nothing is left to credit. `delivered`: returned goods; else they never arrived.
    """
    rows = _invoice_rows(work.session, order.order_id)
    assert rows, f"{order.order_id} has no invoice to credit"
    notes = []
    for shipment_id in dict.fromkeys(line.shipment_id for line in lines):
        shown = [line.priced for line in lines if line.shipment_id == shipment_id]
        for row in _rows_to_credit(work.session, rows, shipment_id):
            invoice = Invoice.model_validate(row.content)
            taxes = limited_taxes(work.session, invoice, total(shown).taxes)
            if not gross_minor(taxes):
                continue
            net_minor = sum(tax.taxable_minor for tax in taxes)
            wanted_minor = sum(line.net_minor for line in shown)
            complete = net_minor == wanted_minor
            printed = fit_gross(shown, taxes) if complete else lines_by_rate(invoice, taxes, reason)
            credit = Credit(taxes, printed, reason, delivered)
            notes.append(create_credit_note(work, order, invoice, credit))
            if complete:
                break
            shown = _lines_left(invoice, shown, taxes, reason)
    return notes


def _rows_to_credit(
    session: Session, rows: Sequence[InvoiceRow], shipment_id: str | None
) -> list[InvoiceRow]:
    """Return the invoices to credit with units of a shipment, the first one first.

    It is the shipment's own. Goods that were sent again are on the invoice of the shipment that
    failed. Units without a shipment may be on any.
    """
    if len(rows) == 1:
        return list(rows)
    failed = select(Shipment.shipment_id).where(
        Shipment.order_id == rows[0].order_id, Shipment.state == ShipmentState.FAILED
    )
    replaced = set(session.exec(failed))
    own = [row for row in rows if row.shipment_id == shipment_id]
    again = [row for row in rows if row.shipment_id in replaced and row not in own]
    others = [row for row in rows if row not in again] if shipment_id is None else []
    return [*own, *again, *others]


def limited_taxes(
    session: Session, invoice: Invoice, wanted: Sequence[TaxAmount]
) -> tuple[TaxAmount, ...]:
    """Limit a credit to the uncredited part of an invoice at each rate, and add its tax."""
    left = {tax.rate_ppm: tax for tax in uncredited_taxes(session, invoice)}
    by_rate = {tax.rate_ppm: tax for tax in wanted}
    return tuple(
        _limited(by_rate[tax.rate_ppm], tax, left[tax.rate_ppm], invoice.prices_include_tax)
        for tax in invoice.taxes
        if tax.rate_ppm in by_rate
    )


def _lines_left(
    invoice: Invoice, lines: Sequence[PricedLine], credited: Sequence[TaxAmount], reason: str
) -> list[PricedLine]:
    """Return what is left of lines that were credited in part, as a line for each rate."""
    done = {tax.rate_ppm: tax for tax in credited}
    left = []
    for tax in total(lines).taxes:
        if (known := done.get(tax.rate_ppm)) is not None:
            tax = tax.less(known)
            tax = tax.model_copy(update={"tax_minor": max(0, tax.tax_minor)})
        if tax.taxable_minor:
            left.append(tax)
    return list(lines_by_rate(invoice, left, reason))


def is_creditable(session: Session, order: Order, lines: Sequence[PricedLine]) -> bool:
    """Check that the net amount of `lines` is not credited yet, at each of their rates."""
    left: dict[int, int] = {}
    for invoice in invoices_of(session, order.order_id):
        for tax in uncredited_taxes(session, invoice):
            left[tax.rate_ppm] = left.get(tax.rate_ppm, 0) + tax.taxable_minor
    return all(
        tax.rate_ppm in left and tax.taxable_minor <= left[tax.rate_ppm]
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


class Credit(NamedTuple):
    """What a credit note credits. `line_no`: the line of the invoice of which it is an amount."""

    taxes: tuple[TaxAmount, ...]
    lines: tuple[PricedLine, ...]
    reason: str
    after_goods_issue: bool
    refund: bool = True
    line_no: int | None = None


def create_credit_note(
    work: UnitOfWork, order: Order, invoice: Invoice, credit: Credit
) -> CreditNoteRow:
    """Number, store and post a credit note.

    It lowers the receivable first; the rest is owed to the customer as far as it was paid, and
    reverses write-offs beyond that.
    """
    credited_minor = gross_minor(credit.taxes)
    receivable_minor = balance_of(order).receivable_minor
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


def invoices_of(session: Session, order_id: str) -> list[Invoice]:
    """Return the invoices of an order as issued, in the order of issue."""
    return [Invoice.model_validate(row.content) for row in _invoice_rows(session, order_id)]


def _invoice_rows(session: Session, order_id: str) -> list[InvoiceRow]:
    rows = session.exec(select(InvoiceRow).where(InvoiceRow.order_id == order_id)).all()
    return sorted(rows, key=lambda row: issue_order(row.number))


def _compose_invoice(
    work: UnitOfWork, order: Order, company: Company, number: str, part: InvoicedPart
) -> Invoice:
    customer = work.session.get_one(Customer, order.customer_id)
    return Invoice(
        number=number,
        order_id=order.order_id,
        issued_on=work.today,
        due_on=due_date(order.terms, work.today),
        seller=Seller.model_validate(company.model_dump()),
        customer_id=customer.customer_id,
        customer_name=customer.name,
        customer_company=customer.company,
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
        lines=part.lines,
        taxes=part.taxes,
        net_minor=part.net_minor,
        total_minor=part.net_minor + part.tax_minor,
        paid_minor=0,
        ordered_on=work.day_of(order.placed_at),
        supply_by=order.promised_date,
    )


def uncredited_taxes(
    session: Session, invoice: Invoice, rate_ppm: int | None = None
) -> list[TaxAmount]:
    """Return the uncredited amounts of an invoice by rate, or that of one rate."""
    left = {tax.rate_ppm: tax for tax in invoice.taxes}
    for note in credit_notes_of(session, invoice.number):
        for tax in note.taxes:
            left[tax.rate_ppm] = left[tax.rate_ppm].less(tax)
    return [tax for tax in left.values() if rate_ppm in (None, tax.rate_ppm)]


def credit_notes_of(session: Session, invoice_number: str) -> list[CreditNote]:
    """Return the credit notes of an invoice as issued."""
    query = select(CreditNoteRow).where(CreditNoteRow.invoice_number == invoice_number)
    return [CreditNote.model_validate(row.content) for row in session.exec(query)]


def gross_minor(taxes: Sequence[TaxAmount]) -> int:
    """Add up amounts of all rates with their tax."""
    return sum(tax.taxable_minor + tax.tax_minor for tax in taxes)


def _compose_credit_note(
    work: UnitOfWork, invoice: Invoice, credit: Credit, payable_minor: int
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
            "total_minor": gross_minor(credit.taxes),
            "invoice_number": invoice.number,
            "invoice_issued_on": invoice.issued_on,
            "reason": credit.reason,
            "line_no": credit.line_no,
            "refund_minor": payable_minor if credit.refund else 0,
            "kept_minor": 0 if credit.refund else payable_minor,
        }
    )


def lines_by_rate(
    invoice: Invoice, taxes: Sequence[TaxAmount], reason: str
) -> tuple[PricedLine, ...]:
    """Build a line for each rate, with tax if the prices of the invoice include it."""
    return tuple(
        line_of_amount(invoice, number, tax, reason) for number, tax in enumerate(taxes, 1)
    )


def line_of_amount(invoice: Invoice, number: int, tax: TaxAmount, reason: str) -> PricedLine:
    """Build the line of an amount at a rate, without units."""
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
    """Check for a goods issue of an order, not counting goods to be sent again or cancelled.

    Services alone are supplied with their invoice.
    """
    if is_service_order(order_lines(session, order_id)):
        return True
    issued = select(Reservation.order_id).where(
        Reservation.order_id == order_id,
        col(Reservation.state).in_((ReservationState.SHIPPED, ReservationState.WRITTEN_OFF)),
        col(Reservation.shipment_id).is_not(None),
    )
    return session.exec(issued).first() is not None
