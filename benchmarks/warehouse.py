"""A warehouse of any size, made quickly, and orders for it through the real steps."""

import random
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from sqlalchemy import text
from sqlmodel import Session

from activities.database.engine import Database
from activities.database.unit_of_work import utc_now
from activities.orders.steps import record_order
from activities.shipping.steps import apply_dispatch, plan_shipments
from activities.stock.backorders import incoming, open_shortages
from activities.stock.steps import allocate_stock, release_stock
from models.messages.facts import ShipmentDispatched
from models.messages.partners import BookedFreight, FreightBooking, FreightInquiry
from models.messages.policy import Policy
from models.messages.steps import DispatchStep, OrderStep, RecordOrder
from models.orders import Delivery, OrderDocument, Progress
from models.replenishment import Promisable, available_to_promise
from models.settings import Settings
from models.shipping import Quote
from models.tables.masterdata import Company, Customer, Location, Supplier
from models.tables.stock import Stock
from tools.prepare import migrate

LOCATIONS = ("L1", "L2", "L3", "L4")
"""Every SKU has a row at each of them."""
NUMBERS = """
    WITH RECURSIVE numbers(i) AS (
        SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :skus
    )
"""
OPENED = datetime(2026, 1, 1, tzinfo=UTC)
FILL = (
    "INSERT INTO products (sku, name, unit_price_minor, currency, tax_rate_ppm, weight_g,"
    " length_mm, width_mm, height_mm, gtin) {numbers}"
    " SELECT 'S' || i, 'Drill', 999, 'EUR', 190000, 900, 300, 200, 100, '' FROM numbers",
    "INSERT INTO offers (supplier_id, sku, unit_cost_minor, currency, minimum_quantity, pack_size,"
    " lead_time_days) {numbers} SELECT 'ACME', 'S' || i, 500, 'EUR', 1, 1, 3 FROM numbers",
    "INSERT INTO stock (sku, location, on_hand, reserved, value_minor)"
    " SELECT sku, location, 1000000, 0, 500000000 FROM products CROSS JOIN locations",
    "INSERT INTO stock_movements (movement_id, sku, location, kind, on_hand_change,"
    " reserved_change, value_change_minor, cause, recorded_at)"
    " SELECT 'opening:' || location || ':' || sku, sku, location, 'opening', on_hand, 0,"
    " value_minor, 'opening:' || location || ':' || sku, :opened FROM stock",
    "INSERT INTO stock_policies (sku, location, demand_a_day, demand_deviation, observed_days,"
    " lead_time_days, lead_time_deviation, safety_stock, reorder_point, order_quantity,"
    " reviewed_at) SELECT sku, location, 1, 1, 90, 3, 0, 3, 6, 50, :opened FROM stock",
)
"""As after an import and a night's review."""


class NoCarrier:
    """Nobody is asked here."""

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """See `Carriers`."""
        raise NotImplementedError

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """See `Carriers`."""
        raise NotImplementedError

    async def cancel(self, shipment_id: str, key: str) -> None:
        """See `Carriers`."""
        raise NotImplementedError


@dataclass
class Warehouse:
    """A database with so many stock rows, and the steps that work in it."""

    database: Database
    rows: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.rows)  # noqa: S311 - no secret
        self._placed = 0

    @property
    def skus(self) -> int:
        """Their ids are S1, S2, S3..."""
        return self.rows // len(LOCATIONS)

    def some_sku(self) -> str:
        """Any of them."""
        return f"S{self._random.randint(1, self.skus)}"

    def document(self, lines: int, quantity: int = 2) -> OrderDocument:
        """A new order of so many lines."""
        self._placed += 1
        address = {"name": "A", "street": "S 1", "city": "C", "postal_code": "1", "country": "DE"}
        return OrderDocument.model_validate(
            {
                "order_id": f"O{self._placed}",
                "channel": "online",
                "customer": "ADA",
                "ship_to": address,
                "currency": "EUR",
                "terms": "prepaid",
                "delivery": Delivery.COMPLETE,
                "lines": [{"sku": self.some_sku(), "quantity": quantity} for _ in range(lines)],
            }
        )

    def record(self, document: OrderDocument) -> OrderStep:
        """Record an order."""
        workflow_id = f"order-{document.order_id}"
        record = RecordOrder(
            order=document, digest="", placed_at=utc_now(), workflow_id=workflow_id
        )
        record_order.run(self.database, record)
        return OrderStep(order_id=document.order_id)

    def reserve(self, step: OrderStep) -> None:
        """Allocate a recorded order."""
        allocate_stock.run(self.database, step)

    def release(self, step: OrderStep) -> None:
        """Give its stock back."""
        release_stock.run(self.database, step)

    def consign(self, step: OrderStep) -> Progress:
        """Plan its consignments."""
        return plan_shipments.run(self.database, step)

    def issue(self, step: OrderStep, planned: Progress) -> None:
        """All its goods leave."""
        for shipment in planned.shipments:
            fact = ShipmentDispatched(event_id="E", shipment_id=shipment.shipment_id)
            apply_dispatch.run(self.database, DispatchStep(order_id=step.order_id, fact=fact))

    def promise(self, sku: str) -> list[Promisable]:
        """Read what of a SKU may still be promised, over all locations."""
        return self.database.read(lambda session: _promise(session, sku, utc_now().date()))


def _promise(session: Session, sku: str, today: date) -> list[Promisable]:
    rows = [row for name in LOCATIONS if (row := session.get(Stock, (sku, name)))]
    receipts = [
        (coming.expected_date or today, coming.units)
        for row in rows
        for coming in incoming(session, (sku, row.location), today)
    ]
    waiting = open_shortages(session, [sku])
    promised = [(row.expected_date, row.quantity - row.filled) for row in waiting]
    available = sum(row.on_hand - row.reserved for row in rows)
    return available_to_promise(available, receipts, promised, today)


def make(url: str, rows: int) -> Warehouse:
    """Fill an empty database with so many stock rows (a multiple of four)."""
    migrate(url)
    policy = Policy(payment_deadline=1, partner_timeout=1, attention_after_attempts=1)
    database = Database(url, replace(Settings().rules, policy=policy))
    database.transaction(lambda work: _fill(work.session, rows // len(LOCATIONS)))
    return Warehouse(database, rows)


def _fill(session: Session, skus: int) -> None:
    session.add(
        Company(
            **dict.fromkeys(("legal_entity", "name", "street", "city", "postal_code"), "X"),
            country="DE",
            vat_id="",
            iban="",
            currency="EUR",
        )
    )
    session.add(Supplier(supplier_id="ACME", name="Acme", email="", country="DE"))
    session.add(
        Customer(
            **dict.fromkeys(("name", "email", "phone", "vat_id", "street", "city"), ""),
            customer_id="ADA",
            country="DE",
            payment_preference="card",
            credit_limit_minor=0,
            status="active",
            tax_treatment="standard",
            language="en",
            postal_code="",
        )
    )
    for name in LOCATIONS:
        session.add(Location(location=name, name=name, country="DE", postal_code="1"))
    session.flush()
    for statement in FILL:
        given = {"skus": skus, "opened": OPENED}
        sql = statement.format(numbers=NUMBERS)
        wanted = {name: value for name, value in given.items() if f":{name}" in sql}
        session.execute(text(sql.replace("opening:'", "opening\\:'")), wanted)
