"""Invoices as PDF: A4, the buyer's address where an envelope's window is, English and German."""

import io
import logging
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, cast

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]  # no py.typed
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # no py.typed
from fontTools.varLib.instancer import (  # type: ignore[import-untyped]  # no py.typed
    instantiateVariableFont,
)
from fpdf import FPDF
from fpdf.enums import MethodReturnValue

from models.billing import Invoice
from models.customers import Address, TaxTreatment
from models.money import decimals
from models.orders import PricedLine

logging.getLogger("fontTools").setLevel(logging.WARNING)  # else 60 lines at INFO per invoice


def prepare_fonts() -> None:
    """Make what every invoice needs: takes two seconds, once in a process."""
    _fonts()


def render_invoice(invoice: Invoice) -> bytes:
    """The invoice as PDF: the same invoice gives the same bytes.

    Takes some 50 ms where the fonts are prepared; else prepares them.
    Characters that Noto Sans lacks (such as CJK) are shown as a replacement mark.
    """
    sheet = _Sheet(invoice)
    sheet.add_page()
    _address_window(sheet)
    _facts(sheet)
    _title(sheet)
    _table(sheet)
    _totals(sheet)
    _tax_note(sheet)
    _payment(sheet)
    return bytes(sheet.output())


# How a language puts it


class Words(NamedTuple):
    """Everything on an invoice that isn't data, in one language."""

    invoice: str
    number: str
    issued: str
    due: str
    payment: str
    paid: str
    on_receipt: str
    order: str
    customer: str
    your_vat_id: str
    vat_id: str
    ship_to: str
    columns: tuple[str, ...]
    net: str
    tax: str
    total: str
    already_paid: str
    amount_due: str
    exempt: str
    reverse_charge: str
    settled: str
    please_pay: str
    please_pay_now: str
    account_holder: str
    reference: str
    page: str


WORDS = {
    "en": Words(
        invoice="Invoice",
        number="Invoice number",
        issued="Invoice date",
        due="Due date",
        payment="Payment",
        paid="Paid",
        on_receipt="On receipt",
        order="Order",
        customer="Customer",
        your_vat_id="Your VAT ID",
        vat_id="VAT ID",
        ship_to="Ship to",
        columns=("#", "SKU", "Description", "Qty", "Unit price", "Disc. %", "VAT %", "Net"),
        net="Net total",
        tax="VAT {rate}% on {taxable}",
        total="Total",
        already_paid="Paid",
        amount_due="Amount due",
        exempt="Exempt from VAT: no value added tax is charged on this supply.",
        reverse_charge="Reverse charge: the recipient of the supply is liable for the VAT.",
        settled="Paid in full. Thank you for your order.",
        please_pay="Please transfer {amount} by {day}.",
        please_pay_now="Please transfer {amount} on receipt of this invoice.",
        account_holder="Account holder",
        reference="Reference",
        page="Page {page} of {pages}",
    ),
    "de": Words(
        invoice="Rechnung",
        number="Rechnungsnummer",
        issued="Rechnungsdatum",
        due="Zahlbar bis",
        payment="Zahlung",
        paid="Bezahlt",
        on_receipt="Sofort",
        order="Bestellung",
        customer="Kundennummer",
        your_vat_id="Ihre USt-IdNr.",
        vat_id="USt-IdNr.",
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
        net="Nettobetrag",
        tax="USt. {rate} % auf {taxable}",
        total="Gesamtbetrag",
        already_paid="Bezahlt",
        amount_due="Offener Betrag",
        exempt="Steuerfreie Lieferung: Es wird keine Umsatzsteuer berechnet.",
        reverse_charge="Steuerschuldnerschaft des Leistungsempfängers (Reverse Charge).",
        settled="Vollständig bezahlt. Vielen Dank für Ihre Bestellung.",
        please_pay="Bitte überweisen Sie {amount} bis zum {day}.",
        please_pay_now="Bitte überweisen Sie {amount} nach Erhalt dieser Rechnung.",
        account_holder="Kontoinhaber",
        reference="Verwendungszweck",
        page="Seite {page} von {pages}",
    ),
}


