"""What CLI and API show of the ledger. Amounts are decimal strings in the currency's own number of
decimals; `account` is an account's number in the company's chart, `code` is ours and stays.
"""

from datetime import date, datetime
from enum import StrEnum

from models.base import Payload
from models.ledger import AccountKind


class AccountView(Payload):
    """One account of the chart."""

    account: str
    code: str
    role: str
    """Its name in imports and commands, such as `accounts_receivable`."""
    title: str
    kind: AccountKind


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
    """All debits and credits of one currency."""

    currency: str
    debit: str
    credit: str


class TrialBalance(Payload):
    """Every account's balance, at the end of the day `at` or of all that was posted; balanced when
    debits equal credits in each currency and the inventory account equals the value of the stock.
    """

    at: date | None
    balanced: bool
    inventory_equals_stock: bool | None
    """None: it wasn't compared, as the value of the stock is known of now only."""
    currencies: tuple[CurrencyBalance, ...]
    accounts: tuple[AccountBalance, ...]


class StatementLine(Payload):
    """One posting to the account; `balance` is the account's after it, a credit below zero."""

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
    """An account's postings of a period; without days, of all time."""

    account: str
    code: str
    title: str
    kind: AccountKind
    from_date: date | None
    to_date: date | None
    currencies: tuple[CurrencyStatement, ...]


class PostingView(Payload):
    """One line of an entry."""

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
    """What the ledger is exported as."""

    CSV = "csv"
    BEANCOUNT = "beancount"


class AgeingBucket(StrEnum):
    """By how many days an invoice is overdue."""

    CURRENT = "current"
    TO_30 = "1-30"
    TO_60 = "31-60"
    TO_90 = "61-90"
    OVER_90 = "over 90"


class OpenInvoice(Payload):
    """An invoice of which something is due; `due` is its day of issue where it had no other."""

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
    """What a customer owes, by how long it is overdue."""

    customer_id: str
    currency: str
    buckets: dict[AgeingBucket, str]
    total: str


class CurrencyAgeing(Payload):
    """What all customers owe, and the ledger's Accounts receivable."""

    currency: str
    buckets: dict[AgeingBucket, str]
    total: str
    ledger: str


class Ageing(Payload):
    """Open receivables as of a day."""

    today: date
    equals_ledger: bool
    """The totals are those of Accounts receivable, in every currency."""
    totals: tuple[CurrencyAgeing, ...]
    customers: tuple[CustomerAgeing, ...]
    invoices: tuple[OpenInvoice, ...]
