"""The part of a bill above its lines: address, numbers, dates and title."""

from activities.documents.page import ACCENT, BODY, GREY, LABEL, LEFT, RIGHT, WIDTH, Style
from activities.documents.sheet import Sheet
from activities.documents.wording import corrections, facts_of, title_of

_FACTS_LEFT, _FACTS_SPLIT = 115.0, 147.0


def address_window(sheet: Sheet) -> None:
    """Draw the buyer's address within the window of an envelope: 85 x 45 mm, 45 mm from the top."""
    bill = sheet.bill
    seller = bill.seller
    sender = f"{seller.name} · {seller.street} · {seller.postal_code} {seller.city}"
    small = Style(6.5, color=GREY)
    sheet.put(sheet.shortened(sender, 80, small), LEFT, 48, 80, small)
    sheet.y = 55
    lines = sheet.notation.postal_lines(bill.bill_to)
    if bill.customer_name != bill.bill_to.name:
        lines.insert(0, bill.customer_name)
    for line in lines:
        sheet.paragraph(line, LEFT, 80, Style(10))


def facts(sheet: Sheet) -> None:
    """Draw numbers, dates and ids to the right of the address; move `y` below both."""
    below_address = sheet.y
    sheet.y = 48
    for label, value in facts_of(sheet.bill):
        sheet.put(label, _FACTS_LEFT, sheet.y, _FACTS_SPLIT - _FACTS_LEFT - 2, LABEL)
        sheet.paragraph(value, _FACTS_SPLIT, RIGHT - _FACTS_SPLIT, BODY)
        sheet.y += 0.9
    sheet.y = max(sheet.y, below_address)


def title(sheet: Sheet) -> None:
    """Draw the title, and the corrected invoice or a ship-to address other than the buyer's."""
    bill = sheet.bill
    sheet.y = max(sheet.y + 4, 97)
    sheet.paragraph(title_of(bill), LEFT, WIDTH, Style(15, bold=True, color=ACCENT))
    for paragraph in corrections(bill) or _ship_to(sheet):
        sheet.y += 1
        sheet.paragraph(paragraph, LEFT, WIDTH, BODY)
    sheet.y += 4


def _ship_to(sheet: Sheet) -> list[str]:
    bill = sheet.bill
    if bill.ship_to == bill.bill_to:
        return []
    address = ", ".join(sheet.notation.postal_lines(bill.ship_to))
    return [f"{sheet.words.ship_to}: {address}"]
