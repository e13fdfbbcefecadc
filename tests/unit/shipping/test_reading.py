"""Reading shipments: lists, details and papers."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.importing import import_folder
from activities.orders.steps import record_order
from activities.shipping import reading as shipping_reading
from activities.shipping.carrier_calls import CarrierCalls
from models.documents import DocumentRules
from models.errors import NotFound
from models.messages.parsing import parse_order
from models.messages.steps import RecordOrder, ShipmentStep
from models.papers import PaperAddress, ShipmentPaper
from models.progress import ShipmentState
from models.shipping import FreightMode
from models.stock import ReservationState
from models.tables.masterdata import Location
from models.tables.operations import PartnerCall
from models.tables.shipping import Claim, Shipment, TrackingRow
from models.tables.stock import Reservation
from models.tracking import TrackingStatus
from models.views.shipping import PaperKind, ShipmentDetails
from tests.conftest import new_database
from tests.support.database.rules import RULES
from tests.support.gateways.partners import Partners
from tests.support.masterdata.shop import order, write_shop

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)
HOLDS = ReservationState.PICKED


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database with order R of five drills."""
    database = Database(new_database("sqlite", request, tmp_path), RULES, lambda: NOW)
    write_shop(tmp_path / "shop", "DRILL", "C-1", 5, credit_limit="5000.00")
    import_folder(database, tmp_path / "shop")
    document = order("DRILL", "C-1", 5, order_id="R", terms="net30", taken_by="Mia")
    record = RecordOrder(
        order=parse_order(document), digest="", placed_at=NOW, workflow_id="order-R"
    )
    database.transaction(lambda work: record_order(work, record))
    yield database
    database.close()


def ship(
    database: Database,
    number: int,
    quantity: int,
    held: ReservationState = HOLDS,
    **changes: Any,
) -> str:
    """Record a shipment of drills; returns its id."""
    shipment_id = f"SH-R-{number}"
    columns: dict[str, Any] = {
        "shipment_id": shipment_id,
        "order_id": "R",
        "location": "BER",
        "mode": FreightMode.PARCEL,
        "mode_reason": "small",
        "weight_g": 2000 * quantity,
        "state": ShipmentState.PLANNED,
        "planned_at": NOW,
    }
    reservation = Reservation(
        order_id="R",
        line_no=1,
        location="BER",
        part=number,
        sku="DRILL",
        quantity=quantity,
        state=held,
        shipment_id=shipment_id,
    )
    rows = [Shipment(**columns | changes), reservation]
    database.transaction(lambda work: work.session.add_all(rows))
    return shipment_id


def paper(database: Database, shipment_id: str) -> ShipmentPaper:
    """The content of a shipment's papers."""
    found = database.read(lambda s: shipping_reading.shipment_paper(s, shipment_id))
    assert found is not None
    return found


def details(database: Database, shipment_id: str) -> ShipmentDetails:
    """A shipment as shown."""
    found = database.read(lambda s: shipping_reading.shipment(s, shipment_id))
    assert found is not None
    return found


def book(database: Database, shipment_id: str, at: datetime) -> date:
    """Book a shipment at a time; returns the ready day that the carrier was given."""
    database.clock = lambda: at
    shipping = CarrierCalls(database, Partners())
    asyncio.run(shipping.book_shipment(ShipmentStep(order_id="R", shipment_id=shipment_id)))
    call = f"R/book/{shipment_id}"
    asked = database.read(lambda s: s.get_one(PartnerCall, call)).asked or {}
    return date.fromisoformat(str(asked["ready_on"]))


@pytest.mark.parametrize(
    ("cutoff", "at", "day"),
    [
        (None, datetime(2026, 7, 6, 12, 1, tzinfo=UTC), 6),
        (None, datetime(2026, 7, 9, 21, tzinfo=UTC), 9),
        (time(15), datetime(2026, 7, 9, 12, tzinfo=UTC), 9),
        (time(15), datetime(2026, 7, 9, 16, tzinfo=UTC), 10),
        (time(15), datetime(2026, 7, 10, 16, tzinfo=UTC), 13),
        (time(11), datetime(2026, 7, 5, 10, tzinfo=UTC), 6),
    ],
)
def test_late_booking_has_the_next_day_on_which_goods_are_handed_over(
    database: Database, cutoff: time | None, at: datetime, day: int
) -> None:
    """Not the planned day, 6 July, when that has passed; the location's cut-off applies again. The
    papers have the day of the booking."""
    shipment_id = ship(database, 1, 5)

    def close(work: UnitOfWork) -> None:
        work.session.get_one(Location, "BER").cutoff = cutoff

    database.transaction(close)
    assert paper(database, shipment_id).planned_on == NOW.date()
    assert book(database, shipment_id, at) == date(2026, 7, day)
    assert paper(database, shipment_id).planned_on == date(2026, 7, day)
    assert book(database, shipment_id, at + timedelta(days=9)) == date(2026, 7, day)


