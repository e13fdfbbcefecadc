"""The fixed texts of bills, in English and German."""

from typing import NamedTuple


class Words(NamedTuple):
    """The fixed texts of invoices and credit notes in one language."""

    invoice: str
    credit_note: str
    number: str
    credit_note_number: str
    issued: str
    corrected_on: str
    corrected: str
    corrects: str
    reason: str
    due: str
    payment: str
    paid: str
    on_receipt: str
    order: str
    customer: str
    your_vat_id: str
    vat_id: str
    our_vat_id: str
    supply_by: str
    ship_to: str
    columns: tuple[str, ...]
    sum_of_lines: str
    discount: str
    discount_of: str
    net: str
    tax: str
    total: str
    received: str
    including_tax: str
    already_paid: str
    other_payments: str
    waived: str
    amount_due: str
    net_credited: str
    total_credited: str
    refunded: str
    kept: str
    lowers_due: str
    exempt: str
    reverse_charge: str
    settled: str
    please_pay: str
    please_pay_now: str
    we_refund: str
    we_keep: str
    less_is_due: str
    scan: str
    account_holder: str
    reference: str
    page: str


WORDS = {
    "en": Words(
        invoice="Invoice",
        credit_note="Credit note",
        number="Invoice number",
        credit_note_number="Number",
        issued="Invoice date",
        corrected_on="Date",
        corrected="Corrected invoice",
        corrects="Corrects invoice {number} of {day}.",
        reason="Reason: {reason}",
        due="Due date",
        payment="Payment",
        paid="Paid",
        on_receipt="On receipt",
        order="Order",
        customer="Customer",
        your_vat_id="Your VAT ID",
        vat_id="VAT ID",
        our_vat_id="Our VAT ID",
        supply_by="Supply by",
        ship_to="Ship to",
        columns=("#", "SKU", "Description", "Qty", "Unit price", "Disc. %", "VAT %", "Net"),
        sum_of_lines="Subtotal",
        discount="Discount",
        discount_of="Discount {rate}%",
        net="Net total",
        tax="VAT {rate}% on {taxable}",
        total="Total",
        received="Payment received on {day}",
        including_tax="including VAT {amount}",
        already_paid="Paid",
        other_payments="Other payments",
        waived="Payment difference waived",
        amount_due="Amount due",
        net_credited="Net credited",
        total_credited="Total credited",
        refunded="Refunded",
        kept="Credit on your account",
        lowers_due="Deducted from the amount due",
        exempt="Exempt from VAT: no value added tax is charged on this supply.",
        reverse_charge="Reverse charge: the recipient of the supply is liable for the VAT.",
        settled="Paid in full. Thank you for your order.",
        please_pay="Please transfer {amount} by {day}.",
        please_pay_now="Please transfer {amount} on receipt of this invoice.",
        we_refund="We will refund {amount} to you.",
        we_keep="{amount} remains on your account as a credit.",
        less_is_due="The amount due on invoice {number} is reduced by {amount}.",
        scan="Scan to pay",
        account_holder="Account holder",
        reference="Reference",
        page="Page {page} of {pages}",
    ),
    "de": Words(
        invoice="Rechnung",
        credit_note="Rechnungskorrektur",
        number="Rechnungsnummer",
        credit_note_number="Nummer",
        issued="Rechnungsdatum",
        corrected_on="Datum",
        corrected="Zur Rechnung",
        corrects="Berichtigt die Rechnung {number} vom {day}.",
        reason="Grund: {reason}",
        due="Zahlbar bis",
        payment="Zahlung",
        paid="Bezahlt",
        on_receipt="Sofort fällig",
        order="Bestellung",
        customer="Kundennummer",
        your_vat_id="Ihre USt-IdNr.",
        vat_id="USt-IdNr.",
        our_vat_id="Unsere USt-IdNr.",
        supply_by="Lieferung bis",
        ship_to="Lieferanschrift",
        columns=(
            "Pos.",
            "Artikelnr.",
            "Bezeichnung",
            "Menge",
            "Einzelpreis",
            "Rab. %",
            "USt. %",
            "Netto",
        ),
        sum_of_lines="Zwischensumme",
        discount="Rabatt",
        discount_of="Rabatt {rate} %",
        net="Nettobetrag",
        tax="USt. {rate} % auf {taxable}",
        total="Gesamtbetrag",
        received="Zahlung vom {day}",
        including_tax="darin enthaltene USt. {amount}",
        already_paid="Bezahlt",
        other_payments="Weitere Zahlungen",
        waived="Zahlungsdifferenz erlassen",
        amount_due="Offener Betrag",
        net_credited="Korrektur netto",
        total_credited="Korrektur gesamt",
        refunded="Erstattet",
        kept="Guthaben auf Ihrem Kundenkonto",
        lowers_due="Vom offenen Betrag abgezogen",
        exempt="Steuerfreie Lieferung: Es wird keine Umsatzsteuer berechnet.",
        reverse_charge="Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge).",
        settled="Vollständig bezahlt. Vielen Dank für Ihre Bestellung.",
        please_pay="Bitte überweisen Sie {amount} bis zum {day}.",
        please_pay_now="Bitte überweisen Sie {amount} nach Erhalt dieser Rechnung.",
        we_refund="Wir erstatten Ihnen {amount}.",
        we_keep="{amount} bleiben als Guthaben auf Ihrem Kundenkonto.",
        less_is_due="Der offene Betrag der Rechnung {number} verringert sich um {amount}.",
        scan="Zum Bezahlen scannen",
        account_holder="Kontoinhaber",
        reference="Verwendungszweck",
        page="Seite {page} von {pages}",
    ),
}
