"""Tables of the command line fit into a terminal of 80 columns."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import pytest
from pydantic import BaseModel

from command_line import purchasing, stock
from command_line.output import out
from models.views.purchasing import (
    ComparedView,
    OffersView,
    OfferView,
    PurchaseLineView,
    PurchaseOrderDetails,
    ReasonView,
    TrackRecordView,
)
from models.views.stock import MovementView, StockAtLocation, StockView

NOW = datetime(2026, 11, 25, 16, 40, tzinfo=UTC)
DAY = date(2026, 12, 4)
STOCK = StockView(
    sku="BOHR-18V",
    name="Drill",
    currency="EUR",
    on_hand=1_238,
    reserved=1_100,
    available=138,
    locations=(
        StockAtLocation(
            location="MUENCHEN",
            on_hand=1_238,
            reserved=1_100,
            available=138,
            on_order=2_000,
            backordered=1_500,
            value="101516.00",
            reorder_point=1_200,
            safety_stock=150,
            order_quantity=2_000,
            demand_a_day=151.27,
            lead_time_days=7.25,
            reviewed_at=NOW,
        ),
    ),
    available_to_promise=(),
    waiting=(),
    movements=(
        MovementView(
            recorded_at=NOW,
            movement_id="adjust:1",
            kind="transfer",
            location="MUENCHEN",
            on_hand=-1_200,
            reserved=1_100,
            value="-82000.00",
            order_id="D-1001",
            reason=None,
            actor=None,
        ),
    ),
)
OFFERS = OffersView(
    sku="BOHR-18V",
    name="Drill",
    currency="EUR",
    offers=(
        OfferView(
            supplier_id="S-ALPEN",
            supplier="Alpentool",
            unit_cost="1079.90",
            break_quantity=100,
            break_unit_cost="1075.00",
            freight_cost="125.00",
            duty_percent="12.5",
            minimum_quantity=20,
            pack_size=4,
            lead_time_days=9,
            valid_until=DAY,
            smallest_purchase=20,
            landed_cost="21723.00",
            landed_unit_cost="1086.15",
            why_not=None,
            track_record=TrackRecordView(
                purchase_orders=12, mean_lead_time_days=9.5, fill_rate_percent="97.5"
            ),
        ),
    ),
)
PURCHASE = PurchaseOrderDetails(
    po_id="PO-S-ALPEN-MUENCHEN-12",
    supplier_id="S-ALPEN",
    location="MUENCHEN",
    state="acknowledged",
    currency="EUR",
    goods="21598.00",
    freight="125.00",
    expected_date=DAY,
    created_at=NOW,
    lines=(
        PurchaseLineView(
            sku="BOHR-18V",
            quantity=20,
            unit_cost="1079.90",
            due=12,
            received=8,
            damaged=1,
            invoiced=0,
            expected_date=DAY,
        ),
    ),
    reference="R",
    collects_until=NOW,
    acknowledge_by=None,
    sent_at=NOW,
    ended_at=None,
    ended_reason=None,
    reasons=(
        ReasonView(
            sku="BOHR-18V",
            in_words="20 short for D-1001",
            orders=("D-1001",),
            short=20,
            restock=0,
            position=-20,
            reorder_point=None,
            demand_a_day=None,
            lead_time_days=None,
            offers=(
                ComparedView(
                    supplier_id="S-ALPEN",
                    quantity=20,
                    unit_cost="1079.90",
                    landed_cost="21723.00",
                    expected_date=DAY,
                    on_time=True,
                    fill_rate_percent="97.5",
                    chosen=True,
                    why_not=None,
                ),
            ),
        ),
    ),
    waiting=(),
    receipts=(),
    invoices=(),
    odd_facts=(),
)
ROWS: list[tuple[Callable[..., None], BaseModel, list[str]]] = [
    (
        stock.print_stock,
        STOCK,
        [
            "location on hand reserved available on order short value",
            "MUENCHEN 1238 1100 138 2000 1500 101516.00",
            "location reorder point safety EOQ a day lead days reviewed",
            "MUENCHEN 1200 150 2000 151.27 7.25 2026-11-25",
            "when kind location on hand reserved why",
            "2026-11-25 16:40 transfer MUENCHEN -1200 +1100 D-1001",
        ],
    ),
    (
        purchasing.print_offers,
        OFFERS,
        [
            "supplier unit cost break freight duty minimum pack",
            "S-ALPEN 1079.90 1075.00 from 100 125.00 12.5 % 20 4",
            "supplier smallest landed a unit days until",
            "S-ALPEN 20 21723.00 1086.15 9 2026-12-04",
            "S-ALPEN so far: 12 orders, 9.5 days, 97.5 % received",
        ],
    ),
    (
        purchasing.print_purchase_order,
        PURCHASE,
        [
            "SKU ordered due received damaged invoiced expected",
            "BOHR-18V 20 at 1079.90 12 8 1 0 2026-12-04",
            "offer quantity unit cost landed expected fill rate",
            "S-ALPEN 20 1079.90 21723.00 2026-12-04 97.5 % chosen",
        ],
    ),
]


@pytest.fixture
def narrow() -> Iterator[None]:
    """A terminal of 80 columns."""
    width = out.width
    out.width = 80
    yield
    out.width = width


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("show", "view", "rows"), ROWS)
def test_header_and_rows_are_one_line_each(
    show: Callable[..., None], view: BaseModel, rows: list[str]
) -> None:
    """No cell is folded or cut off."""
    with out.capture() as captured:
        show(view)
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert [row for row in rows if row not in lines] == [], captured.get()
