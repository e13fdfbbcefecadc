"""The migrated schema equals the models, and refuses rows that would falsify the record."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, insert, inspect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from activities.database.engine import with_driver
from models.ledger import Account
from models.tables.billing import CreditNoteRow, InvoiceRow, Payment
from models.tables.masterdata import Customer, Location, Product
from models.tables.operations import AuditRow
from models.tables.orders import Order
from models.tables.stock import Reservation, Shortage, Stock, StockMovement
from tests.conftest import DATABASES, new_database
from tests.support.database import postgres
from tests.support.masterdata.shop import unique
from tools.prepare import check_migrations, migrate

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)
TODAY = NOW.date()
UNBALANCED = "the entry does not balance"
SEALED = "the entry is sealed: post a new one"
FOREIGN_KEY = "(?i)foreign key"

Row = tuple[type[SQLModel], dict[str, Any]]
"""A table, and the values of a row of it."""

RECORD = {
    "journal_entries": "posted_at",
    "journal_postings": "amount_minor",
    "invoices": "total_minor",
    "credit_notes": "total_minor",
    "stock_movements": "on_hand_change",
    "audit_trail": "detail",
}
"""The append-only tables, each with a column that an update would falsify."""

MASTER_DATA: tuple[Row, ...] = (
    (Location, {"location": "BER", "name": "Berlin", "country": "DE", "postal_code": "1"}),
    (
        Product,
        {
            **{"sku": "DRILL", "name": "Drill", "unit_price_minor": 100, "currency": "EUR"},
            **{
                "tax_rate_ppm": 190_000,
                "tax_class": "standard",
                "kind": "goods",
                "weight_g": 1,
                "gtin": "",
            },
            **{"length_mm": 1, "width_mm": 1, "height_mm": 1},
        },
    ),
    (
        Customer,
        {
            **{
                "customer_id": "C-1",
                "name": "Ada",
                "email": "ada@example.com",
                "phone": "",
                "country": "DE",
            },
            **{"payment_preference": "card", "credit_limit_minor": 0, "status": "active"},
            **{"vat_id": "", "tax_treatment": "standard", "language": "en"},
            **{"street": "", "city": "", "postal_code": ""},
        },
    ),
    (
        Order,
        {
            **{"order_id": "O-1", "customer_id": "C-1", "channel": "online", "terms": "prepaid"},
            **{"delivery": "complete", "currency": "EUR", "ship_to": {}, "bill_to": {}},
            **{
                "tax_case": "domestic",
                "prices_include_tax": False,
                "digest": "d",
                "workflow_id": "order-O-1",
            },
            **{"net_minor": 100, "total_minor": 119, "document": {}},
            **{"placed_at": NOW, "stage_since": NOW, "updated_at": NOW},
        },
    ),
)
BILL = {
    **{"order_id": "O-1", "currency": "EUR", "net_minor": 100, "total_minor": 119},
    **{"issued_on": TODAY, "content": {}},
}
DOCUMENTS: tuple[Row, ...] = (
    (InvoiceRow, {**BILL, "number": "INV-1", "customer_id": "C-1"}),
    (CreditNoteRow, {**BILL, "number": "CN-1", "invoice_number": "INV-1", "reason": ""}),
    (
        StockMovement,
        {
            **{"movement_id": "M-1", "sku": "DRILL", "location": "BER", "kind": "opening"},
            **{"on_hand_change": 1, "reserved_change": 0, "value_change_minor": 1},
            **{"cause": "opening", "recorded_at": NOW},
        },
    ),
    (
        AuditRow,
        {
            **{"order_id": "O-1", "entry_no": 1, "event": "recorded", "detail": ""},
            **{"actor": "customer", "source": "online", "reason": "", "recorded_at": NOW},
            "hash": "h",
        },
    ),
)


def connect(url: str) -> Engine:
    """Open a database without the application's own layer."""
    engine = create_engine(with_driver(url))
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def enforce_foreign_keys(connection: DBAPIConnection, _: object) -> None:
            connection.cursor().execute("PRAGMA foreign_keys=ON")

    return engine


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated database without business data, on SQLite and on PostgreSQL."""
    return new_database(request.param, request, tmp_path)


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    """A migrated database with a location, a product, a customer and an order."""
    engine = connect(url)
    write(engine, *MASTER_DATA)
    yield engine
    engine.dispose()


def execute(database: Engine, statements: str) -> None:
    """Execute the statements in one transaction."""
    with database.begin() as connection:
        for statement in statements.split(";\n"):
            connection.exec_driver_sql(statement)


def write(database: Engine, *of: Row) -> None:
    """Insert rows in one transaction."""
    with database.begin() as connection:
        for table, values in of:
            connection.execute(insert(table).values(values))


def post(
    database: Engine,
    *postings: tuple[str, int],
    currency: str = "EUR",
    header: str = "EUR",
    on: str = TODAY.isoformat(),
) -> None:
    """Write entry E-1 as the ledger does: postings, then the header that seals them."""
    lines = [
        f"INSERT INTO journal_postings VALUES ('E-1', '{account}', '{currency}', {amount_minor})"
        for account, amount_minor in postings
    ]
    entry = f"INSERT INTO journal_entries VALUES ('E-1', '{header}', NULL, '{NOW}', '{on}', '{on}')"
    execute(database, ";\n".join([*lines, entry]))


def rows(database: Engine, table: str) -> list[tuple[object, ...]]:
    """Read every row of a table."""
    with database.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]


def stock(database: Engine, *, on_hand: int, reserved: int = 0, value_minor: int = 0) -> None:
    """Write a stock row."""
    counters = {"on_hand": on_hand, "reserved": reserved, "value_minor": value_minor}
    write(database, (Stock, {"sku": "DRILL", "location": "BER", **counters}))


def schema(url: str) -> dict[str, object]:
    """Describe every table by its columns, keys, constraints and indexes."""
    engine = connect(url)
    found = inspect(engine)
    described: dict[str, object] = {
        table: {
            "columns": by_name(
                {**column, "type": str(column["type"])} for column in found.get_columns(table)
            ),
            "primary key": found.get_pk_constraint(table),
            "foreign keys": by_name(found.get_foreign_keys(table)),
            "unique": by_name(found.get_unique_constraints(table)),
            "checks": by_name(found.get_check_constraints(table)),
            "indexes": by_name(
                {**index, "dialect_options": str_of(index.get("dialect_options", {}))}
                for index in found.get_indexes(table)
            ),
        }
        for table in found.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return described


def str_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Compare options by their text: SQLAlchemy's conditions are never equal."""
    return {name: str(option) for name, option in options.items()}


