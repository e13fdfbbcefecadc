"""Export the ledger as CSV and as plain text for beancount (https://beancount.github.io)."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from models.ledger import Account, AccountKind
from models.money import decimals, format_amount, parse_scaled
from models.views.ledger import AccountView, JournalEntryView, PostingView, TaxReport

COLUMNS = (
    *("posting_date", "tax_date", "posted_at", "entry_id", "order_id"),
    *("account", "code", "title", "currency", "debit", "credit"),
)
ROOTS = {
    AccountKind.ASSET: "Assets",
    AccountKind.LIABILITY: "Liabilities",
    AccountKind.EQUITY: "Equity",
    AccountKind.INCOME: "Income",
    AccountKind.EXPENSE: "Expenses",
}
OPENING_OF_EMPTY_LEDGER = date(1970, 1, 1)
"""The opening date of the accounts if nothing was posted."""
ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


def csv_text(entries: Iterable[JournalEntryView]) -> str:
    """Write one row for each posting, under a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        days = (entry.posting_date, entry.tax_date, entry.posted_at.isoformat())
        for row in entry.postings:
            account = (_as_text(row.account), row.code, _as_text(row.title))
            amounts = (entry.currency, row.debit, row.credit)
            writer.writerow((*days, entry.entry_id, entry.order_id, *account, *amounts))
    return text.getvalue()


TAX_COLUMNS = ("from", "to", "country", "category", "rate_percent", "currency", "net", "tax")


def tax_csv(report: TaxReport) -> str:
    """Write one row for each country, category and rate, under a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TAX_COLUMNS)
    for row in report.rows:
        days = (report.from_date or "", report.to_date or "")
        writer.writerow((*days, *(getattr(row, name) for name in TAX_COLUMNS[2:])))
    return text.getvalue()


def _as_text(text: str) -> str:
    """Prefix an apostrophe to text that a spreadsheet would execute as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def beancount_text(
    company: tuple[str, str] | None,
    accounts: Sequence[AccountView],
    entries: Sequence[JournalEntryView],
) -> str:
    """Write a ledger for beancount, with balance assertions that `bean-check` verifies.

    The balance of each account in each currency is asserted exactly, for the morning after the last
    posting. `company`: its name and currency. `entries`: ordered by posting date.
    """
    first = entries[0].posting_date if entries else OPENING_OF_EMPTY_LEDGER
    parts = [
        _options(company),
        *(_open_directive(account, first) for account in accounts),
        *(_transaction(entry) for entry in entries),
    ]
    if entries:
        parts.append("\n".join(_balance_assertions(accounts, entries)))
    return "\n\n".join(filter(None, parts)) + "\n"


def beancount_name(code: str) -> str:
    """Return the name of an account in beancount: `Assets:AccountsReceivable`."""
    account = Account(code)
    return f"{ROOTS[account.kind]}:{account.name.title().replace('_', '')}"


def _options(company: tuple[str, str] | None) -> str:
    if company is None:
        return ""
    title, currency = company
    return f'option "title" {_quoted(title)}\noption "operating_currency" "{currency}"'


def _open_directive(account: AccountView, day: date) -> str:
    return (
        f"{day} open {beancount_name(account.code)}\n"
        f"  number: {_quoted(account.account)}\n"
        f"  title: {_quoted(account.title)}"
    )


def _transaction(entry: JournalEntryView) -> str:
    kind, _, key = entry.entry_id.partition(":")
    narration = f"{kind.replace('_', ' ').capitalize()} {key}".strip()
    lines = [
        f"{entry.posting_date} * {_quoted(narration)}",
        f"  entry: {_quoted(entry.entry_id)}",
        *([f"  order: {_quoted(entry.order_id)}"] if entry.order_id else []),
        f"  tax_date: {entry.tax_date}",
    ]
    for posting in entry.postings:
        amount = format_amount(_signed_minor(posting, entry.currency), entry.currency)
        lines.append(f"  {beancount_name(posting.code)}  {amount} {entry.currency}")
    return "\n".join(lines)


def _balance_assertions(
    accounts: Sequence[AccountView], entries: Sequence[JournalEntryView]
) -> Iterator[str]:
    balances: dict[tuple[str, str], int] = defaultdict(int)
    for entry in entries:
        for row in entry.postings:
            balances[row.code, entry.currency] += _signed_minor(row, entry.currency)
    morning = entries[-1].posting_date + timedelta(days=1)
    currencies = sorted({entry.currency for entry in entries})
    for account in accounts:
        for currency in currencies:
            amount = format_amount(balances[account.code, currency], currency)
            # without "~ 0" beancount tolerates a difference of one minor unit
            yield f"{morning} balance {beancount_name(account.code)}  {amount} ~ 0 {currency}"


def _signed_minor(posting: PostingView, currency: str) -> int:
    digits = decimals(currency)
    return parse_scaled(posting.debit, digits) - parse_scaled(posting.credit, digits)


def _quoted(text: str) -> str:
    return f'"{text.translate(ESCAPES)}"'
