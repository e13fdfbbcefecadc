"""Test the import of price tiers: rows of offers.csv that differ in from_quantity."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.tables.masterdata import SupplierOffer
from tests.conftest import DATABASES, new_database
from tests.support.database.rules import RULES
from tests.support.masterdata.imports import ROWS, refusal
from tests.support.masterdata.shop import write_csv


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated database without business data."""
    database = Database(new_database(request.param, request, tmp_path), RULES)
    yield database
    database.close()


def prices(database: Database) -> list[tuple[int, int]]:
    """Read the tiers of the offer: from quantity, and price in minor units."""
    rows = select(SupplierOffer).order_by(col(SupplierOffer.from_quantity))
    found = database.read(lambda session: session.exec(rows).all())
    return [(row.from_quantity, row.unit_cost_minor) for row in found]


def write_tiers(folder: Path, *tiers: tuple[object, str], **cells: object) -> Path:
    """Write offers.csv with a row for each from_quantity and price; return the folder."""
    plain = ROWS["offers.csv"] | {"break_quantity": "", "break_unit_cost": ""} | cells
    rows = [plain | {"from_quantity": least, "unit_cost": cost} for least, cost in tiers]
    write_csv(folder, "offers.csv", rows)
    return folder


def test_tiers_are_imported_changed_and_left_unchanged(database: Database, folder: Path) -> None:
    write_tiers(folder, ("", "55.00"), (50, "52.00"), ("0200", "49.00"))
    first = import_folder(database, folder)
    assert prices(database) == [(1, 5_500), (50, 5_200), (200, 4_900)]
    [summary] = [one for one in first.files if one.file == "offers.csv"]
    assert (summary.new, summary.changed) == (3, 0)
    write_tiers(folder, (1, "55.00"), (50, "51.50"), (200, "49.00"))
    again = import_folder(database, folder, dry_run=True)
    [changed] = again.changes
    assert (changed.line, changed.key) == (3, "ACME DRILL 50")
    assert changed.columns["unit_cost"].after == "51.50"
    assert not again.warnings


def test_file_without_the_column_has_smallest_tiers(database: Database, folder: Path) -> None:
    import_folder(database, write_tiers(folder, ("", "55.00"), (50, "52.00")))
    (folder / "offers.csv").write_text("supplier_id,sku,unit_cost\nACME,DRILL,56.00\n")
    import_folder(database, folder)
    assert prices(database) == [(1, 5_600), (50, 5_200)]


REFUSED = [
    ([("", "55.00"), (50, "52.00"), (50, "51.00")], "offers.csv line 4, supplier_id, sku, from_quantity: ACME, DRILL, 50 is in line 3 too"),
    ([("", "55.00"), (1, "52.00")], "offers.csv line 3, supplier_id, sku, from_quantity: ACME, DRILL, 1 is in line 2 too"),
    ([("", "55.00"), (50, "52.00"), ("50.0", "51.00")], "offers.csv line 4, supplier_id, sku, from_quantity: ACME, DRILL, 50.0 is in line 3 too"),
    ([(50, "52.00")], "offers.csv line 2, from_quantity: the price of fewer than 50 units is missing"),
    ([("", "55.00"), (0, "52.00")], "offers.csv line 3, from_quantity: '0' is below 1, the least"),
    ([("", "55.00"), ("²", "52.00")], "offers.csv line 3, from_quantity: '²'"),
    ([("", "55.00"), ("9" * 5_000, "52.00")], "offers.csv line 3, from_quantity"),
    ([("", "55.00"), (50, "")], "offers.csv line 3, unit_cost: is empty, and required"),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "message"), REFUSED)
def test_wrong_tiers_are_refused_with_their_lines(
    database: Database, folder: Path, tiers: list[tuple[object, str]], message: str
) -> None:
    write_tiers(folder, *tiers)
    assert refusal(database, folder).startswith(message)


def test_break_of_a_stored_tier_hidden_by_a_new_one_is_refused(
    database: Database, folder: Path
) -> None:
    """The stored price break is from 100 units on."""
    import_folder(database, folder)
    write_tiers(folder, (100, "49.00"))
    assert refusal(database, folder).startswith(
        "offers.csv line 2, from_quantity: 100 is the break_quantity of the stored offers, and the "
        "from_quantity of line 2: keep one of the two prices"
    )


def test_other_currency_of_a_tier_is_refused(database: Database, folder: Path) -> None:
    write_tiers(folder, ("", "55.00"))
    other = ROWS["offers.csv"] | {"from_quantity": 50, "currency": "USD", "break_quantity": ""}
    rows = [ROWS["offers.csv"] | {"from_quantity": ""}, other | {"break_unit_cost": ""}]
    write_csv(folder, "offers.csv", rows)
    assert "line 3, currency" in refusal(database, folder)


def test_dearer_and_left_out_tiers_are_warnings(database: Database, folder: Path) -> None:
    """Imported as they are."""
    import_folder(database, write_tiers(folder, ("", "55.00"), (50, "52.00"), (200, "49.00")))
    view = import_folder(database, write_tiers(folder, ("", "50.00"), (50, "52.00")))
    assert [f"{found.field}: {found.reason}" for found in view.warnings] == [
        "offers.csv line 3, unit_cost: 52.00 from 50 units is above 50.00 from 1 units",
        "offers.csv line 3, from_quantity: 49.00 from 200 units is stored, not in this file, and "
        "stays: to end it, import it with a valid_until that is past",
    ]
    assert prices(database) == [(1, 5_000), (50, 5_200), (200, 4_900)]
