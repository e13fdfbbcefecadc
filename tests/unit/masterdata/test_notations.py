"""Test notations that imports read as meant: numbers, separators, encodings; and warnings."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from activities.database.engine import Database
from activities.masterdata.importing import import_folder, import_sources
from activities.masterdata.sources import read_archive, read_path
from models.cells import CellKind, DecimalMark, decimal_mark, plain_number
from models.errors import InvalidInput
from models.import_warnings import doubts_of_change, doubts_of_text, lookalikes
from models.tables.masterdata import Customer, Location, Product
from models.views.imports import ImportView
from tests.support.masterdata.imports import (
    ROWS,
    change,
    dump,
    refusal,
    rewrite,
)
from tests.support.masterdata.shop import write_csv

DOT, COMMA = DecimalMark.DOT, DecimalMark.COMMA
AMOUNT, PERCENT, WHOLE = CellKind.AMOUNT, CellKind.PERCENT, CellKind.WHOLE


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("18", None), ("18.00", DOT), ("18,00", COMMA), ("1,234", None), ("1.234", None), ("0.123", None),
        ("1.234,56", COMMA), ("1,234.56", DOT), ("1.234.567", COMMA), ("1,234,567", DOT), ("1 234,5", COMMA),
        ("1 234", None), ("1'234.50", DOT), ("1\u00a0234,50", COMMA), ("1234,567", COMMA), ("dear", None), ("1.2.3", None),
    ],
)  # fmt: skip
def test_number_shows_decimal_mark_of_its_file(text: str, mark: DecimalMark | None) -> None:
    assert decimal_mark(text) is mark


@pytest.mark.parametrize(
    ("text", "kind", "mark", "plain"),
    [
        ("18.5", AMOUNT, None, "18.5"), ("18,5", AMOUNT, None, "18.5"), ("-3,20", AMOUNT, None, "-3.20"),
        ("\u22123.20", AMOUNT, None, "-3.20"), ("1.234,56", AMOUNT, COMMA, "1234.56"), ("1,234.56", AMOUNT, DOT, "1234.56"),
        ("1 234,56", AMOUNT, COMMA, "1234.56"), ("1\u202f234,56", AMOUNT, None, "1234.56"), ("1\u2019234.56", AMOUNT, None, "1234.56"),
        ("1,234", AMOUNT, DOT, "1234"), ("1,234", AMOUNT, COMMA, "1.234"), ("1.234", AMOUNT, COMMA, "1234"),
        ("1.234", WHOLE, COMMA, "1234"), ("1 234", WHOLE, None, "1234"), ("1.234.567", WHOLE, None, "1234567"),
        ("19%", PERCENT, None, "19"), ("5,5 %", PERCENT, None, "5.5"), ("1.234", PERCENT, None, "1.234"), ("007", WHOLE, None, "007"),
    ],
)  # fmt: skip
def test_number_is_read_as_meant(
    text: str, kind: CellKind, mark: DecimalMark | None, plain: str
) -> None:
    assert plain_number(text, kind, mark) == plain


@pytest.mark.parametrize(
    ("text", "kind", "mark", "reason"),
    [
        ("1,234", AMOUNT, None, "'1,234' can be 1234 or 1.234: write 1234 or 1.2340"),
        ("1.234", WHOLE, None, "'1.234' can be 1234 or 1.234: write 1234"),
        ("12,34,567", AMOUNT, None, "is not a number such as 18.00"), ("1.234,5", AMOUNT, DOT, "is not a number such as 1234.56"),
        ("12.50", AMOUNT, COMMA, "is not a number such as 1.234,56"), ("1.5e3", AMOUNT, None, "is in scientific notation: write all digits"),
        ("18 EUR", AMOUNT, None, "leave out the unit or currency"), ("$18", AMOUNT, None, "leave out the unit or currency"),
        ("2 kg", WHOLE, None, "is not a number such as 12"), ("19%", AMOUNT, None, "leave out the unit or currency"), ("", AMOUNT, None, "is not a number"),
        ("١٢", WHOLE, None, "is not a number such as 12"),
    ],
)  # fmt: skip
def test_number_without_one_meaning_is_refused_in_words(
    text: str, kind: CellKind, mark: DecimalMark | None, reason: str
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        plain_number(text, kind, mark)
    assert reason in str(refused.value)


def german(text: str) -> str:
    """Rewrite products.csv as a spreadsheet in German writes it."""
    return text.replace(",", ";").replace("100.00", "1.100,00").replace(";2000;", ";2.000;")


FORMATS: Mapping[str, Callable[[str], bytes]] = {
    "semicolons": lambda text: german(text).encode(),
    "tabs": lambda text: text.replace(",", "\t").replace("100.00", "1100").encode(),
    "bars": lambda text: text.replace(",", "|").replace("100.00", "1100").encode(),
    "sep=": lambda text: f"sep=;\r\n{german(text)}".encode(),
    "byte order mark": lambda text: german(text).encode("utf-8-sig"),
    "UTF-16": lambda text: german(text).encode("utf-16"),
    "UTF-16 BE": lambda text: ("\ufeff" + german(text)).encode("utf-16-be"),
    "UTF-32": lambda text: german(text).encode("utf-32"),
    "old line ends": lambda text: german(text).replace("\n", "\r").encode(),
    "names": lambda text: german(text).replace("unit_price", "Unit  price").replace("sku", " SKU ").encode(),
    "invisible characters": lambda text: german(text).replace("unit_price", "unit_price\u200b").encode("utf-8-sig").replace(b"sku", b"\xef\xbb\xbfsku"),
    "separator after the header": lambda text: german(text).replace("\n", ";\n", 1).encode(),
    "formulas": lambda text: german(text).replace(";2.000;", ';"=""2000""";').encode(),
    "blank rows": lambda text: f"\n;;\n{german(text)};;;;;;;;;\n \n".encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_format_of_spreadsheet_is_read_as_meant(
    database: Database, folder: Path, name: str
) -> None:
    change(folder, "products.csv", name="Bohrer für Beton")
    path = folder / "products.csv"
    path.write_bytes(FORMATS[name](path.read_text()))
    import_folder(database, folder)
    drill = database.read(lambda s: s.get_one(Product, "DRILL"))
    read = (drill.name, drill.unit_price_minor, drill.weight_g)
    assert read == ("Bohrer für Beton", 110_000, 2000)


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1", "ISO-8859-1"])
def test_other_encoding_is_read_if_it_is_named(
    database: Database, folder: Path, encoding: str
) -> None:
    """Latin-1 is windows-1252, without its letters and quotes."""
    change(folder, "locations.csv", name="Köln: Straße, €")
    path = folder / "locations.csv"
    path.write_bytes(path.read_text().encode("windows-1252"))
    with pytest.raises(InvalidInput, match="with the encoding windows-1252 if the cell is 'Köln"):
        import_folder(database, folder)
    import_sources(database, read_path(folder), encoding=encoding)
    assert database.read(lambda s: s.get_one(Location, "BER")).name == "Köln: Straße, €"
    with pytest.raises(InvalidInput, match="encoding: there is no encoding 'klingon'"):
        import_sources(database, read_path(folder), encoding="klingon")


