"""Test refused imports: nothing is kept, and errors name file, line and column."""

import re
from pathlib import Path

import pytest

from activities.database.engine import Database
from activities.masterdata.importing import MAX_ERRORS, import_folder
from tests.support.masterdata.imports import (
    ROWS,
    change,
    filled_tables,
    refusal,
    rewrite,
)
from tests.support.masterdata.shop import write_csv

BAD_CELLS = [
    ("company.csv", "country", "Germany", "ISO 3166"),
    ("company.csv", "currency", "Euro", "'Euro' is not a currency code such as EUR"),
    ("company.csv", "currency", "XXX", "ISO 4217"),
    ("company.csv", "iban", "DE89370400440532013001", "not a valid IBAN"),
    ("company.csv", "iban", "X: Y", "not a valid IBAN"),
    ("company.csv", "vat_id", "DE136695977", "not a valid VAT id"),
    ("company.csv", "name", "", "is empty, and required"),
    ("company.csv", "city", "", "is missing: DE (Germany) requires one"),
    ("company.csv", "postal_code", "", "is missing: DE (Germany) requires one, such as 26133"),
    ("company.csv", "postal_code", "1067", "is not a postal code of DE (Germany), such as 26133"),
    ("locations.csv", "postal_code", "", "is missing: DE (Germany) requires one, such as 26133"),
    ("locations.csv", "postal_code", "ABCDEFG", "is not a postal code of DE (Germany)"),
    ("accounts.csv", "account", "petty_cash", "there is no account 'petty_cash'"),
    ("accounts.csv", "account", "", "is empty, and required"),
    ("accounts.csv", "number", "12 00", "is not an id of 1 to 32 letters"),
    ("accounts.csv", "number", "", "is empty, and required"),
    ("accounts.csv", "title", "", "is empty, and required"),
    ("locations.csv", "location", "a b", "is not an id of 1 to 32 letters"),
    ("locations.csv", "location", "x" * 33, "is not an id of 1 to 32 letters"),
    ("locations.csv", "country", "XX", "ISO 3166"),
    ("locations.csv", "handling_cost", "-0.50", "below zero"),
    (
        "locations.csv",
        "handling_cost",
        "1.505",
        "'1.505' can be 1505 or 1.505: write 1505 or 1.5050",
    ),
    ("distances.csv", "location", "NOPE", "there is no 'NOPE'"),
    ("distances.csv", "country", "Germany", "ISO 3166"),
    ("distances.csv", "postal_prefix", "1\x07", "control character"),
    ("distances.csv", "distance_km", "-1", "is below 0, the least"),
    ("distances.csv", "distance_km", "5.5", "not a whole number"),
    ("distances.csv", "distance_km", "", "is empty, and required"),
    ("products.csv", "sku", "a b", "is not an id of 1 to 64 letters"),
    ("products.csv", "sku", "", "is empty, and required"),
    ("products.csv", "name", "a" * 201, "it has 201 characters, and may have 200"),
    ("products.csv", "name", "a\x07b", "control character"),
    ("products.csv", "unit_price", "dear", "is not a number such as 18.00"),
    ("products.csv", "unit_price", "1,505", "'1,505' can be 1505 or 1.505: write 1505 or 1.5050"),
    ("products.csv", "unit_price", "18,00 €", "leave out the unit or currency"),
    ("products.csv", "unit_price", "EUR 18.00", "leave out the unit or currency"),
    ("products.csv", "unit_price", "1.2E+03", "is in scientific notation: write all digits"),
    ("products.csv", "unit_price", "12,34,567", "is not a number such as 18.00"),
    ("products.csv", "unit_price", "1.5050", "more than 2 decimals"),
    ("products.csv", "unit_price", "-1.00", "below zero"),
    ("products.csv", "unit_price", "99999999999999.00", "largest amount"),
    ("products.csv", "currency", "USD", "company's currency is EUR"),
    ("products.csv", "tax_rate_percent", "101", "between 0 and 100"),
    ("products.csv", "tax_class", "Reduced", "is not a class of 1 to 32 small letters"),
    ("locations.csv", "weekend", "samstag", "is not days such as 'fri sat', or 'none'"),
    ("products.csv", "kind", "rental", "is none of 'goods' or 'service'"),
    ("products.csv", "tax_class", "as_goods", "is for services that accompany goods"),
    ("tax_rates.csv", "country", "Austria", "is not an ISO 3166 alpha-2 country code"),
    ("tax_rates.csv", "country", "DE", "its rates are the tax_rate_percent of products.csv"),
    ("tax_rates.csv", "tax_class", "", "is empty, and required"),
    ("tax_rates.csv", "rate_percent", "101", "between 0 and 100"),
    ("company.csv", "contact_email", "office", "is not a mail address such as"),
    ("products.csv", "weight_g", "-1", "is below 0, the least"),
    ("products.csv", "weight_g", "2.5", "not a whole number"),
    ("products.csv", "weight_g", "1_000", "not a number such as 12"),
    ("products.csv", "weight_g", "+10", "not a number such as 12"),
    ("products.csv", "weight_g", "", "is empty, and required"),
    ("products.csv", "height_mm", "9" * 30, "not a whole number"),
    ("products.csv", "height_mm", "9" * 18, "is above 1000000000, the most"),
    ("products.csv", "gtin", "4012345000116", "not a valid GTIN"),
    ("products.csv", "gtin", "123", "not a valid GTIN"),
    ("suppliers.csv", "email", "acme", "is not a mail address such as"),
    ("suppliers.csv", "supplier_id", "-", "is not an id of 1 to 32 letters"),
    ("offers.csv", "sku", "NOPE", "there is no 'NOPE'"),
    ("offers.csv", "supplier_id", "NOPE", "there is no 'NOPE'"),
    ("offers.csv", "unit_cost", "-0.01", "below zero"),
    ("offers.csv", "currency", "USD", "company's currency is EUR"),
    ("offers.csv", "minimum_quantity", "0", "is below 1, the least"),
    ("offers.csv", "pack_size", "0", "is below 1, the least"),
    ("offers.csv", "lead_time_days", "3651", "is above 3650, the most"),
    ("offers.csv", "lead_time_days", "soon", "not a number such as 12"),
    ("offers.csv", "break_quantity", "0", "is below 1, the least"),
    ("offers.csv", "break_unit_cost", "-1", "below zero"),
    ("offers.csv", "break_unit_cost", "1.505", "more than 2 decimals"),
    ("offers.csv", "freight_cost", "-1", "below zero"),
    ("offers.csv", "freight_cost", "free", "is not a number such as 18.00"),
    ("offers.csv", "duty_percent", "101", "between 0 and 100"),
    ("offers.csv", "duty_percent", "-1", "between 0 and 100"),
    ("offers.csv", "valid_until", "31.12.2026", "not a date such as"),
    ("offers.csv", "valid_until", "2026-02-30", "is not a day such as"),
    ("offers.csv", "valid_until", "1893456000", "not a date such as"),
    ("customers.csv", "customer_id", "C 1", "is not an id of 1 to 64 letters"),
    ("customers.csv", "email", "ada@", "is not a mail address such as"),
    ("customers.csv", "country", "D", "ISO 3166"),
    ("customers.csv", "credit_limit", "-1", "below zero"),
    ("customers.csv", "credit_limit", "much", "is not a number such as 18.00"),
    ("customers.csv", "credit_limit", "1.0010", "more than 2 decimals"),
    ("customers.csv", "vat_id", "12345", "not a valid VAT id"),
    ("customers.csv", "vat_id", "136695976", "begin with its country: write DE136695976"),
    ("stock.csv", "location", "NOPE", "there is no 'NOPE'"),
    ("stock.csv", "sku", "NOPE", "there is no 'NOPE'"),
    ("stock.csv", "on_hand", "-1", "is below 0, the least"),
    ("stock.csv", "on_hand", "ten", "not a number such as 12"),
    ("stock.csv", "unit_cost", "-1", "below zero"),
    ("stock.csv", "unit_cost", "1.000", "'1.000' can be 1000 or 1.000"),
    ("stock.csv", "unit_cost", "9999999999999.00", "out of range"),
]


