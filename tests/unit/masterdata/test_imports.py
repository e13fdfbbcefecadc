"""Test imports: accepted files, numbers of accounts, and opening balances."""

import csv
import shutil
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import pytest
from sqlmodel import Session, col, func, select

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.ledger import Account
from models.tables.ledger import AccountRow, JournalPosting
from models.tables.masterdata import Company, Customer, Distance, Location, Product, SupplierOffer
from models.tables.stock import Stock, StockMovement
from tests.support.masterdata.imports import (
    ROWS,
    change,
    dump,
    filled_tables,
    refusal,
    rewrite,
)
from tests.support.masterdata.shop import write_csv, write_shop

EXAMPLE = Path(__file__).parents[3] / "examples" / "shop"
FILES = (
    *("company", "tax_rates", "locations", "distances", "products"),
    *("suppliers", "offers", "customers", "stock"),
)


def balance(session: Session, account: Account) -> int:
    """Sum up the postings of an account; debits are positive."""
    query = select(func.sum(col(JournalPosting.amount_minor)))
    return session.exec(query.where(JournalPosting.account == account.value)).one() or 0


def stock_value(session: Session) -> int:
    """Sum up the value of all stock."""
    return session.exec(select(func.sum(col(Stock.value_minor)))).one() or 0


def test_example_shop_is_imported(database: Database) -> None:
    imported = import_folder(database, EXAMPLE)
    lines = {f"{name}.csv": (EXAMPLE / f"{name}.csv").read_text() for name in FILES}
    assert imported.imported == {
        name: len(list(csv.reader(text.splitlines()))) - 1 for name, text in lines.items()
    }
    assert imported.served == ()


def test_inventory_account_equals_stock_value(database: Database) -> None:
    import_folder(database, EXAMPLE)

    def read(session: Session) -> tuple[int, int, int]:
        equity = balance(session, Account.OPENING_BALANCE_EQUITY)
        return balance(session, Account.INVENTORY), -equity, stock_value(session)

    inventory, equity, stock = database.read(read)
    assert inventory == equity == stock
    assert stock > 0


def test_repeated_import_changes_nothing(database: Database) -> None:
    import_folder(database, EXAMPLE)
    once = dump(database)
    assert import_folder(database, EXAMPLE).imported
    assert dump(database) == once


