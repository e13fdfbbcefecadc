"""Above the lines: to whom, which bill, of what day, for which order."""

from activities.documents.page import (
    ACCENT,
    BODY,
    GREY,
    LABEL,
    LEFT,
    RIGHT,
    WIDTH,
    Style,
)
from activities.documents.sheet import Sheet
from activities.documents.wording import facts_of, title_of, why

_FACTS_LEFT, _FACTS_SPLIT = 115.0, 147.0


def address_window(sheet: Sheet) -> None:
    """The buyer within the 85 x 45 mm that a window envelope shows, 45 mm from the top."""
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
    """Numbers, dates and ids, beside the address; `y` ends below the lower of the two."""
    below_address = sheet.y
    sheet.y = 48
    for label, value in facts_of(sheet.bill):
        sheet.put(label, _FACTS_LEFT, sheet.y, _FACTS_SPLIT - _FACTS_LEFT - 2, LABEL)
        sheet.paragraph(value, _FACTS_SPLIT, RIGHT - _FACTS_SPLIT, BODY)
        sheet.y += 0.9
    sheet.y = max(sheet.y, below_address)


def title(sheet: Sheet) -> None:
    """The title, what a credit note corrects, and where goods went elsewhere than the bill."""
    bill = sheet.bill
    sheet.y = max(sheet.y + 4, 97)
    sheet.paragraph(title_of(bill), LEFT, WIDTH, Style(15, bold=True, color=ACCENT))
    for paragraph in why(bill) or _ship_to(sheet):
        sheet.y += 1
        sheet.paragraph(paragraph, LEFT, WIDTH, BODY)
    sheet.y += 4


def _ship_to(sheet: Sheet) -> list[str]:
    bill = sheet.bill
    if bill.ship_to == bill.bill_to:
        return []
    place = ", ".join(sheet.notation.postal_lines(bill.ship_to))
    return [f"{sheet.words.ship_to}: {place}"]