def by_name(parts: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Compare parts of a table whatever their order: a later migration appends columns."""
    return {part["name"]: part for part in parts}


# --- the schema ---------------------------------------------------------------------------------


def test_alembic_finds_no_difference_between_migrations_and_models() -> None:
    check_migrations()


def test_migrations_create_exactly_the_schema_of_the_models(
    url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Alembic compares neither CHECK constraints nor primary keys, defaults and names."""
    if url.startswith("sqlite"):
        modelled_url = f"sqlite:///{tmp_path / 'models.db'}"
    else:
        server = request.getfixturevalue("postgresql_server")
        modelled_url = postgres.create_database(server, unique("models"))
    engine = connect(modelled_url)
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    assert schema(url) == schema(modelled_url)


def test_second_migration_run_changes_nothing(url: str) -> None:
    engine, filled = connect(url), ("alembic_version", "accounts", "open_period")
    before = schema(url), [rows(engine, table) for table in filled]
    migrate(url)
    assert (schema(url), [rows(engine, table) for table in filled]) == before
    engine.dispose()


def test_chart_of_accounts_equals_the_ledgers(database: Engine) -> None:
    chart = [(account.value, account.label, account.value) for account in Account]
    assert sorted(rows(database, "accounts")) == sorted(chart)


def test_every_period_is_open_at_first(database: Engine) -> None:
    post(database, ("1000", 1), ("3000", -1), on="0001-01-01")
    assert len(rows(database, "journal_entries")) == 1


# --- the ledger ---------------------------------------------------------------------------------


def test_balanced_entry_is_accepted(database: Engine) -> None:
    post(database, ("1000", 100), ("1400", 19), ("3000", -119))
    assert len(rows(database, "journal_postings")) == 3


@pytest.mark.parametrize(
    "postings",
    [
        [("1000", 100), ("3000", -99)],
        [("1000", 100)],
        [("3000", -1)],
        [("1000", 1), ("1400", 1), ("3000", -1)],
        [],
    ],
)
def test_unbalanced_or_empty_entry_is_refused(
    database: Engine, postings: list[tuple[str, int]]
) -> None:
    with pytest.raises(IntegrityError, match=UNBALANCED):
        post(database, *postings)
    assert not rows(database, "journal_postings")


@pytest.mark.parametrize(("currency", "header"), [("USD", "EUR"), ("EUR", "USD")])
def test_entry_in_another_currency_than_its_postings_is_refused(
    database: Engine, currency: str, header: str
) -> None:
    with pytest.raises(IntegrityError, match=UNBALANCED):
        post(database, ("1000", 1), ("3000", -1), currency=currency, header=header)


def test_postings_in_two_currencies_do_not_balance(database: Engine) -> None:
    entry = f"""
        INSERT INTO journal_postings VALUES ('E-1', '1000', 'EUR', 1);
        INSERT INTO journal_postings VALUES ('E-1', '3000', 'USD', -1);
        INSERT INTO journal_entries VALUES ('E-1', 'EUR', NULL, '{NOW}', '{TODAY}', '{TODAY}')
    """
    with pytest.raises(IntegrityError, match=UNBALANCED):
        execute(database, entry)


def test_posting_to_a_sealed_entry_is_refused(database: Engine) -> None:
    post(database, ("1000", 1), ("3000", -1))
    for account in ("1400", "1000"):
        posting = f"INSERT INTO journal_postings VALUES ('E-1', '{account}', 'EUR', 5)"
        with pytest.raises(IntegrityError, match=SEALED):
            execute(database, posting)


def test_posting_without_its_entry_cannot_be_committed(database: Engine) -> None:
    with pytest.raises(IntegrityError, match=FOREIGN_KEY):
        execute(database, "INSERT INTO journal_postings VALUES ('E-1', '1000', 'EUR', 1)")


def test_posting_of_zero_is_refused(database: Engine) -> None:
    with pytest.raises(IntegrityError, match="ck_journal_postings_amount_not_zero"):
        post(database, ("1000", 0))


def test_posting_to_an_unknown_account_is_refused(database: Engine) -> None:
    with pytest.raises(IntegrityError, match=FOREIGN_KEY):
        post(database, ("1000", 1), ("9999", -1))


def test_entry_is_posted_once(database: Engine) -> None:
    post(database, ("1000", 1), ("3000", -1))
    with pytest.raises(IntegrityError):
        post(database, ("1000", 1), ("3000", -1))


def test_entry_in_a_closed_period_is_refused(database: Engine) -> None:
    execute(database, "UPDATE open_period SET open_from = '2026-07-01'")
    with pytest.raises(IntegrityError, match="the period is closed"):
        post(database, ("1000", 1), ("3000", -1), on="2026-06-30")
    assert not rows(database, "journal_postings")
    post(database, ("1000", 1), ("3000", -1), on="2026-07-01")


# --- the append-only record ---------------------------------------------------------------------


@pytest.mark.parametrize("table", RECORD)
@pytest.mark.parametrize(
    "change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"]
)
def test_recorded_row_cannot_be_changed_or_deleted(
    database: Engine, table: str, change: str
) -> None:
    write(database, *DOCUMENTS)
    post(database, ("1000", 1), ("3000", -1))
    before = rows(database, table)
    assert before
    refusal = re.escape(f"{table} is append-only: reverse it instead")
    with pytest.raises(IntegrityError, match=refusal):
        execute(database, change.format(table=table, column=RECORD[table]))
    assert rows(database, table) == before


