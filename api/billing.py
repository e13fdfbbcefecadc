"""Billing over HTTP: invoices, credit notes and unmatched payments."""

from fastapi import APIRouter, Response

from activities.billing import reading as billing_reading
from activities.database.engine import Database
from activities.orders import reading as orders_reading
from api.bodies import pdf_response
from models.views.billing import BillView, PaymentView, require_bill
from models.views.orders import InvoiceView


def billing_router(database: Database) -> APIRouter:
    """Build the routes that show invoices and payments."""
    router = APIRouter(tags=["money"])

    @router.get("/orders/{order_id}/invoices")
    async def list_of_order(order_id: str) -> list[InvoiceView]:
        """List the invoices of an order, in the order of issue."""
        return await database.read_async(lambda s: orders_reading.invoices(s, order_id))

    @router.get("/invoices/{number}")
    async def show(number: str) -> BillView:
        """Show an invoice or credit note, and its mails."""
        view = await database.read_async(lambda s: billing_reading.bill(s, number))
        return require_bill(view, number)

    @router.get("/invoices/{number}/pdf", response_class=Response)
    async def pdf(number: str) -> Response:
        """Show the document as PDF, with the e-invoice (Factur-X) attached."""
        document = await database.read_async(
            lambda s: billing_reading.bill_pdf(s, database.rules.documents, number)
        )
        return pdf_response(require_bill(document, number).pdf, number)

    @router.get("/payments/unmatched")
    async def list_unmatched_payments() -> list[PaymentView]:
        """List payments that are unapplied, or applied only in part."""
        return await database.read_async(billing_reading.unmatched_payments)

    return router
