"""Reconciliation of documents: characters that no font had when they were mailed."""

from dataclasses import replace

from sqlmodel import Session, col, select

from activities.billing.reading import issued_bill
from activities.documents.rendering import MailedDocument, name_of, render
from activities.returns.reading import return_paper
from models.documents import DocumentRules
from models.errors import TemplateBroken
from models.findings import UNPRINTABLE, Difference, undecided_difference, unprintable_difference
from models.tables.operations import Finding


def unprintable_documents(session: Session) -> list[MailedDocument]:
    """Read the documents with an open finding about characters."""
    subjects = session.exec(
        select(Finding.subject).where(
            col(Finding.gone_at).is_(None), col(Finding.finding_id).startswith(f"{UNPRINTABLE}:")
        )
    ).all()
    found = (issued_bill(session, name) or return_paper(session, name) for name in subjects)
    return [document for document in found if document is not None]


def compare_document(document: MailedDocument, rules: DocumentRules) -> Difference | None:
    """Render a document with the fonts of today; None if they have all of its characters."""
    try:
        unprintable = render(document, replace(rules, prints_marks=True)).unprintable
    except TemplateBroken as error:
        return undecided_difference(name_of(document), error.message)
    return unprintable_difference(name_of(document), unprintable) if unprintable else None