def test_order_has_at_most_one_invoice_of_the_whole(database: Engine) -> None:
    write(database, *DOCUMENTS)
    with pytest.raises(IntegrityError, match=r"invoices(_whole_order|\.order_id)"):
        write(database, (InvoiceRow, {**BILL, "number": "INV-2", "customer_id": "C-1"}))


# --- stock, money and quantities ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("on_hand", "reserved", "value_minor", "constraint"),
    [
        (5, 6, 0, "available_not_negative"),
        (5, -1, 0, "available_not_negative"),
        (-1, 0, 0, "available_not_negative"),
        (0, 1, 0, "available_not_negative"),
        (5, 0, -1, "value_not_negative"),
        (0, 0, 1, "nothing_is_worth_nothing"),
    ],
)
def test_impossible_stock_is_refused(
    database: Engine, on_hand: int, reserved: int, value_minor: int, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=f"ck_stock_{constraint}"):
        stock(database, on_hand=on_hand, reserved=reserved, value_minor=value_minor)


@pytest.mark.parametrize(
    ("on_hand", "reserved", "value_minor"), [(0, 0, 0), (5, 0, 0), (5, 5, 10**15), (1, 0, 1)]
)
def test_possible_stock_is_accepted(
    database: Engine, on_hand: int, reserved: int, value_minor: int
) -> None:
    stock(database, on_hand=on_hand, reserved=reserved, value_minor=value_minor)
    assert rows(database, "stock") == [("DRILL", "BER", on_hand, reserved, value_minor)]


