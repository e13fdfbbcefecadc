"""What a bill says, before it is set on a sheet or written as XML: title, facts and sums."""

from enum import Enum, auto
from typing import NamedTuple

from activities.documents.notation import Notation, written_language
from activities.documents.words import WORDS, Words
from models.billing import CreditNote, Invoice, OnAccount
from models.customers import TaxTreatment

AnyBill = Invoice | CreditNote


class Weight(Enum):
    """How much a sum stands out."""

    PLAIN = auto()
    TOTAL = auto()
    RESULT = auto()


class Sum(NamedTuple):
    """A row below the lines; what is taken off is below zero."""

    label: str
    amount_minor: int
    weight: Weight = Weight.PLAIN
    note: str = ""
    """A second line of the label."""


def spoken(bill: AnyBill) -> tuple[Words, Notation]:
    """The words and the notation of the customer's language."""
    language = written_language(bill.language)
    return WORDS[language], Notation(language, bill.currency)


def title_of(bill: AnyBill) -> str:
    """Which bill it is."""
    words, _ = spoken(bill)
    kind = words.credit_note if isinstance(bill, CreditNote) else words.invoice
    return f"{kind} {bill.number}"


def why(bill: AnyBill) -> list[str]:
    """Of a credit note what it corrects, and the reason."""
    if not isinstance(bill, CreditNote):
        return []
    words, notation = spoken(bill)
    day = notation.day(bill.invoice_issued_on)
    corrects = words.corrects.format(number=bill.invoice_number, day=day)
    return [corrects, words.reason.format(reason=bill.reason)] if bill.reason else [corrects]


def facts_of(bill: AnyBill) -> list[tuple[str, str]]:
    """Numbers, dates and ids, each with its label; without what the bill doesn't have."""
    words, notation = spoken(bill)
    issued = notation.day(bill.issued_on)
    if isinstance(bill, CreditNote):
        own = [
            (words.credit_note_number, bill.number),
            (words.corrected_on, issued),
            (words.corrected, bill.invoice_number),
        ]
    else:
        by = notation.day(bill.supply_by) if bill.supply_by else ""
        own = [
            (words.number, bill.number),
            (words.issued, issued),
            _when_due(bill),
            (words.supply_by, by),
        ]
    facts = [
        *own,
        (words.order, bill.order_id),
        (words.customer, bill.customer_id),
        (words.your_vat_id, bill.customer_vat_id),
        (words.our_vat_id, bill.seller.vat_id),
    ]
    return [(label, value) for label, value in facts if value]


def _when_due(invoice: Invoice) -> tuple[str, str]:
    words, notation = spoken(invoice)
    if not invoice.due_minor:
        return words.payment, words.paid
    if invoice.due_on is None:
        return words.payment, words.on_receipt
    return words.due, notation.day(invoice.due_on)


def sums(bill: AnyBill) -> list[Sum]:
    """From the sum of the lines to what is due, or of a credit note to what becomes of it."""
    settled = _credited(bill) if isinstance(bill, CreditNote) else _invoiced(bill)
    return [*_net(bill), *_taxes(bill), *settled]


def _net(bill: AnyBill) -> list[Sum]:
    words, _ = spoken(bill)
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
    """A discount, with its rate where it has one."""
    words, notation = spoken(bill)
    return words.discount_of.format(rate=notation.percent(ppm)) if ppm else words.discount


def _taxes(bill: AnyBill) -> list[Sum]:
    words, notation = spoken(bill)
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
    """The total, less each payment on account with the tax in it, less what was paid otherwise,
    less what is waived."""
    words, _ = spoken(invoice)
    settled_minor = invoice.total_minor - invoice.due_minor
    on_account_minor = sum(payment.amount_minor for payment in invoice.on_account)
    otherwise_minor = settled_minor - invoice.waived_minor - on_account_minor
    rows = [Sum(words.total, invoice.total_minor, Weight.TOTAL)]
    rows += [_received(invoice, payment) for payment in invoice.on_account]
    if otherwise_minor or not invoice.on_account:
        paid = words.otherwise_paid if invoice.on_account else words.already_paid
        rows.append(Sum(paid, -otherwise_minor))
    rows += _waived(invoice)
    return [*rows, Sum(words.amount_due, invoice.due_minor, Weight.RESULT)]


def _received(invoice: Invoice, payment: OnAccount) -> Sum:
    words, notation = spoken(invoice)
    return Sum(
        words.received.format(day=notation.day(payment.received_on)),
        -payment.amount_minor,
        note=words.including_tax.format(amount=notation.money(payment.tax_minor)),
    )


def _waived(invoice: Invoice) -> list[Sum]:
    words, _ = spoken(invoice)
    return [Sum(words.waived, -invoice.waived_minor)] if invoice.waived_minor else []


def notes_on_sums(bill: AnyBill) -> list[str]:
    """In one line each: a payment on account, with the tax in it (2006/112/EC art. 65, 226), and
    what is waived."""
    if isinstance(bill, CreditNote):
        return []
    _, notation = spoken(bill)
    rows = [*(_received(bill, payment) for payment in bill.on_account), *_waived(bill)]
    return [
        ", ".join(filter(None, (f"{row.label}: {notation.money(row.amount_minor)}", row.note)))
        for row in rows
    ]


def _credited(note: CreditNote) -> list[Sum]:
    words, _ = spoken(note)
    parts = [
        Sum(words.refunded, note.refund_minor),
        Sum(words.kept, note.kept_minor),
        Sum(words.lowers_due, note.lowers_due_minor),
    ]
    total = Sum(words.total_credited, note.total_minor, Weight.RESULT)
    return [total, *(part for part in parts if part.amount_minor)]


def no_tax_because(bill: AnyBill) -> str:
    """Why no tax is charged: 2006/112/EC art. 226 (11) and (11a) want it said. Else empty."""
    words, _ = spoken(bill)
    reasons = {
        TaxTreatment.EXEMPT: words.exempt,
        TaxTreatment.REVERSE_CHARGE: words.reverse_charge,
    }
    return reasons.get(bill.tax_treatment, "")


def settlement(bill: AnyBill) -> list[str]:
    """What is to be done about the money, in sentences."""
    return _giving_back(bill) if isinstance(bill, CreditNote) else [_asking(bill)]


def _asking(invoice: Invoice) -> str:
    words, notation = spoken(invoice)
    if not invoice.due_minor:
        return words.settled
    amount = notation.money(invoice.due_minor)
    if invoice.due_on is None:
        return words.please_pay_now.format(amount=amount)
    return words.please_pay.format(amount=amount, day=notation.day(invoice.due_on))


def _giving_back(note: CreditNote) -> list[str]:
    words, notation = spoken(note)
    lowered = notation.money(note.lowers_due_minor)
    sentences = []
    if note.refund_minor:
        sentences.append(words.we_refund.format(amount=notation.money(note.refund_minor)))
    if note.kept_minor:
        sentences.append(words.we_keep.format(amount=notation.money(note.kept_minor)))
    if note.lowers_due_minor:
        sentences.append(words.less_is_due.format(number=note.invoice_number, amount=lowered))
    return sentences
