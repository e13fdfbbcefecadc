"""Create a warehouse of any size quickly and process orders in it by the real activities."""

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
from models.customers import CustomerStatus, PaymentPreference, TaxTreatment
from models.messages.facts import ShipmentDispatched
from models.messages.policy import Policy
from models.messages.steps import DispatchStep, OrderStep, RecordOrder
from models.orders import Delivery, OrderDocument
from models.progress import Progress
from models.replenishment import Promisable, available_to_promise
from models.settings import Settings
from models.tables.masterdata import Company, Customer, Location, Supplier
from models.tables.stock import Stock
from tools.prepare import migrate

LOCATIONS = ("L1", "L2", "L3", "L4")
"""Every SKU has a stock row at each location."""
NUMBERS = """
    WITH RECURSIVE numbers(i) AS (
        SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < :skus
    )
"""
OPENING_TIME = datetime(2026, 1, 1, tzinfo=UTC)
FILL = (
    "INSERT INTO products (sku, name, unit_price_minor, currency, tax_rate_ppm, tax_class,"
    " kind, is_sold, is_bought, weight_g, length_mm, width_mm, height_mm, gtin) {numbers}"
    " SELECT 'S' || i, 'Drill', 999, 'EUR', 190000, 'standard', 'goods', true, true,"
    " 900, 300, 200, 100, ''"
    " FROM numbers",
    "INSERT INTO offers (supplier_id, sku, from_quantity, unit_cost_minor, currency,"
    " minimum_quantity, pack_size, lead_time_days, freight_cost_minor, duty_ppm)"
    " {numbers} SELECT 'ACME', 'S' || i, 1, 500, 'EUR', 1, 1, 3, 0, 0 FROM numbers",
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
"""SQL for the master data and stock after an import and a nightly stock review."""


@dataclass
class Warehouse:
    """A database with `rows` stock rows and the activities that process orders in it."""

    database: Database
    rows: int

    def __post_init__(self) -> None:
        self._random = random.Random(self.rows)  # noqa: S311 - no secret
        self._order_count = 0

    @property
    def sku_count(self) -> int:
        """The number of SKUs; their ids are S1, S2, S3..."""
        return self.rows // len(LOCATIONS)

    def random_sku(self) -> str:
        """Return the id of a random SKU."""
        return f"S{self._random.randint(1, self.sku_count)}"

    def document(self, line_count: int, quantity: int = 2) -> OrderDocument:
        """Build a new order document with `line_count` lines of `quantity` units each."""
        self._order_count += 1
        address = {
            "name": "A",
            "street": "S 1",
            "city": "C",
            "postal_code": "10115",
            "country": "DE",
        }
        return OrderDocument.model_validate(
            {
                "order_id": f"O{self._order_count}",
                "channel": "online",
                "customer": "ADA",
                "ship_to": address,
                "currency": "EUR",
                "terms": "prepaid",
                "delivery": Delivery.COMPLETE,
                "lines": [
                    {"sku": self.random_sku(), "quantity": quantity} for _ in range(line_count)
                ],
            }
        )

    def record(self, document: OrderDocument) -> OrderStep:
        """Record an order."""
        workflow_id = f"order-{document.order_id}"
        record = RecordOrder(
            order=document, digest="", placed_at=utc_now(), workflow_id=workflow_id
        )
        self.database.transaction(lambda work: record_order(work, record))
        return OrderStep(order_id=document.order_id)

    def reserve(self, step: OrderStep) -> None:
        """Reserve stock for a recorded order."""
        allocate_stock.run(self.database, step)

    def release(self, step: OrderStep) -> None:
        """Release the order's reservations."""
        release_stock.run(self.database, step)

    def plan_shipments(self, step: OrderStep) -> Progress:
        """Plan the order's shipments."""
        return plan_shipments.run(self.database, step)

    def issue_goods(self, step: OrderStep, planned: Progress) -> None:
        """Dispatch all planned shipments."""
        for shipment in planned.shipments:
            fact = ShipmentDispatched(event_id="E", shipment_id=shipment.shipment_id)
            apply_dispatch.run(self.database, DispatchStep(order_id=step.order_id, fact=fact))

    def available_to_promise(self, sku: str) -> list[Promisable]:
        """Read the quantities of a SKU available to promise, over all locations."""
        return self.database.read(
            lambda session: _available_to_promise(session, sku, utc_now().date())
        )


def _available_to_promise(session: Session, sku: str, today: date) -> list[Promisable]:
    rows = [row for name in LOCATIONS if (row := session.get(Stock, (sku, name)))]
    receipts = [
        (receipt.expected_date or today, receipt.units)
        for row in rows
        for receipt in incoming(session, row.key, today)
    ]
    shortages = open_shortages(session, [sku])
    promised = [(row.expected_date, row.quantity - row.filled) for row in shortages]
    available = sum(row.on_hand - row.reserved for row in rows)
    return available_to_promise(available, receipts, promised, today)


def create_warehouse(url: str, rows: int) -> Warehouse:
    """Create tables and `rows` stock rows (a multiple of four) in an empty database."""
    migrate(url)
    policy = Policy(payment_deadline=1, partner_timeout=1, attention_after_attempts=1)
    database = Database(url, replace(Settings().rules, policy=policy))
    database.transaction(lambda work: _insert_master_data(work.session))
    database.transaction(lambda work: _insert_stock(work.session, rows // len(LOCATIONS)))
    return Warehouse(database, rows)


def _insert_master_data(session: Session) -> None:
    session.add(
        Company(
            legal_entity="X",
            name="X",
            street="X",
            city="X",
            postal_code="X",
            country="DE",
            vat_id="",
            iban="",
            currency="EUR",
        )
    )
    session.add(Supplier(supplier_id="ACME", name="Acme", email="", country="DE"))
    session.add(
        Customer(
            name="",
            email="",
            phone="",
            vat_id="",
            street="",
            city="",
            customer_id="ADA",
            country="DE",
            payment_preference=PaymentPreference.CARD,
            credit_limit_minor=0,
            status=CustomerStatus.ACTIVE,
            tax_treatment=TaxTreatment.STANDARD,
            language="en",
            postal_code="",
        )
    )
    for name in LOCATIONS:
        session.add(Location(location=name, name=name, country="DE", postal_code="10115"))


def _insert_stock(session: Session, sku_count: int) -> None:
    for statement in FILL:
        parameters = {"skus": sku_count, "opened": OPENING_TIME}
        sql = statement.format(numbers=NUMBERS)
        used = {name: value for name, value in parameters.items() if f":{name}" in sql}
        session.execute(text(sql.replace("opening:'", "opening\\:'")), used)
