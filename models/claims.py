"""Claims: what a carrier owes us for goods that it lost or damaged."""

from enum import StrEnum


class ClaimState(StrEnum):
    """The life of a claim."""

    OPEN = "open"
    SETTLED = "settled"
    """The carrier has paid."""
    WITHDRAWN = "withdrawn"
    """Nothing is asked of the carrier any more."""


def claim_id_of(shipment_id: str, number: int) -> str:
    """What the claims for a shipment are called: `CL-<shipment>`, then `CL-<shipment>-2`."""
    return f"CL-{shipment_id}" if number == 1 else f"CL-{shipment_id}-{number}"
