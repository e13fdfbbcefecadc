"""Tables of shipping: shipments, packages, tracking reports and claims."""

from datetime import date, datetime

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
)
from sqlmodel import Field, SQLModel

from models.claims import ClaimState
from models.packing import PackageKind
from models.progress import ShipmentProblem, ShipmentState
from models.shipping import FreightMode
from models.tables.columns import bigint, enum_column
from models.tracking import TrackingStatus


class Shipment(SQLModel, table=True):
    """A consignment with its carrier. The row is written before the carrier is asked."""

    __tablename__ = "shipments"

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
    """When the location hands it over at the earliest; None: at once."""
    booking_id: str | None = None
    carrier: str | None = None
    service: str | None = None
    charge_minor: int | None = bigint(default=None)
    """What the carrier asked for it, in the company's currency."""
    arrives_on: date | None = None
    """As the carrier promised with its quote."""
    choice: str = ""
    """Why this carrier and service."""
    tracking_number: str | None = None
    tracking: TrackingStatus | None = enum_column(TrackingStatus, default=None, nullable=True)
    """What the carrier's reports say together."""
    news_at: datetime | None = None
    """When the carrier told us something last."""
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    restocked_at: datetime | None = None
    """When the goods of one that was given up were on the shelf again."""
    problem: ShipmentProblem | None = enum_column(ShipmentProblem, default=None, nullable=True)
    """What happened to it, and nobody has seen to yet."""
    called_back_by: str | None = None
    """The command for which its carrier is being asked not to fetch it: nobody books it now."""


class PackageRow(SQLModel, table=True):
    """A carton or pallet of a shipment, with its label's number."""

    __tablename__ = "packages"

    package_no: int | None = Field(default=None, primary_key=True)
    """The serial of its SSCC."""
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
    """What a carrier reports, of goods that leave or come back."""

    status: TrackingStatus = enum_column(TrackingStatus)
    occurred_at: datetime
    """As the carrier says; where it doesn't, when we heard of it."""
    place: str
    detail: str
    signed_by: str
    reference: str
    recorded_at: datetime


class TrackingRow(_Report, table=True):
    """A report of a carrier's, with the proof of a delivery."""

    __tablename__ = "tracking_events"

    shipment_id: str = Field(primary_key=True, foreign_key="shipments.shipment_id")
    event_id: str = Field(primary_key=True)


class ReturnTrackingRow(_Report, table=True):
    """As `TrackingRow`, of goods that come back."""

    __tablename__ = "return_tracking_events"

    return_id: str = Field(primary_key=True, foreign_key="returns.return_id")
    event_id: str = Field(primary_key=True)


class Claim(SQLModel, table=True):
    """What a carrier owes us for goods that it lost or damaged."""

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
    """What the carrier has paid for it."""
    ended_at: datetime | None = None
