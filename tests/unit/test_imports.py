"""Imports: all of a folder or nothing, and every refusal names file, line and column."""

import csv
import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session, SQLModel, col, func, select

from activities.database.engine import Database
from activities.masterdata.importing import MAX_ERRORS, Imported, import_folder
from models.errors import InvalidInput
from models.ledger import Account
from models.tables.ledger import AccountRow, JournalPosting, OpenPeriod
from models.tables.masterdata import Company, Customer, Distance, Location, Product, SupplierOffer
from models.tables.stock import Stock, StockMovement
from tests.support.rules import RULES
from tests.support.shop import write_csv, write_shop
from tools.prepare import migrate

EXAMPLE = Path(__file__).parents[2] / "examples" / "shop"
SHOP = ("company", "locations", "distances", "products")
FILES = (*SHOP, "suppliers", "offers", "customers", "stock")
NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)

Dump = dict[str, list[tuple[object, ...]]]

ROWS: dict[str, dict[str, object]] = {
    "company.csv": {
        "legal_entity": "northwind",
        "name": "Northwind Tools",
        "street": "Hafenstraße 12",
        "city": "Hamburg",
        "postal_code": "20457",
        "country": "DE",
        "vat_id": "DE136695976",
        "iban": "DE89370400440532013000",
        "currency": "EUR",
    },
    "accounts.csv": {"account": "accounts_receivable", "number": "1400-D", "title": "Debitoren"},
    "locations.csv": {
        "location": "BER",
        "name": "Berlin",
        "country": "DE",
        "postal_code": "10115",
        "handling_cost": "1.50",
    },
    "distances.csv": {
        "location": "BER",
        "country": "DE",
        "postal_prefix": "80",
        "distance_km": 585,
    },
    "products.csv": {
        "sku": "DRILL",
        "name": "Drill",
        "unit_price": "100.00",
        "currency": "EUR",
        "tax_rate_percent": "19",
        "weight_g": 2000,
        "length_mm": 300,
        "width_mm": 200,
        "height_mm": 100,
        "gtin": "4012345000115",
    },
    "suppliers.csv": {
        "supplier_id": "ACME",
        "name": "Acme",
        "email": "so@acme.example",
        "country": "DE",
    },
    "offers.csv": {
        "supplier_id": "ACME",
        "sku": "DRILL",
        "unit_cost": "55.00",
        "currency": "EUR",
        "minimum_quantity": 1,
        "pack_size": 1,
        "lead_time_days": 3,
        "break_quantity": 100,
        "break_unit_cost": "50.00",
        "freight_cost": "12.50",
        "duty_percent": "4.5",
        "valid_until": "2026-12-31",
    },
    "customers.csv": {
        "customer_id": "C-1",
        "name": "Ada",
        "email": "ada@example.com",
        "country": "DE",
        "credit_limit": "500.00",
        "vat_id": "DE136695976",
    },
    "stock.csv": {"location": "BER", "sku": "DRILL", "on_hand": 10, "unit_cost": "60.00"},
}
"""One valid row of each file."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without rows, to copy."""
    path = tmp_path_factory.mktemp("template") / "orders.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Database:
    """A migrated database of the test's own."""
    shutil.copy(template, tmp_path / "orders.db")
    return Database(f"sqlite:///{tmp_path / 'orders.db'}", RULES, lambda: NOW)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """CSV files of one valid row each."""
    path = tmp_path / "shop"
    path.mkdir()
    for name, row in ROWS.items():
        write_csv(path, name, [row])
    return path


def take(database: Database, folder: Path) -> Imported:
    """Import a folder, now."""
    return import_folder(database, folder)


def refusal(database: Database, folder: Path) -> str:
    """The message of an import that is refused, of which nothing is kept."""
    before = dump(database)
    with pytest.raises(InvalidInput) as refused:
        take(database, folder)
    assert dump(database) == before
    return refused.value.message


