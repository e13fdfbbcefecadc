"""The part of a bill below its lines: sums, tax exemption and payment."""

import segno

from activities.documents.codes import draw_qr
from activities.documents.notation import grouped_iban
from activities.documents.page import (
    ACCENT,
    BODY,
    BOTTOM,
    LABEL,
    LEFT,
    PAD,
    RIGHT,
    SMALL,
    STRONG,
    WIDTH,
    Style,
)
from activities.documents.sheet import Sheet
from activities.documents.transfer import takes_transfer, transfer_code
from activities.documents.wording import Sum, Weight, settlement, sums, tax_exemption
from models.billing import Invoice

_TOTALS_LEFT, _TOTALS_SPLIT = 105.0, 160.0
_CODE_MM = 24.0
_BELOW_TOTALS_MM, _BELOW_NOTE_MM, _CAPTION_MM = 7.0, 3.0, 5.0
_STYLES = {
    Weight.PLAIN: BODY,
    Weight.TOTAL: STRONG,
    Weight.RESULT: Style(10, bold=True, color=ACCENT),
}


def totals(sheet: Sheet) -> None:
    """Draw the sums, on one page with the payment part if it fits."""
    rows = sums(sheet.bill)
    sheet.y += 4
    closing = _BELOW_TOTALS_MM + _note_height(sheet) + _payment_height(sheet)
    sheet.reserve(min(sum(map(_sum_height, rows)) + closing, BOTTOM / 2))
    for row in rows:
        _sum_row(sheet, row)


def _sum_height(row: Sum) -> float:
    note = SMALL.line_mm if row.note else 0
    return _STYLES[row.weight].line_mm + 1.7 + note


def _sum_row(sheet: Sheet, row: Sum) -> None:
    height, style = _sum_height(row), _STYLES[row.weight]
    sheet.reserve(height)
    top = sheet.y
    if row.weight is Weight.TOTAL:
        sheet.rule(_TOTALS_LEFT, top, RIGHT - _TOTALS_LEFT)
    if row.weight is Weight.RESULT:
        sheet.panel(_TOTALS_LEFT, top, RIGHT - _TOTALS_LEFT, height)
    left, split, right = _TOTALS_LEFT + PAD, _TOTALS_SPLIT, RIGHT - PAD
    sheet.put(row.label, left, top + 0.85, split - left - 2, style)
    amount = sheet.notation.money(row.amount_minor)
    sheet.put(amount, split, top + 0.85, right - split, style, "R")
    if row.note:
        sheet.put(row.note, left, top + 0.85 + style.line_mm, split - left - 2, SMALL)
    sheet.y = top + height


def tax_note(sheet: Sheet) -> None:
    """Draw the reason if no tax is charged."""
    note = tax_exemption(sheet.bill)
    sheet.y += _BELOW_TOTALS_MM
    if note:
        sheet.reserve(BODY.line_mm)
        sheet.paragraph(note, LEFT, WIDTH, BODY)
        sheet.y += _BELOW_NOTE_MM


def _note_height(sheet: Sheet) -> float:
    return BODY.line_mm + _BELOW_NOTE_MM if tax_exemption(sheet.bill) else 0


def payment(sheet: Sheet) -> None:
    """Draw payment instructions with a code to scan, or what was paid, refunded or kept."""
    sheet.reserve(_payment_height(sheet))
    bill, width, top = sheet.bill, WIDTH, sheet.y
    if isinstance(bill, Invoice) and takes_transfer(bill):
        _code(sheet, transfer_code(bill), top)
        width -= _CODE_MM + 6
    sheet.y = top
    is_due = _is_due(sheet)
    for sentence in settlement(bill):
        sheet.paragraph(sentence, LEFT, width, STRONG if is_due else BODY)
    if is_due:
        _account(sheet, width)


def _payment_height(sheet: Sheet) -> float:
    if takes_transfer(sheet.bill):
        return _CODE_MM + _CAPTION_MM
    return 24 if _is_due(sheet) else 2 * BODY.line_mm


def _is_due(sheet: Sheet) -> bool:
    return isinstance(sheet.bill, Invoice) and sheet.bill.due_minor > 0


def _account(sheet: Sheet, width: float) -> None:
    seller, words = sheet.bill.seller, sheet.words
    sheet.y += 1
    for label, value in (
        (words.account_holder, seller.name),
        ("IBAN", grouped_iban(seller.iban)),
        (words.reference, sheet.bill.number),
    ):
        if value:
            sheet.put(label, LEFT, sheet.y, 33, LABEL)
            sheet.paragraph(value, LEFT + 35, width - 35, BODY)
            sheet.y += 0.6


def _code(sheet: Sheet, code: segno.QRCode, top: float) -> None:
    """Draw the code and its caption."""
    left = RIGHT - _CODE_MM
    draw_qr(sheet, code, left, top, _CODE_MM)
    sheet.put(sheet.words.scan, left, top + _CODE_MM + 0.8, _CODE_MM, SMALL, "C")
