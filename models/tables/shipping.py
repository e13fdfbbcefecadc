"""Tables of shipping: shipments, packages, tracking reports and claims."""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from models.claims import ClaimState
from models.packing import PackageKind
from models.progress import ShipmentProblem, ShipmentState
from models.shipping import FreightMode
from models.tables.columns import bigint, enum_column
from models.tracking import TrackingStatus


class Shipment(SQLModel, table=True):
    """A consignment; recorded before its carrier is asked for a booking."""

    __tablename__ = "shipments"
    __table_args__ = (Index("ix_shipments_planned_at", "planned_at", "shipment_id"),)

    shipment_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    location: str
    mode: FreightMode = enum_column(FreightMode)
    mode_reason: str
    weight_g: int = bigint()
    billed_weight_g: int = bigint(default=0)
    """The greater of weight and dimensional weight."""
    freight_class: str | None = None
    state: ShipmentState = enum_column(ShipmentState)
    planned_at: datetime
    book_from: datetime | None = None
    """The earliest time at which the location hands it over; None: at once."""
    booking_id: str | None = None
    carrier: str | None = None
    service: str | None = None
    charge_minor: int | None = bigint(default=None)
    """The carrier's charge, in the company's currency."""
    arrives_on: date | None = None
    """The arrival promised with the carrier's quote."""
    choice: str = ""
    """The reason for this carrier and service."""
    tracking_number: str | None = None
    tracking: TrackingStatus | None = enum_column(TrackingStatus, default=None, nullable=True)
    """The combined status of the carrier's reports."""
    news_at: datetime | None = None
    """The time of the booking or of the carrier's last report."""
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    restocked_at: datetime | None = None
    """When the goods of a failed shipment were put into stock again."""
    problem: ShipmentProblem | None = enum_column(ShipmentProblem, default=None, nullable=True)
    """An open problem that no operator has acknowledged."""
    called_back_by: str | None = None
    """The command that calls it back from its carrier; set while the carrier is being asked."""


class PackageRow(SQLModel, table=True):
    """A package of a shipment."""

    __tablename__ = "packages"

    package_no: int | None = Field(default=None, primary_key=True)
    """The serial reference of its SSCC."""
    shipment_id: str = Field(foreign_key="shipments.shipment_id", index=True)
    sscc: str
    kind: PackageKind = enum_column(PackageKind)
    container: str
    weight_g: int = bigint()
    length_mm: int
    width_mm: int
    height_mm: int
    contents: list[dict[str, JsonValue]] = Field(sa_type=JSON)
    """`models.packing.Content`."""


class _Report(SQLModel):
    """One report of a carrier, on an outbound shipment or a return."""

    status: TrackingStatus = enum_column(TrackingStatus)
    occurred_at: datetime
    """As reported; without a reported time, when it was recorded."""
    place: str
    detail: str
    signed_by: str
    reference: str
    recorded_at: datetime


class TrackingRow(_Report, table=True):
    """A carrier's report on a shipment, with its proof of delivery."""

    __tablename__ = "tracking_events"

    shipment_id: str = Field(primary_key=True, foreign_key="shipments.shipment_id")
    event_id: str = Field(primary_key=True)


class ReturnTrackingRow(_Report, table=True):
    """A carrier's report on a return."""

    __tablename__ = "return_tracking_events"

    return_id: str = Field(primary_key=True, foreign_key="returns.return_id")
    event_id: str = Field(primary_key=True)


class Claim(SQLModel, table=True):
    """An amount that a carrier owes us for lost or damaged goods."""

    __tablename__ = "claims"

    claim_id: str = Field(primary_key=True)
    shipment_id: str = Field(foreign_key="shipments.shipment_id", index=True)
    carrier: str
    amount_minor: int = bigint()
    currency: str
    reason: str
    claimed_at: datetime
    state: ClaimState = enum_column(ClaimState, default=ClaimState.OPEN)
    settled_minor: int | None = bigint(default=None)
    """The amount that the carrier paid."""
    ended_at: datetime | None = None
