"""Invoicing: invoices and credit notes numbered, stored and posted, in the caller's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import draw_number, post, tax_date_of
from activities.order_record.audit import record_event
from activities.order_record.balance import balance_of, invoice_number, money_of
from models import billing, ledger
from models.billing import (
    Bill,
    CreditNote,
    Invoice,
    OnAccount,
    Seller,
    credit_note_number,
    due_date,
    split_credit,
)
from models.customers import Address
from models.money import round_half_up, share
from models.pricing import PricedLine, TaxAmount, total
from models.stock import ReservationState
from models.tables.billing import CreditNoteRow, InvoiceRow, Payment
from models.tables.masterdata import Company, Customer
from models.tables.orders import Order, OrderLineRow
from models.tables.stock import Reservation


def issue(
    work: UnitOfWork,
    order: Order,
    *,
    waived_minor: int = 0,
    taxed_on: date | None = None,
) -> bool:
    """Number, store and post the order's invoice; False where it has one. `waived_minor`: what is
    missing, and not asked for. `taxed_on`: the day its tax falls due, if before today."""
    if invoice_number(work.session, order.order_id) is not None:
        return False
    company = work.session.exec(select(Company)).one()
    series = f"{company.legal_entity}:INV-{work.now.year}"
    number = billing.invoice_number(work.now.year, draw_number(work, series))
    invoice = _compose(work, order, company, number, waived_minor)
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
    entry = ledger.invoice_entry(
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
    record_event(work, order.order_id, "invoiced", detail)
    work.session.flush()
    return True


def credit(
    work: UnitOfWork,
    order: Order,
    reason: str,
    amount_minor: int | None = None,
    *,
    keep: bool = False,
) -> CreditNoteRow:
    """Credit `amount_minor` (tax included; None: all that is left) of the order's invoice.

    What was paid is owed back, the rest is due no longer. `keep`: it isn't given back for now, and
    the credit note says so. Raises ValueError for more than is left.
    """
    invoice = invoice_of(work.session, order.order_id)
    assert invoice is not None, f"{order.order_id} has no invoice to credit"
    left = _left_of(work.session, invoice)
    left_minor = sum(tax.taxable_minor + tax.tax_minor for tax in left)
    taxes = split_credit(left, left_minor if amount_minor is None else amount_minor)
    lines = invoice.lines if tuple(taxes) == invoice.taxes else _parts(taxes, reason)
    left_us = goods_left(work.session, order.order_id)
    return _credit(work, order, invoice, _Credited(taxes, lines, reason, left_us, keep))


def credit_units(
    work: UnitOfWork,
    order: Order,
    lines: Sequence[PricedLine],
    reason: str,
    *,
    delivered: bool,
) -> CreditNoteRow | None:
    """Credit units of the order's lines, at most what is left of its invoice at their rates; None
    where nothing is. `delivered`: they were, and come back; else they never arrived."""
    invoice = invoice_of(work.session, order.order_id)
    assert invoice is not None, f"{order.order_id} has no invoice to credit"
    left = {tax.rate_ppm: tax for tax in _left_of(work.session, invoice)}
    taxes = [part for tax in total(lines).taxes if (part := _within(tax, left))]
    if not sum(tax.taxable_minor + tax.tax_minor for tax in taxes):
        return None
    net_minor = sum(tax.taxable_minor for tax in taxes)
    whole = net_minor == sum(line.net_minor for line in lines)
    shown = tuple(lines) if whole else _parts(taxes, reason)
    return _credit(work, order, invoice, _Credited(taxes, shown, reason, delivered))


def is_left(session: Session, order: Order, lines: Sequence[PricedLine]) -> bool:
    """Whether as much as `lines` come to isn't credited yet, at each of their rates."""
    invoice = invoice_of(session, order.order_id)
    left = {tax.rate_ppm: tax for tax in _left_of(session, invoice)} if invoice else {}
    return all(
        tax.rate_ppm in left and tax.taxable_minor <= left[tax.rate_ppm].taxable_minor
        for tax in total(lines).taxes
    )


