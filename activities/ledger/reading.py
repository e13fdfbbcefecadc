"""Reading the ledger: balances, statements, the journal, exports and the ageing of receivables."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import ColumnElement, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from activities.ledger.ageing import read_ageing
from activities.ledger.tax_report import read_tax
from models.errors import FieldError, InvalidInput
from models.ledger import Account
from models.ledger_export import beancount_text, csv_text
from models.money import format_amount
from models.tables.ledger import AccountRow, JournalEntry, JournalPosting
from models.tables.masterdata import Company
from models.tables.stock import Stock
from models.views.ledger import (
    AccountBalance,
    AccountView,
    Ageing,
    CurrencyBalance,
    CurrencyStatement,
    ExportFormat,
    JournalEntryView,
    PostingView,
    Statement,
    StatementLine,
    TaxReport,
    TrialBalance,
    find_account,
)


@dataclass(frozen=True)
class Posted:
    """A posting with the header of its entry."""

    posting_date: date
    tax_date: date
    posted_at: datetime
    entry_id: str
    order_id: str | None
    code: str
    currency: str
    amount_minor: int


def chart(session: Session) -> list[AccountView]:
    """Return the chart of accounts, sorted by number."""
    return sorted(_accounts(session).values(), key=lambda account: account.account)


def trial_balance(session: Session, at: date | None = None) -> TrialBalance:
    """Return the balance of every account with postings up to and including the day `at`."""
    days = [col(JournalEntry.posting_date) <= at] if at else []
    accounts, sums = _accounts(session), _sums(session, *days)
    debited: dict[str, int] = defaultdict(int)
    credited: dict[str, int] = defaultdict(int)
    for (_, currency), balance in sums.items():
        (debited if balance > 0 else credited)[currency] += abs(balance)
    currencies = sorted({**debited, **credited})
    equals_stock = None
    if at is None:
        inventory = (sum_ for (code, _), sum_ in sums.items() if code == Account.INVENTORY.value)
        stock_minor = session.exec(select(func.sum(Stock.value_minor))).one() or 0
        equals_stock = sum(inventory) == int(stock_minor)
    balanced = all(debited[currency] == credited[currency] for currency in currencies)
    by_number = sorted(sums, key=lambda key: (accounts[key[0]].account, key[1]))
    return TrialBalance(
        at=at,
        balanced=balanced and equals_stock is not False,
        inventory_equals_stock=equals_stock,
        currencies=tuple(
            CurrencyBalance(
                currency=currency,
                debit=format_amount(debited[currency], currency),
                credit=format_amount(credited[currency], currency),
            )
            for currency in currencies
        ),
        accounts=tuple(
            AccountBalance(
                **accounts[code].model_dump(exclude={"role"}),
                currency=currency,
                debit=_debit(sums[code, currency], currency),
                credit=_credit(sums[code, currency], currency),
            )
            for code, currency in by_number
        ),
    )


def statement(
    session: Session, account: str, from_: date | None = None, to: date | None = None
) -> Statement:
    """Return the postings to an account from one day to another, both included, with balances.

    `account`: number, code, title, or name such as `accounts_receivable`. Raises NotFound, and
    InvalidInput for a period that ends before it begins.
    """
    _check_period(from_, to)
    found = find_account(_accounts(session).values(), account)
    opening: dict[str, int] = {}
    if from_:
        of_account = col(JournalPosting.account) == found.code
        before = _sums(session, of_account, col(JournalEntry.posting_date) < from_)
        opening = {currency: minor for (_, currency), minor in before.items()}
    by_currency: dict[str, list[Posted]] = defaultdict(list)
    for posted in _posted(session, from_, to, found.code):
        by_currency[posted.currency].append(posted)
    currencies = {currency for currency, minor in opening.items() if minor} | set(by_currency)
    return Statement(
        **found.model_dump(exclude={"role"}),
        from_date=from_,
        to_date=to,
        currencies=tuple(
            _currency_statement(currency, opening.get(currency, 0), by_currency[currency])
            for currency in sorted(currencies)
        ),
    )


def journal(
    session: Session, from_: date | None = None, to: date | None = None
) -> list[JournalEntryView]:
    """Return the entries from one day to another, both included, by posting date.

    Raises InvalidInput for a period that ends before it begins.
    """
    _check_period(from_, to)
    accounts = _accounts(session)
    views = []
    for _, group in groupby(_posted(session, from_, to), key=lambda posted: posted.entry_id):
        rows = list(group)
        head = rows[0]
        views.append(
            JournalEntryView(
                entry_id=head.entry_id,
                order_id=head.order_id,
                posting_date=head.posting_date,
                tax_date=head.tax_date,
                posted_at=head.posted_at,
                currency=head.currency,
                postings=tuple(_posting_view(row, accounts[row.code]) for row in rows),
            )
        )
    return views


def export(session: Session, format_: ExportFormat) -> str:
    """Export the whole ledger as text."""
    return export_csv(session) if format_ is ExportFormat.CSV else export_beancount(session)


def export_csv(session: Session) -> str:
    """Export one row for each posting; see `models.ledger_export`."""
    return csv_text(journal(session))


def export_beancount(session: Session) -> str:
    """Export a ledger that `bean-check` verifies; see `models.ledger_export`."""
    company = session.exec(select(Company.name, Company.currency)).one_or_none()
    return beancount_text(company, chart(session), journal(session))


def ageing(session: Session, today: date, as_of: date | None = None) -> Ageing:
    """Return the receivables by days overdue, now or at the end of the day `as_of`.

    Raises InvalidInput for a day that hasn't come yet.
    """
    if as_of is not None and as_of > today:
        raise InvalidInput([FieldError("as_of", f"{as_of} hasn't come yet: today is {today}")])
    return read_ageing(session, today, as_of)


def tax(session: Session, from_: date | None = None, to: date | None = None) -> TaxReport:
    """Return the tax of a period by country, category and rate, both days included.

    Raises InvalidInput for a period that ends before it begins.
    """
    _check_period(from_, to)
    return read_tax(session, from_, to)


def _accounts(session: Session) -> dict[str, AccountView]:
    return {
        row.code: AccountView(
            account=row.number,
            code=row.code,
            role=Account(row.code).role,
            title=row.title,
            kind=Account(row.code).kind,
        )
        for row in session.exec(select(AccountRow))
    }


def _check_period(from_: date | None, to: date | None) -> None:
    if from_ and to and from_ > to:
        raise InvalidInput([FieldError("from", f"{from_} is after {to}, the end of the period")])


def _sums(session: Session, *conditions: ColumnElement[bool]) -> dict[tuple[str, str], int]:
    """Sum the postings by account code and currency."""
    query = (
        select(
            JournalPosting.account,
            JournalPosting.currency,
            func.sum(JournalPosting.amount_minor),
        )
        .join(JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
        .where(*conditions)
        .group_by(col(JournalPosting.account), col(JournalPosting.currency))
    )
    return {(code, currency): int(sum_) for code, currency, sum_ in session.exec(query)}


def _posted(
    session: Session, from_: date | None, to: date | None, code: str | None = None
) -> list[Posted]:
    """Read postings by posting date, then time of writing; debits of an entry first."""
    query = select_columns(
        col(JournalEntry.posting_date),
        col(JournalEntry.tax_date),
        col(JournalEntry.posted_at),
        col(JournalEntry.entry_id),
        col(JournalEntry.order_id),
        col(JournalPosting.account),
        col(JournalPosting.currency),
        col(JournalPosting.amount_minor),
    ).join(JournalPosting, col(JournalPosting.entry_id) == col(JournalEntry.entry_id))
    if from_:
        query = query.where(col(JournalEntry.posting_date) >= from_)
    if to:
        query = query.where(col(JournalEntry.posting_date) <= to)
    if code:
        query = query.where(col(JournalPosting.account) == code)
    rows = [Posted(*row) for row in session.execute(query)]
    return sorted(  # not by the database: collations differ
        rows,
        key=lambda row: (
            *(row.posting_date, row.posted_at, row.entry_id),
            *(row.amount_minor < 0, row.code),
        ),
    )


def _currency_statement(
    currency: str, opening_minor: int, rows: Sequence[Posted]
) -> CurrencyStatement:
    lines, balance_minor = [], opening_minor
    for row in rows:
        balance_minor += row.amount_minor
        lines.append(
            StatementLine(
                posting_date=row.posting_date,
                tax_date=row.tax_date,
                entry_id=row.entry_id,
                order_id=row.order_id,
                debit=_debit(row.amount_minor, currency),
                credit=_credit(row.amount_minor, currency),
                balance=format_amount(balance_minor, currency),
            )
        )
    return CurrencyStatement(
        currency=currency,
        opening=format_amount(opening_minor, currency),
        lines=tuple(lines),
        debit=format_amount(sum(max(0, row.amount_minor) for row in rows), currency),
        credit=format_amount(sum(max(0, -row.amount_minor) for row in rows), currency),
        closing=format_amount(balance_minor, currency),
    )


def _posting_view(row: Posted, account: AccountView) -> PostingView:
    return PostingView(
        account=account.account,
        code=account.code,
        title=account.title,
        debit=_debit(row.amount_minor, row.currency),
        credit=_credit(row.amount_minor, row.currency),
    )


def _debit(balance_minor: int, currency: str) -> str:
    return format_amount(max(0, balance_minor), currency)


def _credit(balance_minor: int, currency: str) -> str:
    return format_amount(max(0, -balance_minor), currency)
