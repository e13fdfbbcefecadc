"""Reports of the ledger: balances, statements, the journal and the ageing of receivables."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlmodel import select

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger import reading as ledger_reading
from activities.masterdata.importing import import_folder
from models.errors import InvalidInput, NotFound
from models.ledger import Account
from models.tables.ledger import OpenPeriod
from models.views.ledger import Statement
from tests.support.ledger.journal import (
    CASH,
    RECEIVABLE,
    REVENUE,
    TODAY,
    book,
    copy_database,
    renumber,
    sales,
)
from tests.support.masterdata.shop import write_csv


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated database for one test."""
    opened = copy_database(migrated_file, tmp_path)
    yield opened
    opened.close()


def statement(
    database: Database, account: str, from_: date | None = None, to: date | None = None
) -> Statement:
    """Return the statement of an account."""
    return database.read(lambda s: ledger_reading.statement(s, account, from_, to))


# --- balances ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "receivable"),
    [
        (date(2026, 4, 29), None),
        (date(2026, 4, 30), "100.00"),
        (date(2026, 5, 30), "120.00"),
        (date(2026, 5, 31), "20.00"),
        (None, "23.00"),
    ],
)
def test_trial_balance_includes_postings_through_its_day(
    database: Database, at: date | None, receivable: str | None
) -> None:
    """Only the current balance is compared with the value of the stock."""
    sales(database)
    view = database.read(lambda s: ledger_reading.trial_balance(s, at))
    amounts = {row.code: row.debit for row in view.accounts}
    assert amounts.get(RECEIVABLE.value) == receivable
    assert (view.at, view.balanced) == (at, True)
    assert view.inventory_equals_stock is (None if at else True)


def test_current_trial_balance_shows_difference_from_stock(database: Database) -> None:
    book(database, "opening:X", Account.INVENTORY, Account.OPENING_BALANCE_EQUITY, 5)
    now = database.read(ledger_reading.trial_balance)
    assert (now.balanced, now.inventory_equals_stock) == (False, False)
    assert database.read(lambda s: ledger_reading.trial_balance(s, TODAY)).balanced


def test_trial_balance_keeps_currencies_apart(database: Database) -> None:
    book(database, "a", CASH, REVENUE, 150, currency="JPY")
    book(database, "b", CASH, REVENUE, 1_500, currency="KWD")
    view = database.read(ledger_reading.trial_balance)
    assert [(row.currency, row.debit, row.credit) for row in view.currencies] == [
        ("JPY", "150", "150"),
        ("KWD", "1.500", "1.500"),
    ]


# --- statements --------------------------------------------------------------------------------


def test_statement_runs_from_opening_to_closing_balance(database: Database) -> None:
    sales(database)
    view = statement(database, "accounts_receivable", date(2026, 5, 1), date(2026, 5, 31))
    [euros] = view.currencies
    assert (euros.opening, euros.debit, euros.credit, euros.closing) == (
        *("100.00", "20.00", "100.00", "20.00"),
    )
    assert [(line.entry_id, line.debit, line.credit, line.balance) for line in euros.lines] == [
        ("invoice:2", "20.00", "0.00", "120.00"),
        ("payment:1", "0.00", "100.00", "20.00"),
    ]
    assert {line.order_id for line in euros.lines} == {"O-1"}


def test_statement_without_period_opens_at_zero(database: Database) -> None:
    sales(database)
    [euros] = statement(database, "revenue").currencies
    assert (euros.opening, euros.closing, len(euros.lines)) == ("0.00", "-123.00", 3)


def test_statement_without_postings_keeps_balance(database: Database) -> None:
    sales(database)
    [euros] = statement(database, "1200", date(2026, 6, 2)).currencies
    assert (euros.opening, euros.lines, euros.closing) == ("23.00", (), "23.00")
    assert statement(database, "bank").currencies == ()


@pytest.mark.parametrize(
    ("occurred_on", "expected"),
    [
        (date(1985, 1, 1), TODAY),
        (date(2025, 7, 4), TODAY),
        (date(2025, 7, 5), date(2025, 7, 5)),
        (TODAY, TODAY),
        (date(2026, 7, 7), TODAY),
        (date(2099, 1, 1), TODAY),
    ],
)
def test_implausible_date_counts_as_today(
    database: Database, occurred_on: date, expected: date
) -> None:
    """A date in the future or more than a year ago."""
    book(database, "some", RECEIVABLE, REVENUE, 10, occurred_on)
    [line] = statement(database, "1200").currencies[0].lines
    assert (line.posting_date, line.tax_date) == (expected, expected)


