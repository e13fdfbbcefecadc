"""The payment provider."""

from typing import Protocol

from activities.gateways.http import PartnerClient
from models.messages import PaymentDemand, RefundDemand


class Payments(Protocol):
    """What we ask of a payment provider; every call is idempotent by its key."""

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """Ask for money; returns the provider's request id."""

    async def void(self, order_id: str, key: str) -> None:
        """Ask for it no longer; a request that was never made is fine."""

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """Give money back; returns the provider's refund id."""


class HttpPayments:
    """The contract of docs/partners.md."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """See `Payments`."""
        answer = await self._client.post("/requests", demand.model_dump(mode="json"), key)
        return str(answer["request_id"])

    async def void(self, order_id: str, key: str) -> None:
        """See `Payments`."""
        await self._client.post("/requests/void", {"order_id": order_id}, key)

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """See `Payments`."""
        answer = await self._client.post("/refunds", demand.model_dump(mode="json"), key)
        return str(answer["refund_id"])
