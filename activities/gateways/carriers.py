"""The carriers."""

from typing import Protocol

from pydantic import TypeAdapter, ValidationError

from activities.gateways.http import PartnerClient
from models.errors import PartnerUnavailable
from models.messages.partners import BookedFreight, FreightBooking, FreightInquiry
from models.shipping import Quote

_QUOTES = TypeAdapter(list[Quote])


class Carriers(Protocol):
    """What we ask of a carrier; every call is idempotent by its key."""

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """Ask what carrying a shipment costs, and by when it would arrive."""

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """Book a shipment."""

    async def cancel(self, shipment_id: str, key: str) -> None:
        """Cancel a booking; one that was never made is fine. PartnerRefused: it was picked up."""


class HttpCarriers:
    """The contract of docs/partners.md."""

    def __init__(self, client: PartnerClient) -> None:
        self._client = client

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """See `Carriers`."""
        asked = f"the carriers, asked what {inquiry.shipment_id} costs"
        answer = await self._client.post("/quotes", inquiry.model_dump(mode="json"), key, asked)
        try:
            return _QUOTES.validate_python(answer.get("quotes"))
        except ValidationError as error:
            raise PartnerUnavailable(f"{asked}, answered without quotes") from error

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """See `Carriers`."""
        asked = f"the carrier, asked to book {booking.shipment_id}"
        answer = await self._client.post("/bookings", booking.model_dump(mode="json"), key, asked)
        return BookedFreight.model_validate(answer)

    async def cancel(self, shipment_id: str, key: str) -> None:
        """See `Carriers`."""
        asked = f"the carrier, asked to cancel the booking of {shipment_id}"
        await self._client.post("/bookings/cancel", {"shipment_id": shipment_id}, key, asked)
