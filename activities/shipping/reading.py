"""Shipping reading: shipments, their papers and their claims, as API and CLI show them."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.chunks import chunks
from activities.database.company import day_of, get_company
from activities.documents.papers import render_paper
from activities.order_record.balance import money_of
from activities.order_record.lines import goods_lines
from activities.order_record.progress import read_progress
from activities.order_record.standing import block_of
from activities.shipping.booking import ready_on
from activities.shipping.claims import claims_of
from models.claims import ClaimState
from models.customers import Address
from models.documents import DocumentRules, Printed
from models.messages.commands.base import CommandMessage
from models.messages.commands.results import CommandResult
from models.messages.facts import ShipmentFact, ShipmentTracked
from models.money import format_amount
from models.papers import PaperAddress, PaperContent, PaperLine, PaperPackage, ShipmentPaper
from models.progress import ShipmentState
from models.shipping import FreightMode
from models.stock import SERVING, ReservationState
from models.tables.masterdata import Customer, Location, Product
from models.tables.operations import CommandRow
from models.tables.orders import Order
from models.tables.returns import ReturnRow
from models.tables.shipping import Claim, PackageRow, Shipment, TrackingRow
from models.tables.stock import Reservation
from models.tracking import STATUS_RANK, TrackingStatus
from models.views.shipping import (
    ClaimView,
    PackageView,
    PackedView,
    PaperKind,
    ProofView,
    ShipmentDetails,
    ShipmentSummary,
    ShippedLineView,
    TrackingEventView,
    check_printed,
)


def shipments(
    session: Session,
    order_id: str | None = None,
    state: ShipmentState | None = None,
    limit: int = 50,
) -> list[ShipmentSummary]:
    """List shipments, the newest first; `limit` 0 means all."""
    query = select(Shipment).order_by(
        col(Shipment.planned_at).desc(), col(Shipment.shipment_id).desc()
    )
    if order_id is not None:
        query = query.where(Shipment.order_id == order_id)
    if state is not None:
        query = query.where(Shipment.state == state)
    if limit:
        query = query.limit(limit)
    rows = session.exec(query).all()
    counts = _package_counts(session, rows)
    return [_summary(row, counts.get(row.shipment_id, 0)) for row in rows]


def shipment(session: Session, shipment_id: str) -> ShipmentDetails | None:
    """Return one shipment in detail; None without one."""
    row = session.get(Shipment, shipment_id)
    if row is None:
        return None
    currency = session.get_one(Order, row.order_id).currency
    packages, events = _packages(session, shipment_id), _events(session, shipment_id)
    units = _units(session, row.order_id)[shipment_id]
    return ShipmentDetails(
        **dict(_summary(row, len(packages))),
        mode_reason=row.mode_reason,
        choice=row.choice,
        charge=None if row.charge_minor is None else format_amount(row.charge_minor, currency),
        currency=currency,
        billed_weight_g=row.billed_weight_g,
        freight_class=row.freight_class,
        book_from=row.book_from,
        lines=tuple(
            ShippedLineView(
                line_no=line.line_no, sku=line.sku, name=line.name, quantity=units[line.line_no]
            )
            for line in goods_lines(session, row.order_id)
            if units[line.line_no]
        ),
        packages=tuple(
            PackageView(
                **package.model_dump(exclude={"contents"}),
                contents=tuple(PackedView.model_validate(content) for content in package.contents),
            )
            for package in packages
        ),
        events=events,
        proof=_proof(events),
        claims=tuple(_claim(row) for row in claims_of(session, shipment_id)),
        restocked_at=row.restocked_at,
    )


def hand_over_refusal(session: Session, fact: ShipmentFact) -> str | None:
    """Return the refusal if a fact would hand over goods that are unpaid, or to a blocked customer;
    otherwise None."""
    if isinstance(fact, ShipmentTracked) and not (fact.status and fact.status.has_goods):
        return None
    row = session.get(Shipment, fact.shipment_id or "")
    if row is None or row.mode is not FreightMode.HAND_OVER:
        return None
    if row.state is not ShipmentState.PLANNED or row.order_id != fact.order_id:
        return None
    order = session.get_one(Order, row.order_id)
    block = block_of(session.get_one(Customer, order.customer_id))
    if block is not None:
        return block.message
    progress = read_progress(session, order)
    if progress.secured:
        return None
    due = money_of(order, progress.due_minor)
    return (
        f"{due} of {order.order_id} are due: unpaid goods are not handed over; record the payment "
        f"first (`pay {order.order_id} AMOUNT`)"
    )


def claims(session: Session, open_only: bool = False, limit: int = 50) -> list[ClaimView]:
    """List claims against carriers, the latest first; `limit` 0 means all."""
    query = select(Claim).order_by(col(Claim.claimed_at).desc(), col(Claim.claim_id).desc())
    if open_only:
        query = query.where(Claim.state == ClaimState.OPEN)
    if limit:
        query = query.limit(limit)
    return [_claim(row) for row in session.exec(query)]


def claim(session: Session, claim_id: str) -> ClaimView | None:
    """Return one claim; None without one."""
    row = session.get(Claim, claim_id)
    return _claim(row) if row else None


def shipment_paper(session: Session, shipment_id: str) -> ShipmentPaper | None:
    """Return the content of a shipment's papers; None without a shipment."""
    row = session.get(Shipment, shipment_id)
    if row is None:
        return None
    order = session.get_one(Order, row.order_id)
    location = session.get(Location, row.location)
    return ShipmentPaper(
        shipment_id=shipment_id,
        order_id=order.order_id,
        customer_order_date=day_of(session, order.placed_at),
        customer_reference=order.customer_reference,
        mode=row.mode,
        carrier=row.carrier or "",
        service=row.service or "",
        tracking_number=row.tracking_number or "",
        booking_id=row.booking_id or "",
        ship_from=_ship_from(session, row.location, location),
        ship_to=_ship_to(order),
        packages=_paper_packages(session, row),
        lines=_paper_lines(session, row),
        freight_class=row.freight_class,
        location=row.location,
        planned_on=ready_on(session, row, order, location),
        language=session.get_one(Customer, order.customer_id).language,
    )