@pytest.mark.parametrize(
    ("name", "column", "cell", "reason"),
    BAD_CELLS,
    ids=[f"{column}={cell[:12]!a}" for _, column, cell, _ in BAD_CELLS],
)
def test_invalid_cell_is_refused_with_file_line_and_column(
    database: Database, folder: Path, name: str, column: str, cell: str, reason: str
) -> None:
    change(folder, name, **{column: cell})
    message = refusal(database, folder)
    assert re.match(rf"{name} line 2, {column}: .*{re.escape(reason)}", message)
    assert "^" not in message
    assert filled_tables(database) == set()


OTHER_COMPANY = [
    ({"legal_entity": "other"}, "legal_entity: the company is 'northwind' already"),
    ({"currency": "USD"}, "currency: prices and credit limits are in EUR already"),
]


@pytest.mark.parametrize(("cells", "reason"), OTHER_COMPANY)
def test_company_keeps_legal_entity_and_currency(
    database: Database, folder: Path, cells: dict[str, object], reason: str
) -> None:
    import_folder(database, folder)
    change(folder, "company.csv", **cells)
    assert refusal(database, folder) == f"company.csv line 2, {reason}"


def test_second_company_is_refused(database: Database, folder: Path) -> None:
    write_csv(folder, "company.csv", [ROWS["company.csv"]] * 2)
    assert "company.csv line 3, legal_entity" in refusal(database, folder)


