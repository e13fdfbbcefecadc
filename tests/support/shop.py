"""Builders: a shop's goods and the orders of its customers."""

import csv
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Document = dict[str, Any]
"""What goes over the wire: JSON of any shape, wrong ones included."""

SHIP_TO = {
    "name": "Ada Lovelace",
    "street": "Unter den Linden 1",
    "city": "Berlin",
    "postal_code": "10117",
    "country": "DE",
}


def unique(prefix: str) -> str:
    """An id that no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def order(sku: str, customer: str, quantity: int = 1, **changes: Any) -> Document:
    """A valid order of one line; `changes` replace fields, None removes one."""
    document: Document = {
        "order_id": unique("T"),
        "channel": "online",
        "customer": customer,
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": "prepaid",
        "lines": [{"sku": sku, "quantity": quantity}],
    }
    return {k: v for k, v in (document | changes).items() if v is not None}


def write_csv(folder: Path, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    """A CSV file with the rows' keys as header."""
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def supplier_of(sku: str) -> str:
    """Who sells a shop's product: a supplier of its own, or it would share purchase orders with the
    shops of other tests."""
    return f"ACME-{sku}"


def write_shop(folder: Path, sku: str, customer: str, on_hand: int, **changes: Any) -> None:
    """CSV files of a shop with one product, one customer and one supplier.

    Price 100.00 less tax of 19 %, cost 60.00, 2 kg. `changes`: price, weight_g, credit_limit,
    email, minimum, pack, status, offers (False: nobody offers).
    """
    of = changes.get
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(
        folder,
        "locations.csv",
        [{"location": "BER", "name": "Berlin", "country": "DE", "postal_code": "10115"}],
    )
    product = {
        "sku": sku,
        "name": "Cordless drill",
        "unit_price": of("price", "100.00"),
        "currency": "EUR",
        "tax_rate_percent": "19",
        "weight_g": of("weight_g", 2000),
        "length_mm": 300,
        "width_mm": 200,
        "height_mm": 100,
    }
    write_csv(folder, "products.csv", [product])
    supplier = {"name": "Acme", "email": "so@acme.example", "country": "DE"}
    write_csv(folder, "suppliers.csv", [{"supplier_id": supplier_of(sku), **supplier}])
    if of("offers", True):
        offer = {
            "supplier_id": supplier_of(sku),
            "sku": sku,
            "unit_cost": "55.00",
            "currency": "EUR",
            "minimum_quantity": of("minimum", 1),
            "pack_size": of("pack", 1),
            "lead_time_days": 3,
        }
        write_csv(folder, "offers.csv", [offer])
    person = {
        "customer_id": customer,
        "name": "Ada Lovelace",
        "email": of("email", "ada@example.com"),
        "phone": "+49 30 1",
        "country": "DE",
        "payment_preference": "card",
        "credit_limit": of("credit_limit", "100000.00"),
        "status": of("status", "active"),
    }
    write_csv(folder, "customers.csv", [person])
    if on_hand:
        stock = {"location": "BER", "sku": sku, "on_hand": on_hand, "unit_cost": "60.00"}
        write_csv(folder, "stock.csv", [stock])
