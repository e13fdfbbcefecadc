"""Money over HTTP: invoices and credit notes, payments without a use, refunds, write-offs."""

from typing import TypeVar

from fastapi import APIRouter, Request, Response

from activities.billing import reading as billing_reading
from activities.database.engine import Database
from api.bodies import body_of, commanded
from intake import Intake
from models.messages.commands import (
    AssignPayment,
    CancelRest,
    ClosePeriod,
    CommandDone,
    CreditInvoice,
    GiveRefund,
    ResendBill,
    WriteOff,
)
from models.views.billing import BillView, PaymentView, of_bill

Result = TypeVar("Result")


def money_router(intake: Intake, database: Database) -> APIRouter:
    """Bills, payments, and the commands on them."""
    router = APIRouter(tags=["money"])

    @router.get("/invoices/{number}")
    async def show(number: str) -> BillView:
        """An invoice or a credit note, and to whom it was mailed."""
        return of_bill(await database.read_async(lambda s: billing_reading.bill(s, number)), number)

    @router.get("/invoices/{number}/pdf", response_class=Response)
    async def pdf(number: str) -> Response:
        """The document as PDF, with the e-invoice (Factur-X) inside."""
        document = of_bill(
            await database.read_async(lambda s: billing_reading.bill_pdf(s, number)), number
        )
        headers = {"content-disposition": f'inline; filename="{number}.pdf"'}
        return Response(document, media_type="application/pdf", headers=headers)

    @router.post("/invoices/{number}/resend", **commanded(ResendBill, "number"))
    async def resend(number: str, request: Request) -> CommandDone:
        """Mail it again."""
        return await intake.command(ResendBill, await body_of(request, ResendBill, number=number))

    @router.post(
        "/invoices/{invoice_number}/credit-notes", **commanded(CreditInvoice, "invoice_number")
    )
    async def credit(invoice_number: str, request: Request) -> CommandDone:
        """Credit (a part of) it, and give back what was paid."""
        body = await body_of(request, CreditInvoice, invoice_number=invoice_number)
        return await intake.command(CreditInvoice, body)

    @router.get("/payments/unmatched")
    async def list_unmatched_payments() -> list[PaymentView]:
        """Money that has, at least in part, no use yet."""
        return await database.read_async(billing_reading.unmatched_payments)

    @router.post("/payments/{payment_id}/assign", **commanded(AssignPayment, "payment_id"))
    async def assign(payment_id: str, request: Request) -> CommandDone:
        """Use money that has no order for one."""
        body = await body_of(request, AssignPayment, payment_id=payment_id)
        return await intake.command(AssignPayment, body)

    @router.post("/payments/{payment_id}/refund", **commanded(GiveRefund, "payment_id", "order_id"))
    async def refund_payment(payment_id: str, request: Request) -> CommandDone:
        """Give money back that has no order."""
        body = await body_of(request, GiveRefund, payment_id=payment_id)
        return await intake.command(GiveRefund, body)

    @router.post("/orders/{order_id}/refunds", **commanded(GiveRefund, "order_id", "payment_id"))
    async def refund(order_id: str, request: Request) -> CommandDone:
        """Give back what credit notes and overpayments owe an order's customer."""
        body = await body_of(request, GiveRefund, order_id=order_id)
        return await intake.command(GiveRefund, body)

    @router.post("/orders/{order_id}/rest-cancellation", **commanded(CancelRest, "order_id"))
    async def cancel_rest(order_id: str, request: Request) -> CommandDone:
        """Give up what is still to come of an order, and give its price back."""
        body = await body_of(request, CancelRest, order_id=order_id)
        return await intake.command(CancelRest, body)

    @router.post("/orders/{order_id}/write-off", **commanded(WriteOff, "order_id"))
    async def write_off(order_id: str, request: Request) -> CommandDone:
        """What the customer still owes won't come."""
        return await intake.command(WriteOff, await body_of(request, WriteOff, order_id=order_id))

    @router.post("/ledger/close", **commanded(ClosePeriod))
    async def close(request: Request) -> CommandDone:
        """Close the ledger through a day."""
        return await intake.command(ClosePeriod, await body_of(request, ClosePeriod))

    return router