def test_one_stop_shop_requires_a_vat_id(database: Database, folder: Path) -> None:
    """2006/112/EC art. 369b."""
    change(folder, "company.csv", vat_id="", oss="true")
    assert "company.csv line 2, vat_id: is missing: oss requires one" in refusal(database, folder)


@pytest.mark.parametrize("name", ROWS)
def test_missing_column_is_refused(database: Database, folder: Path, name: str) -> None:
    first = next(iter(ROWS[name]))
    write_csv(folder, name, [{k: v for k, v in ROWS[name].items() if k != first}])
    assert refusal(database, folder) == f"{name} line 1, {first}: the column is missing"


@pytest.mark.parametrize("name", ROWS)
def test_unknown_column_is_refused(database: Database, folder: Path, name: str) -> None:
    change(folder, name, colour="red")
    assert refusal(database, folder).startswith(
        f"{name} line 1, colour: is unknown; the columns are"
    )


def test_unknown_separator_is_one_error(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text.replace(",", ":"))
    assert refusal(database, folder) == (
        "locations.csv line 1: has one column, 'location:name:country:postal_code:handling_cost': "
        "separate cells by commas, semicolons, tabs or vertical bars"
    )


@pytest.mark.parametrize("separators", [",,,,", ""])
def test_title_above_the_header_is_one_error(
    database: Database, folder: Path, separators: str
) -> None:
    rewrite(folder, "locations.csv", lambda text: f"Our locations{separators}\n{text}")
    assert refusal(database, folder) == (
        "locations.csv line 1: has one cell, 'Our locations': "
        "remove all rows above the names of the columns"
    )


def test_rows_with_another_separator_than_the_header_are_one_error(
    database: Database, folder: Path
) -> None:
    rows = "".join(f"H{number};Hamburg;DE;20457;0\n" for number in range(20))
    rewrite(folder, "locations.csv", lambda text: text + rows)
    assert refusal(database, folder) == (
        "locations.csv lines 3, 4, 5 and 17 more: "
        "is separated by semicolons, but the header by commas"
    )


def test_row_with_too_many_cells_is_refused(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text + "HAM,Hamburg,DE,20457,0,more\n")
    assert refusal(database, folder) == (
        "locations.csv line 3: has 6 cells, the header has 5: "
        "put a cell that contains ',' in double quotes"
    )


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("name", ROWS)
def test_row_with_too_few_cells_is_refused(
    database: Database, folder: Path, name: str, end: str
) -> None:
    """A file that is cut off must not fill its last row with defaults."""
    rewrite(folder, name, lambda text: f"{text.rstrip()}\nX,Y{end}")
    width = len(ROWS[name])
    assert refusal(database, folder).startswith(
        f"{name} line 3: has 2 cells, the header has {width}: the file may be cut off here"
    )


def test_encoding_other_than_utf_8_is_refused(database: Database, folder: Path) -> None:
    with (folder / "locations.csv").open("ab") as file:
        file.write("MUC,München,DE,80331,0\n".encode("latin-1"))
    assert refusal(database, folder) == (
        "locations.csv line 3: cell 2 is not UTF-8: save the file as UTF-8 (in Excel, CSV UTF-8), "
        "or import it with the encoding windows-1252 if the cell is 'München'"
    )


def test_utf_16_without_byte_order_mark_is_refused(database: Database, folder: Path) -> None:
    text = (folder / "locations.csv").read_text()
    (folder / "locations.csv").write_bytes(text.encode("utf-16-le"))
    assert "locations.csv line 1: is not UTF-8 (it has zero bytes" in refusal(database, folder)


@pytest.mark.parametrize("row", ['HAM,"Ham"burg,DE,1\n', 'HAM,"Hamburg,DE,20457\n'])
def test_broken_quotes_are_refused_with_line(database: Database, folder: Path, row: str) -> None:
    rewrite(folder, "locations.csv", lambda text: text + row)
    assert refusal(database, folder).startswith("locations.csv line 3: ")


