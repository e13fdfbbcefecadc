"""Test imports of Excel workbooks: cells are read as Excel shows them, or refused in words."""

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path

import pytest
from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet
from sqlmodel import Session

from activities.database.engine import Database
from activities.masterdata import excel_files, sources
from activities.masterdata.importing import import_folder
from models.errors import InvalidInput
from models.tables.masterdata import Customer, Location, Product, SupplierOffer
from tests.support.masterdata.imports import ROWS, dump, refusal

HEADERS = {name: list(row) for name, row in ROWS.items()}


def write_sheet(
    folder: Path,
    name: str,
    rows: Sequence[Sequence[object]],
    edit: Callable[[Worksheet], object] = lambda sheet: None,
) -> None:
    """Write a workbook instead of the CSV file of this name."""
    (folder / f"{name}.csv").unlink(missing_ok=True)
    workbook = Workbook()
    sheet = workbook.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append([*row])
    edit(sheet)
    workbook.save(folder / f"{name}.xlsx")


def product(**cells: object) -> list[object]:
    """Build the cells of a product, typed as Excel does."""
    typed = {"unit_price": 100, "tax_rate_percent": 19, "gtin": 4012345000115}
    return [*(ROWS["products.csv"] | typed | cells).values()]


def test_workbook_is_read_as_its_csv_file(database: Database, folder: Path) -> None:
    """Numbers, dates and times are those that Excel shows."""
    import_folder(database, folder)
    before = dump(database)
    write_sheet(folder, "products", [HEADERS["products.csv"], product()])
    offer = ROWS["offers.csv"] | {
        "unit_cost": 55.0,
        "break_unit_cost": 50,
        "freight_cost": 12.5,
        "duty_percent": 4.5,
        "valid_until": date(2026, 12, 31),
    }
    write_sheet(folder, "offers", [list(offer), list(offer.values())])
    view = import_folder(database, folder)
    assert view.changes == ()
    assert view.imported["offers.xlsx"] == 1
    assert dump(database) == before


def test_dates_times_and_leading_zeros_are_kept(database: Database, folder: Path) -> None:
    location = {**ROWS["locations.csv"], "postal_code": 1067, "cutoff": time(15, 30)}

    def show_zeros(sheet: Worksheet) -> None:
        sheet["D2"].number_format = "00000"

    write_sheet(folder, "locations", [list(location), list(location.values())], show_zeros)
    offer = ROWS["offers.csv"] | {"valid_until": datetime(2027, 1, 31)}  # noqa: DTZ001
    write_sheet(folder, "offers", [list(offer), list(offer.values())])
    import_folder(database, folder)

    def read(session: Session) -> tuple[object, ...]:
        berlin = session.get_one(Location, "BER")
        offer = session.get_one(SupplierOffer, ("ACME", "DRILL", 1))
        return berlin.postal_code, berlin.cutoff, offer.valid_until

    assert database.read(read) == ("01067", time(15, 30), date(2027, 1, 31))


def test_computed_numbers_and_percentages_are_those_shown(database: Database, folder: Path) -> None:
    def as_percentage(sheet: Worksheet) -> None:
        sheet["E2"].number_format = "0%"

    row = product(unit_price=0.1 + 0.2, tax_rate_percent=0.07)
    write_sheet(folder, "products", [HEADERS["products.csv"], row], as_percentage)
    import_folder(database, folder)
    drill = database.read(lambda s: s.get_one(Product, "DRILL"))
    assert (drill.unit_price_minor, drill.tax_rate_ppm) == (30, 70_000)


def test_truth_value_in_a_column_of_truth_values_is_read(database: Database, folder: Path) -> None:
    row = dict(zip(HEADERS["products.csv"], product(), strict=True))
    row |= {"is_sold": False, "is_bought": True}
    write_sheet(folder, "products", [list(row), list(row.values())])
    import_folder(database, folder)
    drill = database.read(lambda s: s.get_one(Product, "DRILL"))
    assert (drill.is_sold, drill.is_bought) == (False, True)


def test_text_that_looks_like_number_stays_text(database: Database, folder: Path) -> None:
    row = ROWS["customers.csv"] | {
        "customer_id": "007",
        "phone": "0301234",
        "credit_limit": "1.234,50",
    }
    write_sheet(folder, "customers", [list(row), list(row.values())])
    import_folder(database, folder)
    customer = database.read(lambda s: s.get_one(Customer, "007"))
    assert (customer.phone, customer.credit_limit_minor) == ("+49301234", 123_450)


def test_typed_numbers_have_no_notation(database: Database, folder: Path) -> None:
    """A text such as 1.234,50 in the sheet says nothing about them."""
    rows = [ROWS["customers.csv"] | {"customer_id": f"C-{n}"} for n in range(2)]
    rows[0]["credit_limit"], rows[1]["credit_limit"] = "1.234,50", 12.5
    write_sheet(folder, "customers", [list(rows[0]), *(list(row.values()) for row in rows)])
    import_folder(database, folder)
    assert database.read(lambda s: s.get_one(Customer, "C-1")).credit_limit_minor == 1_250