def test_fact_of_closed_period_is_posted_to_open_period(database: Database) -> None:
    """Its tax date stays."""

    def close(work: UnitOfWork) -> None:
        work.session.exec(select(OpenPeriod)).one().open_from = date(2026, 7, 1)

    database.transaction(close)
    book(database, "late", RECEIVABLE, REVENUE, 10, date(2026, 6, 15))
    assert not statement(database, "1200", to=date(2026, 6, 30)).currencies
    [line] = statement(database, "1200", date(2026, 7, 1)).currencies[0].lines
    assert (line.posting_date, line.tax_date) == (date(2026, 7, 1), date(2026, 6, 15))


@pytest.mark.parametrize(
    "account",
    [
        "1200",
        "accounts_receivable",
        "Accounts receivable",
        "ACCOUNTS-RECEIVABLE",
        "debitoren",
        "D-1",
    ],
)
def test_account_is_found_by_number_code_name_or_title(database: Database, account: str) -> None:
    renumber(database, RECEIVABLE, "D-1", "Debitoren")
    assert statement(database, account).code == "1200"


def test_account_number_takes_precedence_over_code(database: Database) -> None:
    renumber(database, CASH, "x", "Kasse")
    renumber(database, RECEIVABLE, "1100", "Debitoren")
    assert statement(database, "1100").code == "1200"
    assert statement(database, "cash_clearing").code == "1100"


@pytest.mark.parametrize("account", ["nowhere", "", "12", "Same"])
def test_error_for_unknown_account_names_command_that_lists_accounts(
    database: Database, account: str
) -> None:
    """A title of two accounts is unknown as well."""
    renumber(database, CASH, "x", "Same")
    renumber(database, RECEIVABLE, "y", "Same")
    with pytest.raises(NotFound, match=r"starter\.py ledger accounts") as error:
        statement(database, account)
    assert error.value.code == "account_unknown"


def test_period_that_ends_before_it_begins_is_rejected(database: Database) -> None:
    days = date(2026, 5, 2), date(2026, 5, 1)
    for read in (
        lambda s: ledger_reading.journal(s, *days),
        lambda s: ledger_reading.statement(s, "bank", *days),
    ):
        with pytest.raises(InvalidInput, match="from: 2026-05-02 is after 2026-05-01"):
            database.read(read)


def test_journal_is_sorted_by_posting_date(database: Database) -> None:
    """Then by time and id, with debits first."""
    sales(database)
    book(database, "invoice:0", RECEIVABLE, REVENUE, 1, date(2026, 5, 1))
    whole = database.read(ledger_reading.journal)
    assert [view.entry_id for view in whole] == [
        *("invoice:1", "invoice:0", "invoice:2", "payment:1", "invoice:3"),
    ]
    assert [(row.code, row.debit, row.credit) for row in whole[3].postings] == [
        ("1100", "100.00", "0.00"),
        ("1200", "0.00", "100.00"),
    ]
    may = database.read(lambda s: ledger_reading.journal(s, date(2026, 5, 1), date(2026, 5, 31)))
    assert may == whole[1:4]


# --- the chart ---------------------------------------------------------------------------------


def test_company_numbers_are_shown_and_codes_stay(database: Database, tmp_path: Path) -> None:
    """In balances, statements, journal, chart and exports."""
    sales(database)
    write_csv(
        tmp_path, "accounts.csv", [{"account": "revenue", "number": "0800", "title": "Erlöse"}]
    )
    import_folder(database, tmp_path)
    balance = database.read(ledger_reading.trial_balance)
    shown = [(row.account, row.code, row.title) for row in balance.accounts]
    assert shown[0] == ("0800", "4000", "Erlöse")
    assert statement(database, "0800").account == "0800"
    assert database.read(ledger_reading.journal)[0].postings[1].account == "0800"
    assert database.read(ledger_reading.chart)[0].role == "revenue"
    text = database.read(ledger_reading.export_beancount)
    assert 'open Income:Revenue\n  number: "0800"\n  title: "Erlöse"' in text
