"""The content of a bill, on paper and as XML: title, facts, sums and sentences."""

from enum import Enum, auto
from typing import NamedTuple

from activities.documents.notation import Notation, written_language
from activities.documents.words import WORDS, Words
from models.billing import CreditNote, Invoice, OnAccount
from models.customers import TaxTreatment

AnyBill = Invoice | CreditNote


class Weight(Enum):
    """The emphasis of a sum."""

    PLAIN = auto()
    TOTAL = auto()
    RESULT = auto()


class Sum(NamedTuple):
    """A row below the lines of a bill; deductions are below zero."""

    label: str
    amount_minor: int
    weight: Weight = Weight.PLAIN
    note: str = ""
    """A second line of the label."""


def words_and_notation(bill: AnyBill) -> tuple[Words, Notation]:
    """Choose the words and the notation of the customer's language."""
    language = written_language(bill.language)
    return WORDS[language], Notation(language, bill.currency)


def title_of(bill: AnyBill) -> str:
    """Name the document with its number."""
    words, _ = words_and_notation(bill)
    kind = words.credit_note if isinstance(bill, CreditNote) else words.invoice
    return f"{kind} {bill.number}"


def corrections(bill: AnyBill) -> list[str]:
    """Name the invoice that a credit note corrects, and the reason."""
    if not isinstance(bill, CreditNote):
        return []
    words, notation = words_and_notation(bill)
    day = notation.day(bill.invoice_issued_on)
    corrects = words.corrects.format(number=bill.invoice_number, day=day)
    return [corrects, words.reason.format(reason=bill.reason)] if bill.reason else [corrects]


def facts_of(bill: AnyBill) -> list[tuple[str, str]]:
    """List numbers, dates and ids with their labels, without empty ones."""
    words, notation = words_and_notation(bill)
    issued = notation.day(bill.issued_on)
    if isinstance(bill, CreditNote):
        own = [
            (words.credit_note_number, bill.number),
            (words.corrected_on, issued),
            (words.corrected, bill.invoice_number),
        ]
    else:
        supply_by = notation.day(bill.supply_by) if bill.supply_by else ""
        own = [
            (words.number, bill.number),
            (words.issued, issued),
            _due_date(bill),
            (words.supply_by, supply_by),
        ]
    facts = [
        *own,
        (words.order, bill.order_id),
        (words.customer, bill.customer_id),
        (words.your_vat_id, bill.customer_vat_id),
        (words.our_vat_id, bill.seller.vat_id),
    ]
    return [(label, value) for label, value in facts if value]


def _due_date(invoice: Invoice) -> tuple[str, str]:
    words, notation = words_and_notation(invoice)
    if not invoice.due_minor:
        return words.payment, words.paid
    if invoice.due_on is None:
        return words.payment, words.on_receipt
    return words.due, notation.day(invoice.due_on)


def sums(bill: AnyBill) -> list[Sum]:
    """List the sums from the net of the lines to the amount due, or to the amount credited."""
    settled = _credited(bill) if isinstance(bill, CreditNote) else _invoiced(bill)
    return [*_net(bill), *_taxes(bill), *settled]


def _net(bill: AnyBill) -> list[Sum]:
    words, _ = words_and_notation(bill)
    net = Sum(
        words.net_credited if isinstance(bill, CreditNote) else words.net,
        bill.net_minor,
    )
    if not bill.discount_minor:
        return [net]
    return [
        Sum(words.sum_of_lines, bill.net_minor + bill.discount_minor),
        Sum(discount_name(bill, bill.discount_ppm), -bill.discount_minor),
        net,
    ]


def discount_name(bill: AnyBill, ppm: int) -> str:
    """Name a discount, with its rate if it has one."""
    words, notation = words_and_notation(bill)
    return words.discount_of.format(rate=notation.percent(ppm)) if ppm else words.discount