def dump(database: Database) -> Dump:
    """Every row of every table."""

    def read(session: Session) -> Dump:
        return {
            name: sorted(
                (tuple(row) for row in session.execute(text(f"SELECT * FROM {name}"))), key=repr
            )
            for name in SQLModel.metadata.tables
        }

    return database.read(read)


def kept(database: Database) -> set[str]:
    """The tables with rows, but for those that migrations fill."""
    filled = {AccountRow.__tablename__, OpenPeriod.__tablename__}
    return {name for name, rows in dump(database).items() if rows} - filled


def change(folder: Path, name: str, /, **cells: object) -> None:
    """Put other cells into a file's row."""
    write_csv(folder, name, [ROWS[name] | cells])


def rewrite(folder: Path, name: str, edit: Callable[[str], str]) -> None:
    """Edit a file as text."""
    path = folder / name
    path.write_text(edit(path.read_text()), newline="")


def balance(session: Session, account: Account) -> int:
    """What an account comes to: debits above zero."""
    query = select(func.sum(col(JournalPosting.amount_minor)))
    return session.exec(query.where(JournalPosting.account == account.value)).one() or 0


def stock_value(session: Session) -> int:
    """What all stock is worth."""
    return session.exec(select(func.sum(col(Stock.value_minor)))).one() or 0


# --- what is taken -----------------------------------------------------------------------------


def test_the_example_shop_imports(database: Database) -> None:
    taken = take(database, EXAMPLE)
    lines = {f"{name}.csv": (EXAMPLE / f"{name}.csv").read_text() for name in FILES}
    assert taken.rows == {
        name: len(list(csv.reader(text.splitlines()))) - 1 for name, text in lines.items()
    }
    assert taken.served == ()


def test_the_inventory_account_equals_the_value_of_the_stock(database: Database) -> None:
    take(database, EXAMPLE)

    def read(session: Session) -> tuple[int, int, int]:
        equity = balance(session, Account.OPENING_BALANCE_EQUITY)
        return balance(session, Account.INVENTORY), -equity, stock_value(session)

    inventory, equity, stock = database.read(read)
    assert inventory == equity == stock
    assert stock > 0


def test_importing_again_changes_nothing(database: Database) -> None:
    take(database, EXAMPLE)
    once = dump(database)
    assert take(database, EXAMPLE).rows
    assert dump(database) == once