def shipment_pdf(
    session: Session, documents: DocumentRules, shipment_id: str, kind: PaperKind
) -> Printed | None:
    """Print a paper of a shipment as PDF; None without a shipment.

    Raises NotFound where the shipment has no such paper, TemplateBroken.
    """
    paper = shipment_paper(session, shipment_id)
    if paper is None:
        return None
    row = session.get_one(Shipment, shipment_id)
    check_printed(kind, shipment_id, row.mode, row.state, len(paper.packages))
    return render_paper(kind, paper, documents)


def _summary(row: Shipment, package_count: int) -> ShipmentSummary:
    return ShipmentSummary(**row.model_dump(), package_count=package_count)


def _package_counts(session: Session, rows: Sequence[Shipment]) -> dict[str, int]:
    found: dict[str, int] = {}
    for batch in chunks(rows):
        some = [row.shipment_id for row in batch]
        query = select(PackageRow.shipment_id, func.count()).where(
            col(PackageRow.shipment_id).in_(some)
        )
        found.update(session.exec(query.group_by(PackageRow.shipment_id)).all())
    return found


def _packages(session: Session, shipment_id: str) -> Sequence[PackageRow]:
    query = select(PackageRow).where(PackageRow.shipment_id == shipment_id)
    return session.exec(query.order_by(col(PackageRow.package_no))).all()


def _units(session: Session, order_id: str) -> dict[str, dict[int, int]]:
    """Count the units of an order by shipment and line."""
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in session.exec(select(Reservation).where(Reservation.order_id == order_id)):
        if row.shipment_id is not None:
            found[row.shipment_id][row.line_no] += row.quantity
    return found


def _events(session: Session, shipment_id: str) -> tuple[TrackingEventView, ...]:
    rows = session.exec(select(TrackingRow).where(TrackingRow.shipment_id == shipment_id))
    ordered = sorted(rows, key=lambda row: (row.occurred_at, STATUS_RANK[row.status], row.event_id))
    return tuple(TrackingEventView.model_validate(row.model_dump()) for row in ordered)


