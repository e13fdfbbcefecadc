"""Shipping: `shipments`, `shipment`, `deliver`, and claims against carriers."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from activities.database.company import timezone_of_company
from activities.database.unit_of_work import utc_now
from activities.shipping import reading as shipping_reading
from command_line.commands import IdOrCommand
from command_line.context import CliContext, OpenContext, new_id
from command_line.output import File, Json, Limit, Wide, or_dash, print_events, show_view, write_pdf
from command_line.tables import new_table, out, print_table
from models.days import check_known, moment_of
from models.progress import ShipmentState
from models.tracking import TrackingStatus
from models.views.shipping import (
    ClaimView,
    PaperKind,
    ShipmentDetails,
    ShipmentSummary,
    require_claim,
    require_shipment,
)

ShipmentId = Annotated[str, typer.Argument(metavar="SHIPMENT", help="The shipment's id.")]


def add_shipping(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the commands of shipments and claims, and the groups `shipment` and `claim`."""
    _add_claims(app, open_context)
    _add_deliver(app, open_context)

    @app.command("shipments")
    def list_shipments(
        order: Annotated[str | None, typer.Option(help="Only those of this order.")] = None,
        state: Annotated[
            ShipmentState | None, typer.Option(help="Only those in this state.")
        ] = None,
        limit: Limit = 50,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List shipments, newest first."""
        rows = open_context().read(lambda s: shipping_reading.shipments(s, order, state, limit))
        show_view(rows, as_json, _print_list, wide)

    one = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="One shipment: `shipment ID` shows it, the commands change it and write documents.",
    )
    app.add_typer(one, name="shipment")
    _add_event(one, open_context)

    @one.command("show")
    def show_shipment(shipment: ShipmentId, as_json: Json = False, wide: Wide = False) -> None:
        """Show a shipment with events and claims; `shipment ID` is short for it."""
        view = open_context().read(lambda s: shipping_reading.shipment(s, shipment))
        show_view(require_shipment(view, shipment), as_json, _print_details, wide)

    for kind in PaperKind:
        one.command(kind.value, help=f"Write its {kind.words} as PDF.")(_writer(open_context, kind))


def _add_event(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def event(
        shipment: ShipmentId,
        status: Annotated[TrackingStatus, typer.Argument(help="The status that it reports.")],
        at: Annotated[
            str,
            typer.Option(
                help="When it happened: 2026-10-31T14:30, company time or with an offset."
            ),
        ] = "",
        place: Annotated[str, typer.Option(help="Where it happened.")] = "",
        detail: Annotated[str, typer.Option(help="Details.")] = "",
        signed_by: Annotated[str, typer.Option(help="Who signed for a delivery.")] = "",
        reference: Annotated[str, typer.Option(help="The carrier's id of its proof.")] = "",
        event_id: Annotated[
            str, typer.Option(help="The event's own id; the same id again is the same event.")
        ] = "",
        as_json: Json = False,
    ) -> None:
        """Record a carrier event of a shipment by hand."""
        context, event_id = open_context(), event_id or new_id()
        occurred_at = _moment(at, context) if at else utc_now()
        data: JsonValue = {
            "event_id": event_id,
            "order_id": _order_of(context, shipment),
            "shipment_id": shipment,
            "status": status.value,
            "occurred_at": occurred_at.isoformat(),
            "place": place,
            "detail": detail,
            "signed_by": signed_by,
            "reference": reference,
        }
        context.record_fact("shipment.tracked", event_id, data, as_json)


def _add_deliver(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command()
    def deliver(
        shipment: Annotated[str, typer.Argument(help="The shipment's id.")], as_json: Json = False
    ) -> None:
        """Record the delivery of a shipment."""
        context = open_context()
        event_id = f"cli-{uuid.uuid5(uuid.NAMESPACE_OID, shipment)}"
        data: JsonValue = {
            "event_id": event_id,
            "order_id": _order_of(context, shipment),
            "shipment_id": shipment,
            "occurred_at": utc_now().isoformat(),
        }
        context.record_fact("shipment.delivered", event_id, data, as_json)


def _order_of(context: CliContext, shipment: str) -> str:
    """Read the order of a shipment. Raises NotFound."""
    order_id = context.read(lambda s: shipping_reading.order_of_shipment(s, shipment))
    return require_shipment(order_id, shipment)


def _writer(open_context: OpenContext, kind: PaperKind) -> Callable[..., None]:
    """Build the command that writes a document of this kind."""

    def write(shipment: ShipmentId, file: File, as_json: Json = False) -> None:
        context = open_context()
        document = context.read(
            lambda s: shipping_reading.shipment_pdf(s, context.documents, shipment, kind)
        )
        title = f"{kind.words} of {shipment}"
        write_pdf(require_shipment(document, shipment), file, as_json, title, shipment_id=shipment)

    return write


def _add_claims(app: typer.Typer, open_context: OpenContext) -> None:
    @app.command("claims")
    def list_claims(
        open_only: Annotated[bool, typer.Option("--open", help="Only open claims.")] = False,
        limit: Limit = 50,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List claims against carriers, the latest first."""
        rows = open_context().read(lambda s: shipping_reading.claims(s, open_only, limit))
        show_view(rows, as_json, _print_claims, wide)

    one = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="One claim against a carrier: `claim ID` shows it, the commands change it.",
    )
    app.add_typer(one, name="claim")

    @one.command("show")
    def show_claim(
        claim: Annotated[str, typer.Argument(metavar="CLAIM", help="The claim's id: CL-...")],
        as_json: Json = False,
    ) -> None:
        """Show a claim; `claim ID` is short for it."""
        view = open_context().read(lambda s: shipping_reading.claim(s, claim))
        show_view(require_claim(view, claim), as_json, lambda shown: _print_words(_claim(shown)))


