"""Reading billing: invoices and credit notes, as shown and as PDF, and unmatched payments."""

from sqlmodel import Session, col, select

from activities.documents.bills import render_bill
from activities.order_record.open_invoices import open_by_invoice
from models.billing import INVOICE_NUMBER, CreditNote, Invoice
from models.documents import DocumentRules, Printed
from models.einvoice import why_no_einvoice
from models.money import format_amount, format_percent
from models.pricing import PricedLine
from models.tables.billing import CreditBalance, CreditNoteRow, InvoiceRow, Payment
from models.tables.operations import Mail
from models.tables.orders import Order
from models.views.billing import BillLineView, BillView, MailView, PaymentView, TaxView


def bill(session: Session, number: str) -> BillView | None:
    """Return an invoice or credit note as shown, if it exists."""
    document = issued_bill(session, number)
    if document is None:
        return None
    order = session.get_one(Order, document.order_id)

    def money(amount_minor: int) -> str:
        return format_amount(amount_minor, document.currency)

    invoice = document if isinstance(document, Invoice) else None
    credit = document if isinstance(document, CreditNote) else None
    balance = session.get_one(CreditBalance, number) if credit else None
    return BillView(
        kind="invoice" if invoice else "credit_note",
        number=document.number,
        order_id=document.order_id,
        customer_id=document.customer_id,
        customer_name=document.customer_name,
        issued_on=document.issued_on,
        due_on=invoice.due_on if invoice else None,
        supplied_on=document.supplied_on,
        invoice_number=credit.invoice_number if credit else None,
        reason=credit.reason if credit else None,
        currency=document.currency,
        tax_case=document.tax_case,
        prices_include_tax=document.prices_include_tax,
        no_einvoice=why_no_einvoice(document) or None,
        lines=tuple(_line(line, document.currency) for line in document.lines),
        discount=money(document.discount_minor),
        taxes=tuple(
            TaxView(
                rate_percent=format_percent(tax.rate_ppm),
                taxable=money(tax.taxable_minor),
                tax=money(tax.tax_minor),
            )
            for tax in document.taxes
        ),
        net=money(document.net_minor),
        tax=money(document.tax_minor),
        total=money(document.total_minor),
        open=money(open_by_invoice(session, order)[number]) if invoice else None,
        refund=money(balance.refunded_minor) if balance else None,
        kept=money(balance.kept_minor) if balance else None,
        used=money(balance.used_minor) if balance else None,
        credit_notes=_credit_notes(session, number),
        mails=_mails(session, document),
    )


def _line(line: PricedLine, currency: str) -> BillLineView:
    return BillLineView(
        line_no=line.line_no,
        sku=line.sku,
        name=line.name,
        quantity=line.quantity,
        unit_price=format_amount(line.unit_price_minor, currency),
        discount_percent=format_percent(line.discount_ppm),
        tax_rate_percent=format_percent(line.tax_rate_ppm),
        net=format_amount(line.net_minor, currency),
        gross=None if line.gross_minor is None else format_amount(line.gross_minor, currency),
    )


def bill_pdf(session: Session, documents: DocumentRules, number: str) -> Printed | None:
    """Print an invoice or credit note as PDF with embedded EN 16931 data, if it exists.

    Raises TemplateBroken.
    """
    document = issued_bill(session, number)
    return render_bill(document, documents) if document else None


def issued_bill(session: Session, number: str) -> Invoice | CreditNote | None:
    """Read an invoice or credit note as issued, if it exists."""
    invoice = session.get(InvoiceRow, number)
    if invoice is not None:
        return Invoice.model_validate(invoice.content)
    credit_note = session.get(CreditNoteRow, number)
    if credit_note is not None:
        return CreditNote.model_validate(credit_note.content)
    return None


def _credit_notes(session: Session, number: str) -> tuple[str, ...]:
    rows = select(CreditNoteRow.number).where(CreditNoteRow.invoice_number == number)
    return tuple(session.exec(rows.order_by(col(CreditNoteRow.number))))


def _mails(session: Session, document: Invoice | CreditNote) -> tuple[MailView, ...]:
    """Read the mails with a document: their Message-IDs contain its number."""
    kind = "credit_note" if isinstance(document, CreditNote) else "invoice"
    rows = session.exec(
        select(Mail)
        .where(Mail.order_id == document.order_id, Mail.kind == kind)
        .order_by(col(Mail.recorded_at))
    )
    return tuple(
        MailView.model_validate(row.model_dump())
        for row in rows
        if document.number in row.message_id
    )


def order_of_invoice(session: Session, number: str) -> str | None:
    """Return the order of an invoice, if that exists."""
    if not INVOICE_NUMBER.fullmatch(number):
        return None
    row = session.get(InvoiceRow, number)
    return row.order_id if row else None


def order_of_payment(session: Session, payment_id: str) -> str | None:
    """Return the order of a payment, if it is known and has one."""
    row = session.get(Payment, payment_id)
    return row.order_id if row else None


def unmatched_payments(session: Session) -> list[PaymentView]:
    """Return the payments that are not, or only in part, applied."""
    query = select(Payment).where(col(Payment.unmatched_reason).is_not(None))
    return [
        PaymentView(
            payment_id=row.payment_id,
            claimed_order_id=row.claimed_order_id,
            order_id=row.order_id,
            amount=format_amount(row.amount_minor, row.currency),
            applied=format_amount(row.applied_minor, row.currency),
            reversed=format_amount(row.reversed_minor, row.currency),
            refunded=format_amount(row.refunded_minor, row.currency),
            currency=row.currency,
            method=row.method,
            reason=row.unmatched_reason or "",
            received_at=row.received_at,
        )
        for row in session.exec(query.order_by(col(Payment.received_at), col(Payment.payment_id)))
    ]
