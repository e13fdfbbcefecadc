"""Exports of the ledger: CSV, and plain text checked by beancount."""

import csv
import io
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest
from beancount import loader
from beancount.core import data
from beancount.core.realization import RealAccount, get, realize
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger import reading as ledger_reading
from activities.ledger.posting import post
from models.ledger import Account, Entry, Posting
from models.ledger_export import beancount_name
from models.tables.ledger import AccountRow
from models.tables.masterdata import Company
from tests.support.ledger.journal import CASH, REVENUE, TODAY, book, copy_database, sales

CONTROL: tuple[Literal["C"]] = ("C",)
CHARACTERS = st.characters(exclude_categories=CONTROL)


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated database for one test."""
    opened = copy_database(migrated_file, tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("title", ["=1+1", "+1", "-1", "@SUM(A1)"])
def test_csv_has_no_formulas(database: Database, title: str) -> None:
    """A spreadsheet would execute them; the apostrophe makes them text."""
    sales(database)
    code = Account.ACCOUNTS_RECEIVABLE.value
    database.transaction(
        lambda work: setattr(work.session.get_one(AccountRow, code), "title", title)
    )
    rows = csv.DictReader(io.StringIO(database.read(ledger_reading.export_csv)))
    assert f"'{title}" in {row["title"] for row in rows}


def test_csv_has_row_for_each_posting(database: Database) -> None:
    sales(database)
    book(database, 'a "b", c', CASH, REVENUE, 7, currency="JPY")
    rows = list(csv.DictReader(io.StringIO(database.read(ledger_reading.export_csv))))
    assert len(rows) == 10
    assert rows[0] == {
        "posting_date": "2026-04-30",
        "tax_date": "2026-04-30",
        "posted_at": "2026-07-06T12:00:00+00:00",
        "entry_id": "invoice:1",
        "order_id": "O-1",
        "account": "1200",
        "code": "1200",
        "title": "Accounts receivable",
        "currency": "EUR",
        "debit": "100.00",
        "credit": "0.00",
    }
    assert (rows[-1]["entry_id"], rows[-1]["credit"]) == ('a "b", c', "7")


def bean_check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run beancount's own checker."""
    file = folder / "ledger.beancount"
    file.write_text(text, encoding="utf-8")
    command = (sys.executable, "-m", "beancount.scripts.check", str(file))
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_bean_check_accepts_export_and_verifies_balances(
    database: Database, tmp_path: Path
) -> None:
    """It rejects the export if any amount differs by one minor unit."""
    database.transaction(lambda work: work.session.add(company('Müller "&" Söhne \\')))
    sales(database)
    book(database, 'odd "\\n:1', CASH, REVENUE, 1_001, currency="KWD")
    text = database.read(ledger_reading.export_beancount)
    checked = bean_check(text, tmp_path)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    for right, wrong in (
        ("balance Assets:CashClearing  1.001 ~", "balance Assets:CashClearing  1.002 ~"),
        ("balance Assets:Bank  0.00 ~", "balance Assets:Bank  0.01 ~"),
        ("\n  Assets:CashClearing  1.001 KWD", "\n  Assets:CashClearing  1.002 KWD"),
    ):
        assert text.count(right) == 1
        assert bean_check(text.replace(right, wrong), tmp_path).returncode != 0


def test_empty_ledger_is_exported(database: Database, tmp_path: Path) -> None:
    assert database.read(ledger_reading.export_csv).count("\n") == 1
    text = database.read(ledger_reading.export_beancount)
    assert bean_check(text, tmp_path).returncode == 0
    assert text.count(" open ") == len(Account)


def test_every_account_has_beancount_name() -> None:
    names = {beancount_name(account) for account in Account}
    assert len(names) == len(Account)
    assert {"Assets:AccountsReceivable", "Liabilities:GoodsReceivedNotInvoiced"} <= names
    assert {"Expenses:CostOfGoodsSold", "Income:SalesReturns"} <= names


def company(name: str) -> Company:
    """Build the row of our company."""
    return Company(
        legal_entity="L",
        name=name,
        street="S",
        city="C",
        postal_code="1",
        country="DE",
        vat_id="",
        iban="",
        currency="EUR",
    )


@st.composite
def balanced_entries(draw: st.DrawFn) -> list[tuple[Entry, date]]:
    """Entries of two to six accounts, with unusual ids, on days of several years."""
    built = []
    days = st.dates(date(2020, 1, 1), TODAY)
    words = st.text(
        st.one_of(CHARACTERS, st.sampled_from('"\\\n\t;:')),
        max_size=12,
    )
    for number in range(draw(st.integers(0, 12))):
        accounts = draw(st.lists(st.sampled_from(Account), min_size=2, max_size=6, unique=True))
        amounts = draw(
            st.lists(
                st.integers(-(10**12), 10**12).filter(bool),
                min_size=len(accounts) - 1,
                max_size=len(accounts) - 1,
            )
        )
        amounts.append(-sum(amounts))
        postings = tuple(
            Posting(account=account, amount_minor=amount)
            for account, amount in zip(accounts, amounts, strict=True)
            if amount
        )
        entry_id = f"{draw(words)}-{number}"
        currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
        order_id = draw(st.none() | words)
        one = Entry(entry_id=entry_id, currency=currency, postings=postings, order_id=order_id)
        built.append((one, draw(days)))
    return built


@settings(max_examples=40, deadline=None)
@given(entries=balanced_entries(), name=st.text(CHARACTERS, min_size=1))
def test_beancount_computes_same_balances_from_export(
    migrated_file: Path, entries: list[tuple[Entry, date]], name: str
) -> None:
    """It reads the export of any ledger without errors."""
    with tempfile.TemporaryDirectory() as folder:
        database = copy_database(migrated_file, Path(folder))

        def fill(work: UnitOfWork) -> None:
            work.session.add(company(name))
            for one, occurred_on in entries:
                post(work, one, occurred_on)

        database.transaction(fill)
        text = database.read(ledger_reading.export_beancount)
        balance = database.read(ledger_reading.trial_balance)
        rows = list(csv.DictReader(io.StringIO(database.read(ledger_reading.export_csv))))
        database.close()
    directives, errors, options = loader.load_string(text)
    assert errors == []
    assert options["title"] == name
    ours = {
        (beancount_name(row.code), row.currency): Decimal(row.debit) - Decimal(row.credit)
        for row in balance.accounts
    }
    assert {key: amount for key, amount in ours.items() if amount} == beancount_balances(directives)
    ids = [one.meta["entry"] for one in directives if isinstance(one, data.Transaction)]
    assert sorted(ids) == sorted(one.entry_id for one, _ in entries if one.postings)
    summed: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        key = beancount_name(row["code"]), row["currency"]
        summed[key] += Decimal(row["debit"]) - Decimal(row["credit"])
    assert summed == ours


def beancount_balances(directives: data.Entries) -> dict[tuple[str, str], Decimal]:
    """Return the balances other than zero that beancount computes."""
    root: RealAccount = realize(directives)
    return {
        (name, position.units.currency): position.units.number
        for name in map(beancount_name, Account)
        for position in get(root, name).balance
    }
