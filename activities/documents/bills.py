"""Bills as PDF: A4, the buyer's address where an envelope's window is, English and German."""

from activities.documents.archive import enclose_einvoice
from activities.documents.closing import payment, tax_note, totals
from activities.documents.goods import goods_table
from activities.documents.heading import address_window, facts, title
from activities.documents.sheet import Sheet
from activities.documents.wording import AnyBill
from models.billing import CreditNote, Invoice


def render_invoice(invoice: Invoice) -> bytes:
    """The invoice as PDF: the same invoice gives the same bytes.

    Takes some 80 ms where the fonts are prepared; else prepares them.
    Characters that Noto Sans lacks (such as CJK) are shown as a replacement mark.
    """
    return _rendered(invoice)


def render_credit_note(note: CreditNote) -> bytes:
    """The credit note as PDF; see `render_invoice`."""
    return _rendered(note)


def _rendered(bill: AnyBill) -> bytes:
    sheet = Sheet(bill)
    sheet.add_page()
    address_window(sheet)
    facts(sheet)
    title(sheet)
    goods_table(sheet)
    totals(sheet)
    tax_note(sheet)
    payment(sheet)
    enclose_einvoice(sheet, bill)
    return bytes(sheet.output())