def test_blank_rows_and_sheets_are_left_out(database: Database, folder: Path) -> None:
    def add_blanks(sheet: Worksheet) -> None:
        sheet["A5"] = " "
        sheet["Z9"].number_format = "0.00"
        assert sheet.parent is not None
        sheet.parent.create_sheet("Sheet2")
        notes = sheet.parent.create_sheet("notes")
        notes["A1"] = "internal"
        notes.sheet_state = "hidden"

    write_sheet(
        folder, "products", [HEADERS["products.csv"], product(), [], product(sku="SAW")], add_blanks
    )
    view = import_folder(database, folder)
    assert [(c.key, c.line) for c in view.changes if c.file == "products.xlsx"] == [
        ("DRILL", 2),
        ("SAW", 4),
    ]


def test_sheet_with_the_name_of_the_file_is_read(database: Database, folder: Path) -> None:
    def add_notes(sheet: Worksheet) -> None:
        sheet.title = "Products"
        assert sheet.parent is not None
        sheet.parent.create_sheet("notes", 0)["A1"] = "internal"

    write_sheet(folder, "products", [HEADERS["products.csv"], product()], add_notes)
    assert import_folder(database, folder).imported["products.xlsx"] == 1


def add_second_sheet(sheet: Worksheet) -> None:
    """Add another sheet with cells."""
    assert sheet.parent is not None
    sheet.parent.create_sheet("B")["A1"] = "more"


CELLS: list[tuple[dict[str, object], str]] = [
    (
        {"sku": date(2026, 2, 1)},
        "line 2, sku: has become the date 2026-02-01 in Excel: format the column",
    ),
    (
        {"sku": 1234567890123456},
        "line 2, sku: 1234567890123460 has lost digits, as a number has 15",
    ),
    (
        {"name": 1.5},
        "line 2, name: 1.5 is a number with decimals, not text: format the column as text",
    ),
    ({"name": True}, "line 2, name: is the truth value True: format the column as text"),
    ({"unit_price": 1.005}, "line 2, unit_price: '1.005' has more than 2 decimals"),
    ({"weight_g": 2.5}, "line 2, weight_g: '2.5' is not a whole number"),
    ({"weight_g": date(2026, 1, 2)}, "line 2, weight_g: has become the date 2026-01-02"),
    (
        {"unit_price": "=1+1"},
        "line 2: has a formula without a result in column C: open and save it in Excel",
    ),
    ({"gtin": 12345678}, "line 2, gtin: '12345678' is not a valid GTIN"),
]


@pytest.mark.parametrize(("cells", "message"), CELLS, ids=[next(iter(c)) for c, _ in CELLS])
def test_cell_that_excel_has_changed_is_refused(
    database: Database, folder: Path, cells: dict[str, object], message: str
) -> None:
    write_sheet(folder, "products", [HEADERS["products.csv"], product(**cells)])
    assert refusal(database, folder).startswith(f"products.xlsx {message}")


def test_error_of_formula_is_refused(database: Database, folder: Path) -> None:
    def divide(sheet: Worksheet) -> None:
        sheet["C2"] = "#DIV/0!"
        sheet["C2"].data_type = "e"

    write_sheet(folder, "products", [HEADERS["products.csv"], product()], divide)
    assert refusal(database, folder) == "products.xlsx line 2, unit_price: has the error #DIV/0!"


SHEETS: list[tuple[Callable[[Worksheet], object], str]] = [
    (lambda sheet: sheet.merge_cells("A2:A3"), "products.xlsx: has merged cells in sheet 'Sheet'"),
    (
        add_second_sheet,
        "products.xlsx: has several sheets with cells (Sheet, B): name one of them 'products'",
    ),
    (
        lambda sheet: sheet.cell(2, 14, "x"),
        "products.xlsx line 2: has a cell in column N, where there is no header",
    ),
]


def test_title_above_the_header_is_one_error(database: Database, folder: Path) -> None:
    write_sheet(folder, "products", [["Price list"], HEADERS["products.csv"], product()])
    assert refusal(database, folder) == (
        "products.xlsx line 1: has one cell, 'Price list': "
        "remove all rows above the names of the columns"
    )


@pytest.mark.parametrize(("edit", "message"), SHEETS, ids=["merged", "two sheets", "no header"])
def test_sheet_that_is_no_table_is_refused(
    database: Database, folder: Path, edit: Callable[[Worksheet], object], message: str
) -> None:
    write_sheet(folder, "products", [HEADERS["products.csv"], product()], edit)
    assert refusal(database, folder).startswith(message)


