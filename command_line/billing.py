"""`invoice`, `payments`, `refund`, `credit-note`, and what closes or writes off: the money of
orders."""

from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue

from activities.billing import reading as billing_reading
from command_line.context import OpenContext
from command_line.output import Json, new_table, or_dash, out, print_json, show, write_file
from command_line.stock import Actor, CommandFields, CommandId, Reason, execute
from models.messages.commands import (
    AssignPayment,
    CancelRest,
    ClosePeriod,
    CreditInvoice,
    GiveRefund,
    ResendBill,
    WriteOff,
)
from models.views.billing import BillView, of_bill

Number = Annotated[str, typer.Argument(help="The invoice's or credit note's number.")]
OrderId = Annotated[str, typer.Argument(metavar="ORDER", help="The order's id.")]
PaymentId = Annotated[str, typer.Argument(metavar="PAYMENT", help="The payment's id.")]


def invoice_commands(open_context: OpenContext) -> typer.Typer:
    """`invoice show|pdf|resend`."""
    app = typer.Typer(no_args_is_help=True, help="Invoices and credit notes.")

    @app.command("show")
    def show_bill(number: Number, as_json: Json = False) -> None:
        """Show an invoice or a credit note, and to whom it was mailed."""
        view = of_bill(open_context().read(lambda s: billing_reading.bill(s, number)), number)
        if as_json:
            print_json(view)
        else:
            _print_bill(view)

    @app.command()
    def pdf(
        number: Number,
        file: Annotated[Path, typer.Option("--out", help="Where to write it.")],
        as_json: Json = False,
    ) -> None:
        """Write an invoice or a credit note as PDF, with the e-invoice (Factur-X) inside."""
        document = of_bill(
            open_context().read(lambda s: billing_reading.bill_pdf(s, number)), number
        )
        write_file(file, document)
        said = {"number": number, "file": str(file), "bytes": len(document)}
        show(said, as_json, f"{number} written to {file}")

    @app.command()
    def resend(
        number: Number,
        reason: Reason = "asked for again",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Mail an invoice or a credit note again."""
        said: CommandFields = {"number": number}
        execute(open_context(), ResendBill, said, (id_, reason, actor), as_json)

    return app


def payment_commands(open_context: OpenContext) -> typer.Typer:
    """`payments unmatched|assign`."""
    app = typer.Typer(no_args_is_help=True, help="Payments.")

    @app.command()
    def unmatched(as_json: Json = False) -> None:
        """Money that has, at least in part, no use yet: unknown orders, overpayments, late money,
        other currencies."""
        rows = open_context().read(billing_reading.unmatched_payments)
        if as_json:
            print_json(rows)
            return
        table = new_table("payment", "for order", "amount", "applied", "taken back", "why")
        for row in rows:
            amounts = (f"{row.amount} {row.currency}", row.applied, row.reversed)
            table.add_row(row.payment_id, row.claimed_order_id or "", *amounts, row.reason)
        out.print(table)

    @app.command()
    def assign(
        payment: PaymentId,
        order: OrderId,
        reason: Reason = "it is this order's",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Use money that has no order for this one."""
        said: CommandFields = {"payment_id": payment, "order_id": order}
        execute(open_context(), AssignPayment, said, (id_, reason, actor), as_json)

    return app


def add_money(app: typer.Typer, open_context: OpenContext) -> None:
    """Add `refund`, `credit-note` and `cancel-rest`."""

    @app.command()
    def refund(
        reason: Reason,
        order: Annotated[
            str | None, typer.Argument(metavar="[ORDER]", help="Whose customer is given back.")
        ] = None,
        amount: Annotated[
            str | None, typer.Argument(help='"18.00"; absent: all that we owe the customer.')
        ] = None,
        payment: Annotated[
            str | None, typer.Option(help="Instead of an order: a payment that has none.")
        ] = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Give back what credit notes and overpayments owe an order's customer, or a payment."""
        said: dict[str, JsonValue] = {"order_id": order, "payment_id": payment, "amount": amount}
        execute(open_context(), GiveRefund, said, (id_, reason, actor), as_json)

    @app.command("credit-note")
    def credit_note(
        invoice: Annotated[str, typer.Argument(metavar="INVOICE", help="The invoice's number.")],
        reason: Reason,
        amount: Annotated[
            str | None, typer.Argument(help='With tax: "18.00"; absent: all that is left.')
        ] = None,
        keep: Annotated[
            bool, typer.Option("--keep", help="Don't give back now what was paid.")
        ] = False,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Credit (a part of) an invoice whose goods have left, and give back what was paid."""
        said: CommandFields = {"invoice_number": invoice, "amount": amount, "refund": not keep}
        execute(open_context(), CreditInvoice, said, (id_, reason, actor), as_json)

    @app.command("cancel-rest")
    def cancel_rest(
        order: OrderId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Give up what is still to come of an order, and give its price back."""
        execute(open_context(), CancelRest, {"order_id": order}, (id_, reason, actor), as_json)


def add_write_off(app: typer.Typer, open_context: OpenContext) -> None:
    """Add `receivables write-off`."""

    @app.command("write-off")
    def write_off(
        order: OrderId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """What an order's customer still owes won't come."""
        execute(open_context(), WriteOff, {"order_id": order}, (id_, reason, actor), as_json)


def add_close(app: typer.Typer, open_context: OpenContext) -> None:
    """Add `ledger close`."""

    @app.command()
    def close(
        through: Annotated[str, typer.Argument(help="The last day that is closed: 2026-10-31.")],
        reason: Reason = "the period is over",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Close the ledger through a day: what comes later is posted to the days after it."""
        execute(open_context(), ClosePeriod, {"through": through}, (id_, reason, actor), as_json)


def _print_bill(view: BillView) -> None:
    name = view.kind.replace("_", " ").capitalize()
    due = f", due {view.due_on}" if view.due_on else ""
    out.print(
        f"{name} {view.number} of {view.issued_on}{due}\n"
        f"order {view.order_id}, customer {view.customer_id} ({view.customer_name})",
        highlight=False,
        soft_wrap=True,
    )
    if view.invoice_number:
        out.print(f"corrects {view.invoice_number}: {view.reason}", highlight=False, soft_wrap=True)
    lines = new_table("SKU", "what", "quantity", "unit price", "discount %", "tax %", "net")
    for line in view.lines:
        amounts = (line.unit_price, line.discount_percent, line.tax_rate_percent, line.net)
        lines.add_row(line.sku or "-", line.name, str(line.quantity), *amounts)
    out.print(lines)
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
        ("kept as credit", or_dash(view.kept)),
    ):
        if amount != "-":
            sums.add_row(label, amount)
    out.print(sums)
    if view.credit_notes:
        out.print(f"credited by {', '.join(view.credit_notes)}", highlight=False)
    for mail in view.mails:
        refused = f", refused: {mail.refused}" if mail.refused else ""
        out.print(
            f"mailed to {mail.recipient} on {mail.recorded_at:%Y-%m-%d %H:%M}{refused}",
            highlight=False,
            soft_wrap=True,
        )
