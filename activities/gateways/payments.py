"""The payment provider."""

from typing import Protocol

from activities.gateways.http import PartnerClient
from models.messages.partners import CaptureDemand, PaymentDemand, RefundDemand


class Payments(Protocol):
    """What we ask of a payment provider; every call is idempotent by its key."""

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """Ask for money; returns the provider's request id."""

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """Turn a card's authorisation into money; returns the payment's id. Refused where the card
        stands for it no longer (`authorisation_lapsed`) or says no."""

    async def void(self, order_id: str, key: str) -> bool:
        """Ask for it no longer, and release what was authorised; a request that was never made is
        fine. True where it was collected before: then that money comes, and is to be given back."""

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """Give money back; returns the provider's refund id."""


class HttpPayments:
    """The contract of docs/partners.md."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """See `Payments`."""
        wish = f"collect {demand.amount} {demand.currency} for {demand.order_id}"
        asked = f"the payment provider, asked to {wish}"
        answer = await self._client.post("/requests", demand.model_dump(mode="json"), key, asked)
        return str(answer["request_id"])

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """See `Payments`."""
        wish = f"capture {demand.amount} {demand.currency} for {demand.order_id}"
        asked = f"the payment provider, asked to {wish}"
        answer = await self._client.post("/captures", demand.model_dump(mode="json"), key, asked)
        return str(answer["payment_id"])

    async def void(self, order_id: str, key: str) -> bool:
        """See `Payments`."""
        asked = f"the payment provider, asked to collect nothing more for {order_id}"
        answer = await self._client.post("/requests/void", {"order_id": order_id}, key, asked)
        return answer.get("state") == "paid"

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """See `Payments`."""
        wish = f"give back {demand.amount} {demand.currency} of {demand.order_id}"
        asked = f"the payment provider, asked to {wish}"
        answer = await self._client.post("/refunds", demand.model_dump(mode="json"), key, asked)
        return str(answer["refund_id"])