def written_language(language: str) -> str:
    """The language we write to a customer of `language`: English where we don't speak theirs."""
    return language if language in WORDS else "en"


@dataclass(frozen=True)
class Notation:
    """Numbers, dates and countries as people who speak `language` write them."""

    language: str
    currency: str

    @property
    def _locale(self) -> Locale:
        return Locale.parse(self.language)

    def amount(self, amount_minor: int) -> str:
        """With all decimals of the currency (ISO 4217), without its code."""
        digits = decimals(self.currency)
        pattern = "#,##0." + "0" * digits if digits else "#,##0"
        value = Decimal(amount_minor).scaleb(-digits)
        return format_decimal(value, format=pattern, locale=self._locale)

    def money(self, amount_minor: int) -> str:
        """With the currency's code, never parted at the end of a line."""
        return f"{self.amount(amount_minor)}\N{NO-BREAK SPACE}{self.currency}"

    def percent(self, ppm: int) -> str:
        """Millionths as a percentage, without the sign: 55000 -> "5.5"."""
        return format_decimal(Decimal(ppm).scaleb(-4), format="#,##0.####", locale=self._locale)

    def count(self, quantity: int) -> str:
        """A whole number."""
        return format_decimal(quantity, locale=self._locale)

    def day(self, day: date) -> str:
        """With the month's name, so that nobody mistakes it."""
        return format_date(day, format="long", locale=self._locale)

    def postal_lines(self, address: Address) -> list[str]:
        """As printed on an envelope, with the country's name."""
        *lines, code = address.lines()
        return [*lines, self.country(code)]

    def country(self, code: str) -> str:
        """The name of an ISO 3166 country."""
        return str(self._locale.territories.get(code, code))


def grouped_iban(iban: str) -> str:
    """In fours, as ISO 13616 prints an IBAN."""
    compact = "".join(iban.split())
    return " ".join(compact[i : i + 4] for i in range(0, len(compact), 4))


# Fonts


class _Fonts(NamedTuple):
    """Two weights of Noto Sans in `directory`, which lives as long as the process."""

    directory: TemporaryDirectory[str]
    regular: Path
    bold: Path
    characters: frozenset[str]


_WEIGHTS = {"regular": 400, "bold": 650}
_FONTS_LOCK = threading.Lock()


_SCRIPTS = (
    range(0x0020, 0x0250),  # Latin
    range(0x0300, 0x0530),  # combining marks, Greek, Cyrillic
    range(0x1E00, 0x1F00),  # Latin of Vietnam and others
    range(0x2000, 0x2400),  # punctuation, currencies, signs
    range(0xFFFD, 0xFFFE),  # the replacement mark
)
"""What needs no shaping, so that fpdf2 can set it."""


@cache
def _prepared_fonts() -> _Fonts:
    """Cut the 2 MB variable font down once: embedding it anew takes a second per invoice."""
    source = resources.files("fontpkg_noto_sans") / "files" / "NotoSans[wdth,wght].ttf"
    font = TTFont(io.BytesIO(source.read_bytes()), recalcTimestamp=False)
    cmap = font.getBestCmap()
    code_points = [point for script in _SCRIPTS for point in script if point in cmap]
    options = Options(hinting=False, name_IDs=["*"], notdef_outline=True)
    options.drop_tables += ["GDEF", "GPOS", "GSUB"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points)
    subsetter.subset(font)
    variable = io.BytesIO()
    font.save(variable)
    directory = TemporaryDirectory(prefix="invoice-fonts-")
    paths = {name: Path(directory.name, f"{name}.ttf") for name in _WEIGHTS}
    for name, weight in _WEIGHTS.items():
        axes = {"wght": weight, "wdth": 100}
        static = TTFont(io.BytesIO(variable.getvalue()), recalcTimestamp=False)
        instantiateVariableFont(static, axes, inplace=True, static=True)
        static.save(paths[name])
    return _Fonts(directory, paths["regular"], paths["bold"], frozenset(map(chr, code_points)))


