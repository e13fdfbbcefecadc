"""The gateway to suppliers."""

from typing import Protocol

from activities.gateways.http import PartnerClient, answered
from models.messages.partners import SupplierCancellation, SupplierOrder


class Suppliers(Protocol):
    """The calls to suppliers, each idempotent by its key.

    Raises PartnerRefused for a refusal, PartnerUnavailable without an answer.
    """

    async def send(self, order: SupplierOrder, key: str) -> str:
        """Send a purchase order; return the supplier's reference."""

    async def cancel_order(self, order: SupplierCancellation, key: str) -> None:
        """Cancel a purchase order, if the supplier has it. Refused once its goods are sent."""


class HttpSuppliers:
    """Suppliers by HTTP, as docs/partners.md describes it."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def send(self, order: SupplierOrder, key: str) -> str:
        """Call `POST /purchase-orders`, see `Suppliers`."""
        request = f"supplier {order.supplier_id}, asked to accept purchase order {order.po_id}"
        body = order.model_dump(mode="json")
        answer = await self._client.post("/purchase-orders", body, key, request)
        return answered(answer, "reference", request)

    async def cancel_order(self, order: SupplierCancellation, key: str) -> None:
        """Call `POST /purchase-orders/cancel`, see `Suppliers`."""
        request = f"supplier {order.supplier_id}, asked to cancel purchase order {order.po_id}"
        body = order.model_dump(mode="json")
        await self._client.post("/purchase-orders/cancel", body, key, request)
