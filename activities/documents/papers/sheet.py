"""A4 pages of a shipment's papers, with letterhead and footer."""

from activities.documents.letterhead import letterhead
from activities.documents.notation import Notation, written_language
from activities.documents.page import ACCENT, LABEL, LEFT, PAGES, SMALL, STRONG, WIDTH, Page, Style
from activities.documents.papers.blocks import postal_lines
from activities.documents.papers.words import paper_words
from activities.documents.words import WORDS as BILL_WORDS
from models.papers import ShipmentPaper

_TITLE = Style(15, bold=True, color=ACCENT)


class PaperSheet(Page):
    """Pages called `title`, with the letterhead of the location that the shipment leaves from."""

    def __init__(self, paper: ShipmentPaper, title: str, language: str = "en") -> None:
        notation = Notation(written_language(language))
        name = f"{title} {paper.shipment_id}"
        super().__init__(name, paper.ship_from.name, paper.planned_on, notation)
        self.paper, self.name = paper, title
        self.words = paper_words(language)
        self.add_page()

    def head(self) -> None:
        """Draw the title in large letters."""
        self.paragraph(self.name, LEFT, WIDTH, _TITLE)
        self.y += 2

    def header(self) -> None:
        """Draw the letterhead on the first page, sender and title on the others."""
        sender, half = self.paper.ship_from, WIDTH / 2 - 2
        if self.page_no() == 1:
            letterhead(self, sender.name, postal_lines(sender, self.notation)[1:])
            self.y = 36
            return
        self.put(self.shortened(sender.name, half, STRONG), LEFT, 15, half, STRONG)
        name = self.shortened(f"{self.name} {self.paper.shipment_id}", half, LABEL)
        self.put(name, LEFT + WIDTH / 2, 15, WIDTH / 2, LABEL, "R")
        self.rule(LEFT, 21, WIDTH, ACCENT)
        self.y = 27

    def footer(self) -> None:
        """Draw the ids of shipment and order, and the page number."""
        words, paper = self.words, self.paper
        self.rule(LEFT, 271, WIDTH)
        for row, (label, value) in enumerate(
            ((words.shipment, paper.shipment_id), (words.order, paper.order_id))
        ):
            self.put(f"{label} {value}", LEFT, 274 + row * 3.8, 140, SMALL)
        self.styled("", SMALL)
        self.set_xy(177, 274)
        page = BILL_WORDS[self.notation.language].page
        self.cell(text=page.format(page=self.page_no(), pages=PAGES), h=SMALL.line_mm)