def _fonts() -> _Fonts:
    with _FONTS_LOCK:
        return _prepared_fonts()


def _showable(text: str, characters: frozenset[str]) -> str:
    """`text` on one line, with a replacement mark for what the font can't show."""
    return "".join(
        char if char in characters else " " if char.isspace() else "\N{REPLACEMENT CHARACTER}"
        for char in unicodedata.normalize("NFC", text)
    )


# The sheet; lengths in mm

_LEFT, _RIGHT, _BOTTOM = 25.0, 195.0, 262.0
_WIDTH = _RIGHT - _LEFT
_FACTS_LEFT, _FACTS_SPLIT = 115.0, 147.0
_TOTALS_LEFT, _TOTALS_SPLIT = 105.0, 160.0
_PAD = 1.2
_PAGES = "\ue000\ue000\ue000"
"""Stands for the number of pages while it isn't known; no text can contain it (`_showable`)."""

_Align = Literal["L", "R"]
_Color = tuple[int, int, int]
_INK: _Color = (33, 37, 41)
_GREY: _Color = (108, 117, 125)
_ACCENT: _Color = (24, 70, 99)
_RULE: _Color = (206, 212, 218)
_TINT: _Color = (238, 243, 246)


class _Style(NamedTuple):
    size_pt: float
    bold: bool = False
    color: _Color = _INK

    @property
    def line_mm(self) -> float:
        return self.size_pt * 0.3528 * 1.35


_BODY = _Style(9)
_STRONG = _Style(9, bold=True)
_LABEL = _Style(9, color=_GREY)
_CELL = _Style(8.5)
_HEAD = _Style(8, bold=True, color=_ACCENT)
_SMALL = _Style(7, color=_GREY)


