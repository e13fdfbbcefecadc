"""Builders: the CSV rows of a shop's master data, and the orders of its customers."""

import csv
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from models.days import day_at

Document = dict[str, Any]
"""JSON as sent or received; any shape, including invalid ones."""
Row = dict[str, object]
"""A row of a CSV file, by column."""

SHIP_TO = {
    "name": "Ada Lovelace",
    "street": "Unter den Linden 1",
    "city": "Berlin",
    "postal_code": "10117",
    "country": "DE",
}

TIMEZONE = "Europe/Berlin"
"""The time zone of the default company."""


def today() -> date:
    """Return the day at the default company."""
    return day_at(TIMEZONE, datetime.now(UTC))


def unique(prefix: str) -> str:
    """Return an id that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def order(sku: str, customer: str, quantity: int = 1, **changes: Any) -> Document:
    """Build a valid prepaid order of one line; `changes` replace fields, None removes one.

    The customer lives at a street of its own: equal names and addresses are the same customer's.
    """
    document: Document = {
        "order_id": unique("T"),
        "channel": "online",
        "customer": customer,
        "ship_to": SHIP_TO | {"street": f"Unter den Linden 1, {customer}"},
        "currency": "EUR",
        "terms": "prepaid",
        "lines": [{"sku": sku, "quantity": quantity}],
    }
    return {k: v for k, v in (document | changes).items() if v is not None}


def company_row(**changes: object) -> Row:
    """Build a row of company.csv: the default company, with an address."""
    return {
        "legal_entity": "DEFAULT",
        "name": "Acme",
        "street": "Street 1",
        "city": "Town",
        "postal_code": "10115",
        "country": "DE",
        "currency": "EUR",
    } | changes


def location_row(location: str, **changes: object) -> Row:
    """Build a row of locations.csv: a location in Berlin."""
    return {
        "location": location,
        "name": location,
        "country": "DE",
        "postal_code": "10115",
    } | changes


def product_row(sku: str, **changes: object) -> Row:
    """Build a row of products.csv: 100.00 EUR plus 19 % tax, 2 kg."""
    return {
        "sku": sku,
        "name": "Cordless drill",
        "unit_price": "100.00",
        "currency": "EUR",
        "tax_rate_percent": "19",
        "weight_g": 2000,
        "length_mm": 300,
        "width_mm": 200,
        "height_mm": 100,
    } | changes


def supplier_row(supplier_id: str) -> Row:
    """Build a row of suppliers.csv."""
    return {"supplier_id": supplier_id, "name": "Acme", "email": "so@acme.example", "country": "DE"}


def offer_row(supplier_id: str, sku: str, **changes: object) -> Row:
    """Build a row of offers.csv: any quantity at 55.00 EUR, delivered in 3 days."""
    return {
        "supplier_id": supplier_id,
        "sku": sku,
        "unit_cost": "55.00",
        "currency": "EUR",
        "minimum_quantity": 1,
        "pack_size": 1,
        "lead_time_days": 3,
    } | changes


def customer_row(customer_id: str, **changes: object) -> Row:
    """Build a row of customers.csv: an active customer with a high credit limit."""
    return {
        "customer_id": customer_id,
        "name": "Ada Lovelace",
        "email": f"{customer_id.lower()}@example.com",
        "phone": "+49 30 1",
        "country": "DE",
        "payment_preference": "card",
        "credit_limit": "100000.00",
        "status": "active",
    } | changes


def stock_row(location: str, sku: str, on_hand: int, unit_cost: str = "60.00") -> Row:
    """Build a row of stock.csv: an opening balance."""
    return {"location": location, "sku": sku, "on_hand": on_hand, "unit_cost": unit_cost}


def write_csv(folder: Path, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Write a CSV file with the keys of the first row as header."""
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_tables(folder: Path, **tables: Sequence[Mapping[str, object]]) -> None:
    """Write a CSV file for each keyword: `stock=[...]` becomes stock.csv in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        write_csv(folder, f"{name}.csv", rows)


def supplier_of(sku: str) -> str:
    """Return the id of the only supplier of a shop's product.

    Each product has its own: shared suppliers would mix the purchase orders of different tests.
    """
    return f"ACME-{sku}"


def write_shop(
    folder: Path,
    sku: str,
    customer: str,
    on_hand: int,
    *,
    price: str = "100.00",
    weight_g: int = 2000,
    pack: int = 1,
    offers: bool = True,
    **columns: str,
) -> None:
    """Write the CSV files of a shop with one product, one customer and one supplier.

    A unit costs 60.00 on hand, and 55.00 from the supplier (offers=False: no supplier offers it).
    `columns` are columns of the customer.
    """
    write_tables(
        folder,
        locations=[location_row("BER", name="Berlin")],
        products=[product_row(sku, unit_price=price, weight_g=weight_g)],
        suppliers=[supplier_row(supplier_of(sku))],
        customers=[customer_row(customer, **columns)],
    )
    if offers:
        write_tables(folder, offers=[offer_row(supplier_of(sku), sku, pack_size=pack)])
    if on_hand:
        write_tables(folder, stock=[stock_row("BER", sku, on_hand)])