def test_importing_again_updates_the_rows_that_changed(database: Database, folder: Path) -> None:
    take(database, folder)
    change(folder, "products.csv", name="Hammer drill", unit_price="120.50")
    change(folder, "customers.csv", credit_limit="", status="blocked")
    change(folder, "offers.csv", unit_cost="50.00", lead_time_days=9)
    change(folder, "company.csv", name="Northwind International")
    take(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        product = session.get_one(Product, "DRILL")
        customer = session.get_one(Customer, "C-1")
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL"))
        return (
            (product.name, product.unit_price_minor),
            (customer.status, customer.credit_limit_minor),
            (offer.unit_cost_minor, offer.lead_time_days),
            session.exec(select(Company.name)).all(),
        )

    assert database.read(read) == (
        ("Hammer drill", 12_050),
        ("blocked", 0),
        (5_000, 9),
        ["Northwind International"],
    )


def test_a_row_that_is_no_longer_in_a_file_stays(database: Database, folder: Path) -> None:
    take(database, folder)
    change(folder, "products.csv", sku="SAW")
    (folder / "stock.csv").unlink()
    (folder / "offers.csv").unlink()
    take(database, folder)
    assert database.read(lambda s: s.exec(select(Product.sku).order_by(Product.sku)).all()) == [
        "DRILL",
        "SAW",
    ]


def test_a_file_alone_may_refer_to_what_was_imported_before(
    database: Database, folder: Path
) -> None:
    for name in ("stock.csv", "offers.csv"):
        shutil.move(folder / name, folder.parent / name)
    take(database, folder)
    later = folder.parent / "later"
    later.mkdir()
    for name in ("stock.csv", "offers.csv"):
        shutil.move(folder.parent / name, later / name)
    assert take(database, later).rows == {"offers.csv": 1, "stock.csv": 1}


def test_without_a_company_a_default_one_sells(database: Database, tmp_path: Path) -> None:
    write_shop(tmp_path / "shop", "DRILL", "C-1", 5)
    assert "company.csv" not in take(database, tmp_path / "shop").rows
    assert database.read(
        lambda s: s.exec(select(Company.legal_entity, Company.currency)).all()
    ) == [("DEFAULT", "EUR")]


def test_a_company_takes_the_default_ones_place(
    database: Database, folder: Path, tmp_path: Path
) -> None:
    write_shop(tmp_path / "first", "DRILL", "C-1", 0)
    take(database, tmp_path / "first")
    take(database, folder)
    assert database.read(lambda s: s.exec(select(Company.legal_entity)).all()) == ["northwind"]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("company.csv", {"iban": "DE89 3704 0044 0532 0130 00", "vat_id": "de 136695976"}),
        ("company.csv", {"iban": "", "vat_id": ""}),
        ("customers.csv", {"vat_id": "ATU99980002", "name": 'Müller "& Söhne", Wien'}),
        ("products.csv", {"gtin": "", "unit_price": "0", "weight_g": 0, "name": " 東京 "}),
        ("locations.csv", {"handling_cost": ""}),
        ("distances.csv", {"postal_prefix": "", "distance_km": 0}),
        ("offers.csv", {"break_quantity": "", "break_unit_cost": ""}),
        ("offers.csv", {"freight_cost": "", "duty_percent": "", "valid_until": ""}),
        ("stock.csv", {"on_hand": 0}),
        ("stock.csv", {"unit_cost": "0"}),
    ],
)
def test_unusual_cells_are_taken(
    database: Database, folder: Path, name: str, cells: Mapping[str, object]
) -> None:
    change(folder, name, **cells)
    assert take(database, folder).rows[name] == 1


def test_numbers_with_check_digits_are_kept_without_spaces(
    database: Database, folder: Path
) -> None:
    change(folder, "company.csv", iban="DE89 3704 0044 0532 0130 00", vat_id="DE 136 695 976")
    take(database, folder)
    query = select(Company.iban, Company.vat_id)
    assert database.read(lambda s: s.exec(query).one()) == (
        "DE89370400440532013000",
        "DE136695976",
    )


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace("\n", "\n\n"),
        str,
    ],
    ids=["byte order mark", "CRLF", "no last line end", "blank lines", "LF"],
)
def test_files_are_taken_as_spreadsheets_write_them(
    database: Database, folder: Path, edit: Callable[[str], str]
) -> None:
    rewrite(folder, "products.csv", edit)
    assert take(database, folder).rows["products.csv"] == 1


def test_columns_may_stand_in_any_order_and_optional_ones_may_lack(
    database: Database, folder: Path
) -> None:
    row = {key: value for key, value in ROWS["customers.csv"].items() if key != "vat_id"}
    write_csv(folder, "customers.csv", [dict(reversed(row.items()))])
    assert take(database, folder).rows["customers.csv"] == 1