def test_broken_quotes_in_the_header_are_refused(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: '"' + text)
    assert refusal(database, folder).startswith("locations.csv line ")


def test_repeated_column_is_refused(database: Database, folder: Path) -> None:
    twice = "location,name,country,postal_code,name\nBER,Berlin,DE,10115,Hamburg\n"
    (folder / "locations.csv").write_text(twice)
    assert refusal(database, folder).startswith("locations.csv line 1, name: ")


def test_unicode_line_separator_does_not_end_row(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text.replace("Berlin", "Ber\u2028lin"))
    assert import_folder(database, folder).imported["locations.csv"] == 1


def test_name_with_line_break_is_refused(database: Database, folder: Path) -> None:
    rewrite(folder, "locations.csv", lambda text: text + 'HAM,"Ham\nburg",DE,1,0\n')
    assert refusal(database, folder).startswith("locations.csv line 4, name: ")


def test_invalid_rows_are_reported_up_to_limit(database: Database, folder: Path) -> None:
    numbers = range(MAX_ERRORS + 10)
    bad = [ROWS["locations.csv"] | {"location": f"L{n}", "country": f"X{n}"} for n in numbers]
    write_csv(folder, "locations.csv", bad)
    errors = refusal(database, folder).split("; ")
    assert [error.partition(",")[0] for error in errors[:-1]] == [
        f"locations.csv line {line}" for line in range(2, MAX_ERRORS + 2)
    ]
    assert errors[-1] == "import: has 12 more errors, not listed here"


def test_one_cause_in_many_rows_is_one_error(database: Database, folder: Path) -> None:
    bad = [ROWS["locations.csv"] | {"location": f"L{n}", "country": "XX"} for n in range(20)]
    write_csv(folder, "locations.csv", bad)
    assert refusal(database, folder).startswith(
        "locations.csv lines 2, 3, 4 and 17 more, country: 'XX' is not an ISO 3166"
    )


def test_error_in_last_file_refuses_whole_import(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    change(folder, "products.csv", unit_price="1.00")
    change(folder, "customers.csv", customer_id="C-2")
    change(folder, "stock.csv", sku="NOPE")
    assert refusal(database, folder) == "stock.csv line 2, sku: there is no 'NOPE'"


def test_errors_of_all_files_are_reported_at_once(database: Database, folder: Path) -> None:
    """Invalid cells, and rows that contradict the tables."""
    change(folder, "locations.csv", country="XX")
    change(folder, "customers.csv", credit_limit="-1")
    row = ROWS["stock.csv"]
    bad = [row | {"on_hand": "ten"}, row | {"sku": "NOPE"}, row | {"location": "NOPE"}]
    write_csv(folder, "stock.csv", bad)
    reported = [error.partition(":")[0] for error in refusal(database, folder).split("; ")]
    assert reported == [
        "locations.csv line 2, country",
        "customers.csv line 2, credit_limit",
        "stock.csv line 2, on_hand",
        "stock.csv line 3, sku",
        "stock.csv line 4, location",
    ]


@pytest.mark.parametrize("cells", [{"weight_g": "heavy"}, {"colour": "red"}])
def test_reference_to_refused_row_is_no_further_error(
    database: Database, folder: Path, cells: dict[str, object]
) -> None:
    """An error in products.csv is not repeated for each offer."""
    change(folder, "products.csv", **cells)
    message = refusal(database, folder)
    assert (message.count(".csv"), message.startswith("products.csv")) == (1, True)


def test_currency_is_not_checked_against_refused_company(database: Database, folder: Path) -> None:
    """It may be the currency in the corrected row."""
    change(folder, "company.csv", country="XX", currency="USD")
    change(folder, "products.csv", currency="USD", weight_g="heavy")
    change(folder, "offers.csv", currency="USD")
    reported = [error.partition(":")[0] for error in refusal(database, folder).split("; ")]
    assert reported == ["company.csv line 2, country", "products.csv line 2, weight_g"]


@pytest.mark.parametrize("content", ["", None, "location,name,country,postal_code\n"])
def test_folder_without_rows_is_refused(
    database: Database, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "empty"
    path.mkdir()
    if content is not None:
        (path / "locations.csv").write_text(content)
    assert "locations.csv" in refusal(database, path)


def test_path_that_is_no_folder_is_refused(database: Database, tmp_path: Path) -> None:
    assert refusal(database, tmp_path / "nowhere").endswith("is not a folder or file")