def test_two_decimal_marks_in_one_file_are_one_error(database: Database, folder: Path) -> None:
    rows = [ROWS["customers.csv"] | {"customer_id": f"C-{n}"} for n in range(3)]
    rows[1]["credit_limit"], rows[2]["credit_limit"] = "1.234,50", "1,234"
    write_csv(folder, "customers.csv", rows)
    assert refusal(database, folder) == (
        "customers.csv line 3: writes a number as 1.234,50, and line 2 as 500.00: use one notation"
    )


def test_other_numbers_of_a_file_explain_its_notation(database: Database, folder: Path) -> None:
    rows = [ROWS["customers.csv"] | {"customer_id": f"C-{n}"} for n in range(2)]
    rows[0]["credit_limit"], rows[1]["credit_limit"] = "0,50", "1.234"
    write_csv(folder, "customers.csv", rows)
    import_folder(database, folder)
    assert database.read(lambda s: s.get_one(Customer, "C-1")).credit_limit_minor == 123_400


def test_archive_is_read_as_its_folder(database: Database, folder: Path, tmp_path: Path) -> None:
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "products.csv").write_text("x")
    packed = Path(shutil.make_archive(str(tmp_path / "shop"), "zip", folder.parent, "shop"))
    view = import_sources(database, read_archive(packed.read_bytes()))
    assert view.imported == dict.fromkeys(ROWS, 1)
    with pytest.raises(InvalidInput, match="archive: is not a zip archive"):
        read_archive(b"sku,name")