def test_repeated_import_updates_changed_rows(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    change(folder, "products.csv", name="Hammer drill", unit_price="120.50")
    change(folder, "customers.csv", credit_limit="", status="blocked")
    change(folder, "offers.csv", unit_cost="50.00", lead_time_days=9)
    change(folder, "company.csv", name="Northwind International")
    import_folder(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        product = session.get_one(Product, "DRILL")
        customer = session.get_one(Customer, "C-1")
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL", 1))
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


def test_row_removed_from_file_is_kept(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    change(folder, "products.csv", sku="SAW")
    (folder / "stock.csv").unlink()
    (folder / "offers.csv").unlink()
    import_folder(database, folder)
    assert database.read(lambda s: s.exec(select(Product.sku).order_by(Product.sku)).all()) == [
        "DRILL",
        "SAW",
    ]


def test_file_may_refer_to_rows_of_earlier_import(database: Database, folder: Path) -> None:
    for name in ("stock.csv", "offers.csv"):
        shutil.move(folder / name, folder.parent / name)
    import_folder(database, folder)
    later = folder.parent / "later"
    later.mkdir()
    for name in ("stock.csv", "offers.csv"):
        shutil.move(folder.parent / name, later / name)
    assert import_folder(database, later).imported == {"offers.csv": 1, "stock.csv": 1}


def test_import_without_company_inserts_default_one(database: Database, tmp_path: Path) -> None:
    write_shop(tmp_path / "shop", "DRILL", "C-1", 5)
    assert "company.csv" not in import_folder(database, tmp_path / "shop").imported
    assert database.read(
        lambda s: s.exec(select(Company.legal_entity, Company.currency)).all()
    ) == [("DEFAULT", "EUR")]


def test_company_replaces_default_one(database: Database, folder: Path, tmp_path: Path) -> None:
    write_shop(tmp_path / "first", "DRILL", "C-1", 0)
    import_folder(database, tmp_path / "first")
    import_folder(database, folder)
    assert database.read(lambda s: s.exec(select(Company.legal_entity)).all()) == ["northwind"]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("company.csv", {"iban": "DE89 3704 0044 0532 0130 00", "vat_id": "de 136695976"}),
        ("company.csv", {"iban": "", "vat_id": ""}),
        ("company.csv", {"oss": "true", "prices_include_tax": "TRUE", "tax_number": "27/1"}),
        ("tax_rates.csv", {"country": "XI", "rate_percent": "0"}),
        ("customers.csv", {"vat_id": "ATU99980002", "name": 'Müller "& Söhne", Wien'}),
        ("customers.csv", {"country": "US", "vat_id": "27-1234567"}),
        ("products.csv", {"gtin": "", "unit_price": "0", "weight_g": 0, "name": " 東京 "}),
        ("locations.csv", {"handling_cost": ""}),
        ("distances.csv", {"postal_prefix": "", "distance_km": 0}),
        ("offers.csv", {"break_quantity": "", "break_unit_cost": ""}),
        ("offers.csv", {"freight_cost": "", "duty_percent": "", "valid_until": ""}),
        ("stock.csv", {"on_hand": 0}),
        ("stock.csv", {"unit_cost": "0"}),
    ],
)
def test_unusual_cells_are_accepted(
    database: Database, folder: Path, name: str, cells: Mapping[str, object]
) -> None:
    change(folder, name, **cells)
    assert import_folder(database, folder).imported[name] == 1


def test_iban_and_vat_id_are_stored_without_spaces(database: Database, folder: Path) -> None:
    change(folder, "company.csv", iban="DE89 3704 0044 0532 0130 00", vat_id="DE 136 695 976")
    import_folder(database, folder)
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
def test_formats_of_spreadsheets_are_accepted(
    database: Database, folder: Path, edit: Callable[[str], str]
) -> None:
    rewrite(folder, "products.csv", edit)
    assert import_folder(database, folder).imported["products.csv"] == 1


def test_company_and_second_address_lines_are_stored(database: Database, folder: Path) -> None:
    """And are emptied by an empty cell only."""
    change(folder, "company.csv", line2="Halle 3")
    change(folder, "locations.csv", street="Hof 1", line2="Rampe 2", city="Berlin")
    change(folder, "customers.csv", company="Acme AG", line2="Floor 4")
    import_folder(database, folder)
    change(folder, "customers.csv")
    change(folder, "company.csv", line2="")
    import_folder(database, folder)
    company = database.read(lambda s: s.exec(select(Company)).one())
    location = database.read(lambda s: s.exec(select(Location)).one())
    customer = database.read(lambda s: s.exec(select(Customer)).one())
    assert company.line2 == ""
    assert location.address_lines == ("Berlin", "Hof 1", "Rampe 2", "10115 Berlin")
    assert (customer.company, customer.line2) == ("Acme AG", "Floor 4")


def test_column_order_and_optional_columns_are_free(database: Database, folder: Path) -> None:
    row = {key: value for key, value in ROWS["customers.csv"].items() if key != "vat_id"}
    write_csv(folder, "customers.csv", [dict(reversed(row.items()))])
    assert import_folder(database, folder).imported["customers.csv"] == 1


def test_further_costs_of_offers_and_locations_are_stored(database: Database, folder: Path) -> None:
    import_folder(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL", 1))
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


def test_optional_columns_of_offers_and_locations_have_defaults(
    database: Database, folder: Path
) -> None:
    """No price break, freight cost, duty, end or handling cost."""
    optional = {"break_quantity", "break_unit_cost", "freight_cost", "duty_percent", "valid_until"}
    for name in ("offers.csv", "locations.csv"):
        row = {k: v for k, v in ROWS[name].items() if k not in {*optional, "handling_cost"}}
        write_csv(folder, name, [row])
    (folder / "distances.csv").unlink()
    import_folder(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL", 1))
        cost = session.get_one(Location, "BER").handling_cost_minor
        costs = (offer.break_unit_cost_minor, offer.freight_cost_minor, offer.duty_ppm, cost)
        return offer.break_quantity, offer.valid_until, costs

    assert database.read(read) == (None, None, (None, 0, 0, 0))


@pytest.mark.parametrize("lacking", ["break_quantity", "break_unit_cost"])
def test_price_break_requires_both_columns(database: Database, folder: Path, lacking: str) -> None:
    change(folder, "offers.csv", **{lacking: ""})
    assert refusal(database, folder).startswith(f"offers.csv line 2, {lacking}: is missing")


def test_distances_by_postal_prefix_are_accepted(database: Database, folder: Path) -> None:
    row = ROWS["distances.csv"]
    write_csv(folder, "distances.csv", [row, row | {"postal_prefix": ""}])
    assert import_folder(database, folder).imported["distances.csv"] == 2


# --- the chart of accounts ---------------------------------------------------------------------


def write_accounts(folder: Path, *rows: tuple[str, str]) -> None:
    """Write accounts.csv with these accounts and numbers."""
    titled = [{"account": a, "number": number, "title": f"T {number}"} for a, number in rows]
    write_csv(folder, "accounts.csv", titled)


def numbers(database: Database) -> dict[str, str]:
    """Read the accounts' numbers that differ from the code, by code."""
    rows = database.read(lambda s: s.exec(select(AccountRow.code, AccountRow.number)).all())
    return {code: number for code, number in rows if code != number}


def test_account_gets_number_and_title_of_company(database: Database, folder: Path) -> None:
    """Named by role, label or code; the code stays."""
    write_accounts(
        folder, ("accounts_receivable", "1400-D"), ("Tax payable", "3806"), ("4000", "8400")
    )
    assert import_folder(database, folder).imported["accounts.csv"] == 3
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
def test_accounts_exchange_numbers_in_one_import(
    database: Database, folder: Path, rows: tuple[tuple[str, str], ...]
) -> None:
    """In any order, repeatedly, and back."""
    for _ in range(2):
        write_accounts(folder, *rows)
        import_folder(database, folder)
        assert numbers(database) == {Account[a.upper()].value: number for a, number in rows}
    write_accounts(folder, *((account, Account[account.upper()].value) for account, _ in rows))
    import_folder(database, folder)
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
        (
            (("bank", "77"), ("1000", "78")),
            "accounts.csv line 3, account: 1000 is in line 2 too: keep one of the two lines",
        ),
    ],
)
def test_number_of_another_account_is_refused(
    database: Database, folder: Path, rows: tuple[tuple[str, str], ...], message: str
) -> None:
    write_accounts(folder, *rows)
    assert refusal(database, folder) == message


def test_number_freed_by_refused_row_is_no_further_error(database: Database, folder: Path) -> None:
    write_accounts(folder, ("bank", "1100"), ("cash_clearing", "a b"))
    message = refusal(database, folder)
    assert (message.count(".csv"), "line 3, number" in message) == (1, True)


# --- the opening balance -----------------------------------------------------------------------


def test_opening_balance_is_applied_once(database: Database, folder: Path) -> None:
    for _ in range(3):
        import_folder(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        stock = session.get_one(Stock, ("DRILL", "BER"))
        movements = session.exec(select(StockMovement.movement_id)).all()
        return stock.on_hand, stock.value_minor, balance(session, Account.INVENTORY), movements

    assert database.read(read) == (10, 60_000, 60_000, ["opening:BER:DRILL"])


@pytest.mark.parametrize("cells", [{"on_hand": 11}, {"on_hand": 0}, {"unit_cost": "60.01"}])
def test_different_opening_balance_is_refused(
    database: Database, folder: Path, cells: dict[str, object]
) -> None:
    import_folder(database, folder)
    change(folder, "stock.csv", **cells)
    assert refusal(database, folder) == (
        "stock.csv line 2, on_hand: DRILL at BER has an opening balance already, "
        "of another quantity or cost: use `stock count` or `stock adjust`"
    )


def test_two_opening_balances_of_stock_key_are_refused(database: Database, folder: Path) -> None:
    row = ROWS["stock.csv"]
    write_csv(folder, "stock.csv", [row, row | {"on_hand": 5}])
    assert refusal(database, folder) == (
        "stock.csv line 3, location, sku: BER, DRILL is in line 2 too: keep one of the two lines"
    )


def test_opening_balance_of_zero_posts_nothing(database: Database, folder: Path) -> None:
    change(folder, "stock.csv", on_hand=0)
    import_folder(database, folder)
    assert "journal_entries" not in filled_tables(database)
    assert "stock_movements" in filled_tables(database)


@pytest.mark.parametrize(
    ("country", "city", "sent", "kept"),
    [
        ("IE", "Cork", "", ""),
        ("IE", "Dublin", "d02 x285", "D02 X285"),
        ("HK", "Kowloon", "", ""),
        ("AE", "Dubai", "00000", ""),
        ("AT", "Wien", "A-1010", "1010"),
        ("PL", "Warszawa", "00950", "00-950"),
    ],
)
def test_postal_codes_of_company_and_locations_are_those_of_their_country(
    database: Database, folder: Path, country: str, city: str, sent: str, kept: str
) -> None:
    """Where there are none, none is needed."""
    place = {"country": country, "city": city, "postal_code": sent}
    change(folder, "company.csv", **place, vat_id="")
    change(folder, "locations.csv", **place)
    (folder / "tax_rates.csv").unlink()  # names countries abroad, of which one is home now
    import_folder(database, folder)
    for table in (Company, Location):
        row = database.read(lambda session, table=table: session.exec(select(table)).one())  # type: ignore[misc]
        assert (row.country, row.postal_code) == (country, kept)


def test_imported_customers_have_the_keys_of_their_contact_data(
    database: Database, folder: Path
) -> None:
    """New and changed ones; a merged one is refused."""

    def key(session: Session) -> str | None:
        return session.exec(select(Customer.mail_key)).one()

    for email in ("Ada@Example.com", "King+shop@Example.com"):
        change(folder, "customers.csv", email=email)
        import_folder(database, folder)
        assert database.read(key) == email.lower().replace("+shop", "")

    def merge(session: Session) -> None:
        customer = session.exec(select(Customer)).one()
        kept = customer.model_dump() | {"customer_id": "KEPT"}
        session.add(Customer(**kept))
        session.flush()
        customer.merged_into = "KEPT"

    database.transaction(lambda work: merge(work.session))
    change(folder, "customers.csv", email="other@example.com")
    assert "is merged into KEPT: import that one instead" in refusal(database, folder)