class _Sheet(FPDF):
    """A4 pages of one invoice with the seller's letterhead and footer; `y` is where to go on."""

    def __init__(self, invoice: Invoice) -> None:
        super().__init__(format="A4")
        self.invoice = invoice
        language = written_language(invoice.language)
        self.words = WORDS[language]
        self.notation = Notation(language, invoice.currency)
        fonts = _fonts()
        self.characters = fonts.characters
        self.add_font("noto", "", fonts.regular)
        self.add_font("noto", "B", fonts.bold)
        self.alias_nb_pages(_PAGES)
        self.set_auto_page_break(False)
        self.c_margin = 0
        self.set_lang(language)
        self.set_title(f"{self.words.invoice} {invoice.number}")
        self.set_author(invoice.seller.name)
        self.set_creation_date(datetime.combine(invoice.issued_on, time(), UTC))

    def put(
        self, text: str, x: float, y: float, width: float, style: _Style, align: _Align = "L"
    ) -> None:
        """One line, set smaller where it would be wider than `width`."""
        shown = self.styled(text, style)
        text_width = self.get_string_width(shown)
        if text_width > width:
            self.set_font_size(style.size_pt * width / text_width)
        self.set_xy(x, y)
        self.cell(width, style.line_mm, shown, align=align)

    def wrapped(self, text: str, width: float, style: _Style) -> list[str]:
        """`text` in lines that fit `width`; words that are longer are cut."""
        shown = self.styled(text, style)
        if self.get_string_width(shown) <= width:
            return [shown]
        lines = self.multi_cell(
            width, text=shown, align="L", dry_run=True, output=MethodReturnValue.LINES
        )
        return cast(list[str], lines)  # fpdf types the result of every `output` at once

    def styled(self, text: str, style: _Style) -> str:
        """Choose the font; returns `text` as that font can show it."""
        self.set_font("noto", "B" if style.bold else "", style.size_pt)
        self.set_text_color(*style.color)
        return _showable(text, self.characters)

    def paragraph(self, text: str, x: float, width: float, style: _Style) -> None:
        """Wrapped lines from `y` on, which moves below them."""
        top = self.y
        for line in self.wrapped(text, width, style):
            self.put(line, x, top, width, style)
            top += style.line_mm
        self.y = top

    def rule(self, x: float, y: float, width: float, color: _Color = _RULE) -> None:
        """A fine line."""
        self.set_draw_color(*color)
        self.set_line_width(0.2)
        self.line(x, y, x + width, y)

    def panel(self, x: float, y: float, width: float, height: float) -> None:
        """A tinted area."""
        self.set_fill_color(*_TINT)
        self.rect(x, y, width, height, style="F")

    def reserve(self, height: float) -> bool:
        """Start a new page unless `height` fits on this one; True where it did."""
        if self.y + height <= _BOTTOM:
            return False
        self.add_page()
        return True

    def header(self) -> None:
        """The letterhead on the first page, a line to tell pages apart on the others."""
        seller = self.invoice.seller
        if self.page_no() == 1:
            _letterhead(self)
            return
        running = f"{self.words.invoice} {self.invoice.number}"
        self.put(seller.name, _LEFT, 15, _WIDTH / 2, _STRONG)
        self.put(running, _LEFT + _WIDTH / 2, 15, _WIDTH / 2, _LABEL, "R")
        self.rule(_LEFT, 21, _WIDTH, _ACCENT)
        self.y = 27

    def footer(self) -> None:
        """The company's data and the page number."""
        seller, words = self.invoice.seller, self.words
        self.rule(_LEFT, 271, _WIDTH)
        columns = (
            (25.0, 52.0, [seller.name, seller.street]),
            (
                80.0,
                38.0,
                [f"{seller.postal_code} {seller.city}", self.notation.country(seller.country)],
            ),
            (121.0, 50.0, [f"{words.vat_id} {seller.vat_id}", f"IBAN {grouped_iban(seller.iban)}"]),
        )
        for x, width, lines in columns:
            for number, line in enumerate(lines):
                self.put(line, x, 274 + number * 3.8, width, _SMALL)
        self.styled("", _SMALL)
        self.set_xy(177, 274)
        self.cell(text=words.page.format(page=self.page_no(), pages=_PAGES), h=_SMALL.line_mm)


# The parts, from the top


def _letterhead(sheet: _Sheet) -> None:
    """The seller, and marks where the sheet is folded for an envelope (DIN 5008 form B)."""
    seller = sheet.invoice.seller
    town = f"{seller.postal_code} {seller.city}"
    sheet.put(seller.name, _LEFT, 15, 110, _Style(17, bold=True, color=_ACCENT))
    for number, line in enumerate([seller.street, town, sheet.notation.country(seller.country)]):
        sheet.put(line, 140, 15 + number * 3.9, _RIGHT - 140, _Style(8, color=_GREY), "R")
    sheet.rule(_LEFT, 30, _WIDTH, _ACCENT)
    for fold in (105.0, 210.0):
        sheet.rule(4, fold, 4)


def _address_window(sheet: _Sheet) -> None:
    """The buyer within the 85 x 45 mm that a window envelope shows, 45 mm from the top."""
    invoice = sheet.invoice
    seller = invoice.seller
    sender = f"{seller.name} · {seller.street} · {seller.postal_code} {seller.city}"
    sheet.put(sender, _LEFT, 48, 80, _Style(6.5, color=_GREY))
    sheet.y = 55
    lines = sheet.notation.postal_lines(invoice.bill_to)
    if invoice.customer_name != invoice.bill_to.name:
        lines.insert(0, invoice.customer_name)
    for line in lines:
        sheet.paragraph(line, _LEFT, 80, _Style(10))


