"""Test the import of services: products without weight and size, never stocked or purchased."""

from pathlib import Path

import pytest
from sqlmodel import col, select

from activities.database.engine import Database
from activities.masterdata.importing import import_folder
from models.tables.masterdata import Product
from tests.support.masterdata.imports import ROWS, change, refusal
from tests.support.masterdata.shop import write_csv

SHIPPING = {
    "sku": "SHIPPING",
    "name": "Shipping",
    "unit_price": "4.90",
    "currency": "EUR",
    "tax_rate_percent": "19",
    "tax_class": "as_goods",
    "kind": "service",
}
SIZES = ("weight_g", "length_mm", "width_mm", "height_mm")


def write_products(folder: Path, *services: dict[str, str]) -> None:
    """Write products.csv with goods and services."""
    goods = ROWS["products.csv"] | {"tax_class": "standard", "kind": "goods"}
    empty = dict.fromkeys(goods, "")
    write_csv(folder, "products.csv", [goods, *(empty | one for one in services)])


def test_service_needs_no_weight_and_size(database: Database, folder: Path) -> None:
    """In a file with goods, and in one without these columns; nothing about it is unlikely."""
    write_products(folder, SHIPPING)
    view = import_folder(database, folder)
    assert not [found for found in view.warnings if "SHIPPING" in found.reason]
    write_csv(folder, "products.csv", [SHIPPING | {"sku": "WRAPPING", "unit_price": "2.00"}])
    import_folder(database, folder)
    rows = select(Product).where(col(Product.sku).in_(("SHIPPING", "WRAPPING")))
    products = database.read(lambda session: session.exec(rows).all())
    assert len(products) == 2
    for product in products:
        assert (product.kind, product.tax_class) == ("service", "as_goods")
        assert [getattr(product, name) for name in SIZES] == [0, 0, 0, 0]


def test_goods_need_weight_and_size(database: Database, folder: Path) -> None:
    change(folder, "products.csv", weight_g="")
    assert refusal(database, folder) == "products.csv line 2, weight_g: is empty, and required"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("stock.csv", "sku: DRILL is a service: it is never stocked"),
        ("offers.csv", "sku: DRILL is a service: it is never purchased"),
    ],
)
def test_stock_and_offers_of_a_service_are_refused(
    database: Database, folder: Path, name: str, reason: str
) -> None:
    """With the service in the same import, or imported before."""
    service = ROWS["products.csv"] | {"kind": "service"}
    write_csv(folder, "products.csv", [service])
    other = "offers.csv" if name == "stock.csv" else "stock.csv"
    (folder / other).unlink()
    assert refusal(database, folder) == f"{name} line 2, {reason}"
    rows = (folder / name).read_text()
    (folder / name).unlink()
    import_folder(database, folder)
    (folder / "products.csv").unlink()
    (folder / name).write_text(rows)
    assert refusal(database, folder) == f"{name} line 2, {reason}"


def test_other_kind_of_a_known_product_is_refused(database: Database, folder: Path) -> None:
    import_folder(database, folder)
    for path in folder.iterdir():
        if path.name != "products.csv":
            path.unlink()
    change(folder, "products.csv", kind="service")
    assert refusal(database, folder) == (
        "products.csv line 2, kind: DRILL is goods already: import the service under another SKU"
    )
