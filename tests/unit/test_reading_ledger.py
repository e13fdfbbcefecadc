"""Reports of the ledger: balances, statements, exports and the ageing of receivables."""

import csv
import io
import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from beancount import loader
from beancount.core import data
from beancount.core.realization import RealAccount, get, realize
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

import starter
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger import reading as ledger_reading
from activities.ledger.posting import post
from activities.masterdata.importing import import_folder
from api import problems
from api.ledger import ledger_router
from models.customers import TaxTreatment
from models.errors import InvalidInput, NotFound
from models.ledger import Account, Entry, Posting, entry
from models.ledger_export import beancount_name
from models.money import parse_amount
from models.orders import Channel, Delivery, Terms
from models.progress import Cancellation
from models.tables.billing import InvoiceRow
from models.tables.ledger import AccountRow, OpenPeriod
from models.tables.masterdata import Company
from models.tables.orders import Order
from models.views.ledger import Ageing, AgeingBucket, ExportFormat, Statement
from tests.support.rules import RULES
from tests.support.shop import write_csv, write_shop
from tools.prepare import migrate

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)
TODAY = NOW.date()
RECEIVABLE, REVENUE, CASH = Account.ACCOUNTS_RECEIVABLE, Account.REVENUE, Account.CASH_CLEARING


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without rows, as a template."""
    path = tmp_path_factory.mktemp("template") / "orders.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated database for one test."""
    shutil.copy(template, tmp_path / "orders.db")
    opened = Database(f"sqlite:///{tmp_path / 'orders.db'}", RULES, lambda: NOW)
    yield opened
    opened.close()


def book(
    database: Database,
    entry_id: str,
    debit: Account,
    credit: Account,
    amount_minor: int,
    occurred_on: date = TODAY,
    currency: str = "EUR",
) -> None:
    """Post an entry of two postings for order O-1."""
    built = entry(entry_id, currency, {debit: amount_minor}, {credit: amount_minor}, "O-1")
    database.transaction(lambda work: post(work, built, occurred_on))


def sales(database: Database) -> None:
    """Post a sale in each of three months; the first is paid in the second month."""
    book(database, "invoice:1", RECEIVABLE, REVENUE, 10_000, date(2026, 4, 30))
    book(database, "invoice:2", RECEIVABLE, REVENUE, 2_000, date(2026, 5, 1))
    book(database, "payment:1", CASH, RECEIVABLE, 10_000, date(2026, 5, 31))
    book(database, "invoice:3", RECEIVABLE, REVENUE, 300, date(2026, 6, 1))


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


def renumber(database: Database, account: Account, number: str, title: str) -> None:
    """Set the company's number and title of an account."""

    def change(work: UnitOfWork) -> None:
        row = work.session.get_one(AccountRow, account.value)
        row.number, row.title = number, title

    database.transaction(change)


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


# --- exports -----------------------------------------------------------------------------------


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
    address = {"street": "S", "city": "C", "postal_code": "1", "country": "DE"}
    return Company(legal_entity="L", name=name, vat_id="", iban="", currency="EUR", **address)