def _facts(sheet: _Sheet) -> None:
    """Numbers, dates and ids, beside the address; `y` ends below the lower of the two."""
    invoice, words = sheet.invoice, sheet.words
    below_address = sheet.y
    facts = [
        (words.number, invoice.number),
        (words.issued, sheet.notation.day(invoice.issued_on)),
        _due(sheet),
        (words.order, invoice.order_id),
        (words.customer, invoice.customer_id),
        (words.your_vat_id, invoice.customer_vat_id),
        (words.vat_id, invoice.seller.vat_id),
    ]
    sheet.y = 48
    for label, value in facts:
        if value:
            sheet.put(label, _FACTS_LEFT, sheet.y, _FACTS_SPLIT - _FACTS_LEFT - 2, _LABEL)
            sheet.paragraph(value, _FACTS_SPLIT, _RIGHT - _FACTS_SPLIT, _BODY)
            sheet.y += 0.9
    sheet.y = max(sheet.y, below_address)


def _due_minor(invoice: Invoice) -> int:
    return max(0, invoice.total_minor - invoice.paid_minor)


def _due(sheet: _Sheet) -> tuple[str, str]:
    invoice, words = sheet.invoice, sheet.words
    if not _due_minor(invoice):
        return words.payment, words.paid
    if invoice.due_on is None:
        return words.payment, words.on_receipt
    return words.due, sheet.notation.day(invoice.due_on)


def _title(sheet: _Sheet) -> None:
    """The title and, where goods went elsewhere than the bill, that place."""
    invoice, words = sheet.invoice, sheet.words
    sheet.y = max(sheet.y + 4, 97)
    sheet.paragraph(
        f"{words.invoice} {invoice.number}", _LEFT, _WIDTH, _Style(15, bold=True, color=_ACCENT)
    )
    if invoice.ship_to != invoice.bill_to:
        place = ", ".join(sheet.notation.postal_lines(invoice.ship_to))
        sheet.y += 1
        sheet.paragraph(f"{words.ship_to}: {place}", _LEFT, _WIDTH, _BODY)
    sheet.y += 4


# The table


class _Column(NamedTuple):
    x: float
    width: float
    align: _Align


def _columns(layout: Sequence[tuple[float, _Align]]) -> tuple[_Column, ...]:
    edges = [_LEFT]
    for width, _ in layout:
        edges.append(edges[-1] + width)
    return tuple(
        _Column(x + _PAD, width - 2 * _PAD, align)
        for x, (width, align) in zip(edges, layout, strict=False)
    )


_COLUMNS = _columns(
    [(9, "L"), (26, "L"), (53, "L"), (14, "R"), (22, "R"), (12, "R"), (12, "R"), (22, "R")]
)


def _table(sheet: _Sheet) -> None:
    """One row per line; a row stays on one page, and each page repeats the head."""
    _table_head(sheet)
    for line in sheet.invoice.lines:
        _table_row(sheet, line)


def _table_head(sheet: _Sheet) -> None:
    top, height = sheet.y, _HEAD.line_mm + 3
    sheet.panel(_LEFT, top, _WIDTH, height)
    for column, title in zip(_COLUMNS, sheet.words.columns, strict=True):
        sheet.put(title, column.x, top + 1.5, column.width, _HEAD, column.align)
    sheet.y = top + height


def _table_row(sheet: _Sheet, line: PricedLine) -> None:
    cells = [
        sheet.wrapped(text, column.width, _CELL) if column.align == "L" else [text]
        for column, text in zip(_COLUMNS, _row_texts(sheet.notation, line), strict=True)
    ]
    height = max(map(len, cells)) * _CELL.line_mm + 2.4
    if sheet.reserve(height):
        _table_head(sheet)
    top = sheet.y
    for column, texts in zip(_COLUMNS, cells, strict=True):
        for number, text in enumerate(texts):
            y = top + 1.2 + number * _CELL.line_mm
            sheet.put(text, column.x, y, column.width, _CELL, column.align)
    sheet.y = top + height
    sheet.rule(_LEFT, sheet.y, _WIDTH)


