"""Commands of people: what is asked for, and what came of it."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, NoReturn, Self

from pydantic import (
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from models.base import Document, Identifier, LocationId, Payload, Text
from models.customers import AmountText
from models.messages.steps import BillStep, Notification, StockKey
from models.orders import MAX_LINES
from models.returns import Condition, Disposition, RequestedOutcome, ReturnReason

MAX_UNITS = 1_000_000_000
"""No command moves more."""
Change = Annotated[int, Field(strict=True, ge=-MAX_UNITS, le=MAX_UNITS)]
Counted = Annotated[int, Field(strict=True, ge=0, le=MAX_UNITS)]
Moved = Annotated[int, Field(strict=True, ge=1, le=MAX_UNITS)]


class _Command(Document):
    """The same `command_id` with the same content is the same command, done once."""

    kind: str
    command_id: Identifier
    reason: Text
    actor: Text = "operator"

    @property
    def cause(self) -> str:
        """The cause that movements, entries and notifications of this command name."""
        return f"{self.kind}:{self.command_id}"


class AdjustStock(_Command):
    """So many units more (or, below zero, fewer) are there than the books say.

    `unit_cost`, in the company's currency, values a gain where nothing is on hand to take the
    average of.
    """

    kind: Literal["adjust"] = "adjust"
    sku: Identifier
    location: LocationId
    by: Change
    unit_cost: AmountText | None = None

    @field_validator("by")
    @classmethod
    def _something(cls, by: int) -> int:
        if not by:
            raise ValueError("0 changes nothing: say how many units more, or fewer with a minus")
        return by

    @model_validator(mode="after")
    def _cost_of_a_gain(self) -> Self:
        if self.by < 0 and self.unit_cost is not None:
            raise ValueError("unit_cost: values a gain; what is lost costs its average")
        return self


class CountStock(_Command):
    """A cycle count: so many units are there, the reserved ones included. `unit_cost` as in
    `AdjustStock`."""

    kind: Literal["count"] = "count"
    sku: Identifier
    location: LocationId
    counted: Counted
    unit_cost: AmountText | None = None


class TransferStock(_Command):
    """Units go from one location to another, with their value."""

    kind: Literal["transfer"] = "transfer"
    sku: Identifier
    from_location: LocationId
    to_location: LocationId
    quantity: Moved

    @model_validator(mode="after")
    def _elsewhere(self) -> Self:
        if self.from_location == self.to_location:
            raise ValueError(f"to_location: is {self.to_location}, where the goods are already")
        return self


class ClosePurchase(_Command):
    """What a purchase order has not brought yet isn't expected any more."""

    kind: Literal["close"] = "close"
    po_id: Text


class AssignPayment(_Command):
    """Money that has no order (or came in excess of none) is this order's."""

    kind: Literal["assign"] = "assign"
    payment_id: Identifier
    order_id: Identifier


class GiveRefund(_Command):
    """Give money back: of an order, what credit notes and overpayments owe its customer (without
    an amount all of it); of a payment, what has no order."""

    kind: Literal["refund"] = "refund"
    order_id: Identifier | None = None
    payment_id: Identifier | None = None
    amount: AmountText | None = None

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if (self.order_id is None) == (self.payment_id is None):
            raise ValueError("order_id: say either an order or a payment")
        if self.payment_id is not None and self.amount is not None:
            raise ValueError("amount: a payment is given back whole")
        return self


class CreditInvoice(_Command):
    """Credit (a part of) an invoice whose goods have left; `amount` with tax, absent: all that is
    left. What was paid of it is given back, unless `refund` is false: then it is owed."""

    kind: Literal["credit"] = "credit"
    invoice_number: Text
    amount: AmountText | None = None
    refund: Annotated[bool, Field(strict=True)] = True


class WriteOff(_Command):
    """What an order's customer still owes won't come."""

    kind: Literal["write_off"] = "write_off"
    order_id: Identifier


class ClosePeriod(_Command):
    """Nothing more is posted to days up to and including `through`."""

    kind: Literal["close_period"] = "close_period"
    through: date


class ResendBill(_Command):
    """Mail an invoice or a credit note again."""

    kind: Literal["resend"] = "resend"
    number: Text


