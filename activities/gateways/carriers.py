"""The gateway to carriers."""

from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from activities.gateways.http import PartnerClient
from models.errors import PartnerUnavailable
from models.messages.partners import BookedFreight, FreightBooking, FreightInquiry
from models.shipping import Quote

_QUOTES = TypeAdapter(list[Quote])


class Carriers(Protocol):
    """The calls to carriers, each idempotent by its key.

    Raises PartnerRefused for a refusal, PartnerUnavailable without an answer.
    """

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """Request quotes for a shipment: price and arrival."""

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """Book a shipment."""

    async def cancel(self, shipment_id: str, key: str) -> None:
        """Cancel a booking, if it exists. Refused once the goods are picked up."""


class HttpCarriers:
    """Carriers by HTTP, as docs/partners.md describes it."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """Call `POST /quotes`, see `Carriers`."""
        request = f"the carriers, asked for quotes for {inquiry.shipment_id}"
        answer = await self._client.post("/quotes", inquiry.model_dump(mode="json"), key, request)
        try:
            return _QUOTES.validate_python(answer.get("quotes"))
        except ValidationError as error:
            raise PartnerUnavailable(f"{request}, answered without quotes") from error

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """Call `POST /bookings`, see `Carriers`."""
        request = f"the carrier, asked to book {booking.shipment_id}"
        answer = await self._client.post("/bookings", booking.model_dump(mode="json"), key, request)
        try:
            return BookedFreight.model_validate(answer)
        except ValidationError as error:
            raise PartnerUnavailable(f"{request}, answered without a booking") from error

    async def cancel(self, shipment_id: str, key: str) -> None:
        """Call `POST /bookings/cancel`, see `Carriers`."""
        request = f"the carrier, asked to cancel the booking of {shipment_id}"
        await self._client.post("/bookings/cancel", {"shipment_id": shipment_id}, key, request)
