"""`shipments` and `shipment ...`: what leaves, what carriers say of it, and its papers."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.text import Text

from activities.database.unit_of_work import utc_now
from activities.shipping import reading as shipping_reading
from command_line.claims import in_words
from command_line.context import OpenContext, new_id
from command_line.output import (
    Json,
    new_table,
    or_dash,
    out,
    print_events,
    print_json,
    show,
    write_file,
)
from command_line.stock import Actor, CommandFields, CommandId, IdOrCommand, Reason, execute
from models.base import MAX_LISTED
from models.messages.commands import RecoverShipment, RefundShipment, Reship
from models.progress import ShipmentState
from models.tracking import TrackingStatus
from models.views.shipping import PaperKind, ShipmentDetails, ShipmentSummary, of_shipment

ClaimAmount = Annotated[
    str | None, typer.Option(help='What we claim of the carrier: "45.00"; else what they cost us.')
]
ShipmentId = Annotated[str, typer.Argument(metavar="SHIPMENT", help="The shipment's id.")]


def add_shipments(app: typer.Typer, open_context: OpenContext) -> typer.Typer:
    """Add `shipments` and `shipment`; returns the latter, for more commands on shipments."""

    @app.command("shipments")
    def list_shipments(
        order: Annotated[str | None, typer.Option(help="Only those of this order.")] = None,
        state: Annotated[
            ShipmentState | None, typer.Option(help="Only those in this state.")
        ] = None,
        limit: Annotated[
            int, typer.Option(min=0, max=MAX_LISTED, help="At most so many; 0: all.")
        ] = 50,
        as_json: Json = False,
    ) -> None:
        """List shipments, newest first."""
        rows = open_context().read(lambda s: shipping_reading.shipments(s, order, state, limit))
        if as_json:
            print_json(rows)
        else:
            _print_list(rows)

    one = _one_shipment(open_context)
    _add_give_up(one, open_context)
    app.add_typer(one, name="shipment")
    return one


def _add_give_up(app: typer.Typer, open_context: OpenContext) -> None:
    """`shipment reship|refund`, of what the carrier says won't arrive; `recover`, of what comes
    back after that."""

    @app.command()
    def reship(
        shipment: ShipmentId,
        reason: Reason,
        claim: ClaimAmount = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Send its goods again; the carrier owes us for what it lost."""
        said: CommandFields = {"shipment_id": shipment, "claim": claim}
        execute(open_context(), Reship, said, (id_, reason, actor), as_json)

    @app.command()
    def refund(
        shipment: ShipmentId,
        reason: Reason,
        claim: ClaimAmount = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Give the price of its goods back; the carrier owes us for what it lost."""
        said: CommandFields = {"shipment_id": shipment, "claim": claim}
        execute(open_context(), RefundShipment, said, (id_, reason, actor), as_json)

    @app.command()
    def recover(
        shipment: ShipmentId,
        reason: Reason,
        location: Annotated[
            str | None, typer.Option(help="Where the goods are; absent: where they left.")
        ] = None,
        id_: CommandId = "",
        actor: Actor = "operator",
        as_json: Json = False,
    ) -> None:
        """Put its goods into stock again, though it was given up."""
        said: CommandFields = {"shipment_id": shipment, "location": location}
        execute(open_context(), RecoverShipment, said, (id_, reason, actor), as_json)


def _one_shipment(open_context: OpenContext) -> typer.Typer:
    """`shipment show|event`, and a command for each of its papers."""
    app = typer.Typer(
        cls=IdOrCommand,
        no_args_is_help=True,
        help="One shipment: `shipment ID` shows it, the commands record what happens and print.",
    )

    @app.command("show")
    def show_shipment(shipment: ShipmentId, as_json: Json = False) -> None:
        """Show a shipment and what happened to it; `shipment ID` is short for it."""
        view = of_shipment(
            open_context().read(lambda s: shipping_reading.shipment(s, shipment)), shipment
        )
        if as_json:
            print_json(view)
        else:
            _print_details(view)

    @app.command()
    def event(
        shipment: ShipmentId,
        status: Annotated[TrackingStatus, typer.Argument(help="What the carrier says.")],
        at: Annotated[
            str, typer.Option(help="When it happened: 2026-10-31T14:30, UTC or with an offset.")
        ] = "",
        place: Annotated[str, typer.Option(help="Where.")] = "",
        detail: Annotated[str, typer.Option(help="What else is known.")] = "",
        signed_by: Annotated[str, typer.Option(help="Who signed for a delivery.")] = "",
        reference: Annotated[str, typer.Option(help="The carrier's own, of its proof.")] = "",
        event_id: Annotated[str, typer.Option(help="The event's own id; again is once.")] = "",
        as_json: Json = False,
    ) -> None:
        """Record what the carrier says of a shipment: by telephone, or on its page."""
        occurred_at = _moment(at) if at else utc_now()
        doors, event_id = open_context(), event_id or new_id()
        order_id = of_shipment(
            doors.read(lambda s: shipping_reading.order_of_shipment(s, shipment)), shipment
        )
        data: JsonValue = {
            "event_id": event_id,
            "order_id": order_id,
            "shipment_id": shipment,
            "status": status.value,
            "occurred_at": occurred_at.isoformat(),
            "place": place,
            "detail": detail,
            "signed_by": signed_by,
            "reference": reference,
        }
        doors.tell("shipment.tracked", event_id, data, as_json, by_person=True)

    for kind in PaperKind:
        app.command(kind.value, help=f"Write its {kind.words} as PDF.")(_print(open_context, kind))
    return app


def _print(open_context: OpenContext, kind: PaperKind) -> Callable[..., None]:
    """The command that writes such a paper."""

    def written(
        shipment: ShipmentId,
        file: Annotated[Path, typer.Option("--out", help="Where to write it.")],
        as_json: Json = False,
    ) -> None:
        document = of_shipment(
            open_context().read(lambda s: shipping_reading.shipment_pdf(s, shipment, kind)),
            shipment,
        )
        write_file(file, document)
        said = {"shipment_id": shipment, "file": str(file), "bytes": len(document)}
        show(said, as_json, f"{kind.words} of {shipment} written to {file}")

    return written


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{text!r} is not a time such as 2026-10-31T14:30", param_hint="--at"
        ) from error


def _print_list(rows: Sequence[ShipmentSummary]) -> None:
    table = new_table(
        *("shipment", "order", "from", "mode", "state", "carrier says", "carrier", "tracking"),
        *("packages", "kg"),
    )
    for row in rows:
        table.add_row(
            *(row.shipment_id, row.order_id, row.location, row.mode, row.state),
            *map(or_dash, (row.tracking, row.carrier, row.tracking_number)),
            *(str(row.package_count), _kilograms(row.weight_g)),
        )
    out.print(table)


def _print_details(view: ShipmentDetails) -> None:
    carrier = " ".join(filter(None, (view.carrier, view.service, view.tracking_number)))
    says = f"the carrier says {TrackingStatus(view.tracking).words}" if view.tracking else ""
    _say(f"Shipment {view.shipment_id}: {view.state}", says)
    _say(f"order {view.order_id}, from {view.location}")
    _say(f"by {view.mode}: {view.mode_reason}")
    weights = f"{_kilograms(view.weight_g)} kg of goods"
    if view.packages:
        gross_g = sum(package.weight_g for package in view.packages)
        weights += f", {_kilograms(gross_g)} kg packed"
    weights += f", billed {_kilograms(view.billed_weight_g)} kg"
    _say(weights, f"class {view.freight_class}" if view.freight_class else "")
    if carrier:
        _say(f"{carrier}, {view.charge or '-'} {view.currency}", view.choice)
    if view.book_from:
        _say(f"handed over from {view.book_from:%Y-%m-%d %H:%M} UTC on")
    if view.called_back_by:
        _say(f"being called back, by the command {view.called_back_by}")
    if view.arrives_on:
        _say(f"promised for {view.arrives_on}")
    lines = new_table("line", "SKU", "what", "quantity")
    for line in view.lines:
        lines.add_row(str(line.line_no), line.sku, line.name, str(line.quantity))
    out.print(lines)
    if view.packages:
        _print_packages(view)
    if view.events:
        print_events(view.events)
    if view.proof:
        signed = f"signed by {view.proof.signed_by}" if view.proof.signed_by else "not signed"
        when = f"delivered {view.proof.at:%Y-%m-%d %H:%M} UTC"
        _say(when, view.proof.place, signed, view.proof.reference)
    if view.restocked_at:
        _say(f"in stock again since {view.restocked_at:%Y-%m-%d %H:%M} UTC")
    for claim in view.claims:
        _say(in_words(claim))


def _print_packages(view: ShipmentDetails) -> None:
    packages = new_table("SSCC", "what", "mm", "kg", "contents")
    for package in view.packages:
        packages.add_row(
            package.sscc,
            " ".join(filter(None, (package.kind, package.container))),
            f"{package.length_mm} x {package.width_mm} x {package.height_mm}",
            _kilograms(package.weight_g),
            ", ".join(f"{packed.quantity} x {packed.sku}" for packed in package.contents),
        )
    out.print(packages)


def _say(*words: str) -> None:
    """A line of what there is to say."""
    out.print(Text(", ".join(filter(None, words))), soft_wrap=True)


def _kilograms(weight_g: int) -> str:
    return f"{weight_g / 1000:.3f}".rstrip("0").rstrip(".")
