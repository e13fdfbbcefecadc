"""A folder of CSV files with one valid row each, and its import."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import Session, SQLModel

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.errors import InvalidInput
from models.tables.ledger import AccountRow, OpenPeriod
from tests.conftest import new_database
from tests.support.database.rules import RULES
from tests.support.masterdata.shop import write_csv

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
    "tax_rates.csv": {"country": "AT", "tax_class": "standard", "rate_percent": "20"},
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


def empty_database(request: pytest.FixtureRequest, folder: Path) -> Database:
    """Open a migrated SQLite database without business data."""
    return Database(new_database("sqlite", request, folder), RULES, lambda: NOW)


def write_rows(folder: Path) -> Path:
    """Write the files with one valid row each; return their folder."""
    folder.mkdir()
    for name, row in ROWS.items():
        write_csv(folder, name, [row])
    return folder


def refusal(database: Database, folder: Path) -> str:
    """Import an invalid folder; return the message, and check that nothing is kept."""
    before = dump(database)
    with pytest.raises(InvalidInput) as refused:
        import_folder(database, folder)
    assert dump(database) == before
    return refused.value.message


def dump(database: Database) -> Dump:
    """Read every row of every table."""

    def read(session: Session) -> Dump:
        return {
            name: sorted(
                (tuple(row) for row in session.execute(text(f"SELECT * FROM {name}"))), key=repr
            )
            for name in SQLModel.metadata.tables
        }

    return database.read(read)


def filled_tables(database: Database) -> set[str]:
    """List the tables with rows, except those that migrations fill."""
    migrated = {AccountRow.__tablename__, OpenPeriod.__tablename__}
    return {name for name, rows in dump(database).items() if rows} - migrated


def change(folder: Path, name: str, /, **cells: object) -> None:
    """Write a file with other cells in its row."""
    write_csv(folder, name, [ROWS[name] | cells])


def rewrite(folder: Path, name: str, edit: Callable[[str], str]) -> None:
    """Edit a file as text."""
    path = folder / name
    path.write_text(edit(path.read_text()), newline="")