def _within(tax: TaxAmount, left: Mapping[int, TaxAmount]) -> TaxAmount | None:
    """What is asked for at a rate, within what is left at it; all of it takes all of the tax."""
    rest = left.get(tax.rate_ppm)
    if rest is None:
        return None
    taxable_minor = min(tax.taxable_minor, rest.taxable_minor)
    is_all = taxable_minor == rest.taxable_minor
    tax_minor = (
        rest.tax_minor if is_all else min(share(taxable_minor, tax.rate_ppm), rest.tax_minor)
    )
    return tax.model_copy(update={"taxable_minor": taxable_minor, "tax_minor": tax_minor})


class _Credited(NamedTuple):
    taxes: Sequence[TaxAmount]
    lines: Sequence[PricedLine]
    reason: str
    goods_left: bool
    kept: bool = False


def _credit(
    work: UnitOfWork,
    order: Order,
    invoice: Invoice,
    credited: _Credited,
) -> CreditNoteRow:
    taxes, reason = credited.taxes, credited.reason
    wanted_minor = sum(tax.taxable_minor + tax.tax_minor for tax in taxes)
    before = balance_of(work.session, order)
    beyond_minor = max(0, wanted_minor - before.receivable_minor)
    refund_minor = min(beyond_minor, max(0, order.paid_minor - order.payable_minor))
    recover(work, order, beyond_minor - refund_minor)
    credit_note = _compose_credit(work, invoice, credited, refund_minor)
    work.session.add(
        CreditNoteRow(
            number=credit_note.number,
            invoice_number=invoice.number,
            order_id=order.order_id,
            currency=order.currency,
            net_minor=credit_note.net_minor,
            total_minor=credit_note.total_minor,
            reason=reason,
            issued_on=credit_note.issued_on,
            content=credit_note.model_dump(mode="json"),
        )
    )
    order.credited_minor += wanted_minor
    order.payable_minor += refund_minor
    entry = ledger.credit_note_entry(
        credit_note.number,
        order.order_id,
        order.currency,
        net_minor=credit_note.net_minor,
        tax_minor=credit_note.tax_minor,
        refund_minor=refund_minor,
        goods_left=credited.goods_left,
    )
    post(work, entry)
    what = money_of(order, wanted_minor)
    detail = f"{credit_note.number} credits {what} of {invoice.number}"
    record_event(work, order.order_id, "credited", detail)
    work.session.flush()
    return work.session.get_one(CreditNoteRow, credit_note.number)


def invoice_of(session: Session, order_id: str) -> Invoice | None:
    """The order's invoice as issued, if it has one."""
    query = select(InvoiceRow).where(InvoiceRow.order_id == order_id)
    row = session.exec(query).one_or_none()
    return Invoice.model_validate(row.content) if row else None


def tax_relief(session: Session, order: Order, lost_minor: int) -> int:
    """The tax in what of the order's receivable is lost; see `models.billing.relief`."""
    credited = select(func.sum(col(CreditNoteRow.total_minor) - col(CreditNoteRow.net_minor)))
    return billing.relief(
        balance_of(session, order),
        lost_minor,
        credited_tax_minor=int(
            session.exec(credited.where(CreditNoteRow.order_id == order.order_id)).one() or 0
        ),
        relieved_minor=order.relieved_minor,
    )


def recover(
    work: UnitOfWork,
    order: Order,
    amount_minor: int,
) -> None:
    """`amount_minor` of what was forgiven is due after all: because it is paid, or credited. What
    was too small a difference comes back last."""
    if not amount_minor:
        return
    lost_minor = order.forgiven_minor - order.difference_minor
    difference_minor = max(0, amount_minor - lost_minor)
    tax_minor = round_half_up(order.relieved_minor * amount_minor, order.forgiven_minor)
    order.forgiven_minor -= amount_minor
    order.difference_minor -= difference_minor
    order.relieved_minor -= tax_minor
    entry = ledger.recovery_entry(
        f"{order.order_id}:{order.version}",
        order.order_id,
        order.currency,
        amount_minor=amount_minor,
        difference_minor=difference_minor,
        tax_minor=tax_minor,
    )
    post(work, entry)
    record_event(work, order.order_id, "recovered", str(money_of(order, amount_minor)))


