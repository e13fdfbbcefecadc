"""Bills as PDF on A4, in English and German, with the address in an envelope's window."""

from activities.documents.archive import enclose_einvoice
from activities.documents.closing import payment, tax_note, totals
from activities.documents.goods import goods_table
from activities.documents.heading import address_window, facts, title
from activities.documents.sheet import Sheet
from activities.documents.wording import AnyBill
from models.billing import CreditNote, Invoice


def render_invoice(invoice: Invoice) -> bytes:
    """Render an invoice as PDF; the same invoice gives the same bytes.

    Takes about 80 ms, more if the fonts have to be prepared. Characters missing in Noto Sans (such
    as CJK) become a replacement character.
    """
    return _rendered(invoice)


def render_credit_note(note: CreditNote) -> bytes:
    """Render a credit note as PDF, as `render_invoice` does."""
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
