"""The gateway to the payment provider."""

from typing import Protocol

from activities.gateways.http import PartnerClient, answered
from models.messages.partners import CaptureDemand, PaymentDemand, RefundDemand


class Payments(Protocol):
    """The calls to a payment provider, each idempotent by its key.

    Raises PartnerRefused for a refusal, PartnerUnavailable without an answer.
    """

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """Request a payment; return the provider's request id."""

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """Capture an authorised amount; return the payment id.

        Refused for a declined card, and for a lapsed authorisation (`authorisation_lapsed`).
        """

    async def void(self, order_id: str, key: str) -> bool:
        """Void an order's payment request and authorisation, if any.

        Returns whether the payment was collected before: it arrives, and has to be refunded.
        """

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """Refund an amount; return the provider's refund id."""


class HttpPayments:
    """A payment provider by HTTP, as docs/partners.md describes it."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """Call `POST /requests`, see `Payments`."""
        request = f"{_asked_to('collect', demand)} for {demand.order_id}"
        answer = await self._client.post("/requests", demand.model_dump(mode="json"), key, request)
        return answered(answer, "request_id", request)

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """Call `POST /captures`, see `Payments`."""
        request = f"{_asked_to('capture', demand)} for {demand.order_id}"
        answer = await self._client.post("/captures", demand.model_dump(mode="json"), key, request)
        return answered(answer, "payment_id", request)

    async def void(self, order_id: str, key: str) -> bool:
        """Call `POST /requests/void`, see `Payments`."""
        request = f"the payment provider, asked to void the payment request of {order_id}"
        answer = await self._client.post("/requests/void", {"order_id": order_id}, key, request)
        return answer.get("state") == "paid"

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """Call `POST /refunds`, see `Payments`."""
        request = f"{_asked_to('refund', demand)} of {demand.order_id}"
        answer = await self._client.post("/refunds", demand.model_dump(mode="json"), key, request)
        return answered(answer, "refund_id", request)


def _asked_to(verb: str, demand: PaymentDemand | CaptureDemand | RefundDemand) -> str:
    return f"the payment provider, asked to {verb} {demand.amount} {demand.currency}"