class CancelRest(_Command):
    """The customer doesn't wait for what of an order is still short, held or to be collected, after
    some of it has left: its price is given back. What a carrier is to fetch goes its way."""

    kind: Literal["cancel_rest"] = "cancel_rest"
    order_id: Identifier


class Reship(_Command):
    """Send the goods of a shipment again that won't arrive. `claim`: what the carrier owes us for
    them; absent: what they cost us, where it lost or damaged them."""

    kind: Literal["reship"] = "reship"
    shipment_id: Text
    claim: AmountText | None = None


class RefundShipment(_Command):
    """Give back the price of the goods of a shipment that won't arrive; `claim` as in Reship. One
    that hasn't left is called back first: its carrier is asked not to fetch it."""

    kind: Literal["refund_shipment"] = "refund_shipment"
    shipment_id: Text
    claim: AmountText | None = None


class RecoverShipment(_Command):
    """The goods of a shipment that was given up are here again: where they left, or at
    `location`."""

    kind: Literal["recover_shipment"] = "recover_shipment"
    shipment_id: Text
    location: LocationId | None = None


class EndCallBack(_Command):
    """A carrier that was asked not to fetch a shipment has agreed: it is given up. Else the carrier
    has it, and it goes its way. Nobody commands that: it follows RefundShipment."""

    kind: Literal["end_call_back"] = "end_call_back"
    command_id: Text
    shipment_id: Text
    agreed: bool = True


class FileClaim(_Command):
    """The carrier of a shipment owes us so much for what it lost or damaged."""

    kind: Literal["file_claim"] = "file_claim"
    shipment_id: Text
    amount: AmountText


class SettleClaim(_Command):
    """The carrier has paid so much to our bank account; nothing more will come."""

    kind: Literal["settle_claim"] = "settle_claim"
    claim_id: Text
    amount: AmountText


class WithdrawClaim(_Command):
    """The carrier owes us nothing after all."""

    kind: Literal["withdraw_claim"] = "withdraw_claim"
    claim_id: Text


class Acknowledge(_Command):
    """A person has seen to what happened to an order's money or goods."""

    kind: Literal["acknowledge"] = "acknowledge"
    order_id: Identifier


def _some_lines(given: object) -> object:
    """Counted before they are looked at."""
    if isinstance(given, list | tuple) and not 1 <= len(given) <= MAX_LINES:
        raise ValueError(f"has {len(given)} lines; say 1 to {MAX_LINES}")
    return given


class ReturnedUnits(Document):
    """So many units of a SKU."""

    sku: Identifier
    quantity: Moved


class InspectedUnits(ReturnedUnits):
    """What units that came back look like, and what becomes of them."""

    disposition: Disposition
    condition: Condition = Condition.AS_NEW


class RequestReturn(_Command):
    """A customer wants to send goods of an order back, for `because`."""

    kind: Literal["request_return"] = "request_return"
    order_id: Identifier
    lines: Annotated[tuple[ReturnedUnits, ...], BeforeValidator(_some_lines)]
    because: ReturnReason = ReturnReason.CHANGED_MIND
    wish: RequestedOutcome = RequestedOutcome.REFUND
    location: LocationId | None = None

    @field_validator("because")
    @classmethod
    def _announced(cls, because: ReturnReason) -> ReturnReason:
        if because is ReturnReason.UNANNOUNCED:
            raise ValueError("unannounced goods are received, not requested")
        return because


class AuthoriseReturn(_Command):
    """The goods may come."""

    kind: Literal["authorise_return"] = "authorise_return"
    return_id: Text


class RejectReturn(_Command):
    """The goods may not come; the customer reads why."""

    kind: Literal["reject_return"] = "reject_return"
    return_id: Text


class ReturnOnItsWay(_Command):
    """The customer has sent the goods: the authorisation expires no more."""

    kind: Literal["return_on_its_way"] = "return_on_its_way"
    return_id: Text


class CloseReturn(_Command):
    """Nothing more is expected of it: the customer keeps the goods, or they got lost."""

    kind: Literal["close_return"] = "close_return"
    return_id: Text


class ReceiveReturn(_Command):
    """Goods have come back: of a return, or, where nobody had announced them, of an order."""

    kind: Literal["receive_return"] = "receive_return"
    return_id: Text | None = None
    order_id: Identifier | None = None
    lines: Annotated[tuple[ReturnedUnits, ...], BeforeValidator(_some_lines)]
    location: LocationId | None = None

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if (self.return_id is None) == (self.order_id is None):
            raise ValueError("return_id: say either a return or, for unannounced goods, an order")
        return self


