"""Claims: amounts that carriers owe us for lost or damaged goods."""

from enum import StrEnum


class ClaimState(StrEnum):
    """The life of a claim."""

    OPEN = "open"
    SETTLED = "settled"
    """Paid by the carrier."""
    WITHDRAWN = "withdrawn"
    """Abandoned: the carrier owes nothing."""


def claim_id_of(shipment_id: str, number: int) -> str:
    """Name the claims of a shipment: `CL-<shipment>`, then `CL-<shipment>-2`."""
    return f"CL-{shipment_id}" if number == 1 else f"CL-{shipment_id}-{number}"
