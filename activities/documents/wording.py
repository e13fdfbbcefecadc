"""The content of a bill, on paper and as XML: title, facts, sums and sentences."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from activities.documents.notation import Notation
from activities.documents.words import Words, words_of
from models.billing import CreditNote, Invoice, OnAccount
from models.documents import DocumentRules
from models.einvoice import is_unregistered
from models.tax import TaxCase

AnyBill = Invoice | CreditNote


class Weight(StrEnum):
    """The emphasis of a sum."""

    PLAIN = "plain"
    TOTAL = "total"
    RESULT = "result"


class Sum(NamedTuple):
    """A row below the lines of a bill; deductions are below zero."""

    label: str
    amount_minor: int
    weight: Weight = Weight.PLAIN
    note: str = ""
    """A second line of the label."""


@dataclass(frozen=True)
class Wording:
    """A bill in the words and the notation of its customer's language."""

    bill: AnyBill
    words: Words
    notation: Notation

    @property
    def title(self) -> str:
        """The kind of document with its number."""
        kind = "credit_note" if isinstance(self.bill, CreditNote) else "invoice"
        return f"{self.words[kind]} {self.bill.number}"

    def corrections(self) -> list[str]:
        """Name the invoice that a credit note corrects, and the reason."""
        bill = self.bill
        if not isinstance(bill, CreditNote):
            return []
        day = self.notation.day(bill.invoice_issued_on)
        corrects = self.words.fill("corrects", number=bill.invoice_number, day=day)
        reason = [self.words.fill("reason", reason=bill.reason)] if bill.reason else []
        return [corrects, *reason]

    def facts(self) -> list[tuple[str, str]]:
        """List numbers, dates and ids with their labels, without empty ones."""
        bill, words = self.bill, self.words
        if isinstance(bill, CreditNote):
            own = [
                (words["credit_note_number"], bill.number),
                (words["corrected_on"], self.notation.day(bill.issued_on)),
                (words["corrected"], bill.invoice_number),
            ]
        else:
            own = [
                (words["number"], bill.number),
                (words["issued"], self.notation.day(bill.issued_on)),
                self._due_date(bill),
                self._supply_date(bill),
            ]
        facts = [
            *own,
            (words["order"], bill.order_id),
            (words["your_reference"], bill.customer_reference),
            (words["customer"], bill.customer_id),
            (words["your_vat_id"], bill.customer_vat_id),
            (words["our_vat_id"], bill.seller.vat_id),
            (words["our_tax_number"], bill.seller.tax_number),
        ]
        return [(label, value) for label, value in facts if value]

    def _supply_date(self, invoice: Invoice) -> tuple[str, str]:
        label = "supply_by" if invoice.supplied_on is None else "supplied_on"
        day = invoice.supplied_on or invoice.supply_by
        return self.words[label], self.notation.day(day) if day else ""

    def _due_date(self, invoice: Invoice) -> tuple[str, str]:
        words = self.words
        if not invoice.due_minor:
            return words["payment"], words["paid"]
        if invoice.due_on is None:
            return words["payment"], words["on_receipt"]
        return words["due"], self.notation.day(invoice.due_on)

    def sums(self) -> list[Sum]:
        """List the sums from the net of the lines to the amount due, or to the amount credited."""
        bill = self.bill
        settled = self._credited(bill) if isinstance(bill, CreditNote) else self._invoiced(bill)
        return [*self._net(), *self._taxes(), *settled]

    def _net(self) -> list[Sum]:
        bill, words = self.bill, self.words
        label = "net_credited" if isinstance(bill, CreditNote) else "net"
        net = Sum(words[label], bill.net_minor)
        if not bill.discount_minor:
            return [net]
        return [
            Sum(words["sum_of_lines"], bill.net_minor + bill.discount_minor),
            Sum(self.discount_name(bill.discount_ppm), -bill.discount_minor),
            net,
        ]

    def discount_name(self, ppm: int) -> str:
        """Name a discount, with its rate if it has one."""
        if not ppm:
            return str(self.words["discount"])
        return self.words.fill("discount_of", rate=self.notation.percent(ppm))

    def _taxes(self) -> list[Sum]:
        notation = self.notation
        return [
            Sum(
                self.words.fill(
                    "tax",
                    rate=notation.percent(tax.rate_ppm),
                    taxable=notation.amount(tax.taxable_minor),
                ),
                tax.tax_minor,
            )
            for tax in self.bill.taxes
        ]

    def _invoiced(self, invoice: Invoice) -> list[Sum]:
        """List the total, payments on account with their tax, other payments, waived and due."""
        words, on_account = self.words, invoice.on_account
        settled_minor = invoice.total_minor - invoice.due_minor - invoice.waived_minor
        other_minor = settled_minor - sum(payment.amount_minor for payment in on_account)
        rows = [Sum(words["total"], invoice.total_minor, Weight.TOTAL)]
        rows += map(self._received, on_account)
        if other_minor or not on_account:
            rows.append(
                Sum(words["other_payments" if on_account else "already_paid"], -other_minor)
            )
        rows += self._waived(invoice)
        return [*rows, Sum(words["amount_due"], invoice.due_minor, Weight.RESULT)]

    def _received(self, payment: OnAccount) -> Sum:
        return Sum(
            self.words.fill("received", day=self.notation.day(payment.received_on)),
            -payment.amount_minor,
            note=self.words.fill("including_tax", amount=self.notation.money(payment.tax_minor)),
        )

    def _waived(self, invoice: Invoice) -> list[Sum]:
        waived_minor = invoice.waived_minor
        return [Sum(self.words["waived"], -waived_minor)] if waived_minor else []

    def notes_on_sums(self) -> list[str]:
        """List payments on account with their tax (2006/112/EC art. 65, 226) and the waived amount,
        a line each."""
        if isinstance(self.bill, CreditNote):
            return []
        return [
            ", ".join(
                filter(None, (f"{row.label}: {self.notation.money(row.amount_minor)}", row.note))
            )
            for row in (*map(self._received, self.bill.on_account), *self._waived(self.bill))
        ]

    def _credited(self, note: CreditNote) -> list[Sum]:
        words = self.words
        parts = [
            Sum(words["refunded"], note.refund_minor),
            Sum(words["kept"], note.kept_minor),
            Sum(words["lowers_due"], note.due_reduction_minor),
        ]
        total = Sum(words["total_credited"], note.total_minor, Weight.RESULT)
        return [total, *(part for part in parts if part.amount_minor)]

    def tax_exemption(self) -> str:
        """State why no tax is charged (2006/112/EC art. 226 (11), (11a)); empty if it is."""
        case = self.bill.tax_case
        if is_unregistered(self.bill):
            return str(self.words["unregistered"])
        return "" if case.is_taxed else str(self.words[case.value])

    def notes_on_tax(self) -> list[str]:
        """State why no tax is charged, or the country whose tax it is, and whether prices include
        it."""
        bill, exemption = self.bill, self.tax_exemption()
        notes = [exemption] if exemption else []
        if bill.tax_case is TaxCase.DISTANCE_SALE:
            country = self.notation.country(bill.ship_to.country)
            notes.append(self.words.fill("distance_sale", country=country))
        if bill.prices_include_tax:
            notes.append(str(self.words["prices_include_tax"]))
        return notes

    def settlement(self) -> list[str]:
        """State in sentences what is to be paid, or what is refunded or kept."""
        bill = self.bill
        return self._credit(bill) if isinstance(bill, CreditNote) else [self._payment(bill)]

    def _payment(self, invoice: Invoice) -> str:
        if not invoice.due_minor:
            return str(self.words["settled"])
        amount = self.notation.money(invoice.due_minor)
        if invoice.due_on is None:
            return self.words.fill("please_pay_now", amount=amount)
        return self.words.fill("please_pay", amount=amount, day=self.notation.day(invoice.due_on))

    def _credit(self, note: CreditNote) -> list[str]:
        amounts = {
            "we_refund": note.refund_minor,
            "we_keep": note.kept_minor,
            "less_is_due": note.due_reduction_minor,
        }
        return [
            self.words.fill(key, amount=self.notation.money(minor), number=note.invoice_number)
            for key, minor in amounts.items()
            if minor
        ]


def wording_of(bill: AnyBill, rules: DocumentRules) -> Wording:
    """Choose the words and the notation of the customer's language. Raises TemplateBroken."""
    words = words_of(bill.language, rules)
    return Wording(bill, words, Notation(words.language, bill.currency))
