"""The migrated schema equals the models, and refuses rows that would falsify the record."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

import models.tables  # noqa: F401  # fills the metadata
from activities.database.engine import normalised
from models.ledger import Account
from tests.conftest import DATABASES, new_database
from tests.support import postgres
from tests.support.shop import unique
from tools.prepare import check_migrations, migrate

NOW = "2026-07-06 12:00:00"
TODAY = "2026-07-06"
UNBALANCED = "the entry does not balance"
SEALED = "the entry is sealed: post a new one"
FOREIGN_KEY = "(?i)foreign key"

RECORD = {
    "journal_entries": "posted_at",
    "journal_postings": "amount_minor",
    "invoices": "total_minor",
    "credit_notes": "total_minor",
    "stock_movements": "on_hand_change",
    "audit_trail": "detail",
}
"""The append-only tables, each with a column that an update would falsify."""

MASTER_DATA = f"""
    INSERT INTO locations (location, name, country, postal_code) VALUES ('BER', 'Berlin', 'DE', '10115');
    INSERT INTO products (sku, name, unit_price_minor, currency, tax_rate_ppm,
        weight_g, length_mm, width_mm, height_mm, gtin)
        VALUES ('DRILL', 'Drill', 100, 'EUR', 190000, 1, 1, 1, 1, '');
    INSERT INTO customers (customer_id, name, email, phone, country, payment_preference,
        credit_limit_minor, status, vat_id, tax_treatment, language, street, city, postal_code)
        VALUES ('C-1', 'Ada', 'a@b', '', 'DE', 'card', 0, 'active', '', 'standard', 'en',
            '', '', '');
    INSERT INTO orders (order_id, customer_id, channel, terms, delivery, currency, ship_to,
        bill_to, tax_treatment, digest, workflow_id, net_minor, total_minor, paid_minor,
        deposit_minor, refunded_minor, credit_accepted, allocated, stage, cancellation,
        cancel_reason, version, document, placed_at, updated_at)
        VALUES ('O-1', 'C-1', 'online', 'prepaid', 'complete', 'EUR', '{{}}', '{{}}', 'standard',
            'd', 'order-O-1', 100, 119, 0, 0, 0, false, false, 'received', 'none', '', 1,
            '{{}}', '{NOW}', '{NOW}')
"""
DOCUMENTS = f"""
    INSERT INTO invoices (number, order_id, customer_id, currency, net_minor, total_minor,
        issued_on, content) VALUES ('INV-1', 'O-1', 'C-1', 'EUR', 100, 119, '2026-07-06', '{{}}');
    INSERT INTO credit_notes (number, invoice_number, order_id, currency, net_minor, total_minor,
        reason, issued_on, content)
        VALUES ('CN-1', 'INV-1', 'O-1', 'EUR', 100, 119, '', '2026-07-06', '{{}}');
    INSERT INTO stock_movements (movement_id, sku, location, kind, on_hand_change,
        reserved_change, value_change_minor, cause, recorded_at)
        VALUES ('M-1', 'DRILL', 'BER', 'opening', 1, 0, 1, 'opening', '{NOW}');
    INSERT INTO audit_trail (order_id, event, detail, recorded_at)
        VALUES ('O-1', 'recorded', '', '{NOW}')
"""


def connect(url: str) -> Engine:
    """Open a database without the application's own layer."""
    engine = create_engine(normalised(url))
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
    execute(engine, MASTER_DATA)
    yield engine
    engine.dispose()


def execute(database: Engine, statements: str) -> None:
    """Execute the statements in one transaction."""
    with database.begin() as connection:
        for statement in statements.split(";\n"):
            connection.exec_driver_sql(statement)


def post(
    database: Engine,
    *postings: tuple[str, int],
    currency: str = "EUR",
    header: str = "EUR",
    on: str = TODAY,
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
    execute(
        database,
        "INSERT INTO stock (sku, location, on_hand, reserved, value_minor) "
        f"VALUES ('DRILL', 'BER', {on_hand}, {reserved}, {value_minor})",
    )


def schema(url: str) -> dict[str, object]:
    """Describe every table by its columns, keys, constraints and indexes."""
    engine = connect(url)
    found = inspect(engine)
    described = {
        table: {
            "columns": by_name(
                {**column, "type": str(column["type"])} for column in found.get_columns(table)
            ),
            "primary key": found.get_pk_constraint(table),
            "foreign keys": by_name(found.get_foreign_keys(table)),
            "unique": by_name(found.get_unique_constraints(table)),
            "checks": by_name(found.get_check_constraints(table)),
            "indexes": by_name(found.get_indexes(table)),
        }
        for table in found.get_table_names()
        if table != "alembic_version"
    }
    engine.dispose()
    return described


def by_name(parts: Iterator[dict[str, object]] | list[dict[str, object]]) -> dict[object, object]:
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
    engine, tables = connect(url), ("alembic_version", "accounts", "open_period")
    before = schema(url), [rows(engine, table) for table in tables]
    migrate(url)
    assert (schema(url), [rows(engine, table) for table in tables]) == before
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
    execute(database, DOCUMENTS)
    post(database, ("1000", 1), ("3000", -1))
    before = rows(database, table)
    assert before
    refusal = re.escape(f"{table} is append-only: reverse it instead")
    with pytest.raises(IntegrityError, match=refusal):
        execute(database, change.format(table=table, column=RECORD[table]))
    assert rows(database, table) == before


def test_order_has_at_most_one_invoice(database: Engine) -> None:
    execute(database, DOCUMENTS)
    invoice = "INSERT INTO invoices SELECT 'INV-2', order_id, customer_id, currency, net_minor, "
    with pytest.raises(IntegrityError, match=r"invoices[._]order_id"):
        execute(database, invoice + "total_minor, issued_on, due_on, content FROM invoices")


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
    ("row", "constraint"),
    [
        ("UPDATE orders SET paid_minor = -1", "ck_orders_paid_not_negative"),
        ("UPDATE products SET unit_price_minor = -1", "ck_products_unit_price_not_negative"),
        (
            "INSERT INTO payments (payment_id, amount_minor, currency, method, applied_minor, "
            f"received_at) VALUES ('P-1', 0, 'EUR', 'card', 0, '{NOW}')",
            "ck_payments_amount_above_zero",
        ),
        (
            "INSERT INTO reservations (order_id, line_no, location, sku, quantity, state) "
            "VALUES ('O-1', 1, 'BER', 'DRILL', 0, 'held')",
            "ck_reservations_quantity_above_zero",
        ),
        (
            "INSERT INTO shortages (shortage_id, order_id, line_no, sku, location, quantity, "
            "filled, state, promised_at) "
            f"VALUES ('S-1', 'O-1', 1, 'DRILL', 'BER', 5, 6, 'open', '{NOW}')",
            "ck_shortages_filled_within_quantity",
        ),
    ],
)
def test_impossible_amount_or_quantity_is_refused(
    database: Engine, row: str, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        execute(database, row)
