"""Test imports of known rows: repeated keys, absent columns, empty cells, dry run and summary."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event
from sqlmodel import Session

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.tables.masterdata import Company, Customer, Product, SupplierOffer
from models.views.imports import CellChange, FileSummary
from tests.conftest import DATABASES, new_database
from tests.support.database.rules import RULES
from tests.support.masterdata.imports import ROWS, change, dump, refusal
from tests.support.masterdata.shop import write_csv


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database without business data."""
    database = Database(new_database(request.param, request, tmp_path), RULES)
    yield database
    database.close()


def only(folder: Path, name: str, /, *columns: str, **cells: object) -> Path:
    """Write a file with some columns, and remove the others; return the folder."""
    for path in folder.iterdir():
        path.unlink()
    row = ROWS[name] | cells
    write_csv(folder, name, [{column: row[column] for column in (*columns, *cells)}])
    return folder


@pytest.mark.parametrize("name", ROWS)
def test_key_twice_in_one_file_is_refused_with_both_lines(
    database: Database, folder: Path, name: str
) -> None:
    """The last row must not win without a word."""
    other = ROWS[name] | {list(ROWS[name])[-1]: "1"}
    write_csv(folder, name, [ROWS[name], other])
    message = refusal(database, folder)
    assert message.startswith(f"{name} line 3, {next(iter(ROWS[name]))}")
    tiers = "keep one line, or give a further price its own from_quantity"
    way_out = tiers if name == "offers.csv" else "keep one of the two lines"
    assert message.endswith(f"is in line 2 too: {way_out}")


