"""Commands on invoices, payments and refunds."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from models.base import Identifier, Text, at_field
from models.customers import PercentText
from models.messages.commands.base import Amount, CommandMessage, Units
from models.messages.commands.interface import Argument, Cli, Flag, Option, Route
from models.messages.commands.orders import OrderId
from models.money import parse_percent, same_decimal


class BillingCommand(CommandMessage):
    """A command on money received or owed."""

    tag: ClassVar = "money"


class AssignPayment(BillingCommand):
    """Apply a payment without an order to an order."""

    cli: ClassVar = Cli("payments assign", reason="it is this order's")
    routes: ClassVar = (Route("/payments/{payment_id}/assign", "assign"),)

    kind: Literal["assign"] = "assign"
    payment_id: Annotated[Identifier, Argument("The payment's id.", metavar="PAYMENT")]
    order_id: OrderId


class IssueRefund(BillingCommand):
    """Refund what credit notes and overpayments owe a customer, or a payment without an order.

    It goes back the way each payment came, the newest first. Without `amount`, all that is owed.
    With `paid_by`, it records what was paid in cash or by bank transfer.
    """

    cli: ClassVar = Cli("refund")
    routes: ClassVar = (
        Route(
            "/orders/{order_id}/refunds",
            "refund",
            description="Refund what credit notes and overpayments owe an order's customer.",
        ),
        Route(
            "/payments/{payment_id}/refund",
            "refund_payment",
            undescribed="order_id",
            description="Refund a payment without an order.",
        ),
    )

    kind: Literal["refund"] = "refund"
    order_id: Annotated[
        Identifier | None, Argument("The order whose customer is refunded.", metavar="[ORDER]")
    ] = None
    payment_id: Annotated[
        Identifier | None,
        Option(
            "The order's payment to refund first; instead of an order: a payment without one.",
            name="--payment",
        ),
    ] = None
    amount: Annotated[Amount | None, Argument('"18.00"; absent: all that we owe the customer.')] = (
        None
    )
    paid_by: Annotated[
        Literal["cash", "transfer"] | None,
        Option("cash or transfer: record that it was paid so, and ask no provider."),
    ] = None

    @model_validator(mode="after")
    def _require_order_or_payment(self) -> Self:
        if self.order_id is None and self.payment_id is None:
            raise ValueError("order_id: give an order, or a payment without one")
        if self.order_id is None and self.amount is not None:
            raise ValueError("amount: a payment without an order is refunded in full")
        return self


class WithdrawRefund(BillingCommand):
    """Withdraw a refund that was asked for and is not paid; its amount is owed again.

    Without `number`, the only one that is not paid.
    """

    cli: ClassVar = Cli("refunds withdraw")
    routes: ClassVar = (
        Route(
            "/orders/{order_id}/refunds/withdraw",
            "withdraw_refund",
            undescribed="payment_id",
            description="Withdraw a refund of an order that is not paid; it is owed again.",
        ),
        Route(
            "/payments/{payment_id}/refund/withdraw",
            "withdraw_payment_refund",
            undescribed="order_id",
            description="Withdraw the refund of a payment without an order.",
        ),
    )

    kind: Literal["withdraw_refund"] = "withdraw_refund"
    order_id: Annotated[
        Identifier | None, Argument("The order of the refund.", metavar="[ORDER]")
    ] = None
    number: Annotated[
        int | None,
        Field(strict=True, ge=1),
        Option("The refund's number, as `status` shows it; absent: the only unpaid one."),
    ] = None
    payment_id: Annotated[
        Identifier | None, Option("Instead of an order: a payment without one.", name="--payment")
    ] = None

    @model_validator(mode="after")
    def _require_order_or_payment(self) -> Self:
        if (self.order_id is None) == (self.payment_id is None):
            raise ValueError("order_id: give either an order or a payment without one")
        return self


class CreditInvoice(BillingCommand):
    """Credit an invoice whose goods have left, in part or in full, and refund the paid part.

    `amount` includes tax; without it, all that is left is credited. With `line_no`, only that line
    is credited: `quantity` units or an amount of it. With `rate_percent`, only the part at that tax
    rate. With `refund` false, the paid part stays the customer's credit.
    """

    cli: ClassVar = Cli("credit-note")
    routes: ClassVar = (Route("/invoices/{invoice_number}/credit-notes", "credit"),)

    kind: Literal["credit"] = "credit"
    invoice_number: Annotated[Text, Argument("The invoice's number.", metavar="INVOICE")]
    amount: Annotated[Amount | None, Argument('With tax: "18.00"; absent: all that is left.')] = (
        None
    )
    line_no: Annotated[
        int | None,
        Field(strict=True, ge=1),
        Option("Only this line, by its number on the invoice.", name="--line"),
    ] = None
    quantity: Annotated[Units | None, Option("Units of the line, instead of an amount.")] = None
    rate_percent: Annotated[
        Annotated[PercentText, AfterValidator(same_decimal)] | None,
        Option('Only the part at this tax rate: "19".', name="--rate"),
    ] = None
    refund: Annotated[
        bool, Field(strict=True), Flag("--keep", False, "Keep the paid part as credit.")
    ] = True

    @model_validator(mode="after")
    def _check_part(self) -> Self:
        if self.quantity is not None and self.line_no is None:
            raise ValueError("quantity: give the number of its line too, such as line_no 1")
        if self.quantity is not None and self.amount is not None:
            raise ValueError("quantity: give units or an amount, not both")
        if self.rate_percent is not None and self.line_no is not None:
            raise ValueError("rate_percent: give a line or a tax rate, not both")
        if self.rate_percent is not None:
            with at_field("rate_percent"):
                parse_percent(self.rate_percent)
        return self


class WriteOff(BillingCommand):
    """Write off the amount that the customer still owes for an order."""

    cli: ClassVar = Cli("receivables write-off")
    routes: ClassVar = (Route("/orders/{order_id}/write-off", "write_off"),)

    kind: Literal["write_off"] = "write_off"
    order_id: OrderId


class ResendBill(BillingCommand):
    """Mail an invoice or a credit note again."""

    cli: ClassVar = Cli("invoice resend", reason="asked for again")
    routes: ClassVar = (Route("/invoices/{number}/resend", "resend"),)

    kind: Literal["resend"] = "resend"
    number: Annotated[Text, Argument("The invoice's or credit note's number.")]