def _moment(text: str, context: CliContext) -> datetime:
    """Read a time; without an offset it is one at the company."""
    try:
        moment = datetime.fromisoformat(text)
        check_known(moment.date())
        if moment.tzinfo is None:
            timezone = context.read(timezone_of_company)
            moment = moment_of(timezone, moment.date(), moment.time())
        return moment
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not a time such as 2026-10-31T14:30", param_hint="--at"
        ) from error


def _print_list(rows: Sequence[ShipmentSummary]) -> None:
    table = new_table(
        *("shipment", "order", "from", "mode", "state", "tracking", "carrier", "number"),
        *("packages", "kg"),
    )
    for row in rows:
        table.add_row(
            *(row.shipment_id, row.order_id, row.location, row.mode, row.state),
            *map(or_dash, (row.tracking, row.carrier, row.tracking_number)),
            *(str(row.package_count), _kilograms(row.weight_g)),
        )
    print_table(table)


def _print_details(view: ShipmentDetails) -> None:
    carrier = " ".join(filter(None, (view.carrier, view.service, view.tracking_number)))
    tracking = f"tracking: {TrackingStatus(view.tracking).words}" if view.tracking else ""
    _print_words(f"Shipment {view.shipment_id}: {view.state}", tracking)
    _print_words(f"order {view.order_id}, from {view.location}")
    _print_words(f"by {view.mode}: {view.mode_reason}")
    weights = f"{_kilograms(view.weight_g)} kg of goods"
    if view.packages:
        gross_g = sum(package.weight_g for package in view.packages)
        weights += f", {_kilograms(gross_g)} kg packed"
    weights += f", billed {_kilograms(view.billed_weight_g)} kg"
    _print_words(weights, f"class {view.freight_class}" if view.freight_class else "")
    if carrier:
        _print_words(f"{carrier}, {view.charge or '-'} {view.currency}", view.choice)
    if view.book_from:
        _print_words(f"handed over from {view.book_from:%Y-%m-%d %H:%M} UTC on")
    if view.called_back_by:
        _print_words(f"being recalled, by the command {view.called_back_by}")
    if view.arrives_on:
        _print_words(f"promised for {view.arrives_on}")
    lines = new_table("line", "SKU", "name", "quantity")
    for line in view.lines:
        lines.add_row(str(line.line_no), line.sku, line.name, str(line.quantity))
    print_table(lines)
    if view.packages:
        _print_packages(view)
    if view.events:
        print_events(view.events)
    if view.proof:
        signed = f"signed by {view.proof.signed_by}" if view.proof.signed_by else "not signed"
        when = f"delivered {view.proof.at:%Y-%m-%d %H:%M} UTC"
        _print_words(when, view.proof.place, signed, view.proof.reference)
    if view.restocked_at:
        _print_words(f"in stock again since {view.restocked_at:%Y-%m-%d %H:%M} UTC")
    for claim in view.claims:
        _print_words(_claim(claim))


def _print_packages(view: ShipmentDetails) -> None:
    packages = new_table("SSCC", "package", "mm", "kg", "contents")
    for package in view.packages:
        packages.add_row(
            package.sscc,
            " ".join(filter(None, (package.kind, package.container))),
            f"{package.length_mm} x {package.width_mm} x {package.height_mm}",
            _kilograms(package.weight_g),
            ", ".join(f"{packed.quantity} x {packed.sku}" for packed in package.contents),
        )
    print_table(packages)


def _print_words(*words: str) -> None:
    """Print words that are not empty in one line, separated by commas."""
    out.print(Text(", ".join(filter(None, words))), soft_wrap=True)


def _print_claims(rows: Sequence[ClaimView]) -> None:
    table = new_table("claim", "shipment", "carrier", "state", "claimed", "paid", "of", "why")
    for row in rows:
        names = (row.claim_id, row.shipment_id, row.carrier, row.state)
        amounts = (f"{row.amount} {row.currency}", or_dash(row.settled))
        table.add_row(*names, *amounts, f"{row.claimed_at:%Y-%m-%d %H:%M}", row.reason)
    print_table(table)


def _claim(view: ClaimView) -> str:
    """Format a claim in one line."""
    paid = f" {view.settled} {view.currency}" if view.settled else ""
    ended = f"{paid} on {view.ended_at:%Y-%m-%d %H:%M} UTC" if view.ended_at else ""
    return (
        f"claim {view.claim_id} against {view.carrier}: {view.amount} {view.currency} of "
        f"{view.claimed_at:%Y-%m-%d %H:%M} UTC, {view.reason}, {view.state}{ended}"
    )


def _kilograms(weight_g: int) -> str:
    return f"{weight_g / 1000:.3f}".rstrip("0").rstrip(".")