def test_absent_columns_leave_what_is_there(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    change(folder, "customers.csv", status="blocked", tax_treatment="reverse_charge", phone="1")
    import_folder(database, folder)
    import_folder(database, only(folder, "customers.csv", "customer_id", name="Ada L."))
    import_folder(database, only(folder, "products.csv", "sku", unit_price="90.00"))
    import_folder(database, only(folder, "company.csv", "legal_entity", city="Kiel"))
    import_folder(database, only(folder, "offers.csv", "supplier_id", "sku", pack_size=2))

    def read(session: Session) -> tuple[object, ...]:
        customer = session.get_one(Customer, "C-1")
        product = session.get_one(Product, "DRILL")
        company = session.get_one(Company, "northwind")
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL", 1))
        return (
            (customer.name, customer.status, customer.tax_treatment, customer.phone),
            (customer.credit_limit_minor, customer.vat_id),
            (product.unit_price_minor, product.tax_rate_ppm, product.gtin),
            (company.city, company.vat_id, company.iban),
            (offer.pack_size, offer.break_quantity, offer.break_unit_cost_minor, offer.duty_ppm),
        )

    assert database.read(read) == (
        ("Ada L.", "blocked", "reverse_charge", "1"),
        (50_000, "DE136695976"),
        (9_000, 190_000, "4012345000115"),
        ("Kiel", "DE136695976", "DE89370400440532013000"),
        (2, 100, 5_000, 45_000),
    )


def test_empty_cell_sets_the_default(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    import_folder(
        database, only(folder, "customers.csv", "customer_id", vat_id="", credit_limit="")
    )
    customer = database.read(lambda s: s.get_one(Customer, "C-1"))
    assert (customer.vat_id, customer.credit_limit_minor) == ("", 0)


def test_rule_between_columns_counts_stored_ones(database: Database, folder: Path) -> None:
    """A price break needs both of its columns, in the file or in the tables."""
    import_folder(database, folder)
    only(folder, "offers.csv", "supplier_id", "sku", break_quantity="")
    assert refusal(database, folder).startswith("offers.csv line 2, break_quantity: is missing")


@pytest.mark.parametrize(
    ("sku", "reason"),
    [
        ("DRILL", "is empty, and required"),
        ("SAW", "is empty, and required"),
    ],
)
def test_empty_cell_of_required_column_is_refused(
    database: Database, folder: Path, sku: str, reason: str
) -> None:
    import_folder(database, folder)
    change(folder, "products.csv", sku=sku, name="")
    assert refusal(database, folder).startswith(f"products.csv line 2, name: {reason}")


def test_new_rows_need_every_required_column(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    only(folder, "customers.csv", "customer_id", name="x")
    write_csv(folder, "customers.csv", [{"customer_id": f"N{n}", "name": "x"} for n in range(9)])
    reason = "the column is missing, and this row is new: only known rows do without it"
    assert refusal(database, folder) == (
        f"customers.csv lines 2, 3, 4 and 6 more, country: {reason}"
    )


def test_dry_run_lists_changes_and_writes_nothing(database: Database, folder: Path) -> None:
    write_csv(folder, "products.csv", [ROWS["products.csv"], ROWS["products.csv"] | {"sku": "SAW"}])
    before = dump(database)
    first = import_folder(database, folder, dry_run=True)
    assert dump(database) == before
    assert [(c.file, c.line, c.key, c.new) for c in first.changes if c.file == "products.csv"] == [
        ("products.csv", 2, "DRILL", True),
        ("products.csv", 3, "SAW", True),
    ]
    import_folder(database, folder)
    before = dump(database)
    row = ROWS["products.csv"] | {"unit_price": "120.5", "tax_rate_percent": "7", "gtin": ""}
    write_csv(folder, "products.csv", [row, ROWS["products.csv"] | {"sku": "SAW"}])
    for view in (
        import_folder(database, folder, dry_run=True),
        import_folder(database, folder, dry_run=True),
    ):
        (changed,) = view.changes
        assert (changed.key, changed.line, changed.new) == ("DRILL", 2, False)
        assert changed.columns == {
            "unit_price": CellChange(before="100.00", after="120.50"),
            "tax_rate_percent": CellChange(before="19", after="7"),
            "gtin": CellChange(before="4012345000115", after=""),
        }
    assert dump(database) == before


def test_import_ends_with_summary_of_its_dry_run(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    rows = [ROWS["products.csv"] | {"sku": sku} for sku in ("DRILL", "SAW", "BIT")]
    write_csv(folder, "products.csv", [rows[0] | {"name": "Hammer drill"}, *rows[1:]])
    expected = import_folder(database, folder, dry_run=True)
    done = import_folder(database, folder)
    assert done == expected.model_copy(update={"dry_run": False})
    assert [file for file in done.files if file.file == "products.csv"] == [
        FileSummary(file="products.csv", new=2, changed=1, unchanged=0, columns={"name": 1})
    ]
    again = import_folder(database, folder)
    assert again.changes == ()
    assert {(file.new, file.changed) for file in again.files} == {(0, 0)}


def test_prices_without_company_in_their_currency_are_one_error(
    database: Database, tmp_path: Path
) -> None:
    """Also where the decimals of the two currencies differ."""
    folder = tmp_path / "shop"
    folder.mkdir()
    for name in ("locations.csv", "suppliers.csv", "customers.csv", "stock.csv"):
        write_csv(folder, name, [ROWS[name]])
    row = ROWS["products.csv"] | {"currency": "KWD"}
    skus = ["DRILL", *(f"P{n}" for n in range(9))]
    write_csv(folder, "products.csv", [row | {"sku": sku, "unit_price": "1.255"} for sku in skus])
    write_csv(folder, "offers.csv", [ROWS["offers.csv"] | {"currency": "KWD"}])
    assert refusal(database, folder) == (
        "products.csv lines 2, 3, 4 and 7 more and offers.csv line 2, currency: prices are in KWD, "
        "but the company's currency is EUR: import company.csv with the currency KWD too, with the "
        "columns legal_entity, name, street, city, postal_code, country, currency"
    )
    change(folder, "company.csv", currency="KWD")
    import_folder(database, folder)


def test_number_of_statements_does_not_grow_with_rows(database: Database, folder: Path) -> None:
    """100,000 rows take seconds: they are read, compared and written in bulk."""
    skus = [f"SKU-{number}" for number in range(400)]
    products = [ROWS["products.csv"] | {"sku": sku, "gtin": ""} for sku in skus]
    statements: list[str] = []

    def record(_c: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        for price in ("100.00", "110.00"):
            write_csv(folder, "products.csv", [row | {"unit_price": price} for row in products])
            offers = [ROWS["offers.csv"] | {"sku": sku, "unit_cost": price[:2]} for sku in skus]
            write_csv(folder, "offers.csv", offers)
            write_csv(folder, "stock.csv", [ROWS["stock.csv"] | {"sku": sku} for sku in skus])
            statements.clear()
            import_folder(database, folder)
            assert len(statements) < 100
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def test_unknown_reference_in_many_rows_is_one_error(database: Database, folder: Path) -> None:
    rows = [ROWS["stock.csv"] | {"sku": "NOPE", "location": "BER"}]
    import_folder(database, folder)
    write_csv(folder, "offers.csv", [ROWS["offers.csv"] | {"supplier_id": "NOPE"}])
    write_csv(folder, "stock.csv", rows)
    assert refusal(database, folder) == (
        "offers.csv line 2, supplier_id: there is no 'NOPE'; "
        "stock.csv line 2, sku: there is no 'NOPE'"
    )
