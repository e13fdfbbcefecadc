"""A4 pages of a bill with the seller's letterhead and footer; lengths in mm."""

from activities.documents.letterhead import letterhead
from activities.documents.notation import grouped_iban
from activities.documents.page import ACCENT, LABEL, LEFT, PAGES, SMALL, STRONG, WIDTH, Page
from activities.documents.wording import AnyBill, title_of, words_and_notation


class Sheet(Page):
    """A4 pages of one bill with the seller's letterhead and footer, as PDF/A-3b."""

    def __init__(self, bill: AnyBill) -> None:
        self.bill = bill
        self.words, notation = words_and_notation(bill)
        super().__init__(
            title_of(bill), bill.seller.name, bill.issued_on, notation, compliance="PDF/A-3B"
        )

    def header(self) -> None:
        """Draw the letterhead on the first page, seller and title on the others."""
        seller = self.bill.seller
        if self.page_no() == 1:
            town = f"{seller.postal_code} {seller.city}"
            country = self.notation.country(seller.country)
            letterhead(self, seller.name, [seller.street, town, country])
            return
        half = WIDTH / 2 - 2
        self.put(self.shortened(seller.name, half, STRONG), LEFT, 15, half, STRONG)
        self.put(title_of(self.bill), LEFT + WIDTH / 2, 15, WIDTH / 2, LABEL, "R")
        self.rule(LEFT, 21, WIDTH, ACCENT)
        self.y = 27

    def footer(self) -> None:
        """Draw the seller's data and the page number."""
        seller, words = self.bill.seller, self.words
        ids = ((words.vat_id, seller.vat_id), ("IBAN", grouped_iban(seller.iban)))
        self.rule(LEFT, 271, WIDTH)
        columns = (
            (25.0, 52.0, [seller.name, seller.street]),
            (
                80.0,
                38.0,
                [f"{seller.postal_code} {seller.city}", self.notation.country(seller.country)],
            ),
            (121.0, 50.0, [f"{label} {value}" for label, value in ids if value]),
        )
        for x, width, lines in columns:
            for number, line in enumerate(lines):
                shown = self.shortened(line, width, SMALL)
                self.put(shown, x, 274 + number * 3.8, width, SMALL)
        self.styled("", SMALL)
        self.set_xy(177, 274)
        self.cell(text=words.page.format(page=self.page_no(), pages=PAGES), h=SMALL.line_mm)