def _proof(events: Sequence[TrackingEventView]) -> ProofView | None:
    """Return the proof of the first delivery, which is final."""
    for event in events:
        if event.status == TrackingStatus.DELIVERED:
            return ProofView(
                signed_by=event.signed_by,
                place=event.place,
                at=event.occurred_at,
                reference=event.reference,
            )
    return None


def _claim(row: Claim) -> ClaimView:
    settled_minor = row.settled_minor
    return ClaimView(
        **row.model_dump(),
        amount=format_amount(row.amount_minor, row.currency),
        settled=None if settled_minor is None else format_amount(settled_minor, row.currency),
    )


def _ship_from(session: Session, name: str, location: Location | None) -> PaperAddress:
    company = get_company(session)
    if location is None:
        return PaperAddress(name=company.name, lines=(name,), country=company.country)
    return PaperAddress.of(location, company.name, location.name)


def _ship_to(order: Order) -> PaperAddress:
    address = Address.model_validate(order.ship_to)
    return PaperAddress.of(address, *address.names)


def _paper_packages(session: Session, row: Shipment) -> tuple[PaperPackage, ...]:
    names = {line.sku: line.name for line in goods_lines(session, row.order_id)}
    return tuple(
        PaperPackage(
            **package.model_dump(exclude={"contents"}),
            contents=tuple(
                PaperContent(**dict(packed), name=names.get(packed.sku, ""))
                for packed in map(PackedView.model_validate, package.contents)
            ),
        )
        for package in _packages(session, row.shipment_id)
    )


def _paper_lines(session: Session, row: Shipment) -> tuple[PaperLine, ...]:
    """Return all lines of the order, with the units of this shipment and of later ones."""
    lines, before = goods_lines(session, row.order_id), _units_before(session, row)
    units = _units(session, row.order_id)[row.shipment_id]
    skus = {line.sku for line in lines}
    gtins = dict(
        session.exec(select(Product.sku, Product.gtin).where(col(Product.sku).in_(skus))).all()
    )
    return tuple(
        PaperLine(
            line_no=line.line_no,
            sku=line.sku,
            name=line.name,
            gtin=gtins.get(line.sku, ""),
            ordered=line.quantity,
            in_shipment=units[line.line_no],
            to_follow=max(0, line.quantity - units[line.line_no] - before[line.line_no]),
        )
        for line in lines
    )


def _units_before(session: Session, row: Shipment) -> dict[int, int]:
    """Count, by order line, the units in earlier shipments and the cancelled units.

    Reshipped units don't count: they are sent again.
    """
    of_order = session.exec(select(Shipment).where(Shipment.order_id == row.order_id)).all()
    earlier = {other.shipment_id for other in of_order if _sequence(other) < _sequence(row)}
    found: dict[int, int] = defaultdict(int)
    for units in session.exec(select(Reservation).where(Reservation.order_id == row.order_id)):
        cancelled = units.shipment_id is None and units.state is ReservationState.WRITTEN_OFF
        if cancelled or (units.shipment_id in earlier and units.state in SERVING):
            found[units.line_no] += units.quantity
    return found


def _sequence(row: Shipment) -> tuple[int, str]:
    """Return the sort key of an order's shipments, by the number that ends their ids."""
    return len(row.shipment_id), row.shipment_id


def order_of_shipment(session: Session, shipment_id: str) -> str | None:
    """Return the order of a shipment, or of a return: carriers report on both as shipments."""
    row = session.get(Shipment, shipment_id) or session.get(ReturnRow, shipment_id)
    return row.order_id if row else None


def open_recalls(session: Session, order_id: str) -> list[CommandMessage]:
    """List the commands by which shipments of an order are being recalled, each once."""
    rows = (
        select(CommandRow)
        .join(Shipment, col(Shipment.called_back_by) == col(CommandRow.command_id))
        .where(Shipment.order_id == order_id)
        .order_by(Shipment.shipment_id)
    )
    found = {row.command_id: row.outcome for row in session.exec(rows)}
    return [CommandResult.model_validate(outcome).command for outcome in found.values()]
