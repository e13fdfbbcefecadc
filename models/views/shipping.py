"""Views of shipments, their papers and their claims. Amounts are decimal strings."""

from datetime import date, datetime
from enum import StrEnum

from models.base import Payload
from models.errors import Found, NotFound, require_found
from models.progress import ShipmentState
from models.shipping import FreightMode


class PaperKind(StrEnum):
    """A paper of a shipment, as named in files and commands."""

    LABEL = "label"
    BILL_OF_LADING = "bill-of-lading"
    PICK_LIST = "pick-list"
    PACKING_SLIP = "packing-slip"

    @property
    def words(self) -> str:
        """As printed: "bill of lading"."""
        return self.value.replace("-", " ")


class ShipmentSummary(Payload):
    """A shipment in a list."""

    shipment_id: str
    order_id: str
    location: str
    mode: str
    state: str
    carrier: str | None
    service: str | None
    tracking_number: str | None
    tracking: str | None
    """The combined status of the carrier's reports: in_transit, lost..."""
    package_count: int
    """0: nothing is packed, or the packages are too many to be listed."""
    weight_g: int
    arrives_on: date | None
    """The arrival promised with the carrier's quote."""
    dispatched_at: datetime | None
    delivered_at: datetime | None
    called_back_by: str | None = None
    """The command that calls it back from its carrier; set while the carrier is being asked."""


class ShippedLineView(Payload):
    """The units of one order line in the shipment."""

    line_no: int
    sku: str
    name: str
    quantity: int


class PackedView(Payload):
    """The units of one SKU in a package."""

    sku: str
    quantity: int


class PackageView(Payload):
    """A package of a shipment."""

    sscc: str
    kind: str
    container: str
    """The name of the carton or pallet; empty for a piece."""
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    contents: tuple[PackedView, ...]


class TrackingEventView(Payload):
    """One report of a carrier, or of an operator on its behalf."""

    event_id: str
    status: str
    occurred_at: datetime
    place: str
    detail: str
    signed_by: str
    reference: str
    recorded_at: datetime


class ProofView(Payload):
    """The proof of delivery: signature, place, time and the carrier's reference."""

    signed_by: str
    place: str
    at: datetime
    reference: str


class ClaimView(Payload):
    """A claim against a carrier for lost or damaged goods."""

    claim_id: str
    shipment_id: str
    carrier: str
    state: str
    amount: str
    currency: str
    settled: str | None
    """The amount that the carrier paid; None: open or withdrawn."""
    reason: str
    claimed_at: datetime
    ended_at: datetime | None


class ShipmentDetails(ShipmentSummary):
    """One shipment with its lines, packages, reports and claims."""

    mode_reason: str
    choice: str
    """The reason for this carrier and service; empty before it is booked."""
    charge: str | None
    """The carrier's charge."""
    currency: str
    billed_weight_g: int
    freight_class: str | None
    book_from: datetime | None
    """The earliest time at which the location hands it over; None: at once."""
    lines: tuple[ShippedLineView, ...]
    packages: tuple[PackageView, ...]
    events: tuple[TrackingEventView, ...]
    """In the order of their time."""
    proof: ProofView | None
    claims: tuple[ClaimView, ...]
    """The latest last."""
    restocked_at: datetime | None
    """When the goods of a failed shipment were put into stock again."""


def require_shipment(view: Found | None, shipment_id: str) -> Found:
    """Return the view of a shipment. Raises NotFound without one."""
    return require_found(view, "shipment_unknown", f"there is no shipment {shipment_id!r}")


def require_claim(view: Found | None, claim_id: str) -> Found:
    """Return the view of a claim. Raises NotFound without one."""
    return require_found(view, "claim_unknown", f"there is no claim {claim_id!r}")


def check_printed(
    kind: PaperKind, shipment_id: str, mode: FreightMode, state: ShipmentState, packages: int
) -> None:
    """Check that a shipment has a paper of this kind. Raises NotFound."""
    reason = _reason_without_paper(kind, mode, state, packages)
    if reason:
        raise NotFound("paper_unknown", f"{shipment_id} has no {kind.words}: {reason}")


def _reason_without_paper(
    kind: PaperKind, mode: FreightMode, state: ShipmentState, packages: int
) -> str | None:
    if state is ShipmentState.CANCELLED:
        return "it was cancelled"
    if kind in (PaperKind.PICK_LIST, PaperKind.PACKING_SLIP):
        return None
    if mode is FreightMode.HAND_OVER:
        return "the customer collects the goods, without a carrier"
    if kind is PaperKind.BILL_OF_LADING and mode is FreightMode.PARCEL:
        return "it travels as a parcel, with labels only"
    return None if packages else "its packages are too many to be listed"