def _taxes(bill: AnyBill) -> list[Sum]:
    words, notation = words_and_notation(bill)
    return [
        Sum(
            words.tax.format(
                rate=notation.percent(tax.rate_ppm), taxable=notation.amount(tax.taxable_minor)
            ),
            tax.tax_minor,
        )
        for tax in bill.taxes
    ]


def _invoiced(invoice: Invoice) -> list[Sum]:
    """List the total, payments on account with their tax, other payments, waived and due."""
    words, _ = words_and_notation(invoice)
    settled_minor = invoice.total_minor - invoice.due_minor
    on_account_minor = sum(payment.amount_minor for payment in invoice.on_account)
    other_minor = settled_minor - invoice.waived_minor - on_account_minor
    rows = [Sum(words.total, invoice.total_minor, Weight.TOTAL)]
    rows += [_received(invoice, payment) for payment in invoice.on_account]
    if other_minor or not invoice.on_account:
        paid = words.other_payments if invoice.on_account else words.already_paid
        rows.append(Sum(paid, -other_minor))
    rows += _waived(invoice)
    return [*rows, Sum(words.amount_due, invoice.due_minor, Weight.RESULT)]


def _received(invoice: Invoice, payment: OnAccount) -> Sum:
    words, notation = words_and_notation(invoice)
    return Sum(
        words.received.format(day=notation.day(payment.received_on)),
        -payment.amount_minor,
        note=words.including_tax.format(amount=notation.money(payment.tax_minor)),
    )


def _waived(invoice: Invoice) -> list[Sum]:
    words, _ = words_and_notation(invoice)
    return [Sum(words.waived, -invoice.waived_minor)] if invoice.waived_minor else []


def notes_on_sums(bill: AnyBill) -> list[str]:
    """List payments on account with their tax (2006/112/EC art. 65, 226) and the waived amount, a
    line each."""
    if isinstance(bill, CreditNote):
        return []
    _, notation = words_and_notation(bill)
    rows = [*(_received(bill, payment) for payment in bill.on_account), *_waived(bill)]
    return [
        ", ".join(filter(None, (f"{row.label}: {notation.money(row.amount_minor)}", row.note)))
        for row in rows
    ]


def _credited(note: CreditNote) -> list[Sum]:
    words, _ = words_and_notation(note)
    parts = [
        Sum(words.refunded, note.refund_minor),
        Sum(words.kept, note.kept_minor),
        Sum(words.lowers_due, note.due_reduction_minor),
    ]
    total = Sum(words.total_credited, note.total_minor, Weight.RESULT)
    return [total, *(part for part in parts if part.amount_minor)]


def tax_exemption(bill: AnyBill) -> str:
    """State why no tax is charged (2006/112/EC art. 226 (11), (11a)); empty if it is."""
    words, _ = words_and_notation(bill)
    reasons = {
        TaxTreatment.EXEMPT: words.exempt,
        TaxTreatment.REVERSE_CHARGE: words.reverse_charge,
    }
    return reasons.get(bill.tax_treatment, "")


def settlement(bill: AnyBill) -> list[str]:
    """State in sentences what is to be paid, or what is refunded or kept."""
    return _credit(bill) if isinstance(bill, CreditNote) else [_payment(bill)]


def _payment(invoice: Invoice) -> str:
    words, notation = words_and_notation(invoice)
    if not invoice.due_minor:
        return words.settled
    amount = notation.money(invoice.due_minor)
    if invoice.due_on is None:
        return words.please_pay_now.format(amount=amount)
    return words.please_pay.format(amount=amount, day=notation.day(invoice.due_on))


def _credit(note: CreditNote) -> list[str]:
    words, notation = words_and_notation(note)
    lowered = notation.money(note.due_reduction_minor)
    sentences = []
    if note.refund_minor:
        sentences.append(words.we_refund.format(amount=notation.money(note.refund_minor)))
    if note.kept_minor:
        sentences.append(words.we_keep.format(amount=notation.money(note.kept_minor)))
    if note.due_reduction_minor:
        sentences.append(words.less_is_due.format(number=note.invoice_number, amount=lowered))
    return sentences