class InspectReturn(_Command):
    """Somebody has looked at goods that came back; the customer gets what they are worth."""

    kind: Literal["inspect_return"] = "inspect_return"
    return_id: Text
    lines: Annotated[tuple[InspectedUnits, ...], BeforeValidator(_some_lines)]


StockChange = AdjustStock | CountStock | TransferStock
StockCommand = StockChange | ClosePurchase
MoneyCommand = AssignPayment | GiveRefund | CreditInvoice | WriteOff | ClosePeriod | ResendBill
GiveUp = Reship | RefundShipment
ShipmentCommand = GiveUp | RecoverShipment | EndCallBack
ClaimCommand = FileClaim | SettleClaim | WithdrawClaim
OrderCommand = CancelRest | Acknowledge
ReturnCommand = (
    RequestReturn
    | AuthoriseReturn
    | RejectReturn
    | ReturnOnItsWay
    | CloseReturn
    | ReceiveReturn
    | InspectReturn
)
Command = (
    StockCommand | MoneyCommand | OrderCommand | ShipmentCommand | ClaimCommand | ReturnCommand
)


class CommandStep(Payload):
    """The argument of CommandWorkflow and of its step."""

    command: Annotated[Command, Field(discriminator="kind")]


class Refusal(Payload):
    """Why a command changes nothing: `code` is stable, `field` names what of it can't be."""

    code: str
    field: str
    reason: str


STOCK_REFUSED = "stock_refused"
MONEY_REFUSED = "money_refused"
ORDER_REFUSED = "order_refused"
SHIPMENT_REFUSED = "shipment_refused"
RETURN_REFUSED = "return_refused"
"""The codes of refusals whose field says what to change."""
UNKNOWN = "unknown"
"""The code of a refusal because there is no such thing."""
UNKNOWN_SKU = "sku_unknown"
UNKNOWN_PURCHASE_ORDER = "purchase_order_unknown"
COMMAND_ID_TAKEN = "command_id_taken"


class CommandRefused(Exception):  # a refusal isn't wrong
    """The command can't be done; what was begun is rolled back."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def refuse(field: str, reason: str, code: str) -> NoReturn:
    """Raises CommandRefused."""
    raise CommandRefused(Refusal(code=code, field=field, reason=reason))


class FollowUp(Payload):
    """What is left to do after a command: partners to be asked. `order_id`: whose attention shows
    what goes wrong."""

    order_id: str | None = None
    refund_key: str | None = None
    bill: BillStep | None = None
    call_back: EndCallBack | None = None
    """How it ends, once the shipment's carrier was asked not to fetch it."""

    def workflow_id(self, command_id: str) -> str:
        """Named for the refund, where there is one: so that it is found by it."""
        return refund_workflow(self.refund_key) if self.refund_key else after_workflow(command_id)


def after_workflow(command_id: str) -> str:
    """The id of the workflow that does anything else that follows a command."""
    return f"after-{command_id}"


def refund_workflow(refund_key: str) -> str:
    """The id of the workflow that gives money back after a command: `refund-<order>-<n>`."""
    return f"refund-{refund_key.replace('/refund/', '-')}"


class CommandResult(Payload):
    """What came of a command: done, with a sentence, who is to be told, and what follows; or
    refused."""

    command: Annotated[Command, Field(discriminator="kind")]
    message: str = ""
    notification: Notification
    refusal: Refusal | None = None
    follow_up: FollowUp | None = None

    @classmethod
    def done(
        cls,
        command: "Command",
        message: str,
        *,
        orders: Iterable[str] = (),
        places: Iterable[StockKey] = (),
        returns: Iterable[str] = (),
        follow_up: FollowUp | None = None,
    ) -> Self:
        """Build the result of an executed command, which notifies each workflow once."""
        notification = Notification(
            cause=command.cause,
            orders=tuple(dict.fromkeys(orders)),
            places=tuple(dict.fromkeys(places)),
            returns=tuple(dict.fromkeys(returns)),
        )
        return cls(command=command, message=message, notification=notification, follow_up=follow_up)


class CommandDone(Payload):
    """What the doors answer."""

    command_id: str
    accepted: bool = True
    message: str