@pytest.mark.parametrize(
    "change", ["reserved = 11", "on_hand = 3", "value_minor = -1", "on_hand = 0, reserved = 0"]
)
def test_stock_cannot_become_impossible(database: Engine, change: str) -> None:
    stock(database, on_hand=10, reserved=4, value_minor=100)
    with pytest.raises(IntegrityError, match="ck_stock"):
        execute(database, f"UPDATE stock SET {change}")


def test_stock_of_an_unknown_product_is_refused(database: Engine) -> None:
    with pytest.raises(IntegrityError, match=FOREIGN_KEY):
        execute(database, "INSERT INTO stock VALUES ('NOPE', 'BER', 1, 0, 0)")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE orders SET paid_minor = -1", "ck_orders_paid_not_negative"),
        ("UPDATE products SET unit_price_minor = -1", "ck_products_unit_price_not_negative"),
    ],
)
def test_negative_amount_is_refused(database: Engine, change: str, constraint: str) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        execute(database, change)


OF_THE_ORDER = {"order_id": "O-1", "line_no": 1, "sku": "DRILL", "location": "BER"}


@pytest.mark.parametrize(
    ("table", "values", "constraint"),
    [
        (
            Payment,
            {
                **{"payment_id": "P-1", "amount_minor": 0, "currency": "EUR", "method": "card"},
                **{"applied_minor": 0, "received_at": NOW},
            },
            "ck_payments_amount_above_zero",
        ),
        (
            Reservation,
            {**OF_THE_ORDER, "quantity": 0, "state": "held"},
            "ck_reservations_quantity_above_zero",
        ),
        (
            Shortage,
            {
                **{**OF_THE_ORDER, "shortage_id": "S-1", "quantity": 5, "filled": 6},
                **{"state": "open", "promised_at": NOW},
            },
            "ck_shortages_filled_within_quantity",
        ),
    ],
)
def test_impossible_quantity_or_payment_is_refused(
    database: Engine, table: type[SQLModel], values: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        write(database, (table, values))