def test_one_file_is_imported_by_its_path(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    write_csv(folder, "products.csv", [{"sku": "DRILL", "unit_price": "1.00"}])
    assert import_folder(database, folder / "products.csv").imported == {"products.csv": 1}
    assert database.read(lambda s: s.get_one(Product, "DRILL")).unit_price_minor == 100


# --- warnings ----------------------------------------------------------------------------------


def warned(view: ImportView) -> list[str]:
    """Return the warnings as text, without those of the company."""
    return [f"{warning.field}: {warning.reason}" for warning in view.warnings]


UNLIKELY: list[tuple[str, Sequence[dict[str, object]], str]] = [
    ("products.csv", [{"tax_rate_percent": "0.19"}], "products.csv line 2, tax_rate_percent: 0.19 is 0.19 %: write 19 for 19 %"),
    ("products.csv", [{}, {"sku": "SAW"}], "products.csv line 2, gtin: 4012345000115 is the GTIN of SAW too"),
    ("products.csv", [{}, {"sku": "Drill", "gtin": ""}], "products.csv line 3, sku: Drill differs from DRILL in case only"),
    ("products.csv", [{"unit_price": "54.99"}], "products.csv line 2, unit_price: 54.99 is below 55.00, the cheapest offer"),
    ("products.csv", [{"unit_price": "0"}], "products.csv line 2, unit_price: is 0: the product is free"),
    ("products.csv", [{"weight_g": "2"}], "products.csv line 2, weight_g: 2 g is unlikely for 300 x 200 x 100 mm"),
    ("products.csv", [{"height_mm": "0"}], "products.csv line 2, weight_g: or a size is 0: freight can't be planned"),
    ("products.csv", [{"name": "MÃ¼ller"}], "products.csv line 2, name: 'MÃ¼ller' is probably 'Müller'"),
    ("products.csv", [{"name": "M\ufffdller"}], "products.csv line 2, name: 'M\ufffdller' has lost a character"),
    ("products.csv", [{"name": "Saw &amp; M&uuml;ll"}], "products.csv line 2, name: 'Saw &amp; M&uuml;ll' is probably 'Saw & Müll'"),
    ("customers.csv", [{"city": "NULL"}], "customers.csv line 2, city: 'NULL' is probably no value: leave the cell empty"),
    ("customers.csv", [{"name": "nan"}], "customers.csv line 2, name: 'nan' is probably no value: leave the cell empty"),
    ("offers.csv", [{"valid_until": "2026-07-05"}], "offers.csv line 2, valid_until: 2026-07-05 is past: nothing is purchased from this offer"),
    ("offers.csv", [{"break_unit_cost": "56"}], "offers.csv line 2, break_unit_cost: 56 is above the price 55.00"),
    ("offers.csv", [{"break_quantity": "1"}], "offers.csv line 2, break_quantity: is not above the minimum quantity: the price never applies"),
    ("offers.csv", [{"lead_time_days": "400"}], "offers.csv line 2, lead_time_days: 400 days are more than a year"),
    ("customers.csv", [{}, {"customer_id": "c-1"}], "customers.csv line 3, customer_id: c-1 differs from C-1 in case only"),
    ("customers.csv", [{"country": "DE", "phone": "abc"}], "customers.csv line 2, phone: 'abc' is not a phone number of DE: give it with its country code, such as \"+49 30 123456\""),
    ("customers.csv", [{"country": "DE", "phone": "4.93023E+11"}], "customers.csv line 2, phone: '4.93023E+11' is not a phone number of DE: give it with its country code, such as \"+49 30 123456\""),
    ("customers.csv", [{"country": "DE", "postal_code": "1067"}], "customers.csv line 2, postal_code: '1067' is not a postal code of DE (Germany), such as 26133"),
    ("products.csv", [{}, {"sku": "17", "gtin": ""}, {"sku": "0017", "gtin": ""}], "products.csv line 4, sku: 0017 differs from 17 in leading zeros only"),
    ("stock.csv", [{"unit_cost": "0"}], "stock.csv line 2, unit_cost: is 0: the goods have no value"),
    ("stock.csv", [{"unit_cost": "100.01"}], "stock.csv line 2, unit_cost: 100.01 is above 100.00, the price of the product"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "rows", "warning"), UNLIKELY, ids=[w[:40] for _, _, w in UNLIKELY]
)
def test_unlikely_value_is_listed_and_imported(
    database: Database,
    folder: Path,
    name: str,
    rows: Sequence[dict[str, object]],
    warning: str,
) -> None:
    assert warned(import_folder(database, folder, dry_run=True)) == []
    write_csv(folder, name, [ROWS[name] | row for row in rows])
    before = dump(database)
    assert warning in warned(import_folder(database, folder, dry_run=True))
    assert dump(database) == before
    assert warning in warned(import_folder(database, folder))


def test_rows_are_compared_with_earlier_imports(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    later = folder.parent / "later"
    later.mkdir()
    write_csv(later, "products.csv", [ROWS["products.csv"] | {"sku": "drill", "unit_price": "5"}])
    write_csv(
        later, "offers.csv", [ROWS["offers.csv"] | {"unit_cost": "5.49", "break_unit_cost": "5.40"}]
    )
    write_csv(later, "stock.csv", [ROWS["stock.csv"]])
    assert warned(import_folder(database, later, dry_run=True)) == [
        "products.csv line 2, sku: drill differs from DRILL in case only",
        "products.csv line 2, gtin: 4012345000115 is the GTIN of DRILL too",
        "offers.csv line 2, unit_cost: 55.00 -> 5.49 is a change by a factor of 10",
    ]
    write_csv(later, "products.csv", [ROWS["products.csv"] | {"unit_price": "5.48", "gtin": ""}])
    (later / "stock.csv").unlink()
    assert "products.csv line 2, unit_price: 5.48 is below 5.49, the cheapest offer" in warned(
        import_folder(database, later, dry_run=True)
    )
    (later / "products.csv").unlink()
    write_csv(later, "offers.csv", [ROWS["offers.csv"] | {"unit_cost": "100.5"}])
    assert warned(import_folder(database, later, dry_run=True)) == [
        "offers.csv line 2, unit_cost: 100.50 is above 100.00, the price of the product"
    ]


def test_file_without_line_end_is_a_warning(database: Database, folder: Path) -> None:
    rewrite(folder, "suppliers.csv", str.rstrip)
    assert warned(import_folder(database, folder)) == [
        "suppliers.csv line 2: has no line end: check that the file is not cut off"
    ]


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [("1.00", "9.99", 0), ("1.00", "10.00", 1), ("10.00", "1.00", 1), ("0.00", "5.00", 0), ("5.00", "", 0)],
)  # fmt: skip
def test_change_to_a_tenth_is_unlikely(before: str, after: str, count: int) -> None:
    assert len(list(doubts_of_change(before, after))) == count


@pytest.mark.parametrize(
    "text", ["Müller", "Ã", "São Paulo", "ÂNGELO", "東京", "Łódź", "H&M; A & B;", "Nullmeyer"]
)
def test_names_of_the_world_are_likely(text: str) -> None:
    assert list(doubts_of_text(text)) == []


@pytest.mark.parametrize(
    ("ids", "groups"),
    [
        (["a", "B", "A", "c"], [["a", "A"]]),
        (["17", "0017", "170", "A17", "0A17"], [["17", "0017"]]),
        (["0", "00", "000", "0.0"], [["0", "00", "000"]]),
    ],
)
def test_ids_that_differ_in_case_or_leading_zeros_are_one_group(
    ids: list[str], groups: list[list[str]]
) -> None:
    assert lookalikes(ids) == groups


def test_customer_whose_block_ends_is_a_warning(database: Database, folder: Path) -> None:
    """An empty status is refused, as the default would end the block; without the column it stays.

    A new customer may have none.
    """
    customer = ROWS["customers.csv"]
    for status in ("", "blocked"):
        write_csv(folder, "customers.csv", [customer | {"status": status}])
        assert not [w for w in warned(import_folder(database, folder)) if "blocked" in w]
    write_csv(folder, "customers.csv", [customer | {"status": ""}])
    assert refusal(database, folder) == (
        "customers.csv line 2, status: is empty for a known row: write its value, or leave out the "
        "column to keep it"
    )
    write_csv(folder, "customers.csv", [customer])
    assert import_folder(database, folder).changes == ()
    write_csv(folder, "customers.csv", [customer | {"status": "active"}])
    assert warned(import_folder(database, folder)) == [
        "customers.csv line 2, status: C-1 was blocked, and is active again"
    ]


@pytest.mark.parametrize("written", ["300.0", "300.00", "300"])
def test_whole_number_with_zero_decimals_is_read(
    database: Database, folder: Path, written: str
) -> None:
    change(folder, "products.csv", length_mm=written)
    import_folder(database, folder)
    assert database.read(lambda s: s.get_one(Product, "DRILL")).length_mm == 300
