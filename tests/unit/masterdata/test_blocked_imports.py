"""Imports warn of active customers with the contact data of a blocked one: their orders wait."""

from pathlib import Path

import pytest

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.tables.masterdata import Customer
from tests.support.masterdata.imports import ROWS
from tests.support.masterdata.shop import write_csv

HOME = {"street": "Hauptstr. 5", "city": "Berlin", "postal_code": "10115"}
BLOCKED = ROWS["customers.csv"] | {
    "customer_id": "C-1",
    "phone": "030 901820",
    "status": "blocked",
    **HOME,
}
OTHER = {
    "customer_id": "C-2", "name": "Bob", "email": "bob@example.com", "phone": "", "vat_id": "",
    "street": "", "city": "", "postal_code": "", "status": "active",
}  # fmt: skip
LIKE_BLOCKED = [
    ({"email": "Ada+shop@Example.com"}, "email: has the mail address"),
    ({"vat_id": "DE 136695976"}, "vat_id: has the VAT id"),
    ({"phone": "+49 30 901820"}, "phone: has the phone number"),
    ({"name": "ADA", **HOME}, "name: has name and address"),
]


def warnings(database: Database, folder: Path, *rows: dict[str, object], dry: bool) -> list[str]:
    write_csv(folder, "customers.csv", list(rows))
    view = import_folder(database, folder, dry_run=dry)
    found = [f"{warning.field}: {warning.reason}" for warning in view.warnings]
    return [warning for warning in found if "blocked" in warning]


@pytest.mark.parametrize("together", [True, False], ids=["same file", "later file"])
@pytest.mark.parametrize(("data", "named"), LIKE_BLOCKED, ids=[named for _, named in LIKE_BLOCKED])
def test_customer_like_a_blocked_one_is_a_warning(
    database: Database, folder: Path, data: dict[str, str], named: str, together: bool
) -> None:
    like = BLOCKED | OTHER | data
    rows = [BLOCKED, like] if together else [like]
    if not together:
        assert warnings(database, folder, BLOCKED, dry=False) == []
    line = len(rows) + 1
    expected = [f"customers.csv line {line}, {named} of C-1, who is blocked: orders will wait"]
    assert warnings(database, folder, *rows, dry=True) == expected
    assert warnings(database, folder, *rows, dry=False) == expected
    assert warnings(database, folder, *rows, dry=False) == [], "the row has no change"


def test_changed_contact_data_are_compared(database: Database, folder: Path) -> None:
    """Not those of a customer that an operator has found to be another one."""
    assert warnings(database, folder, BLOCKED, BLOCKED | OTHER, dry=False) == []
    changed = BLOCKED | OTHER | {"email": "ADA@example.com"}
    assert len(warnings(database, folder, changed, dry=True)) == 1
    database.transaction(
        lambda work: setattr(work.session.get_one(Customer, "C-2"), "distinct_from", ["C-1"])
    )
    assert warnings(database, folder, changed, dry=False) == []


def test_customer_like_an_active_one_is_no_warning(database: Database, folder: Path) -> None:
    active = BLOCKED | {"status": "active"}
    assert warnings(database, folder, active, active | {"customer_id": "C-2"}, dry=False) == []
