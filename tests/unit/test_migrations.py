"""The migrated database itself refuses what would falsify the record."""

import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from models.ledger import Account
from tools.prepare import alembic_config, check_migrations, migrate

NOW = "2026-07-06 12:00:00"
TODAY = "2026-07-06"
UNBALANCED = "the entry does not balance"
SEALED = "the entry is sealed: post a new one"

RECORD = {
    "journal_entries": "posted_at",
    "journal_postings": "amount_minor",
    "invoices": "total_minor",
    "credit_notes": "total_minor",
    "stock_movements": "on_hand_change",
    "audit_trail": "detail",
}
"""What is append-only, with a column somebody might want to mend."""

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
        cancel_reason, version, placed_at, updated_at)
        VALUES ('O-1', 'C-1', 'online', 'prepaid', 'complete', 'EUR', '{{}}', '{{}}', 'standard',
            'd', 'order-O-1', 100, 119, 0, 0, 0, 0, 0, 'received', 'none', '', 1,
            '{NOW}', '{NOW}');
"""
THE_RECORD = f"""
    INSERT INTO invoices (number, order_id, customer_id, currency, net_minor, total_minor,
        issued_on, content) VALUES ('INV-1', 'O-1', 'C-1', 'EUR', 100, 119, '2026-07-06', '{{}}');
    INSERT INTO credit_notes (number, invoice_number, order_id, currency, net_minor, total_minor,
        reason, issued_on) VALUES ('CN-1', 'INV-1', 'O-1', 'EUR', 100, 119, '', '2026-07-06');
    INSERT INTO stock_movements (movement_id, sku, location, kind, on_hand_change,
        reserved_change, value_change_minor, cause, recorded_at)
        VALUES ('M-1', 'DRILL', 'BER', 'opening', 1, 0, 1, 'opening', '{NOW}');
    INSERT INTO audit_trail (order_id, event, detail, recorded_at)
        VALUES ('O-1', 'recorded', '', '{NOW}');
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without rows, to copy."""
    path = tmp_path_factory.mktemp("template") / "orders.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A migrated database with a product, a customer and an order: the bare driver, no layer of
    ours in between."""
    shutil.copy(template, tmp_path / "orders.db")
    connection = sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
    connection.execute("PRAGMA foreign_keys=ON")
    connection.executescript(MASTER_DATA)
    yield connection
    connection.close()


def post(
    database: sqlite3.Connection,
    *postings: tuple[str, int],
    currency: str = "EUR",
    header: str = "EUR",
    on: str = TODAY,
) -> None:
    """Write entry E-1 as the ledger does: postings, then the header that seals them."""
    database.execute("BEGIN")
    try:
        for account, amount_minor in postings:
            row = ("E-1", account, currency, amount_minor)
            database.execute("INSERT INTO journal_postings VALUES (?, ?, ?, ?)", row)
        database.execute(
            "INSERT INTO journal_entries VALUES ('E-1', ?, NULL, ?, ?, ?)",
            (header, NOW, on, on),
        )
        database.execute("COMMIT")
    except sqlite3.IntegrityError:
        database.execute("ROLLBACK")
        raise


