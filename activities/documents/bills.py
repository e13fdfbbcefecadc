"""Invoices and credit notes as PDF/A-3b with their e-invoice (Factur-X)."""

from typing import Any

from activities.documents.codes import Code, qr_code
from activities.documents.einvoice import einvoice_xml
from activities.documents.factur_x import describe_einvoice
from activities.documents.notation import Notation, grouped_iban
from activities.documents.transfer import takes_transfer, transfer_code
from activities.documents.typesetting import typeset
from activities.documents.wording import AnyBill, Wording, wording_of
from models.billing import Invoice
from models.documents import DocumentRules, Printed
from models.einvoice import why_no_einvoice


def render_bill(bill: AnyBill, rules: DocumentRules) -> Printed:
    """Render an invoice or a credit note; the same bill gives the same bytes.

    A bill without an e-invoice (`why_no_einvoice`) is a plain PDF/A-3b. Raises TemplateBroken.
    """
    wording = wording_of(bill, rules)
    if why_no_einvoice(bill):
        return typeset("bill", _data(wording), bill.issued_on, rules)
    xml = einvoice_xml(wording)
    printed = typeset("bill", _data(wording), bill.issued_on, rules, xml)
    return printed._replace(pdf=describe_einvoice(printed.pdf))


def _data(wording: Wording) -> dict[str, Any]:
    """Collect the content of the template; `Any`: data for JSON."""
    bill, words, notation = wording.bill, wording.words, wording.notation
    seller = bill.seller
    iban = grouped_iban(seller.iban)
    corrections = wording.corrections()
    is_shipped_elsewhere = bill.bill_to not in (None, bill.ship_to) and not corrections
    account = {"account_holder": seller.name, "IBAN": iban, "reference": bill.number}
    return {
        "kind": "invoice" if isinstance(bill, Invoice) else "credit_note",
        "language": words.language,
        "words": words,
        "title": wording.title,
        "author": seller.name,
        "sender": {
            "name": seller.name,
            "lines": notation.postal_lines(seller, seller.name),
            "vat_id": seller.vat_id,
            "tax_number": seller.tax_number,
            "iban": iban,
        },
        "recipient": _recipient(bill, notation),
        "facts": wording.facts(),
        "corrections": corrections,
        "ship_to": (
            notation.postal_lines(bill.ship_to, *bill.ship_to.names) if is_shipped_elsewhere else []
        ),
        "has_einvoice": not why_no_einvoice(bill),
        "columns": words["columns_with_tax" if bill.prices_include_tax else "columns"],
        "lines": [
            [
                notation.count(line.line_no),
                line.sku,
                line.name,
                notation.count(line.quantity),
                notation.amount(line.unit_price_minor),
                notation.percent(line.discount_ppm) if line.discount_ppm else "",
                notation.percent(line.tax_rate_ppm),
                notation.amount(line.before_order_discount_minor),
                *([notation.amount(line.shown_minor)] if bill.prices_include_tax else []),
            ]
            for line in bill.lines
        ],
        "sums": [
            {
                "label": row.label,
                "amount": notation.money(row.amount_minor),
                "weight": row.weight,
                "note": row.note,
            }
            for row in wording.sums()
        ],
        "notes_on_tax": wording.notes_on_tax(),
        "settlement": wording.settlement(),
        "account": [
            [words.get(label, label), value]
            for label, value in account.items()
            if value and isinstance(bill, Invoice) and bill.due_minor
        ],
        "transfer": _transfer(wording),
    }


def _recipient(bill: AnyBill, notation: Notation) -> dict[str, Any]:
    """Address a bill; only by name where the customer has given no address."""
    address = bill.bill_to
    customer = filter(None, (bill.customer_company, bill.customer_name))
    if address is None:
        return {"lines": [*dict.fromkeys(customer)], "country": bill.ship_to.country}
    company = [address.company] if address.company else []
    names = dict.fromkeys((*company, *customer, address.name))
    return {"lines": notation.postal_lines(address, *names), "country": address.country}


def _transfer(wording: Wording) -> Code | None:
    bill = wording.bill
    if not isinstance(bill, Invoice) or not takes_transfer(bill):
        return None
    return qr_code(transfer_code(bill), wording.words["scan"])