def test_what_an_offer_and_a_location_cost_beside_the_goods_is_kept(
    database: Database, folder: Path
) -> None:
    take(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL"))
        distance = session.get_one(Distance, ("BER", "DE", "80"))
        return (
            (offer.break_quantity, offer.break_unit_cost_minor, offer.freight_cost_minor),
            (offer.duty_ppm, offer.valid_until),
            session.get_one(Location, "BER").handling_cost_minor,
            distance.distance_km,
        )

    assert database.read(read) == (
        (100, 5_000, 1_250),
        (45_000, date(2026, 12, 31)),
        150,
        585,
    )


def test_offers_and_locations_of_before_mean_what_they_meant(
    database: Database, folder: Path
) -> None:
    """The columns that came later may lack: no break, no freight, no duty, no end, no cost."""
    later = {"break_quantity", "break_unit_cost", "freight_cost", "duty_percent", "valid_until"}
    for name in ("offers.csv", "locations.csv"):
        row = {k: v for k, v in ROWS[name].items() if k not in {*later, "handling_cost"}}
        write_csv(folder, name, [row])
    (folder / "distances.csv").unlink()
    take(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL"))
        cost = session.get_one(Location, "BER").handling_cost_minor
        costs = (offer.break_unit_cost_minor, offer.freight_cost_minor, offer.duty_ppm, cost)
        return offer.break_quantity, offer.valid_until, costs

    assert database.read(read) == (None, None, (None, 0, 0, 0))


@pytest.mark.parametrize("lacking", ["break_quantity", "break_unit_cost"])
def test_a_price_break_is_both_its_columns_or_none(
    database: Database, folder: Path, lacking: str
) -> None:
    change(folder, "offers.csv", **{lacking: ""})
    assert refusal(database, folder).startswith(f"offers.csv line 2, {lacking}: is missing")


def test_distances_differ_by_postal_prefix(database: Database, folder: Path) -> None:
    row = ROWS["distances.csv"]
    write_csv(folder, "distances.csv", [row, row | {"postal_prefix": ""}])
    assert take(database, folder).rows["distances.csv"] == 2


# --- what is refused ---------------------------------------------------------------------------

BAD_CELLS = [
    ("company.csv", "country", "Germany", "ISO 3166"),
    ("company.csv", "currency", "Euro", "match pattern"),
    ("company.csv", "currency", "XXX", "ISO 4217"),
    ("company.csv", "iban", "DE89370400440532013001", "not a valid IBAN"),
    ("company.csv", "iban", "X: Y", "not a valid IBAN"),
    ("company.csv", "vat_id", "DE136695977", "not a valid VAT id"),
    ("company.csv", "name", "", "required"),
    ("accounts.csv", "account", "petty_cash", "there is no account 'petty_cash'"),
    ("accounts.csv", "account", "", "required"),
    ("accounts.csv", "number", "12 00", "match pattern"),
    ("accounts.csv", "number", "", "required"),
    ("accounts.csv", "title", "", "required"),
    ("locations.csv", "location", "a b", "match pattern"),
    ("locations.csv", "location", "x" * 33, "match pattern"),
    ("locations.csv", "country", "XX", "ISO 3166"),
    ("locations.csv", "handling_cost", "-0.50", "below zero"),
    ("locations.csv", "handling_cost", "1.505", "more than 2 decimals"),
    ("distances.csv", "location", "NOPE", "there is no 'NOPE'"),
    ("distances.csv", "country", "Germany", "ISO 3166"),
    ("distances.csv", "postal_prefix", "1\x07", "match pattern"),
    ("distances.csv", "distance_km", "-1", "greater than or equal to 0"),
    ("distances.csv", "distance_km", "5.5", "not a whole number"),
    ("distances.csv", "distance_km", "", "required"),
    ("products.csv", "sku", "a b", "match pattern"),
    ("products.csv", "sku", "", "required"),
    ("products.csv", "name", "a" * 201, "200 characters"),
    ("products.csv", "name", "a\x07b", "match pattern"),
    ("products.csv", "unit_price", "dear", "plain decimal"),
    ("products.csv", "unit_price", "1,50", "plain decimal"),
    ("products.csv", "unit_price", "1.505", "more than 2 decimals"),
    ("products.csv", "unit_price", "-1.00", "below zero"),
    ("products.csv", "unit_price", "99999999999999.00", "largest amount"),
    ("products.csv", "currency", "USD", "company's currency is EUR"),
    ("products.csv", "tax_rate_percent", "101", "between 0 and 100"),
    ("products.csv", "tax_rate_percent", "19%", "plain decimal"),
    ("products.csv", "weight_g", "-1", "greater than or equal to 0"),
    ("products.csv", "weight_g", "2.5", "not a whole number"),
    ("products.csv", "weight_g", "1_000", "not a whole number"),
    ("products.csv", "weight_g", "+10", "not a whole number"),
    ("products.csv", "weight_g", "", "required"),
    ("products.csv", "height_mm", "9" * 30, "not a whole number"),
    ("products.csv", "height_mm", "9" * 18, "less than or equal to"),
    ("products.csv", "gtin", "4012345000116", "not a valid GTIN"),
    ("products.csv", "gtin", "123", "not a valid GTIN"),
    ("suppliers.csv", "email", "acme", "match pattern"),
    ("suppliers.csv", "supplier_id", "-", "match pattern"),
    ("offers.csv", "sku", "NOPE", "there is no 'NOPE'"),
    ("offers.csv", "supplier_id", "NOPE", "there is no 'NOPE'"),
    ("offers.csv", "unit_cost", "-0.01", "below zero"),
    ("offers.csv", "currency", "USD", "company's currency is EUR"),
    ("offers.csv", "minimum_quantity", "0", "greater than or equal to 1"),
    ("offers.csv", "pack_size", "0", "greater than or equal to 1"),
    ("offers.csv", "lead_time_days", "3651", "less than or equal to 3650"),
    ("offers.csv", "lead_time_days", "soon", "not a whole number"),
    ("offers.csv", "break_quantity", "0", "greater than or equal to 1"),
    ("offers.csv", "break_unit_cost", "-1", "below zero"),
    ("offers.csv", "break_unit_cost", "1.505", "more than 2 decimals"),
    ("offers.csv", "freight_cost", "-1", "below zero"),
    ("offers.csv", "freight_cost", "free", "plain decimal"),
    ("offers.csv", "duty_percent", "101", "between 0 and 100"),
    ("offers.csv", "duty_percent", "-1", "between 0 and 100"),
    ("offers.csv", "valid_until", "31.12.2026", "not a date such as"),
    ("offers.csv", "valid_until", "2026-02-30", "day value is outside"),
    ("offers.csv", "valid_until", "1893456000", "not a date such as"),
    ("customers.csv", "customer_id", "C 1", "match pattern"),
    ("customers.csv", "email", "ada@", "match pattern"),
    ("customers.csv", "country", "D", "ISO 3166"),
    ("customers.csv", "credit_limit", "-1", "below zero"),
    ("customers.csv", "credit_limit", "much", "plain decimal"),
    ("customers.csv", "credit_limit", "1.001", "more than 2 decimals"),
    ("customers.csv", "vat_id", "12345", "not a valid VAT id"),
    ("stock.csv", "location", "NOPE", "there is no 'NOPE'"),
    ("stock.csv", "sku", "NOPE", "there is no 'NOPE'"),
    ("stock.csv", "on_hand", "-1", "greater than or equal to 0"),
    ("stock.csv", "on_hand", "ten", "not a whole number"),
    ("stock.csv", "unit_cost", "-1", "out of range"),
    ("stock.csv", "unit_cost", "1.001", "more than 2 decimals"),
    ("stock.csv", "unit_cost", "9999999999999.00", "out of range"),
]


@pytest.mark.parametrize(
    ("name", "column", "cell", "reason"),
    BAD_CELLS,
    ids=[f"{column}={cell[:12]!a}" for _, column, cell, _ in BAD_CELLS],
)
def test_a_bad_cell_is_refused_by_file_line_and_column(
    database: Database, folder: Path, name: str, column: str, cell: str, reason: str
) -> None:
    write_csv(folder, name, [ROWS[name], ROWS[name] | {column: cell}])
    message = refusal(database, folder)
    assert re.match(rf"{name} line 3, {column}: .*{re.escape(reason)}", message)
    assert kept(database) == set()


OTHER_COMPANY = [
    ({"legal_entity": "other"}, "legal_entity: the company is 'northwind' already"),
    ({"currency": "USD"}, "currency: prices and credit limits are in EUR already"),
]


@pytest.mark.parametrize(("cells", "reason"), OTHER_COMPANY)
def test_a_company_keeps_its_name_and_its_ledgers_currency(
    database: Database, folder: Path, cells: dict[str, object], reason: str
) -> None:
    take(database, folder)
    change(folder, "company.csv", **cells)
    assert refusal(database, folder) == f"company.csv line 2, {reason}"


def test_there_is_one_company(database: Database, folder: Path) -> None:
    write_csv(folder, "company.csv", [ROWS["company.csv"]] * 2)
    assert "company.csv line 3, legal_entity" in refusal(database, folder)


@pytest.mark.parametrize("name", ROWS)
def test_a_missing_column_is_named(database: Database, folder: Path, name: str) -> None:
    first = next(iter(ROWS[name]))
    write_csv(folder, name, [{k: v for k, v in ROWS[name].items() if k != first}])
    assert refusal(database, folder) == f"{name} line 1, {first}: the column is missing"


@pytest.mark.parametrize("name", ROWS)
def test_an_unknown_column_is_named(database: Database, folder: Path, name: str) -> None:
    change(folder, name, colour="red")
    assert refusal(database, folder).startswith(
        f"{name} line 1, colour: is unknown; the columns are"
    )


def test_a_file_with_semicolons_is_not_understood(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text.replace(",", ";"))
    assert "locations.csv line 1, location: the column is missing" in refusal(database, folder)


def test_a_row_with_too_many_cells_is_refused(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text + "HAM,Hamburg,DE,20457,0,more\n")
    message = refusal(database, folder)
    assert message == "locations.csv line 3: has more cells than the header has columns"


def test_a_row_with_too_few_cells_lacks_the_last(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text + "HAM,Hamburg,DE\n")
    assert refusal(database, folder) == "locations.csv line 3, postal_code: Field required"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_than_utf_8_is_refused(
    database: Database, folder: Path, encoding: str
) -> None:
    text = (folder / "company.csv").read_text()
    (folder / "company.csv").write_bytes(text.encode(encoding))
    assert re.fullmatch(r"company.csv line \d: is not UTF-8", refusal(database, folder))


def test_the_line_that_is_not_utf_8_is_named(database: Database, folder: Path) -> None:
    with (folder / "locations.csv").open("ab") as file:
        file.write("MUC,München,DE,80331\n".encode("latin-1"))
    assert refusal(database, folder) == "locations.csv line 3: is not UTF-8"


@pytest.mark.parametrize("row", ['HAM,"Ham"burg,DE,1\n', 'HAM,"Hamburg,DE,20457\n'])
def test_broken_quotes_are_refused(database: Database, folder: Path, row: str) -> None:
    rewrite(folder, "locations.csv", lambda text: text + row)
    assert re.match(r"locations.csv line \d: ", refusal(database, folder))


@pytest.mark.parametrize("row", ['HAM,"Ham"burg,DE,1\n', 'HAM,"Hamburg,DE,20457\n'])
def test_the_line_of_broken_quotes_is_named(database: Database, folder: Path, row: str) -> None:
    rewrite(folder, "locations.csv", lambda text: text + row)
    assert refusal(database, folder).startswith("locations.csv line 3: ")


def test_broken_quotes_in_the_header_are_refused(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: '"' + text)
    assert refusal(database, folder).startswith("locations.csv line ")


def test_a_column_that_stands_twice_is_refused(database: Database, folder: Path) -> None:
    twice = "location,name,country,postal_code,name\nBER,Berlin,DE,10115,Hamburg\n"
    (folder / "locations.csv").write_text(twice)
    assert refusal(database, folder).startswith("locations.csv line 1, name: ")


def test_a_line_separator_of_unicode_does_not_end_a_row(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text.replace("Berlin", "Ber\u2028lin"))
    assert take(database, folder).rows["locations.csv"] == 1


def test_a_line_break_in_a_quoted_cell_is_no_name(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text + 'HAM,"Ham\nburg",DE,1\n')
    assert refusal(database, folder).startswith("locations.csv line 4, name: ")


def test_every_bad_row_of_a_file_is_named_up_to_a_limit(database: Database, folder: Path) -> None:
    bad = [ROWS["locations.csv"] | {"country": "XX"}] * (MAX_ERRORS + 10)
    write_csv(folder, "locations.csv", bad)
    errors = refusal(database, folder).split("; ")
    assert [error.partition(",")[0] for error in errors] == [
        f"locations.csv line {line}" for line in range(2, MAX_ERRORS + 2)
    ]


def test_nothing_of_an_import_is_kept_where_its_last_file_is_bad(
    database: Database, folder: Path
) -> None:
    take(database, folder)
    change(folder, "products.csv", unit_price="1.00")
    change(folder, "customers.csv", customer_id="C-2")
    change(folder, "stock.csv", sku="NOPE")
    assert refusal(database, folder) == "stock.csv line 2, sku: there is no 'NOPE'"


def test_all_files_are_told_in_one_go(database: Database, folder: Path) -> None:
    """What the cells say wrong, and what the tables say against the other rows."""
    change(folder, "locations.csv", country="XX")
    change(folder, "customers.csv", credit_limit="-1")
    row = ROWS["stock.csv"]
    bad = [row | {"on_hand": "ten"}, row | {"sku": "NOPE"}, row | {"location": "NOPE"}]
    write_csv(folder, "stock.csv", bad)
    told = [error.partition(":")[0] for error in refusal(database, folder).split("; ")]
    assert told == [
        "locations.csv line 2, country",
        "customers.csv line 2, credit_limit",
        "stock.csv line 2, on_hand",
        "stock.csv line 4, location",
    ]


@pytest.mark.parametrize("cells", [{"weight_g": "heavy"}, {"colour": "red"}])
def test_a_row_is_not_blamed_for_the_refused_one_it_refers_to(
    database: Database, folder: Path, cells: dict[str, object]
) -> None:
    """One mistake in products.csv is one error, not one more of each offer."""
    change(folder, "products.csv", **cells)
    message = refusal(database, folder)
    assert (message.count(".csv"), message.startswith("products.csv")) == (1, True)


def test_without_a_company_no_row_is_blamed_for_its_currency(
    database: Database, folder: Path
) -> None:
    """It may be the one that the refused company was to have."""
    change(folder, "company.csv", country="XX", currency="USD")
    change(folder, "products.csv", currency="USD", weight_g="heavy")
    change(folder, "offers.csv", currency="USD")
    told = [error.partition(":")[0] for error in refusal(database, folder).split("; ")]
    assert told == ["company.csv line 2, country", "products.csv line 2, weight_g"]


@pytest.mark.parametrize("content", ["", None, "location,name,country,postal_code\n"])
def test_a_folder_without_rows_is_refused(
    database: Database, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    if content is not None:
        (path / "locations.csv").write_text(content)
    assert "locations.csv" in refusal(database, path)


def test_what_is_no_folder_is_refused(database: Database, tmp_path: Path) -> None:
    assert refusal(database, tmp_path / "nowhere").endswith("is not a folder")


# --- the chart of accounts ---------------------------------------------------------------------


def write_accounts(folder: Path, *rows: tuple[str, str]) -> None:
    """accounts.csv of these accounts and numbers."""
    titled = [{"account": a, "number": number, "title": f"T {number}"} for a, number in rows]
    write_csv(folder, "accounts.csv", titled)


def numbers(database: Database) -> dict[str, str]:
    """The accounts' numbers by code, where they differ from it."""
    rows = database.read(lambda s: s.exec(select(AccountRow.code, AccountRow.number)).all())
    return {code: number for code, number in rows if code != number}


def test_an_account_gets_the_companys_number_and_title(database: Database, folder: Path) -> None:
    """Named by role, as printed, or by code; its code stays."""
    write_accounts(
        folder, ("accounts_receivable", "1400-D"), ("Tax payable", "3806"), ("4000", "8400")
    )
    assert take(database, folder).rows["accounts.csv"] == 3
    assert numbers(database) == {"1200": "1400-D", "2200": "3806", "4000": "8400"}
    titled = database.read(lambda s: s.get_one(AccountRow, "1200").title)
    assert titled == "T 1400-D"


@pytest.mark.parametrize(
    "rows",
    [
        (("bank", "1100"), ("cash_clearing", "1000")),
        (("bank", "1100"), ("cash_clearing", "1200"), ("accounts_receivable", "1000")),
        (("accounts_receivable", "1000"), ("cash_clearing", "1200"), ("bank", "1100")),
    ],
)
def test_accounts_exchange_their_numbers_in_one_import(
    database: Database, folder: Path, rows: tuple[tuple[str, str], ...]
) -> None:
    """In any order, again, and back."""
    for _ in range(2):
        write_accounts(folder, *rows)
        take(database, folder)
        assert numbers(database) == {Account[a.upper()].value: number for a, number in rows}
    write_accounts(folder, *((account, Account[account.upper()].value) for account, _ in rows))
    take(database, folder)
    assert numbers(database) == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((("bank", "1100"),), "accounts.csv line 2, number: 1100 is the number of cash_clearing"),
        (
            (("bank", "77"), ("revenue", "77")),
            "accounts.csv line 3, number: 77 is the number of bank",
        ),
        (
            (("bank", "1100"), ("revenue", "1100"), ("cash_clearing", "9")),
            "accounts.csv line 3, number: 1100 is the number of bank",
        ),
        ((("bank", "77"), ("1000", "78")), "accounts.csv line 3, account: 1000 appears twice"),
    ],
)
def test_a_number_is_one_accounts(
    database: Database, folder: Path, rows: tuple[tuple[str, str], ...], message: str
) -> None:
    write_accounts(folder, *rows)
    assert refusal(database, folder) == message


def test_a_number_is_not_blamed_where_the_row_that_frees_it_is_refused(
    database: Database, folder: Path
) -> None:
    write_accounts(folder, ("bank", "1100"), ("cash_clearing", "a b"))
    message = refusal(database, folder)
    assert (message.count(".csv"), "line 3, number" in message) == (1, True)


# --- the opening balance -----------------------------------------------------------------------


def test_an_opening_balance_is_applied_once(database: Database, folder: Path) -> None:
    for _ in range(3):
        take(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        stock = session.get_one(Stock, ("DRILL", "BER"))
        movements = session.exec(select(StockMovement.movement_id)).all()
        return stock.on_hand, stock.value_minor, balance(session, Account.INVENTORY), movements

    assert database.read(read) == (10, 60_000, 60_000, ["opening:BER:DRILL"])


@pytest.mark.parametrize("cells", [{"on_hand": 11}, {"on_hand": 0}, {"unit_cost": "60.01"}])
def test_another_opening_balance_is_refused(
    database: Database, folder: Path, cells: dict[str, object]
) -> None:
    take(database, folder)
    change(folder, "stock.csv", **cells)
    assert refusal(database, folder) == (
        "stock.csv line 2, on_hand: DRILL at BER has an opening balance already, "
        "of another quantity or cost"
    )


def test_two_opening_balances_in_one_file_are_refused(database: Database, folder: Path) -> None:
    row = ROWS["stock.csv"]
    write_csv(folder, "stock.csv", [row, row | {"on_hand": 5}])
    assert refusal(database, folder).startswith("stock.csv line 3, on_hand: ")


def test_an_opening_balance_of_nothing_posts_nothing(database: Database, folder: Path) -> None:
    change(folder, "stock.csv", on_hand=0)
    take(database, folder)
    assert "journal_entries" not in kept(database)
    assert "stock_movements" in kept(database)
