"""The ledger as CLI and API show it.

Amounts are decimal strings in the currency's own number of decimals. `account` is the number in the
company's chart of accounts; `code` is ours and never changes.
"""

from collections.abc import Collection
from datetime import date, datetime
from enum import StrEnum

from models.base import Payload
from models.errors import NotFound
from models.ledger import AccountKind, account_named


class AccountView(Payload):
    """One account of the chart."""

    account: str
    code: str
    role: str
    """The name in imports and commands, such as `accounts_receivable`."""
    title: str
    kind: AccountKind


def find_account(chart: Collection[AccountView], given: str) -> AccountView:
    """Find an account by number, code, role or title.

    A number takes precedence over the code of another account.
    Raises NotFound, also for a title that several accounts have.
    """
    for account in chart:
        if account.account == given:
            return account
    if named := account_named(given):
        return next(account for account in chart if account.code == named)
    titled = [a for a in chart if a.title.casefold() == given.strip().casefold()]
    if len(titled) == 1:
        return titled[0]
    problem = "several accounts are called" if titled else "there is no account"
    hint = "`starter.py ledger accounts` lists them"
    raise NotFound("account_unknown", f"{problem} {given!r}: {hint}")


class AccountBalance(Payload):
    """One account of the trial balance."""

    account: str
    code: str
    title: str
    kind: AccountKind
    currency: str
    debit: str
    credit: str


class CurrencyBalance(Payload):
    """The sums of debits and credits in one currency."""

    currency: str
    debit: str
    credit: str


class TrialBalance(Payload):
    """The balance of every account at the end of the day `at`, or of all postings.

    `balanced`: debits equal credits in each currency, and the inventory account equals the value of
    the stock.
    """

    at: date | None
    balanced: bool
    inventory_equals_stock: bool | None
    """None: not compared, as only the current value of the stock is known."""
    currencies: tuple[CurrencyBalance, ...]
    accounts: tuple[AccountBalance, ...]


class StatementLine(Payload):
    """One posting to the account, and the account's balance after it: a credit is below zero."""

    posting_date: date
    tax_date: date
    entry_id: str
    order_id: str | None
    debit: str
    credit: str
    balance: str


class CurrencyStatement(Payload):
    """An account's postings in one currency: opening + debit - credit = closing."""

    currency: str
    opening: str
    lines: tuple[StatementLine, ...]
    debit: str
    credit: str
    closing: str


class Statement(Payload):
    """The postings to an account from one day to another, both included; None: no limit."""

    account: str
    code: str
    title: str
    kind: AccountKind
    from_date: date | None
    to_date: date | None
    currencies: tuple[CurrencyStatement, ...]


class PostingView(Payload):
    """One posting of an entry."""

    account: str
    code: str
    title: str
    debit: str
    credit: str


class JournalEntryView(Payload):
    """One entry of the general ledger."""

    entry_id: str
    order_id: str | None
    posting_date: date
    tax_date: date
    posted_at: datetime
    currency: str
    postings: tuple[PostingView, ...]
    """Debits first."""


class ExportFormat(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    BEANCOUNT = "beancount"


class TaxFormat(StrEnum):
    """The formats of the tax report."""

    JSON = "json"
    CSV = "csv"


class AgeingBucket(StrEnum):
    """The ranges of days overdue."""

    CURRENT = "current"
    TO_30 = "1-30"
    TO_60 = "31-60"
    TO_90 = "61-90"
    OVER_90 = "over 90"


class OpenInvoice(Payload):
    """An invoice with an amount due; `due` is its due date, or its day of issue without one."""

    customer_id: str
    order_id: str
    invoice_number: str
    issued: date
    due: date
    days_overdue: int
    bucket: AgeingBucket
    currency: str
    amount: str
    dunning_level: int


class CustomerAgeing(Payload):
    """The receivables of one customer by days overdue."""

    customer_id: str
    currency: str
    buckets: dict[AgeingBucket, str]
    total: str


class CurrencyAgeing(Payload):
    """The receivables of all customers by days overdue, and the ledger's Accounts receivable."""

    currency: str
    buckets: dict[AgeingBucket, str]
    total: str
    ledger: str


class Ageing(Payload):
    """Open receivables as of a day."""

    today: date
    equals_ledger: bool
    """The totals equal Accounts receivable in every currency."""
    totals: tuple[CurrencyAgeing, ...]
    customers: tuple[CustomerAgeing, ...]
    invoices: tuple[OpenInvoice, ...]


class TaxRow(Payload):
    """The net amount and the tax of one rate in a country; below zero: more was credited."""

    country: str
    category: str
    rate_percent: str
    currency: str
    net: str
    tax: str


class CurrencyTax(Payload):
    """The tax of a period in one currency, and what was posted to Tax payable."""

    currency: str
    net: str
    tax: str
    ledger: str


class TaxReport(Payload):
    """The tax of a period by country, category and rate; None: no limit."""

    from_date: date | None
    to_date: date | None
    equals_ledger: bool
    """The totals equal the postings to Tax payable in every currency."""
    rows: tuple[TaxRow, ...]
    totals: tuple[CurrencyTax, ...]