def _row_texts(notation: Notation, line: PricedLine) -> list[str]:
    return [
        notation.count(line.line_no),
        line.sku,
        line.name,
        notation.count(line.quantity),
        notation.amount(line.unit_price_minor),
        notation.percent(line.discount_ppm) if line.discount_ppm else "",
        notation.percent(line.tax_rate_ppm),
        notation.amount(line.net_minor),
    ]


# Below the table

_CLOSING_MM = 36.0
"""What the tax note and the payment instructions take."""


def _totals(sheet: _Sheet) -> None:
    """Net, tax per rate, total, paid and due; on one page with how to pay, where that fits."""
    invoice, words, notation = sheet.invoice, sheet.words, sheet.notation
    rows = [(words.net, invoice.net_minor)]
    for tax in invoice.taxes:
        taxable = notation.amount(tax.taxable_minor)
        label = words.tax.format(rate=notation.percent(tax.rate_ppm), taxable=taxable)
        rows.append((label, tax.tax_minor))
    sheet.y += 4
    sheet.reserve(min((len(rows) + 3) * 6.0 + _CLOSING_MM, _BOTTOM / 2))
    for label, amount_minor in rows:
        _total_row(sheet, label, amount_minor, _BODY)
    sheet.rule(_TOTALS_LEFT, sheet.y, _RIGHT - _TOTALS_LEFT)
    _total_row(sheet, words.total, invoice.total_minor, _STRONG)
    _total_row(sheet, words.already_paid, invoice.paid_minor, _BODY)
    _total_row(sheet, words.amount_due, _due_minor(invoice), _Style(10, True, _ACCENT), tinted=True)


def _total_row(
    sheet: _Sheet, label: str, amount_minor: int, style: _Style, *, tinted: bool = False
) -> None:
    height = style.line_mm + 1.7
    sheet.reserve(height)
    top = sheet.y
    if tinted:
        sheet.panel(_TOTALS_LEFT, top, _RIGHT - _TOTALS_LEFT, height)
    left, split, right = _TOTALS_LEFT + _PAD, _TOTALS_SPLIT, _RIGHT - _PAD
    sheet.put(label, left, top + 0.85, split - left - 2, style)
    amount = sheet.notation.money(amount_minor)
    sheet.put(amount, split, top + 0.85, right - split, style, "R")
    sheet.y = top + height


def _tax_note(sheet: _Sheet) -> None:
    """Why no tax is charged: 2006/112/EC art. 226 (11) and (11a) want it said."""
    notes = {
        TaxTreatment.EXEMPT: sheet.words.exempt,
        TaxTreatment.REVERSE_CHARGE: sheet.words.reverse_charge,
    }
    note = notes.get(sheet.invoice.tax_treatment)
    sheet.y += 7
    if note:
        sheet.reserve(_BODY.line_mm)
        sheet.paragraph(note, _LEFT, _WIDTH, _BODY)
        sheet.y += 3


def _payment(sheet: _Sheet) -> None:
    """How to pay what is due, or thanks."""
    invoice, words, notation = sheet.invoice, sheet.words, sheet.notation
    if not _due_minor(invoice):
        sheet.reserve(_BODY.line_mm)
        sheet.paragraph(words.settled, _LEFT, _WIDTH, _BODY)
        return
    sheet.reserve(24)
    ask = words.please_pay if invoice.due_on else words.please_pay_now
    day = notation.day(invoice.due_on) if invoice.due_on else ""
    amount = notation.money(_due_minor(invoice))
    sheet.paragraph(ask.format(amount=amount, day=day), _LEFT, _WIDTH, _STRONG)
    sheet.y += 1
    for label, value in (
        (words.account_holder, invoice.seller.name),
        ("IBAN", grouped_iban(invoice.seller.iban)),
        (words.reference, invoice.number),
    ):
        sheet.put(label, _LEFT, sheet.y, 33, _LABEL)
        sheet.paragraph(value, _LEFT + 35, _WIDTH - 35, _BODY)
        sheet.y += 0.6
