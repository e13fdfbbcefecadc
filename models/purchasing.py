"""Buying what is short: which offer, and how much."""

from collections.abc import Iterable
from enum import StrEnum

from models.base import Payload


class PurchaseOrderState(StrEnum):
    """The life of a purchase order."""

    PLANNED = "planned"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    RECEIVED = "received"


class Offer(Payload):
    """A supplier's price for a SKU, per unit."""

    supplier_id: str
    sku: str
    unit_cost_minor: int
    currency: str
    minimum_quantity: int
    pack_size: int
    lead_time_days: int


class Purchase(Payload):
    """How much of which offer."""

    offer: Offer
    quantity: int

    @property
    def cost_minor(self) -> int:
        """What the whole purchase costs."""
        return self.quantity * self.offer.unit_cost_minor


def quantity_to_buy(short: int, minimum_quantity: int, pack_size: int) -> int:
    """The smallest whole number of packs that covers both what is short and the minimum."""
    packs = -(-max(short, minimum_quantity) // pack_size)
    return packs * pack_size


def cheapest_purchase(short: int, offers: Iterable[Offer]) -> Purchase | None:
    """The purchase that covers `short` units for the least money, minimum and packs included.

    By the cost of the whole purchase, not of a unit: a low unit cost behind a large minimum is no
    bargain. Ties: the shorter lead time, then the supplier's id. None where nobody offers.
    """
    purchases = [
        Purchase(offer=o, quantity=quantity_to_buy(short, o.minimum_quantity, o.pack_size))
        for o in offers
    ]
    return min(
        purchases,
        key=lambda p: (p.cost_minor, p.offer.lead_time_days, p.offer.supplier_id),
        default=None,
    )