def rows(database: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    """All of a table."""
    return database.execute(f"SELECT * FROM {table}").fetchall()


def stock(
    database: sqlite3.Connection, *, on_hand: int, reserved: int = 0, value_minor: int = 0
) -> None:
    """Write a stock row."""
    database.execute(
        "INSERT INTO stock (sku, location, on_hand, reserved, value_minor) "
        "VALUES ('DRILL', 'BER', ?, ?, ?)",
        (on_hand, reserved, value_minor),
    )


def test_the_migrations_make_exactly_the_tables_of_the_models() -> None:
    check_migrations()


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    url, path = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "orders.db"
    migrate(url)
    with sqlite3.connect(path) as connection:
        before = list(connection.iterdump())
    migrate(url)
    with sqlite3.connect(path) as connection:
        assert list(connection.iterdump()) == before


def test_the_chart_of_accounts_is_the_ledgers(database: sqlite3.Connection) -> None:
    chart = [(account.value, account.label, account.value) for account in Account]
    assert sorted(rows(database, "accounts")) == sorted(chart)


# --- the ledger --------------------------------------------------------------------------------


def test_a_balanced_entry_is_taken(database: sqlite3.Connection) -> None:
    post(database, ("1000", 100), ("1400", 19), ("3000", -119))
    assert len(rows(database, "journal_postings")) == 3


@pytest.mark.parametrize(
    "postings",
    [
        [("1000", 100), ("3000", -99)],
        [("1000", 100)],
        [("3000", -1)],
        [("1000", 1), ("1400", 1), ("3000", -1)],
    ],
)
def test_an_unbalanced_entry_is_refused(
    database: sqlite3.Connection, postings: list[tuple[str, int]]
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=UNBALANCED):
        post(database, *postings)
    assert not rows(database, "journal_postings")


def test_an_entry_without_postings_is_refused(database: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=UNBALANCED):
        post(database)


@pytest.mark.parametrize(("currency", "header"), [("USD", "EUR"), ("EUR", "USD")])
def test_an_entry_in_another_currency_than_its_postings_is_refused(
    database: sqlite3.Connection, currency: str, header: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=UNBALANCED):
        post(database, ("1000", 1), ("3000", -1), currency=currency, header=header)


def test_postings_of_two_currencies_do_not_balance(database: sqlite3.Connection) -> None:
    database.execute("BEGIN")
    database.execute("INSERT INTO journal_postings VALUES ('E-1', '1000', 'EUR', 1)")
    database.execute("INSERT INTO journal_postings VALUES ('E-1', '3000', 'USD', -1)")
    with pytest.raises(sqlite3.IntegrityError, match=UNBALANCED):
        database.execute(
            f"INSERT INTO journal_entries VALUES ('E-1', 'EUR', NULL, '{NOW}', '{TODAY}', '{TODAY}')"
        )


def test_a_posting_to_a_sealed_entry_is_refused(database: sqlite3.Connection) -> None:
    post(database, ("1000", 1), ("3000", -1))
    for account in ("1400", "1000"):
        posting = f"INSERT INTO journal_postings VALUES ('E-1', '{account}', 'EUR', 5)"
        with pytest.raises(sqlite3.IntegrityError, match=SEALED):
            database.execute(posting)


def test_a_posting_without_its_entry_cannot_be_committed(database: sqlite3.Connection) -> None:
    database.execute("BEGIN")
    database.execute("INSERT INTO journal_postings VALUES ('E-1', '1000', 'EUR', 1)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        database.execute("COMMIT")


def test_a_posting_of_nothing_is_refused(database: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="ck_journal_postings_amount_not_zero"):
        post(database, ("1000", 0))


def test_a_posting_to_an_unknown_account_is_refused(database: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        post(database, ("1000", 1), ("9999", -1))


def test_an_entry_can_be_posted_once(database: sqlite3.Connection) -> None:
    post(database, ("1000", 1), ("3000", -1))
    with pytest.raises(sqlite3.IntegrityError):
        post(database, ("1000", 1), ("3000", -1))


# --- what is written stays ---------------------------------------------------------------------


@pytest.mark.parametrize("table", RECORD)
@pytest.mark.parametrize(
    "change", ["UPDATE {table} SET {column} = {column}", "DELETE FROM {table}"]
)
def test_what_is_recorded_cannot_be_changed_or_deleted(
    database: sqlite3.Connection, table: str, change: str
) -> None:
    database.executescript(THE_RECORD)
    post(database, ("1000", 1), ("3000", -1))
    before = rows(database, table)
    assert before
    refusal = re.escape(f"{table} is append-only: reverse it instead")
    with pytest.raises(sqlite3.IntegrityError, match=refusal):
        database.execute(change.format(table=table, column=RECORD[table]))
    assert rows(database, table) == before


def test_an_entry_into_a_closed_period_is_refused(database: sqlite3.Connection) -> None:
    database.execute("UPDATE open_period SET open_from = '2026-07-01'")
    with pytest.raises(sqlite3.IntegrityError, match="the period is closed"):
        post(database, ("1000", 1), ("3000", -1), on="2026-06-30")
    assert not rows(database, "journal_postings")
    post(database, ("1000", 1), ("3000", -1), on="2026-07-01")


def test_an_order_has_one_invoice(
    database: sqlite3.Connection,
) -> None:
    database.executescript(THE_RECORD)
    invoice = "INSERT INTO invoices SELECT 'INV-2', order_id, customer_id, currency, net_minor, "
    with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE .*invoices.order_id"):
        database.execute(invoice + "total_minor, issued_on, due_on, content FROM invoices")


# --- stock -------------------------------------------------------------------------------------


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
def test_stock_that_cannot_be_is_refused(
    database: sqlite3.Connection, on_hand: int, reserved: int, value_minor: int, constraint: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=f"ck_stock_{constraint}"):
        stock(database, on_hand=on_hand, reserved=reserved, value_minor=value_minor)


@pytest.mark.parametrize(
    ("on_hand", "reserved", "value_minor"), [(0, 0, 0), (5, 0, 0), (5, 5, 10**15), (1, 0, 1)]
)
def test_stock_that_can_be_is_taken(
    database: sqlite3.Connection, on_hand: int, reserved: int, value_minor: int
) -> None:
    stock(database, on_hand=on_hand, reserved=reserved, value_minor=value_minor)
    assert rows(database, "stock")


@pytest.mark.parametrize(
    "change", ["reserved = 11", "on_hand = 3", "value_minor = -1", "on_hand = 0, reserved = 0"]
)
def test_stock_cannot_become_what_cannot_be(database: sqlite3.Connection, change: str) -> None:
    stock(database, on_hand=10, reserved=4, value_minor=100)
    with pytest.raises(sqlite3.IntegrityError, match="ck_stock"):
        database.execute(f"UPDATE stock SET {change}")


def test_stock_of_an_unknown_product_is_refused(database: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        database.execute("INSERT INTO stock VALUES ('NOPE', 'BER', 1, 0, 0)")


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
def test_the_last_line_holds_for_money_and_quantities(
    database: sqlite3.Connection, row: str, constraint: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=constraint):
        database.execute(row)


# --- from one version to the next ---------------------------------------------------------------


def test_accounting_keeps_what_was_recorded_before_it(tmp_path: Path) -> None:
    """Entries get their dates, a cancelled order's money its columns, refunds their numbers; and
    the record is append-only as before."""
    url, path = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "orders.db"
    command.upgrade(alembic_config(url), "0003")
    with closing(sqlite3.connect(path, isolation_level=None)) as before:
        before.executescript(MASTER_DATA + THE_RECORD)
        before.execute("UPDATE orders SET paid_minor = 119, refunded_minor = 119")
        before.execute(f"INSERT INTO refunds VALUES ('rf-1', 'O-1', 119, 'EUR', '{NOW}')")
        before.executescript(
            f"""
            BEGIN;
            INSERT INTO journal_postings VALUES ('E-1', '1000', 'EUR', 5), ('E-1', '3000', 'EUR', -5);
            INSERT INTO journal_entries VALUES ('E-1', 'EUR', NULL, '{NOW}');
            INSERT INTO company VALUES ('northwind', 'N', 's', 'c', 'p', 'DE', '', '', 'EUR');
            INSERT INTO number_series VALUES ('INV-2026', 7), ('PO-X-BER', 3);
            COMMIT;
            """
        )
    migrate(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as after:
        entry = after.execute("SELECT tax_date, posting_date FROM journal_entries").fetchall()
        assert entry == [(TODAY, TODAY)]
        money = "SELECT credited_minor, payable_minor, forgiven_minor, capture FROM orders"
        assert after.execute(money).fetchall() == [(119, 119, 0, "at_once")]
        refund = "SELECT refund_key, refund_id, amount_minor, state FROM refunds"
        assert after.execute(refund).fetchall() == [("O-1/refund/1", "rf-1", 119, "refunded")]
        series = "SELECT series, last_number FROM number_series ORDER BY series"
        assert after.execute(series).fetchall() == [("PO-X-BER", 3), ("northwind:INV-2026", 7)]
        for table in ("journal_entries", "credit_notes"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                after.execute(f"DELETE FROM {table}")
        with pytest.raises(sqlite3.IntegrityError, match=SEALED):
            after.execute("INSERT INTO journal_postings VALUES ('E-1', '1400', 'EUR', 5)")


def test_what_was_given_up_before_goods_could_be_recovered_stays_so(tmp_path: Path) -> None:
    """What was restocked at once can't be again; what an order showed of a shipment is still to be
    seen to; claims are open, and there may be a second one."""
    url, path = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "orders.db"
    command.upgrade(alembic_config(url), "0005")
    shipments = (("SH-1", "failed"), ("SH-10", "failed"), ("SH-2", "failed"), ("SH-3", "delivered"))
    with closing(sqlite3.connect(path, isolation_level=None)) as before:
        before.executescript(MASTER_DATA)
        before.executemany(
            "INSERT INTO shipments (shipment_id, order_id, location, mode, mode_reason, weight_g, "
            "state) VALUES (?, 'O-1', 'BER', 'parcel', '', 1, ?)",
            shipments,
        )
        before.executescript(
            f"""
            INSERT INTO stock_movements (movement_id, sku, location, kind, on_hand_change,
                reserved_change, value_change_minor, cause, recorded_at)
                VALUES ('M-1', 'DRILL', 'BER', 'return', 1, 0, 1, 'reship:SH-1', '{NOW}'),
                    ('M-2', 'DRILL', 'BER', 'return', 1, 0, 1, 'return:SH-10', '{NOW}');
            INSERT INTO claims VALUES ('CL-SH-1', 'SH-1', 'Swift', 100, 'EUR', 'lost', '{NOW}');
            UPDATE orders SET attention_code = 'came_back_after_all',
                attention_message = 'SH-10 came back after it was replaced or refunded: take it';
            """
        )
    migrate(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as after:
        found = "SELECT shipment_id, restocked_at, problem FROM shipments ORDER BY shipment_id"
        assert after.execute(found).fetchall() == [
            ("SH-1", NOW, None),
            ("SH-10", None, "came_back_after_all"),
            ("SH-2", None, None),
            ("SH-3", None, None),
        ]
        claim = "SELECT state, settled_minor, ended_at FROM claims"
        assert after.execute(claim).fetchall() == [("open", None, None)]
        after.execute(
            "INSERT INTO claims (claim_id, shipment_id, carrier, amount_minor, currency, reason, "
            f"claimed_at) VALUES ('CL-SH-1-2', 'SH-1', 'Swift', 1, 'EUR', '', '{NOW}')"
        )


def test_who_had_let_us_down_rests_from_when_it_was_asked(tmp_path: Path) -> None:
    """Nobody had written down when it did; who hadn't doesn't rest."""
    url, path = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "orders.db"
    command.upgrade(alembic_config(url), "0008")
    with closing(sqlite3.connect(path, isolation_level=None)) as before:
        before.executescript(
            MASTER_DATA
            + f"""
            INSERT INTO suppliers (supplier_id, name, email, country)
                VALUES ('X', 'X', 'a@b', 'DE');
            INSERT INTO purchase_orders (po_id, supplier_id, location, currency, state, reason,
                created_at) VALUES ('PO-1', 'X', 'BER', 'EUR', 'lapsed', '', '{NOW}'),
                    ('PO-2', 'X', 'BER', 'EUR', 'sent', '', '{NOW}');
            INSERT INTO purchase_order_lines (po_id, sku, quantity, unit_cost_minor, received,
                let_down) VALUES ('PO-1', 'DRILL', 1, 1, 0, 1), ('PO-2', 'DRILL', 1, 1, 0, 0);
            """
        )
    migrate(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as after:
        found = "SELECT po_id, let_down_at FROM purchase_order_lines ORDER BY po_id"
        assert after.execute(found).fetchall() == [("PO-1", NOW), ("PO-2", None)]


def test_what_waited_for_a_person_is_still_shown(tmp_path: Path) -> None:
    """By the workflow that showed it; what is in the tables anyway isn't waited for."""
    url, path = f"sqlite:///{tmp_path / 'orders.db'}", tmp_path / "orders.db"
    command.upgrade(alembic_config(url), "0010")
    with closing(sqlite3.connect(path, isolation_level=None)) as before:
        before.executescript(MASTER_DATA)
        [(columns,)] = before.execute(
            "SELECT group_concat(name) FROM pragma_table_info('orders') WHERE name <> 'order_id'"
        )
        for order_id in ("O-2", "O-3"):
            before.execute(
                f"INSERT INTO orders (order_id, {columns}) SELECT '{order_id}', {columns} "
                "FROM orders WHERE order_id = 'O-1'"
            )
        for said in (
            ("no_supply", "DRILL is short", "O-1"),
            ("refused", "the card is closed (workflow refund-O-2-1)", "O-2"),
            ("payment_reversed", "P-1 was taken back", "O-3"),
        ):
            before.execute(
                "UPDATE orders SET attention_code = ?, attention_message = ? WHERE order_id = ?",
                said,
            )
    migrate(url)
    with closing(sqlite3.connect(path, isolation_level=None)) as after:
        found = after.execute("SELECT order_id, source, code FROM attentions ORDER BY order_id")
        assert found.fetchall() == [
            ("O-1", "", "no_supply"),
            ("O-2", "refund-O-2-1", "refused"),
        ]