def packed(**files: bytes) -> bytes:
    """Build a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "products.xlsx",
            b"sku,name\n",
            "products.xlsx: is not an Excel workbook that can be read",
        ),
        (
            "products.xlsx",
            packed(x=b""),
            "products.xlsx: is not an Excel workbook that can be read",
        ),
        (
            "products.csv",
            b"\xd0\xcf\x11\xe0" + b"\0" * 99,
            "products.csv: is an Excel workbook of the old format",
        ),
        (
            "products.xls",
            b"\xd0\xcf\x11\xe0",
            "products.xls: is in a format that is not read: save it as CSV or as .xlsx",
        ),
        (
            "products.ods",
            b"",
            "products.ods: is in a format that is not read: save it as CSV or as .xlsx",
        ),
    ],
)
def test_other_formats_are_refused_with_a_way_out(
    database: Database, folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / "products.csv").unlink()
    (folder / name).write_bytes(content)
    assert refusal(database, folder).startswith(message)


def edited(content: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """Replace bytes in a member of a zip archive."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    assert old in files[member]
    return packed(**files | {member: files[member].replace(old, new)})


def with_broken_member(content: bytes, member: str) -> bytes:
    """Destroy the compressed bytes of a member."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = archive.getinfo(member).header_offset + 30 + len(member)
    return content[:start] + b"\xff" * 20 + content[start + 20 :]


SHEET = "xl/worksheets/sheet1.xml"
BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "half": lambda content: content[: len(content) // 2],
    "compressed bytes": lambda content: with_broken_member(content, SHEET),
    "unknown style": lambda content: edited(content, SHEET, b'<c r="A2"', b'<c s="999" r="A2"'),
    "unknown text": lambda content: edited(content, SHEET, b't="n"', b't="s"'),
    "no number": lambda content: edited(content, SHEET, b"<v>", b"<v>one"),
    "no XML": lambda content: edited(content, SHEET, b"</row>", b"<row>"),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_broken_workbook_is_refused_with_a_way_out(
    database: Database, folder: Path, broken: str
) -> None:
    write_sheet(folder, "products", [HEADERS["products.csv"], product()])
    content = (folder / "products.xlsx").read_bytes()
    (folder / "products.xlsx").write_bytes(BREAKS[broken](content))
    message = refusal(database, folder)
    assert message.startswith("products.xlsx: is not an Excel workbook that can be read (")
    assert message.endswith("): save it as CSV or as .xlsx")


def test_error_of_our_own_is_not_taken_for_a_broken_workbook(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("ours")

    write_sheet(folder, "products", [HEADERS["products.csv"], product()])
    monkeypatch.setattr(excel_files, "_fit", fail)
    with pytest.raises(KeyError, match="ours"):
        import_folder(database, folder)


def test_broken_archive_is_refused() -> None:
    content = packed(**{"products.csv": b"sku,name\n" * 20})
    with pytest.raises(InvalidInput, match="archive: is not a zip archive that can be read"):
        sources.read_archive(with_broken_member(content, "products.csv"))


def test_archive_that_unpacks_to_more_than_the_limit_is_refused(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is checked before anything is unpacked."""
    monkeypatch.setattr(sources, "MAX_BYTES", 1_000_000)
    (folder / "products.csv").unlink()
    bomb = packed(**{"xl/worksheets/sheet1.xml": b" " * 2_000_000})
    assert len(bomb) < 10_000
    (folder / "products.xlsx").write_bytes(bomb)
    assert refusal(database, folder) == "products.xlsx: unpacks to more than 1 MB: split it"


def test_sheet_with_more_cells_than_the_limit_is_refused(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(excel_files, "MAX_CELLS", 20)
    write_sheet(folder, "products", [HEADERS["products.csv"], product(), product(sku="SAW")])
    assert refusal(database, folder) == "products.xlsx: has more than 20 cells: split it"


def test_workbook_under_the_name_of_a_csv_file_is_read(database: Database, folder: Path) -> None:
    write_sheet(folder, "products", [HEADERS["products.csv"], product()])
    (folder / "products.xlsx").rename(folder / "products.csv")
    assert import_folder(database, folder).imported["products.csv"] == 1


def test_two_files_of_one_name_are_refused(database: Database, folder: Path) -> None:
    (folder / "Products.XLSX").write_bytes(b"")
    assert (
        refusal(database, folder) == "products.csv: Products.XLSX is there too: remove one of them"
    )


def test_unknown_names_are_listed(database: Database, folder: Path) -> None:
    for name in ("customer.csv", "prices.xlsx", "~$products.xlsx", ".x.csv", "notes.md"):
        (folder / name).write_text("x")
    warnings = import_folder(database, folder, dry_run=True).warnings
    assert [w.field for w in warnings if "is not imported" in w.reason] == [
        "customer.csv",
        "prices.xlsx",
    ]
    assert warnings[0].reason.endswith("; is it customers?")
