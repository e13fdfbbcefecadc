"""Test the reading of customers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from activities.database.engine import Database
from activities.masterdata.customers import record_customer
from activities.masterdata.importing import import_folder
from activities.orders import reading as orders_reading
from activities.orders.steps import finish_cancelling, record_order, start_cancelling
from models.customers import CustomerDocument
from models.messages.parsing import parse_order
from models.messages.requests import CancelRequest
from models.messages.steps import CancelOrder, OrderStep, RecordOrder
from tests.support.database.rules import RULES
from tests.support.masterdata.shop import order, write_shop
from tools.prepare import migrate

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)


HOME = {"street": "Am Markt 1", "city": "Bremen", "postal_code": "28195"}
WHOLE = {"customer_id": "C-1", "name": "Ada", "email": "ada@example.com", "country": "DE"}
SAID = {"language": "de", "payment_preference": "invoice", "phone": "+49 421 1", **HOME}


@pytest.mark.parametrize(
    ("second", "changed"),
    [
        ({}, {}),
        ({"language": None, "payment_preference": None}, {}),
        ({"language": "fr"}, {"language": "fr"}),
        ({"payment_preference": "card"}, {"payment_preference": "card"}),
        ({"name": "Ada King"}, {"name": "Ada King"}),
        (
            {"street": "1 Main Street", "city": "Cork", "country": "IE"},
            {"street": "1 Main Street", "city": "Cork", "country": "IE", "postal_code": ""},
        ),
    ],
)
def test_what_an_order_leaves_out_stays(
    tmp_path: Path, second: dict[str, Any], changed: dict[str, Any]
) -> None:
    """Each field for itself, but the address as one."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    migrate(url)
    database = Database(url, RULES, lambda: NOW)
    known = {"language": "en", "payment_preference": "card"} | WHOLE | SAID

    def record(document: dict[str, Any]) -> dict[str, Any]:
        customer = CustomerDocument.model_validate(document)
        row = database.transaction(lambda work: record_customer(work, customer).model_dump())
        return {name: row[name] for name in known}

    assert record(known) == known
    assert record(WHOLE | second) == known | changed


def test_open_credit_equals_amount_in_credit_check(tmp_path: Path) -> None:
    """An order counts until its cancellation is complete."""
    url = f"sqlite:///{tmp_path / 'orders.db'}"
    migrate(url)
    database = Database(url, RULES, lambda: NOW)
    write_shop(tmp_path / "shop", "DRILL", "C-1", 5, credit_limit="500.00")
    import_folder(database, tmp_path / "shop")
    document = order("DRILL", "C-1", order_id="R-1", terms="net30")

    def open_credit() -> str:
        return database.read(lambda session: orders_reading.customer(session, "C-1")).open_credit

    assert open_credit() == "0.00"
    record = RecordOrder(
        order=parse_order(document), digest="", placed_at=NOW, workflow_id="order-R-1"
    )
    database.transaction(lambda work: record_order(work, record))
    assert open_credit() == "119.00"
    start_cancelling.run(database, CancelOrder(order_id="R-1", request=CancelRequest()))
    assert open_credit() == "119.00"
    finish_cancelling.run(database, OrderStep(order_id="R-1"))
    assert open_credit() == "0.00"