def test_packing_slip_lists_units_that_follow_with_later_shipments(database: Database) -> None:
    """The tenth shipment is after the second; reshipped units follow, refunded ones don't."""
    ship(database, 1, 2, ReservationState.SHIPPED)
    ship(database, 2, 1, ReservationState.RESHIPPED)
    ship(database, 9, 1, ReservationState.WRITTEN_OFF)
    ship(database, 10, 1)

    def line(number: int) -> tuple[int, int, int]:
        [line] = paper(database, f"SH-R-{number}").lines
        return line.ordered, line.in_shipment, line.to_follow

    assert [line(number) for number in (1, 2, 9, 10)] == [
        *((5, 2, 3), (5, 1, 2), (5, 1, 2), (5, 1, 1))
    ]


def test_cancelled_units_do_not_follow(database: Database) -> None:
    ship(database, 1, 2, ReservationState.SHIPPED)
    rest = Reservation(
        order_id="R",
        line_no=1,
        location="BER",
        part=2,
        sku="DRILL",
        quantity=3,
        state=ReservationState.WRITTEN_OFF,
    )
    database.transaction(lambda work: work.session.add(rest))
    [line] = paper(database, "SH-R-1").lines
    assert (line.in_shipment, line.to_follow) == (2, 0)


def test_papers_have_the_address_and_the_date_of_the_location(database: Database) -> None:
    """Noon UTC is the next day on Kiritimati. `taken_by` of the order isn't on the papers."""
    shipment_id = ship(database, 1, 5)

    def move(work: UnitOfWork) -> None:
        location = work.session.get_one(Location, "BER")
        location.street, location.city = "Torstr. 1", "Berlin"
        location.timezone = "Pacific/Kiritimati"

    database.transaction(move)
    printed = paper(database, shipment_id)
    assert printed.ship_from == PaperAddress(
        name="Our company", lines=("Berlin", "Torstr. 1", "10115 Berlin"), country="DE"
    )
    assert printed.ship_to.name == "Ada Lovelace"
    assert (str(printed.planned_on), str(printed.customer_order_date)) == (
        "2026-07-07",
        "2026-07-06",
    )
    assert (printed.language, printed.taken_by, printed.carrier) == ("en", "", "")


def test_shipment_without_listed_packages_has_no_label(database: Database) -> None:
    """Pick list and packing slip are printed all the same."""
    shipment_id = ship(database, 1, 5, mode=FreightMode.TRUCKLOAD)

    def pdf(kind: PaperKind) -> bytes:
        printed = database.read(
            lambda s: shipping_reading.shipment_pdf(s, DocumentRules(), shipment_id, kind)
        )
        assert printed is not None
        return printed.pdf

    for kind in (PaperKind.LABEL, PaperKind.BILL_OF_LADING):
        with pytest.raises(NotFound, match="too many to be listed"):
            pdf(kind)
    for kind in (PaperKind.PICK_LIST, PaperKind.PACKING_SLIP):
        assert pdf(kind).startswith(b"%PDF")


def test_reports_are_shown_in_the_order_of_their_time(database: Database) -> None:
    """The first delivery is the proof."""
    shipment_id = ship(database, 1, 5)
    assert (details(database, shipment_id).proof, details(database, shipment_id).claims) == (
        None,
        (),
    )
    reports = [
        ("a", TrackingStatus.DELIVERED, 11, "Eve"),
        ("b", TrackingStatus.DELIVERED, 10, "Ada"),
        ("c", TrackingStatus.IN_TRANSIT, 9, ""),
        ("d", TrackingStatus.PICKED_UP, 9, ""),
    ]
    rows = [
        TrackingRow(
            shipment_id=shipment_id,
            event_id=event_id,
            status=status,
            occurred_at=NOW.replace(hour=hour),
            place="Berlin",
            detail="",
            signed_by=signed_by,
            reference="",
            recorded_at=NOW,
        )
        for event_id, status, hour, signed_by in reports
    ]
    claim = Claim(
        claim_id="CL-1",
        shipment_id=shipment_id,
        carrier="Swift",
        amount_minor=30_000,
        currency="EUR",
        reason="lost",
        claimed_at=NOW,
    )
    database.transaction(lambda work: work.session.add_all([*rows, claim]))
    shown = details(database, shipment_id)
    assert [event.event_id for event in shown.events] == ["d", "c", "b", "a"]
    assert shown.proof is not None
    assert (shown.proof.signed_by, shown.proof.at) == ("Ada", NOW.replace(hour=10))
    assert [(claim.amount, claim.state) for claim in shown.claims] == [("300.00", "open")]


def test_shipments_are_listed_newest_first(database: Database) -> None:
    ship(database, 1, 1, planned_at=NOW.replace(hour=8))
    ship(database, 2, 1, planned_at=NOW.replace(hour=9))
    ship(database, 3, 1, state=ShipmentState.BOOKED)

    def ids(**wanted: Any) -> list[str]:
        rows = database.read(lambda s: shipping_reading.shipments(s, **wanted))
        return [row.shipment_id.removeprefix("SH-R-") for row in rows]

    assert ids() == ids(limit=0) == ids(order_id="R") == ["3", "2", "1"]
    assert ids(limit=1) == ids(state=ShipmentState.BOOKED) == ["3"]
    assert ids(order_id="other") == []
