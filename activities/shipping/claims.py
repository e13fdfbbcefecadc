"""Claims: what carriers owe us for goods that they lost or damaged, until they have paid."""

from sqlmodel import Session, col, select

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.audit import record_event
from activities.order_record.balance import money_of
from activities.order_record.progress import lock_order, save_progress
from activities.order_record.targets import amount_of, shipment_of
from activities.shipping.tracking import reports_of
from models import ledger
from models.claims import ClaimState, claim_id_of
from models.messages.commands import (
    SHIPMENT_REFUSED,
    UNKNOWN,
    ClaimCommand,
    CommandResult,
    FileClaim,
    SettleClaim,
    WithdrawClaim,
    refuse,
)
from models.messages.steps import Notification
from models.progress import ShipmentState
from models.tables.orders import Order
from models.tables.shipping import Claim, Shipment


@executes(FileClaim)
def file_claim(work: UnitOfWork, command: FileClaim) -> CommandResult:
    order, shipment = shipment_of(work, command.shipment_id)
    check_claimable(work.session, shipment, "shipment_id")
    amount_minor = amount_of(command.amount, order.currency, "amount", SHIPMENT_REFUSED)
    claim = record_claim(work, order, shipment, amount_minor, command.reason)
    amount = money_of(order, amount_minor)
    message = f"{claim.claim_id} is filed against {claim.carrier}: {amount}"
    return _done(work, command, order, message)


@executes(SettleClaim)
def settle_claim(work: UnitOfWork, command: SettleClaim) -> CommandResult:
    order, claim = _open_claim(work, command.claim_id)
    paid_minor = amount_of(command.amount, order.currency, "amount", SHIPMENT_REFUSED)
    if paid_minor > claim.amount_minor:
        asked = money_of(order, claim.amount_minor)
        reason = f"is more than {claim.claim_id} asks for: {asked} at most"
        refuse("amount", reason, SHIPMENT_REFUSED)
    entry = ledger.claim_settled_entry(
        claim.claim_id,
        order.order_id,
        order.currency,
        claimed_minor=claim.amount_minor,
        paid_minor=paid_minor,
    )
    post(work, entry)
    claim.state, claim.settled_minor, claim.ended_at = ClaimState.SETTLED, paid_minor, work.now
    paid, of = money_of(order, paid_minor), money_of(order, claim.amount_minor)
    said = f"{paid} of {of} by {command.actor}: {command.reason}"
    record_event(work, order.order_id, "claim_settled", f"{claim.claim_id}, {said}")
    message = f"{claim.claim_id} is settled: {claim.carrier} has paid {paid} of {of}"
    return _done(work, command, order, message)


@executes(WithdrawClaim)
def withdraw_claim(work: UnitOfWork, command: WithdrawClaim) -> CommandResult:
    order, claim = _open_claim(work, command.claim_id)
    record_withdrawal(work, order, claim, f"by {command.actor}: {command.reason}")
    message = f"{claim.claim_id} is withdrawn: {claim.carrier} owes us nothing for it"
    return _done(work, command, order, message)


def claims_of(session: Session, shipment_id: str) -> list[Claim]:
    """All claims for a shipment, the latest last."""
    rows = select(Claim).where(Claim.shipment_id == shipment_id)
    return list(session.exec(rows.order_by(col(Claim.claimed_at), col(Claim.claim_id))))


def check_claimable(session: Session, shipment: Shipment, field: str) -> None:
    """Check that a claim can be filed for a shipment: its carrier has or had the goods, and no
    claim is open. Raises CommandRefused, which names `field`."""
    shipment_id = shipment.shipment_id
    open_now = [one for one in claims_of(session, shipment_id) if one.state is ClaimState.OPEN]
    problem = None
    fetched = any(report.status.has_goods for report in reports_of(session, shipment_id))
    if not (shipment.state.has_left or fetched):
        was = "was called back" if shipment.state is ShipmentState.CANCELLED else "hasn't left"
        problem = f"{shipment_id} {was}: no carrier had it"
    elif not shipment.carrier:
        problem = f"{shipment_id} left without a carrier: there is nobody to claim from"
    elif open_now:
        problem = f"{open_now[0].claim_id} is open: settle or withdraw it first"
    if problem:
        refuse(field, problem, SHIPMENT_REFUSED)


def record_claim(
    work: UnitOfWork,
    order: Order,
    shipment: Shipment,
    amount_minor: int,
    reason: str,
) -> Claim:
    """The shipment's carrier owes us so much."""
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


def record_withdrawal(
    work: UnitOfWork,
    order: Order,
    claim: Claim,
    why: str,
) -> None:
    """An open claim is asked for no longer."""
    entry = ledger.claim_withdrawn_entry(
        claim.claim_id, order.order_id, order.currency, claim.amount_minor
    )
    post(work, entry)
    claim.state, claim.ended_at = ClaimState.WITHDRAWN, work.now
    record_event(work, order.order_id, "claim_withdrawn", f"{claim.claim_id} {why}")


def _open_claim(work: UnitOfWork, claim_id: str) -> tuple[Order, Claim]:
    """A claim that isn't over, and its order, locked. Raises CommandRefused."""
    found = work.session.get(Claim, claim_id)
    if found is None:
        refuse("claim_id", f"there is no claim {claim_id!r}", UNKNOWN)
    order = lock_order(work, work.session.get_one(Shipment, found.shipment_id).order_id)
    claim = work.session.get_one(Claim, claim_id, populate_existing=True)
    if claim.state is not ClaimState.OPEN:
        refuse("claim_id", f"{claim_id} is {claim.state} already", SHIPMENT_REFUSED)
    return order, claim


def _done(
    work: UnitOfWork,
    command: ClaimCommand,
    order: Order,
    message: str,
) -> CommandResult:
    """Nobody waits for it."""
    save_progress(work, order)
    notification = Notification(cause=f"{command.kind}:{command.command_id}")
    return CommandResult(command=command, message=message, notification=notification)
