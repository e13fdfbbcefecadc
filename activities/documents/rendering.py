"""The documents that customers get by mail."""

from activities.documents.bills import render_bill
from activities.documents.papers import render_return_label
from models.billing import CreditNote, Invoice
from models.documents import DocumentRules, Printed
from models.papers import ReturnPaper

MailedDocument = Invoice | CreditNote | ReturnPaper


def render(document: MailedDocument, rules: DocumentRules) -> Printed:
    """Render an invoice, a credit note or the label of a return. Raises TemplateBroken."""
    if isinstance(document, ReturnPaper):
        return render_return_label(document, rules)
    return render_bill(document, rules)


def name_of(document: MailedDocument) -> str:
    """Return the number of a bill, or the id of a return."""
    return document.return_id if isinstance(document, ReturnPaper) else document.number
