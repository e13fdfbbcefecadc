"""Test which shortages goods due cover: matched by date, the oldest promise first."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import col, delete, select, update

from activities.database.unit_of_work import UnitOfWork
from activities.purchasing.steps import plan_purchases
from activities.purchasing.supplier_reports import apply_acknowledgement
from models.cover import Due, Missing, first_late, uncovered
from models.messages.facts import SupplierAcknowledged
from models.messages.steps import PlanStep
from models.purchasing import Reason
from models.tables.masterdata import Supplier, SupplierOffer
from models.tables.orders import Order
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine
from tests.support.purchasing.supply import BERLIN_C, buy
from tests.support.stock.machine import Warehouse

D1, D5, D9, D20 = (date(2026, 11, day) for day in (1, 5, 9, 20))
CASES = [
    # name, shortages, goods due, arrival of a new purchase: units that are not covered
    ("nothing is due", [(3, D5)], [], D9, [3]),
    ("due in time", [(3, D5)], [(3, D5)], D1, [0]),
    ("due in time, in part", [(3, D5)], [(2, D1)], D9, [1]),
    ("late, another is earlier", [(3, D5)], [(3, D20)], D9, [3]),
    ("late, another is in time", [(3, D5)], [(3, D20)], D1, [3]),
    ("late, another is as late", [(3, D5)], [(3, D9)], D9, [0]),
    ("late, another is later", [(3, D5)], [(3, D9)], D20, [0]),
    ("late, no other", [(3, D5)], [(3, D20)], None, [0]),
    ("no promise", [(3, None)], [(3, D20)], D1, [0]),
    ("no date yet", [(3, D5)], [(3, None)], D1, [0]),
    ("a part is late", [(5, D5)], [(2, D1), (3, D20)], D9, [3]),
    ("late goods serve a later promise", [(3, D5), (3, D20)], [(3, D9)], D1, [3, 0]),
    ("the oldest promise is first", [(3, D20), (3, D5)], [(3, D1)], D9, [0, 3]),
    ("the earliest goods first", [(3, D20), (3, D5)], [(3, D9), (3, D1)], D1, [0, 3]),
    ("more is due than is short", [(1, D5)], [(9, D1), (9, D20)], D9, [0]),
    ("late and missing", [(3, D5), (4, D5)], [(3, D20)], D9, [3, 4]),
    ("goods without a date are last", [(2, D5), (2, D5)], [(2, None), (2, D5)], D1, [0, 0]),
]


@pytest.mark.parametrize(
    ("short", "due", "earliest", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_goods_cover_promises_by_date(
    short: list[tuple[int, date | None]],
    due: list[tuple[int, date | None]],
    earliest: date | None,
    expected: list[int],
) -> None:
    missing = [Missing(units, day) for units, day in short]
    assert uncovered(missing, [Due(units, day) for units, day in due], earliest) == expected


some_days = st.none() | st.integers(0, 9).map(lambda number: D1 + timedelta(days=number))
some_units = st.lists(st.tuples(st.integers(1, 9), some_days), max_size=5)


@given(short=some_units, due=some_units, earliest=some_days)
def test_goods_are_counted_once(
    short: list[tuple[int, date | None]],
    due: list[tuple[int, date | None]],
    earliest: date | None,
) -> None:
    """Late goods need more; without an earlier purchase, units are all that counts."""
    missing = [Missing(units, day) for units, day in short]
    coming = [Due(units, day) for units, day in due]
    least = max(0, sum(units for units, _ in short) - sum(units for units, _ in due))
    left = uncovered(missing, coming, earliest)
    assert all(0 <= units <= row.units for units, row in zip(left, missing, strict=True))
    assert sum(left) >= least
    assert sum(uncovered(missing, coming, None)) == least
    if first_late(missing, coming) is None:
        assert sum(left) == least


def offers_of_c(warehouse: Warehouse, **lead_times: int) -> None:
    """Replace the offers of C by one of each of these suppliers."""

    def change(work: UnitOfWork) -> None:
        work.session.execute(delete(SupplierOffer).where(col(SupplierOffer.sku) == "C"))
        for supplier_id, days in lead_times.items():
            if work.session.get(Supplier, supplier_id) is None:
                fields = {"name": supplier_id, "email": "a@b.example", "country": "DE"}
                work.session.add(Supplier(supplier_id=supplier_id, **fields))
                work.session.flush()
            work.session.add(
                SupplierOffer(
                    supplier_id=supplier_id,
                    sku="C",
                    unit_cost_minor=1_000,
                    currency="EUR",
                    minimum_quantity=1,
                    pack_size=1,
                    lead_time_days=days,
                )
            )

    warehouse.database.transaction(change)


@pytest.mark.parametrize(
    ("lead_time_days", "late_days", "promised", "bought"),
    [
        (4, 20, 6, ["NORD", "ZETA"]),
        (4, 5, 6, ["NORD"]),  # in time
        (20, 20, 6, ["NORD"]),  # the other isn't earlier
        (4, 20, None, ["NORD"]),  # nothing is promised
    ],
)
def test_goods_after_the_promise_are_bought_from_who_is_earlier(
    warehouse: Warehouse,
    lead_time_days: int,
    late_days: int,
    promised: int | None,
    bought: list[str],
) -> None:
    """NORD acknowledges a later day. Planned again, nothing more is bought, and none from NORD."""
    today = warehouse.now.date()
    offers_of_c(warehouse, NORD=3)
    line = buy(warehouse, 4)
    day = None if promised is None else today + timedelta(days=promised)
    warehouse.database.transaction(
        lambda work: work.session.execute(update(Order).values(promised_date=day))
    )
    offers_of_c(warehouse, NORD=3, ZETA=lead_time_days)
    acknowledged = SupplierAcknowledged(
        acknowledgement_id="K",
        po_id=line.po_id,
        expected_date=today + timedelta(days=late_days),
    )
    apply_acknowledgement.run(warehouse.database, acknowledged)
    for _ in range(2):
        plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C))
        orders = warehouse.read(select(PurchaseOrder).order_by(col(PurchaseOrder.supplier_id)))
        assert [order.supplier_id for order in orders] == bought
    rows = warehouse.read(select(PurchaseOrderLine))
    for row in rows[1:]:
        reason = Reason.model_validate(row.reason)
        assert (row.quantity, reason.short) == (4, 4)
        late = next(found for found in reason.comparison.rows if found.supplier_id == "NORD")
        assert late.why_not is not None
        assert late.why_not.endswith(f"is due on {acknowledged.expected_date} only")
