"""The suppliers."""

from typing import Protocol

from activities.gateways.http import PartnerClient
from models.messages.partners import SupplierOrder


class Suppliers(Protocol):
    """What we ask of a supplier; idempotent by the key."""

    async def send(self, order: SupplierOrder, key: str) -> str:
        """Send a purchase order; returns the supplier's reference."""


class HttpSuppliers:
    """The contract of docs/partners.md."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def send(self, order: SupplierOrder, key: str) -> str:
        """See `Suppliers`."""
        asked = f"supplier {order.supplier_id}, asked to take purchase order {order.po_id}"
        body = order.model_dump(mode="json")
        answer = await self._client.post("/purchase-orders", body, key, asked)
        return str(answer["reference"])
