"""Imports by API and CLI: a dry run shows what the import does, and refusals name the line."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from tests.support.masterdata.shop import Row, customer_row, product_row, unique, write_csv
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    path = tmp_path / "shop"
    path.mkdir()
    return path


def packed(folder: Path) -> bytes:
    """Pack the files of a folder."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    return content.getvalue()


async def test_api_and_cli_show_and_do_the_same(pipeline: World, folder: Path) -> None:
    """First a dry run, then the import, then a change of prices alone."""
    sku, customer = unique("SKU"), unique("C")
    write_csv(folder, "products.csv", [product_row(sku, tax_rate_percent="0.19")])
    write_csv(folder, "customers.csv", [customer_row(customer, phone="")])
    shown = await pipeline.api.post("/imports?dry_run=true", content=packed(folder))
    assert shown.status_code == 200, shown.text
    assert shown.json() == await run_json(pipeline, "import", str(folder), "--dry-run")
    assert shown.json()["dry_run"] is True
    assert [(row["key"], row["new"]) for row in shown.json()["changes"]] == [
        (sku, True),
        (customer, True),
    ]
    assert shown.json()["warnings"] == [
        {
            "field": "products.csv line 2, tax_rate_percent",
            "reason": "0.19 is 0.19 %: write 19 for 19 %",
        }
    ]
    done = await pipeline.api.post("/imports", content=packed(folder))
    assert done.json() == shown.json() | {"dry_run": False}

    prices = f"sku;unit_price\n{sku};1.090,50\n"
    (folder / "products.csv").write_text(prices)
    (folder / "customers.csv").unlink()
    status, out, err = await run(pipeline, "import", str(folder / "products.csv"), "--dry-run")
    assert status == 0, err
    assert out.splitlines() == [
        f"products.csv line 2, {sku}: unit_price 100.00 -> 1090.50",
        "products.csv: 0 new, 1 changed (unit_price 1), 0 unchanged",
        "a dry run: nothing was written",
    ]
    assert "unlikely products.csv line 2, unit_price: 100.00 -> 1090.50 is a change by" in err
    changed = await pipeline.api.post("/imports/products.csv", content=prices.encode())
    assert changed.json()["changes"] == [
        {
            "file": "products.csv",
            "line": 2,
            "key": sku,
            "new": False,
            "columns": {"unit_price": {"before": "100.00", "after": "1090.50"}},
        }
    ]
    again = await run_json(pipeline, "import", str(folder))
    assert again["files"] == [
        {"file": "products.csv", "new": 0, "changed": 0, "unchanged": 1, "columns": {}}
    ]


async def test_excel_workbook_is_imported_over_http(pipeline: World) -> None:
    sku = unique("SKU")
    workbook, content = Workbook(), io.BytesIO()
    row: Row = product_row(sku, unit_price=12.5)
    assert workbook.active is not None
    for cells in (list(row), list(row.values())):
        workbook.active.append(cells)
    workbook.save(content)
    done = await pipeline.api.post("/imports/products.xlsx", content=content.getvalue())
    assert done.json()["imported"] == {"products.xlsx": 1}, done.text


async def test_refused_import_names_lines_on_both_entrances(pipeline: World, folder: Path) -> None:
    """The same key twice, and a row that is cut off."""
    sku, customer = unique("SKU"), unique("C")
    write_csv(folder, "products.csv", [product_row(sku, unit_price=p) for p in ("2.40", "9.99")])
    write_csv(folder, "customers.csv", [customer_row(customer)])
    with (folder / "customers.csv").open("a") as file:
        file.write(f"{customer}-2,Ada,ada@exam")
    errors = [
        {
            "field": "products.csv line 3, sku",
            "reason": f"{sku} is in line 2 too: keep one of the two lines",
        },
        {
            "field": "customers.csv line 3",
            "reason": "has 3 cells, the header has 8: the file may be cut off here; "
            "an empty cell needs its separator too",
        },
    ]
    refused = await pipeline.api.post("/imports", content=packed(folder))
    assert (refused.status_code, refused.json()["code"]) == (422, "import_refused")
    assert refused.json()["errors"] == errors
    status, out, err = await run(pipeline, "import", str(folder), "--json")
    assert (status, json.loads(out)["errors"]) == (1, errors)
    lines = [f"import_refused {error['field']}: {error['reason']}" for error in errors]
    assert err.splitlines() == lines, "one line for each"
    assert (await pipeline.api.get(f"/customers/{customer}")).status_code == 404


async def test_bodies_that_are_no_archive_are_refused(pipeline: World) -> None:
    refused = await pipeline.api.post("/imports", content=b"sku,name")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "archive")
    other = await pipeline.api.post("/imports/orders.csv", content=b"sku,name")
    assert (other.status_code, other.json()["code"]) == (422, "import_refused")
