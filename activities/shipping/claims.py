"""Claims: the rules for claims against carriers, and how they are recorded and posted."""

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import money_of
from activities.order_record.progress import lock_order
from activities.shipping.tracking import reports_of
from models import ledger
from models.claims import ClaimState, claim_id_of
from models.messages.commands.base import SHIPMENT_REFUSED, UNKNOWN, refuse
from models.progress import ShipmentState
from models.tables.orders import Order
from models.tables.shipping import Claim, Shipment


def claims_of(session: Session, shipment_id: str) -> list[Claim]:
    """Return all claims for a shipment, the latest last."""
    rows = select(Claim).where(Claim.shipment_id == shipment_id)
    return list(session.exec(rows.order_by(col(Claim.claimed_at), col(Claim.claim_id))))


def lock_open_claim(work: UnitOfWork, claim_id: str) -> tuple[Order, Claim]:
    """Lock the order of an open claim. Raises CommandRefused for an unknown or ended claim."""
    found = work.session.get(Claim, claim_id)
    if found is None:
        refuse("claim_id", f"there is no claim {claim_id!r}", UNKNOWN)
    order = lock_order(work, work.session.get_one(Shipment, found.shipment_id).order_id)
    claim = work.session.get_one(Claim, claim_id, populate_existing=True)
    if claim.state is not ClaimState.OPEN:
        refuse("claim_id", f"{claim_id} is {claim.state} already", SHIPMENT_REFUSED)
    return order, claim


def check_claimable(session: Session, shipment: Shipment, field: str) -> None:
    """Check that a claim can be filed: the carrier has or had the goods, and no claim is open.

    Raises CommandRefused, which names `field`.
    """
    shipment_id = shipment.shipment_id
    open_claims = [one for one in claims_of(session, shipment_id) if one.state is ClaimState.OPEN]
    reports = reports_of(session, shipment_id)
    problem = None
    if not (shipment.state.has_left or any(report.status.has_goods for report in reports)):
        was = "was recalled" if shipment.state is ShipmentState.CANCELLED else "hasn't left"
        problem = f"{shipment_id} {was}: no carrier had it"
    elif not shipment.carrier:
        problem = f"{shipment_id} left without a carrier: a claim needs one"
    elif open_claims:
        problem = f"{open_claims[0].claim_id} is open: settle or withdraw it first"
    if problem:
        refuse(field, problem, SHIPMENT_REFUSED)


def record_claim(
    work: UnitOfWork, order: Order, shipment: Shipment, amount_minor: int, reason: str
) -> Claim:
    """File a claim against the carrier of a shipment: a receivable, and less of a loss."""
    number = len(claims_of(work.session, shipment.shipment_id)) + 1
    claim = Claim(
        claim_id=claim_id_of(shipment.shipment_id, number),
        shipment_id=shipment.shipment_id,
        carrier=shipment.carrier or "",
        amount_minor=amount_minor,
        currency=order.currency,
        reason=reason,
        claimed_at=work.now,
    )
    work.session.add(claim)
    entry = ledger.claim_entry(claim.claim_id, order.order_id, order.currency, amount_minor)
    post(work, entry)
    detail = f"{claim.claim_id} against {claim.carrier}: {money_of(order, amount_minor)}"
    record_event(work, order.order_id, "claimed", detail)
    return claim


def record_settlement(
    work: UnitOfWork, order: Order, claim: Claim, paid_minor: int, why: str
) -> None:
    """Settle an open claim by the carrier's payment; the unpaid part is a loss again."""
    entry = ledger.claim_settled_entry(
        claim.claim_id,
        order.order_id,
        order.currency,
        claimed_minor=claim.amount_minor,
        paid_minor=paid_minor,
    )
    post(work, entry)
    claim.state, claim.settled_minor, claim.ended_at = ClaimState.SETTLED, paid_minor, work.now
    amounts = f"{money_of(order, paid_minor)} of {money_of(order, claim.amount_minor)}"
    record_event(work, order.order_id, "claim_settled", f"{claim.claim_id}, {amounts} {why}")


def record_withdrawal(work: UnitOfWork, order: Order, claim: Claim, why: str) -> None:
    """Withdraw an open claim: its amount is a loss again."""
    entry = ledger.claim_withdrawn_entry(
        claim.claim_id, order.order_id, order.currency, claim.amount_minor
    )
    post(work, entry)
    claim.state, claim.ended_at = ClaimState.WITHDRAWN, work.now
    record_event(work, order.order_id, "claim_withdrawn", f"{claim.claim_id} {why}")