@st.composite
def balanced_entries(draw: st.DrawFn) -> list[tuple[Entry, date]]:
    """Entries of two to six accounts, with unusual ids, on days of several years."""
    built = []
    days = st.dates(date(2020, 1, 1), TODAY)
    words = st.text(
        st.one_of(st.characters(exclude_categories=("C",)), st.sampled_from('"\\\n\t;:')),
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
        entry_id = f"{draw(words)}{number}"
        currency = draw(st.sampled_from(["EUR", "JPY", "KWD"]))
        order_id = draw(st.none() | words)
        one = Entry(entry_id=entry_id, currency=currency, postings=postings, order_id=order_id)
        built.append((one, draw(days)))
    return built


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    entries=balanced_entries(), name=st.text(st.characters(exclude_categories=("C",)), min_size=1)
)
def test_beancount_computes_same_balances_from_export(
    template: Path, entries: list[tuple[Entry, date]], name: str
) -> None:
    """It reads the export of any ledger without errors."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(template, f"{folder}/orders.db")
        database = Database(f"sqlite:///{folder}/orders.db", RULES, lambda: NOW)

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


# --- ageing of receivables ---------------------------------------------------------------------


def owe(
    database: Database,
    order_id: str,
    due_on: date | None,
    *,
    customer_id: str = "C-1",
    total_minor: int = 10_000,
    invoiced: bool = True,
    posted: bool = True,
    **sums: int,
) -> None:
    """Record an order with its invoice, and post its receivable."""
    row = Order(
        order_id=order_id,
        customer_id=customer_id,
        channel=Channel.ONLINE,
        terms=Terms.NET30,
        delivery=Delivery.COMPLETE,
        currency="EUR",
        ship_to={},
        bill_to={},
        requested_delivery_date=None,
        tax_treatment=TaxTreatment.STANDARD,
        digest="",
        workflow_id=f"order-{order_id}",
        net_minor=total_minor,
        total_minor=total_minor,
        document={},
        placed_at=NOW,
        updated_at=NOW,
        **sums,
    )
    invoice = InvoiceRow(
        number=f"INV-{order_id}",
        order_id=order_id,
        customer_id=customer_id,
        currency="EUR",
        net_minor=total_minor,
        total_minor=total_minor,
        issued_on=date(2026, 5, 1),
        due_on=due_on,
        content={},
    )

    def change(work: UnitOfWork) -> None:
        work.session.add(row)
        work.session.flush()
        if invoiced:
            work.session.add(invoice)

    database.transaction(change)
    get = sums.get
    amount_minor = total_minor + get("fees_minor", 0) - get("credited_minor", 0)
    amount_minor += get("payable_minor", 0) - get("paid_minor", 0) - get("forgiven_minor", 0)
    if posted and invoiced and amount_minor > 0:
        book(database, f"invoice:{order_id}", RECEIVABLE, REVENUE, amount_minor)


@pytest.fixture
def customers(database: Database, tmp_path: Path) -> Database:
    """The database with two customers."""
    for customer_id in ("C-1", "C-2"):
        write_shop(tmp_path / customer_id, "DRILL", customer_id, 0)
        import_folder(database, tmp_path / customer_id)
    return database


def ageing(database: Database) -> Ageing:
    """Return the ageing as of today."""
    return database.read(lambda s: ledger_reading.ageing(s, TODAY))


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-1, "current"),
        (0, "current"),
        (1, "1-30"),
        (30, "1-30"),
        (31, "31-60"),
        (60, "31-60"),
        (61, "61-90"),
        (90, "61-90"),
        (91, "over 90"),
        (4000, "over 90"),
    ],
)
def test_invoice_is_in_bucket_of_its_days_overdue(
    customers: Database, days: int, bucket: str
) -> None:
    owe(customers, "O-1", TODAY - timedelta(days=days))
    view = ageing(customers)
    [row] = view.invoices
    assert (row.bucket, row.days_overdue, row.amount) == (bucket, max(0, days), "100.00")
    [total] = view.totals
    assert {name: amount for name, amount in total.buckets.items() if amount != "0.00"} == {
        AgeingBucket(bucket): "100.00"
    }
    assert (total.total, total.ledger, view.equals_ledger) == ("100.00", "100.00", True)


def test_invoice_without_due_date_is_due_when_issued(customers: Database) -> None:
    owe(customers, "O-1", None)
    [row] = ageing(customers).invoices
    assert (row.due, row.issued, row.bucket) == (date(2026, 5, 1), date(2026, 5, 1), "61-90")


def test_receivable_is_invoiced_amount_less_payments_and_credits(customers: Database) -> None:
    """Fees and cancelled orders are included; refunds that we owe are not receivables."""
    owe(customers, "PART", TODAY, paid_minor=4_000)
    owe(customers, "PAID", TODAY, paid_minor=10_000)
    owe(customers, "FEES", TODAY, fees_minor=500, dunning_level=1)
    owe(customers, "GONE", TODAY, forgiven_minor=10_000)
    owe(customers, "BACK", TODAY, credited_minor=3_000, payable_minor=0)
    owe(customers, "REFUND", TODAY, paid_minor=10_000, credited_minor=3_000, payable_minor=3_000)
    owe(customers, "NOTYET", TODAY, invoiced=False)
    owe(customers, "CANCELLED", TODAY, cancellation=Cancellation.DONE, fees_minor=1)
    view = ageing(customers)
    assert {row.order_id: row.amount for row in view.invoices} == {
        "PART": "60.00",
        "FEES": "105.00",
        "BACK": "70.00",
        "CANCELLED": "100.01",
    }
    assert {row.order_id: row.dunning_level for row in view.invoices}["FEES"] == 1
    assert view.equals_ledger


def test_ageing_has_totals_by_customer_and_currency(customers: Database) -> None:
    owe(customers, "O-1", TODAY - timedelta(days=40))
    owe(customers, "O-2", TODAY, customer_id="C-2")
    owe(customers, "O-3", TODAY)
    view = ageing(customers)
    assert [row.order_id for row in view.invoices] == ["O-1", "O-3", "O-2"]
    assert [(row.customer_id, row.total) for row in view.customers] == [
        ("C-1", "200.00"),
        ("C-2", "100.00"),
    ]
    assert view.totals[0].buckets[AgeingBucket.TO_60] == "100.00"
    assert view.totals[0].total == "300.00"


def test_ageing_shows_difference_from_ledger(customers: Database) -> None:
    """In both directions, and in a currency without open invoices."""
    owe(customers, "O-1", TODAY, posted=False)
    assert not ageing(customers).equals_ledger
    book(customers, "invoice:O-1", RECEIVABLE, REVENUE, 10_000)
    assert ageing(customers).equals_ledger
    book(customers, "x", RECEIVABLE, REVENUE, 5, currency="USD")
    view = ageing(customers)
    assert not view.equals_ledger
    assert [(row.currency, row.total, row.ledger) for row in view.totals] == [
        ("EUR", "100.00", "100.00"),
        ("USD", "0.00", "0.05"),
    ]


# --- API and CLI -------------------------------------------------------------------------------


@pytest.fixture
async def api(customers: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The ledger's routes alone."""
    app = FastAPI()
    problems.install(app)
    app.include_router(ledger_router(customers, lambda: NOW))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def test_api_shows_reports(api: httpx.AsyncClient, customers: Database) -> None:
    sales(customers)
    at = (await api.get("/ledger/trial-balance", params={"at": "2026-04-30"})).json()
    assert (at["balanced"], at["currencies"][0]["debit"]) == (True, "100.00")
    june = {"account": "accounts_receivable", "from": "2026-06-01", "to": "2026-06-30"}
    shown = (await api.get("/ledger/statement", params=june)).json()
    assert shown["currencies"][0]["closing"] == "23.00"
    journal = (await api.get("/ledger/journal", params={"to": "2026-04-30"})).json()
    assert [row["entry_id"] for row in journal] == ["invoice:1"]
    assert len((await api.get("/ledger/accounts")).json()) == len(Account)
    text = await api.get("/ledger/export")
    assert text.headers["content-type"].startswith("text/csv")
    assert text.text == customers.read(ledger_reading.export_csv)
    plain = await api.get("/ledger/export", params={"format": "beancount"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert "Assets:AccountsReceivable" in plain.text
    assert (await api.get("/receivables/ageing")).json()["equals_ledger"] is False


@pytest.mark.parametrize(
    ("path", "field", "reason"),
    [
        ("/ledger/trial-balance?at=soon", "at", "'soon' is not a date such as 2026-12-31"),
        ("/ledger/trial-balance?at=1893456000", "at", "is not a date such as"),
        ("/ledger/statement?account=bank&from=2026-02-30", "from", "day value is outside"),
        ("/ledger/journal?from=2026-02-02&to=2026-02-01", "from", "is after 2026-02-01"),
        ("/ledger/export?format=xls", "format", "'csv' or 'beancount'"),
        ("/ledger/statement", "account", "required"),
    ],
)
async def test_api_rejects_invalid_parameters(
    api: httpx.AsyncClient, path: str, field: str, reason: str
) -> None:
    answer = await api.get(path)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert reason in error["reason"]
    assert not error["reason"].startswith("Value error")


async def test_unknown_account_is_404(api: httpx.AsyncClient) -> None:
    answer = await api.get("/ledger/statement", params={"account": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_unknown")


@pytest.fixture
def run(
    customers: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Run":
    """The CLI on this database."""
    monkeypatch.setenv("DATABASE_URL", customers.url)
    return Run(monkeypatch, capsys)


class Run:
    """Calls `starter.py` and returns exit status, standard output and standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["starter.py", *words])
        self._capsys.readouterr()
        status = starter.main()
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err


def test_cli_shows_reports(run: Run, customers: Database) -> None:
    sales(customers)
    status, text, _ = run("ledger", "trial-balance", "--at", "2026-05-31")
    assert (status, "balanced at the end of 2026-05-31" in text) == (0, True)
    status, text, _ = run("ledger", "statement", "1200", "--from", "2026-05-01")
    assert status == 0
    assert "opening balance" in text
    assert "23.00" in text
    status, text, _ = run("ledger", "statement", "--to", "2026-04-30")
    assert text.splitlines() == [
        "2026-04-30 invoice:1 (O-1)",
        "    1200 Accounts receivable  100.00         EUR",
        "    4000 Revenue                      100.00 EUR",
    ]
    status, text, _ = run("ledger", "statement", "--json")
    assert len(json.loads(text)) == 4
    status, text, _ = run("ledger", "accounts")
    assert "accounts_receivable" in text


def test_export_replaces_file_completely(run: Run, customers: Database, tmp_path: Path) -> None:
    """Without a file it is printed; no other file remains."""
    sales(customers)
    expected = customers.read(lambda s: ledger_reading.export(s, ExportFormat.BEANCOUNT))
    assert run("ledger", "export", "--format", "beancount")[1] == expected
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "books").write_text("old")
    status, text, _ = run(
        "ledger", "export", "--format", "beancount", "--out", str(folder / "books")
    )
    assert (status, text) == (0, f"beancount written to {folder / 'books'}\n")
    assert (folder / "books").read_text() == expected
    assert [path.name for path in folder.iterdir()] == ["books"]
    for nowhere in (folder, folder / "no" / "file"):
        assert run("ledger", "export", "--out", str(nowhere))[0] == 2


def test_ageing_exits_with_1_if_it_differs_from_ledger(run: Run, customers: Database) -> None:
    assert run("receivables", "ageing")[:2] == (0, "nothing is due\n")
    owe(customers, "O-1", date(2026, 5, 31), posted=False)
    status, text, _ = run("receivables", "ageing")
    assert status == 1
    assert "NOT what the ledger says: 0.00 EUR" in text
    book(customers, "invoice:O-1", RECEIVABLE, REVENUE, 10_000)
    status, text, _ = run("receivables", "ageing", "--json")
    assert (status, json.loads(text)["equals_ledger"]) == (0, True)
    assert parse_amount(json.loads(text)["totals"][0]["total"], "EUR") == 10_000


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("trial-balance", "--at", "soon"), 2, "soon"),
        (("statement", "--from", "2026-13-01"), 2, "2026-13-01"),
        (("statement", "--from", "2026-02-02", "--to", "2026-02-01"), 1, "is after 2026-02-01"),
        (("statement", "nowhere"), 1, "ledger accounts"),
        (("export", "--format", "xls"), 2, "xls"),
    ],
)
def test_cli_rejects_invalid_arguments(
    run: Run, words: tuple[str, ...], status: int, reason: str
) -> None:
    exit_status, text, _ = run("ledger", *words, "--json")
    assert exit_status == status
    assert reason in json.loads(text)["detail"]
