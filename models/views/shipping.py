"""What CLI and API show of shipments, and which papers each has. Amounts are decimal strings."""

from datetime import date, datetime
from enum import StrEnum

from models.base import Payload
from models.errors import Found, NotFound, found
from models.progress import ShipmentState
from models.shipping import FreightMode


class PaperKind(StrEnum):
    """A paper of a shipment, as files and commands call it."""

    LABEL = "label"
    BILL_OF_LADING = "bill-of-lading"
    PICK_LIST = "pick-list"
    PACKING_SLIP = "packing-slip"

    @property
    def words(self) -> str:
        """As printed: "bill of lading"."""
        return self.value.replace("-", " ")


class ShipmentSummary(Payload):
    """A shipment as listed."""

    shipment_id: str
    order_id: str
    location: str
    mode: str
    state: str
    carrier: str | None
    service: str | None
    tracking_number: str | None
    tracking: str | None
    """What the carrier says: in_transit, lost..."""
    package_count: int
    """0: nothing is packed, or there are more than are listed."""
    weight_g: int
    arrives_on: date | None
    """As the carrier promised."""
    dispatched_at: datetime | None
    delivered_at: datetime | None
    called_back_by: str | None = None
    """The command for which its carrier is being asked not to fetch it."""


class ShippedLineView(Payload):
    """So many units of a line of the order are in the shipment."""

    line_no: int
    sku: str
    name: str
    quantity: int


class PackedView(Payload):
    """Units of one SKU in a package."""

    sku: str
    quantity: int


class PackageView(Payload):
    """A package as its label has it."""

    sscc: str
    kind: str
    container: str
    """The carton or pallet; of a piece empty."""
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    contents: tuple[PackedView, ...]


class TrackingEventView(Payload):
    """What a carrier, or somebody for it, reported."""

    event_id: str
    status: str
    occurred_at: datetime
    place: str
    detail: str
    signed_by: str
    reference: str
    recorded_at: datetime


class ProofView(Payload):
    """The proof of a delivery: who signed, where, when, and the carrier's reference."""

    signed_by: str
    place: str
    at: datetime
    reference: str


class ClaimView(Payload):
    """What we ask of a carrier for goods that it lost or damaged."""

    claim_id: str
    shipment_id: str
    carrier: str
    state: str
    amount: str
    currency: str
    settled: str | None
    """What the carrier has paid; None: nothing, as yet or at all."""
    reason: str
    claimed_at: datetime
    ended_at: datetime | None


class ShipmentDetails(ShipmentSummary):
    """One shipment with everything that happened to it."""

    mode_reason: str
    choice: str
    """Why this carrier and service; empty before it is booked."""
    charge: str | None
    """What the carrier asks for it."""
    currency: str
    billed_weight_g: int
    freight_class: str | None
    book_from: datetime | None
    """When its location hands it over at the earliest; None: at once."""
    lines: tuple[ShippedLineView, ...]
    packages: tuple[PackageView, ...]
    events: tuple[TrackingEventView, ...]
    """In the order in which they happened."""
    proof: ProofView | None
    claims: tuple[ClaimView, ...]
    """The latest last."""
    restocked_at: datetime | None
    """When the goods of one that was given up were on the shelf again."""


def of_shipment(view: Found | None, shipment_id: str) -> Found:
    """What is shown of a shipment. Raises NotFound where there is none."""
    return found(view, "shipment_unknown", f"there is no shipment {shipment_id!r}")


def of_claim(view: Found | None, claim_id: str) -> Found:
    """What is shown of a claim. Raises NotFound where there is none."""
    return found(view, "claim_unknown", f"there is no claim {claim_id!r}")


def check_printed(
    kind: PaperKind, shipment_id: str, mode: FreightMode, state: ShipmentState, packages: int
) -> None:
    """Raises NotFound where a shipment has no such paper."""
    reason = _why_not_printed(kind, mode, state, packages)
    if reason:
        raise NotFound("paper_unknown", f"{shipment_id} has no {kind.words}: {reason}")


def _why_not_printed(
    kind: PaperKind, mode: FreightMode, state: ShipmentState, packages: int
) -> str | None:
    if state is ShipmentState.CANCELLED:
        return "it was cancelled"
    if kind in (PaperKind.PICK_LIST, PaperKind.PACKING_SLIP):
        return None
    if mode is FreightMode.HAND_OVER:
        return "the customer takes the goods, no carrier does"
    if kind is PaperKind.BILL_OF_LADING and mode is FreightMode.PARCEL:
        return "it goes as parcel, by its labels"
    return None if packages else "its packages are too many to be listed"