def _compose(
    work: UnitOfWork,
    order: Order,
    company: Company,
    number: str,
    waived_minor: int,
) -> Invoice:
    customer = work.session.get_one(Customer, order.customer_id)
    lines = _lines(work.session, order.order_id)
    totals = total(lines)
    return Invoice(
        number=number,
        order_id=order.order_id,
        issued_on=work.now.date(),
        due_on=due_date(order.terms, work.now.date()),
        seller=Seller.model_validate(company.model_dump()),
        customer_id=customer.customer_id,
        customer_name=customer.name,
        customer_vat_id=customer.vat_id,
        bill_to=Address.model_validate(order.bill_to),
        ship_to=Address.model_validate(order.ship_to),
        language=customer.language,
        terms=order.terms,
        tax_treatment=order.tax_treatment,
        currency=order.currency,
        discount_ppm=order.discount_ppm,
        lines=tuple(lines),
        taxes=totals.taxes,
        net_minor=totals.net_minor,
        total_minor=totals.total_minor,
        paid_minor=order.paid_minor,
        on_account=tuple(_on_account(work.session, order)),
        waived_minor=min(waived_minor, max(0, totals.total_minor - order.paid_minor)),
        supply_by=order.promised_date,
    )


def _lines(session: Session, order_id: str) -> list[PricedLine]:
    rows = session.exec(
        select(OrderLineRow)
        .where(OrderLineRow.order_id == order_id)
        .order_by(col(OrderLineRow.line_no))
    )
    return [PricedLine.model_validate(row.model_dump()) for row in rows]


def _on_account(session: Session, order: Order) -> Iterator[OnAccount]:
    """Payments whose tax fell due before the invoice."""
    before = select(Payment).where(Payment.order_id == order.order_id, Payment.taxed_minor > 0)
    for row in session.exec(before.order_by(col(Payment.received_at), col(Payment.payment_id))):
        yield OnAccount(
            payment_id=row.payment_id,
            received_on=tax_date_of(
                session, f"matched:{row.payment_id}", f"payment:{row.payment_id}"
            ),
            amount_minor=row.applied_minor,
            tax_minor=row.taxed_minor,
        )


def _left_of(session: Session, invoice: Invoice) -> list[TaxAmount]:
    """What of an invoice isn't credited yet, by rate."""
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


def left_minor(session: Session, invoice: Invoice) -> int:
    """What of an invoice isn't credited yet, tax included."""
    return sum(tax.taxable_minor + tax.tax_minor for tax in _left_of(session, invoice))


def _compose_credit(
    work: UnitOfWork,
    invoice: Invoice,
    credited: _Credited,
    refund_minor: int,
) -> CreditNote:
    taxes = credited.taxes
    legal_entity = work.session.exec(select(Company.legal_entity)).one()
    series = f"{legal_entity}:CN-{work.now.year}"
    whole = tuple(taxes) == invoice.taxes
    net_minor = sum(tax.taxable_minor for tax in taxes)
    common = invoice.model_dump(include=set(Bill.model_fields))
    return CreditNote.model_validate(
        common
        | {
            "number": credit_note_number(work.now.year, draw_number(work, series)),
            "issued_on": work.now.date(),
            "discount_ppm": invoice.discount_ppm if whole else 0,
            "lines": tuple(credited.lines),
            "taxes": tuple(taxes),
            "net_minor": net_minor,
            "total_minor": net_minor + sum(tax.tax_minor for tax in taxes),
            "invoice_number": invoice.number,
            "invoice_issued_on": invoice.issued_on,
            "reason": credited.reason,
            "refund_minor": 0 if credited.kept else refund_minor,
            "kept_minor": refund_minor if credited.kept else 0,
        }
    )


def _parts(taxes: Sequence[TaxAmount], reason: str) -> tuple[PricedLine, ...]:
    """A part of an invoice: a line for each rate."""
    return tuple(
        PricedLine(
            line_no=number,
            sku="",
            name=reason,
            quantity=1,
            list_price_minor=tax.taxable_minor,
            unit_price_minor=tax.taxable_minor,
            discount_ppm=0,
            net_minor=tax.taxable_minor,
            tax_rate_ppm=tax.rate_ppm,
        )
        for number, tax in enumerate(taxes, start=1)
    )


def goods_left(session: Session, order_id: str) -> bool:
    """Whether anything of an order has left our hands; what was lost and is sent again hasn't."""
    left = (ReservationState.SHIPPED, ReservationState.FORGONE)
    shipped = select(Reservation.order_id).where(
        Reservation.order_id == order_id, col(Reservation.state).in_(left)
    )
    return session.exec(shipped).first() is not None
