"""Billing: `invoice`, `payments` and `pay`."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.billing import reading as billing_reading
from activities.database.company import timezone_of_company
from activities.database.unit_of_work import utc_now
from activities.masterdata import reading as masterdata_reading
from activities.orders import reading as orders_reading
from command_line.context import CliContext, OpenContext, new_id
from command_line.orders import OrderId
from command_line.output import File, Json, Wide, err, or_dash, print_line, show_view, write_pdf
from command_line.tables import new_table, print_table
from models.days import check_known, day_at, moment_of
from models.orders import Terms
from models.views.billing import BillView, PaymentView, require_bill
from models.views.orders import InvoiceView

Number = Annotated[str, typer.Argument(help="The invoice's or credit note's number.")]


def add_billing(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the groups `invoice`, `payments` and `refunds`, and `pay`."""
    invoice = typer.Typer(no_args_is_help=True, help="Invoices and credit notes.")
    payments = typer.Typer(no_args_is_help=True, help="Payments.")
    refunds = typer.Typer(no_args_is_help=True, help="Refunds that are not paid.")
    app.add_typer(invoice, name="invoice")
    app.add_typer(payments, name="payments")
    app.add_typer(refunds, name="refunds")
    _add_pay(app, open_context)

    @invoice.command("list")
    def list_invoices(order: OrderId, as_json: Json = False, wide: Wide = False) -> None:
        """List the invoices of an order: of an order on credit, one for each delivery."""
        rows = open_context().read(lambda s: orders_reading.invoices(s, order))
        show_view(rows, as_json, _print_invoices, wide)

    @invoice.command("show")
    def show_bill(number: Number, as_json: Json = False, wide: Wide = False) -> None:
        """Show an invoice or a credit note, and its mails."""
        view = open_context().read(lambda s: billing_reading.bill(s, number))
        show_view(require_bill(view, number), as_json, _print_bill, wide)

    @invoice.command()
    def pdf(number: Number, file: File, as_json: Json = False) -> None:
        """Write an invoice or a credit note as PDF, with the e-invoice (Factur-X) attached."""
        context = open_context()
        document = context.read(lambda s: billing_reading.bill_pdf(s, context.documents, number))
        write_pdf(require_bill(document, number), file, as_json, number, number=number)

    @payments.command()
    def unmatched(as_json: Json = False, wide: Wide = False) -> None:
        """List payments that are unapplied, or applied only in part: for unknown orders,
        overpayments, late payments, in other currencies."""
        rows = open_context().read(billing_reading.unmatched_payments)
        show_view(rows, as_json, _print_payments, wide)


def _add_pay(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def pay(
        order: OrderId,
        amount: Annotated[str, typer.Argument(help='In the order\'s currency: "18.00".')],
        payment_id: Annotated[
            str, typer.Option(help="The payment's own id; the same id again is the same payment.")
        ] = "",
        method: Annotated[
            str,
            typer.Option(
                help="cash (at the till), transfer, or the provider's: card. By default, cash for "
                "an order on terms cash, else transfer."
            ),
        ] = "",
        on: Annotated[
            datetime | None,
            typer.Option(
                formats=["%Y-%m-%d"],
                help="The day of the payment on the bank statement; by default it is now.",
            ),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Record a payment from the till or a bank statement."""
        context = open_context()
        received_at = _received_at(context, on.date()) if on else utc_now()
        recorded = context.read(lambda s: orders_reading.order_terms(s, order))
        currency, terms = recorded or (
            context.read(masterdata_reading.company_currency) or "EUR",
            "",
        )
        payment_id = payment_id or new_id()
        data: JsonValue = {
            "payment_id": payment_id,
            "order_id": order,
            "amount": amount,
            "currency": currency,
            "method": method or ("cash" if terms == Terms.CASH else "transfer"),
            "received_at": received_at.isoformat(),
        }
        context.record_fact("payment.received", payment_id, data, as_json, by_operator=False)
        if recorded is None and not as_json:
            hint = f"no order {order} is recorded: the payment is kept for it, or as unmatched"
            err.print(hint, style="yellow")


def _received_at(context: CliContext, day: date) -> datetime:
    """Return noon of a day at the company, or the time now if that is earlier."""
    timezone, now = context.read(timezone_of_company), utc_now()
    try:
        check_known(day)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--on") from error
    if day > day_at(timezone, now):
        raise typer.BadParameter(f"{day} hasn't come yet", param_hint="--on")
    return min(now, moment_of(timezone, day, time(12)))


def _print_invoices(rows: Sequence[InvoiceView]) -> None:
    table = new_table("invoice", "for", "issued", "due", "total", "open")
    for row in rows:
        days = (f"{row.issued_on}", f"{row.due_on or '-'}")
        table.add_row(row.number, row.shipment_id or "the order", *days, row.total, row.open)
    print_table(table)


def _print_payments(rows: Sequence[PaymentView]) -> None:
    table = new_table("payment", "for order", "amount", "applied", "reversed", "refunded", "why")
    for row in rows:
        amounts = (f"{row.amount} {row.currency}", row.applied, row.reversed, row.refunded)
        table.add_row(row.payment_id, row.claimed_order_id or "", *amounts, row.reason)
    print_table(table)


def _print_bill(view: BillView) -> None:
    name = view.kind.replace("_", " ").capitalize()
    supplied = f", supplied {view.supplied_on}" if view.supplied_on else ""
    due = f"{supplied}, due {view.due_on}" if view.due_on else supplied
    print_line(
        f"{name} {view.number} of {view.issued_on}{due}\n"
        f"order {view.order_id}, customer {view.customer_id} ({view.customer_name})"
    )
    if view.invoice_number:
        print_line(f"corrects {view.invoice_number}: {view.reason}")
    with_tax = ["with tax"] if view.prices_include_tax else []
    titles = ("line", "SKU", "name", "quantity", "unit price", "discount %", "tax %", "net")
    lines = new_table(*titles, *with_tax)
    for line in view.lines:
        gross = [or_dash(line.gross)] if view.prices_include_tax else []
        amounts = (line.unit_price, line.discount_percent, line.tax_rate_percent, line.net, *gross)
        names = (str(line.line_no), line.sku or "-", line.name, str(line.quantity))
        lines.add_row(*names, *amounts)
    print_table(lines)
    _print_sums(view)
    if view.prices_include_tax:
        print_line("unit prices include tax")
    print_line(f"tax case: {view.tax_case.replace('_', ' ')}")
    if view.no_einvoice:
        print_line(f"without e-invoice: {view.no_einvoice}")
    if view.credit_notes:
        print_line(f"credited by {', '.join(view.credit_notes)}")
    for mail in view.mails:
        refused = f", refused: {mail.refused}" if mail.refused else ""
        print_line(f"mailed to {mail.recipient} on {mail.recorded_at:%Y-%m-%d %H:%M}{refused}")


def _print_sums(view: BillView) -> None:
    sums = new_table("", "amount")
    sums.show_header = False
    for tax in view.taxes:
        sums.add_row(f"tax {tax.rate_percent} % of {tax.taxable}", tax.tax)
    if view.discount.strip("0."):
        sums.add_row("discount of the order, in the lines", f"-{view.discount}")
    for label, amount in (
        ("net", view.net),
        ("total", f"{view.total} {view.currency}"),
        ("still open", or_dash(view.open)),
        ("given back", or_dash(view.refund)),
        ("used for amounts due", or_dash(view.used)),
        ("kept as credit", or_dash(view.kept)),
    ):
        if amount != "-":
            sums.add_row(label, amount)
    print_table(sums)
