"""Returns reading: returns and their labels, as API and CLI show them."""

from collections.abc import Sequence

from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.company import day_of, get_company
from activities.documents.papers import render_return_label
from activities.shipping.tracking import return_reports
from models.customers import Address
from models.documents import DocumentRules, Printed
from models.messages.steps import ReturnStep
from models.money import format_amount
from models.papers import PaperAddress, PaperContent, ReturnPaper
from models.refunds import RefundState
from models.returns import ReturnState
from models.tables.billing import Refund
from models.tables.masterdata import Customer, Location
from models.tables.orders import Order, OrderLineRow
from models.tables.returns import ReturnLine, ReturnRow, Settlement
from models.views.returns import ReturnDetails, ReturnLineView, ReturnSummary, SettlementView
from models.views.shipping import TrackingEventView


def list_returns(
    session: Session,
    order_id: str | None = None,
    state: ReturnState | None = None,
    limit: int = 50,
) -> list[ReturnSummary]:
    """List returns, the latest first; `limit` 0 means all."""
    query = select(ReturnRow).order_by(col(ReturnRow.requested_at).desc(), col(ReturnRow.return_id))
    if order_id is not None:
        query = query.where(ReturnRow.order_id == order_id)
    if state is not None:
        query = query.where(ReturnRow.state == state)
    rows = session.exec(query.limit(limit) if limit else query).all()
    units = _units(session, [row.return_id for row in rows])
    return [_summary(session, row, units.get(row.return_id, (0, 0))) for row in rows]


def return_details(session: Session, return_id: str) -> ReturnDetails | None:
    """Return one return in detail; None without one."""
    row = session.get(ReturnRow, return_id)
    if row is None:
        return None
    order = session.get_one(Order, row.order_id)
    settled = select(Settlement).where(Settlement.return_id == return_id)
    summary = _summary(session, row, _units(session, [return_id]).get(return_id, (0, 0)))
    return ReturnDetails(
        **dict(summary),
        location=row.location,
        note=row.note,
        authorised_at=row.authorised_at,
        received_at=row.received_at,
        ended_at=row.ended_at,
        tracking=row.tracking,
        events=tuple(
            TrackingEventView.model_validate(one.model_dump())
            for one in return_reports(session, return_id)
        ),
        lines=tuple(
            ReturnLineView.model_validate(line.model_dump() | {"name": name})
            for line, name in _lines(session, row)
        ),
        settlements=tuple(
            _settlement(session, order, one)
            for one in session.exec(settled.order_by(col(Settlement.settlement_id)))
        ),
        workflow_id=ReturnStep(return_id=return_id).workflow_id,
    )


def return_paper(session: Session, return_id: str) -> ReturnPaper | None:
    """Return the content of a return's label; None for one that was never authorised."""
    row = session.get(ReturnRow, return_id)
    if row is None or row.authorised_at is None or row.expires_at is None:
        return None
    order = session.get_one(Order, row.order_id)
    ship_to = Address.model_validate(order.ship_to)
    return ReturnPaper(
        return_id=return_id,
        order_id=row.order_id,
        authorised_on=day_of(session, row.authorised_at),
        valid_until=day_of(session, row.expires_at),
        from_address=PaperAddress.of(ship_to, *ship_to.names),
        to_address=_receiving_address(session, row),
        lines=tuple(
            PaperContent(sku=line.sku, name=name, quantity=line.quantity)
            for line, name in _lines(session, row)
        ),
        language=session.get_one(Customer, order.customer_id).language,
    )


def return_label(session: Session, documents: DocumentRules, return_id: str) -> Printed | None:
    """Print the label of a return as PDF; None unless it is authorised and not over.

    Raises TemplateBroken.
    """
    row = session.get(ReturnRow, return_id)
    paper = None if row is None or row.state.is_over else return_paper(session, return_id)
    return render_return_label(paper, documents) if paper else None


def _receiving_address(session: Session, row: ReturnRow) -> PaperAddress:
    """Return the address of a return's location, else our company's."""
    company = get_company(session)
    location = session.get(Location, row.location)
    if location is None:
        return PaperAddress.of(company, company.name)
    return PaperAddress.of(location, location.name, company.name)


def _lines(session: Session, row: ReturnRow) -> Sequence[tuple[ReturnLine, str]]:
    query = (
        select(ReturnLine, OrderLineRow.name)
        .join(OrderLineRow, col(OrderLineRow.line_no) == col(ReturnLine.line_no))
        .where(ReturnLine.return_id == row.return_id, OrderLineRow.order_id == row.order_id)
    )
    return session.exec(query.order_by(col(ReturnLine.line_no))).all()


def _units(session: Session, return_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Sum the units of each return: requested and received."""
    query = select(
        ReturnLine.return_id, func.sum(ReturnLine.quantity), func.sum(ReturnLine.received)
    ).where(col(ReturnLine.return_id).in_(return_ids))
    rows = session.exec(query.group_by(col(ReturnLine.return_id)))
    return {return_id: (int(units), int(received)) for return_id, units, received in rows}


def _summary(session: Session, row: ReturnRow, units: tuple[int, int]) -> ReturnSummary:
    return ReturnSummary(
        return_id=row.return_id,
        order_id=row.order_id,
        state=row.state,
        reason=row.reason,
        wish=row.wish,
        units=units[0],
        received=units[1],
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        valid_until=day_of(session, row.expires_at) if row.expires_at else None,
    )


def _settlement(session: Session, order: Order, row: Settlement) -> SettlementView:
    query = select(func.sum(col(Refund.amount_minor))).where(
        col(Refund.refund_key).in_(row.refund_keys), Refund.state != RefundState.WITHDRAWN
    )
    refunded_minor = session.exec(query).one() if row.refund_keys else None
    return SettlementView(
        credit_note=next(iter(row.credit_notes), None),
        credit_notes=tuple(row.credit_notes),
        refunded=format_amount(int(refunded_minor), order.currency) if refunded_minor else None,
        currency=order.currency,
        exchange_order_id=row.exchange_order_id,
        settled_at=row.settled_at,
        done_at=row.done_at,
    )
