"""`claims` and `claim ...`: what carriers owe us for goods that they lost or damaged."""

from typing import Annotated

import typer
from rich.text import Text

from activities.shipping import reading as shipping_reading
from command_line.context import OpenContext
from command_line.output import Json, new_table, or_dash, out, print_json
from command_line.stock import Actor, CommandFields, CommandId, IdOrCommand, Reason, execute
from models.base import MAX_LISTED
from models.messages.commands import FileClaim, SettleClaim, WithdrawClaim
from models.views.shipping import ClaimView, of_claim

ClaimId = Annotated[str, typer.Argument(metavar="CLAIM", help="The claim's id: CL-...")]


def add_claims(app: typer.Typer, open_context: OpenContext) -> None:
    """Add `claims` and `claim`."""

    @app.command("claims")
    def list_claims(
        open_only: Annotated[bool, typer.Option("--open", help="Only open ones.")] = False,
        limit: Annotated[
            int, typer.Option(min=0, max=MAX_LISTED, help="At most so many; 0: all.")
        ] = 50,
        as_json: Json = False,
    ) -> None:
        """List claims against carriers, the latest first."""
        rows = open_context().read(lambda s: shipping_reading.claims(s, open_only, limit))
        if as_json:
            print_json(rows)
            return
        table = new_table("claim", "shipment", "carrier", "state", "claimed", "paid", "of", "why")
        for row in rows:
            said = (row.claim_id, row.shipment_id, row.carrier, row.state)
            amounts = (f"{row.amount} {row.currency}", or_dash(row.settled))
            table.add_row(*said, *amounts, f"{row.claimed_at:%Y-%m-%d}", row.reason)
        out.print(table)

    app.add_typer(_one_claim(open_context), name="claim")


def _one_claim(open_context: OpenContext) -> typer.Typer:
    """`claim show|file|settle|withdraw`."""
    app = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="One claim against a carrier: `claim ID` shows it, the commands change it.",
    )

    @app.command("show")
    def show_claim(claim: ClaimId, as_json: Json = False) -> None:
        """Show a claim; `claim ID` is short for it."""
        view = of_claim(open_context().read(lambda s: shipping_reading.claim(s, claim)), claim)
        if as_json:
            print_json(view)
        else:
            out.print(Text(in_words(view)), soft_wrap=True)

    @app.command()
    def file(
        shipment: Annotated[str, typer.Argument(metavar="SHIPMENT", help="The shipment's id.")],
        amount: Annotated[str, typer.Argument(help='What its carrier owes us: "45.00".')],
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Claim something of the carrier of a shipment that left."""
        said: CommandFields = {"shipment_id": shipment, "amount": amount}
        execute(open_context(), FileClaim, said, (id_, reason, actor), as_json)

    @app.command()
    def settle(
        claim: ClaimId,
        amount: Annotated[str, typer.Argument(help='What came to our bank account: "45.00".')],
        reason: Reason = "paid",
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Record that the carrier has paid, all of it or as much as it will."""
        said: CommandFields = {"claim_id": claim, "amount": amount}
        execute(open_context(), SettleClaim, said, (id_, reason, actor), as_json)

    @app.command()
    def withdraw(
        claim: ClaimId,
        reason: Reason,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """The carrier owes us nothing for it after all."""
        execute(open_context(), WithdrawClaim, {"claim_id": claim}, (id_, reason, actor), as_json)

    return app


def in_words(view: ClaimView) -> str:
    """A claim in one line."""
    paid = f" {view.settled} {view.currency}" if view.settled else ""
    ended = f"{paid} on {view.ended_at:%Y-%m-%d}" if view.ended_at else ""
    return (
        f"claim {view.claim_id} against {view.carrier}: {view.amount} {view.currency} of "
        f"{view.claimed_at:%Y-%m-%d}, {view.reason}, {view.state}{ended}"
    )
