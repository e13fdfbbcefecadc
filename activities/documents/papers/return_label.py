"""Return labels on A6: the label, then a page listing the goods; lengths in mm."""

from activities.documents.codes import draw_code
from activities.documents.notation import Notation, written_language
from activities.documents.page import INK, STRONG, Page, Style
from activities.documents.papers.blocks import address_block
from activities.documents.papers.label import A6_MM, CAPTION, EDGE, INNER, label_fact
from activities.documents.papers.words import PaperWords, paper_words
from activities.documents.table import Table, columns
from models.papers import ReturnPaper

_TITLE = Style(15, bold=True)
_LAYOUT = columns([(27, "L"), (54, "L"), (14, "R")], EDGE)


class _ReturnPages(Page):
    """Pages with the return's number at the top, from the second on."""

    def __init__(self, paper: ReturnPaper) -> None:
        self.paper = paper
        self.words = paper_words(paper.language)
        title = f"{self.words.return_label} {paper.return_id}"
        super().__init__(
            title,
            paper.from_address.name,
            paper.authorised_on,
            Notation(written_language(paper.language)),
            size=A6_MM,
            bottom=A6_MM[1] - EDGE,
        )

    def header(self) -> None:
        if self.page_no() > 1:
            number = f"{self.words.return_number} {self.paper.return_id}"
            self.put(self.shortened(number, INNER, STRONG), EDGE, EDGE, INNER, STRONG)
            self.rule(EDGE, 11, INNER, INK)
            self.y = 14


def return_label_pdf(paper: ReturnPaper) -> bytes:
    """Render the label with its number as barcode, then the pages to put into the package."""
    page = _ReturnPages(paper)
    page.add_page()
    _label(page, paper, page.words)
    page.add_page()
    page.paragraph(page.words.enclosed, EDGE, INNER, STRONG)
    page.paragraph(page.words.enclose_this, EDGE, INNER, Style(8))
    page.y += 3
    count = page.notation.count
    Table(_LAYOUT, page.words.return_titles).draw(
        page, ([line.sku, line.name, count(line.quantity)] for line in paper.lines)
    )
    return bytes(page.output())


def _label(page: Page, paper: ReturnPaper, words: PaperWords) -> None:
    day = page.notation.day
    page.put(words.sender, EDGE, 4, 20, CAPTION)
    page.y = 7
    address_block(page, paper.from_address, EDGE, 54, 20, 8)
    page.put(words.return_label, 60, 4, 40, _TITLE, "R")
    page.rule(EDGE, 29, INNER, INK)
    page.put(words.receiver, EDGE, 30, 20, CAPTION)
    page.y = 34
    address_block(page, paper.to_address, EDGE, INNER, 41, 15)
    page.rule(EDGE, 77, INNER, INK)
    page.y = 79
    label_fact(page, words.return_number, paper.return_id)
    label_fact(page, words.order, paper.order_id)
    label_fact(page, words.authorised_on, day(paper.authorised_on))
    label_fact(page, words.valid_until, day(paper.valid_until))
    page.rule(EDGE, 98, INNER, INK)
    draw_code(page, paper.return_id, EDGE, 102, INNER, 38)
