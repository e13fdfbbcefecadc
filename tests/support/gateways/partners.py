"""Partners for steps that run without a worker: each accepts every call at once."""

from models.errors import PartnerRefused, PartnerUnavailable
from models.messages.partners import (
    BookedFreight,
    CaptureDemand,
    FreightBooking,
    FreightInquiry,
    PaymentDemand,
    RefundDemand,
    SupplierCancellation,
    SupplierOrder,
)
from models.shipping import Quote


class Partners:
    """A supplier and a carrier that accept at once."""

    async def send(self, order: SupplierOrder, key: str) -> str:
        """See `Suppliers`."""
        return f"SO-{order.po_id}"

    async def cancel_order(self, order: SupplierCancellation, key: str) -> None:
        """See `Suppliers`."""

    async def quote(self, inquiry: FreightInquiry, key: str) -> list[Quote]:
        """See `Carriers`."""
        return [
            Quote(
                quote_id="Q",
                carrier="C",
                service="S",
                charge="1",
                currency=inquiry.currency,
                arrives_on=inquiry.ready_on,
            )
        ]

    async def book(self, booking: FreightBooking, key: str) -> BookedFreight:
        """See `Carriers`."""
        return BookedFreight(booking_id=key, carrier="C", tracking_number=key)

    async def cancel(self, shipment_id: str, key: str) -> None:
        """See `Carriers`."""


class Provider:
    """A payment provider that accepts at once; `refunds` holds its refunds by idempotency key.

    While it `refuses` or `is_silent`, it pays no refund.
    """

    def __init__(self) -> None:
        self.refunds: dict[str, RefundDemand] = {}
        self.refuses = False
        self.is_silent = False

    async def request(self, demand: PaymentDemand, key: str) -> str:
        """See `Payments`."""
        return f"req-{key}"

    async def capture(self, demand: CaptureDemand, key: str) -> str:
        """See `Payments`."""
        return f"pay-{key}"

    async def void(self, order_id: str, key: str) -> bool:
        """See `Payments`."""
        return False

    async def refund(self, demand: RefundDemand, key: str) -> str:
        """See `Payments`; fails if a key is used for two different refunds."""
        if self.is_silent:
            raise PartnerUnavailable("no answer")
        if self.refuses and key not in self.refunds:
            raise PartnerRefused("account_closed", "the account is closed")
        assert self.refunds.setdefault(key, demand) == demand
        return f"rf-{key}".replace("/", ".")
