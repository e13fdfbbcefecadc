"""Commands of operators on purchases: close an order, approve or reject a proposal."""

from collections.abc import Sequence

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import record_event
from activities.purchasing.offers import read_offers
from activities.purchasing.proposals import approval_line
from activities.purchasing.purchase_orders import (
    keys_of,
    lock_purchase,
    notification_of_sent,
    record_sent,
)
from activities.stock.backorders import due_units, set_expected_dates
from activities.stock.notifications import changed_shortages, read_shortages
from models.approvals import ProposalState
from models.messages.commands.base import STOCK_REFUSED, UNKNOWN_PURCHASE_ORDER, refuse
from models.messages.commands.purchasing import ClosePurchaseOrder, ReassignSupplier
from models.messages.commands.resolutions import ResolvePurchase
from models.messages.commands.results import CommandResult, FollowUp
from models.messages.commands.stock import (
    ApprovePurchase,
    PurchaseDecision,
    RejectPurchase,
    StockCommand,
)
from models.messages.steps import StockKey
from models.money import format_amount, parse_amount
from models.purchasing import PurchaseOrderState
from models.tables.purchasing import PurchaseOrder, PurchaseOrderLine, PurchaseProposal


@executes(ClosePurchaseOrder)
def close_purchase(work: UnitOfWork, command: ClosePurchaseOrder) -> CommandResult:
    """Close a purchase order: its due units are no longer expected and may be purchased again."""
    order, lines = _target_purchase(work, command.po_id)
    if problem := _why_not_close(order):
        refuse("po_id", problem, STOCK_REFUSED)
    return _close(work, command, order, lines)


@executes(ReassignSupplier)
def reassign_supplier(work: UnitOfWork, command: ReassignSupplier) -> CommandResult:
    """Close a purchase order, have it cancelled, and let its units be bought elsewhere."""
    order, lines = _target_purchase(work, command.po_id)
    if problem := _why_not_close(order) or _why_not_reassign(order, lines):
        refuse("po_id", problem, STOCK_REFUSED)
    for line in lines:
        if due_units(line):
            _check_offers(work, command, order, line)
            line.reassigned_to = command.supplier
    closed = _close(work, command, order, lines)
    whom = command.supplier or "the supplier of the best other offer"
    served = closed.notification.orders
    for order_id in served:
        detail = f"{order.po_id} to {whom} by {command.actor}: {command.reason}"
        record_event(work, order_id, "supplier_reassigned", detail)
    follow_up = FollowUp(order_id=next(iter(served), None), cancels_purchase=order.po_id)
    return closed.model_copy(
        update={
            "message": f"{closed.message}; {whom} is asked instead",
            "follow_up": follow_up,
            "plans": (f"a purchase order is sent to {whom}",),
        }
    )


def _why_not_reassign(order: PurchaseOrder, lines: Sequence[PurchaseOrderLine]) -> str | None:
    """Return why the units of an open purchase order can't be bought elsewhere."""
    if order.state is PurchaseOrderState.SHIPPED:
        return (
            f"the goods of {order.po_id} are on their way: receive them, or refuse them and "
            f"`po close {order.po_id}`"
        )
    if not order.state.is_open or not any(due_units(line) for line in lines):
        return f"nothing more is to come of {order.po_id}"
    return None


def _check_offers(
    work: UnitOfWork, command: ReassignSupplier, order: PurchaseOrder, line: PurchaseOrderLine
) -> None:
    """Check that another supplier, or the one that is named, offers a SKU."""
    offering = {offer.supplier_id for offer in read_offers(work.session, [line.sku])}
    others = sorted(offering - {order.supplier_id})
    if command.supplier == order.supplier_id:
        refuse("supplier", f"{order.po_id} is with {order.supplier_id} already", STOCK_REFUSED)
    if command.supplier is not None and command.supplier not in others:
        known = f"these do: {', '.join(others)}" if others else "no other one does"
        reason = f"{command.supplier} doesn't offer {line.sku}; {known}"
        refuse("supplier", reason, STOCK_REFUSED)
    if not others:
        reason = f"no other supplier offers {line.sku}: import an offer first"
        refuse("po_id", reason, STOCK_REFUSED)


def _close(
    work: UnitOfWork,
    command: StockCommand,
    order: PurchaseOrder,
    lines: Sequence[PurchaseOrderLine],
) -> CommandResult:
    """Close a purchase order: its due units may be purchased again."""
    skus = [line.sku for line in lines]
    before = read_shortages(work.session, skus)
    due = {line.sku: due_units(line) for line in lines if order.state.is_open}
    for line in lines:
        if due.get(line.sku):
            line.failed_at = work.now
    order.state, order.ended_at = PurchaseOrderState.CLOSED, work.now
    order.ended_reason = f"closed by {command.actor}: {command.reason}"
    set_expected_dates(work, skus)
    rest = ", ".join(f"{units} x {sku}" for sku, units in due.items() if units)
    return CommandResult.done(
        command,
        f"{order.po_id} is closed: {rest or 'nothing more'} was still to come",
        orders=(short.order_id for short in changed_shortages(work.session, before)),
        stock_keys=keys_of(order, lines),
    )


@executes(ResolvePurchase)
def resolve_purchase(work: UnitOfWork, command: ResolvePurchase) -> CommandResult:
    """Record that an operator gave a purchase order to its supplier."""
    order, lines = _target_purchase(work, command.po_id)
    if problem := _why_not_sent(order):
        refuse("po_id", f"{order.po_id} {problem}", STOCK_REFUSED)
    order.reference = command.reference
    record_sent(work, order)
    served = notification_of_sent(work.session, order.po_id).orders
    for order_id in served:
        detail = f"{order.po_id} as {command.reference} by {command.actor}: {command.reason}"
        record_event(work, order_id, "ordered_by_hand", detail)
    message = f"{order.po_id} is given to {order.supplier_id}: {command.reference}"
    return CommandResult.done(command, message, orders=served, stock_keys=keys_of(order, lines))


def _target_purchase(work: UnitOfWork, po_id: str) -> tuple[PurchaseOrder, list[PurchaseOrderLine]]:
    """Lock the purchase order of a command, with its lines. Raises CommandRefused."""
    order, lines = lock_purchase(work, po_id)
    if order is None:
        refuse("po_id", f"there is no purchase order {po_id!r}", UNKNOWN_PURCHASE_ORDER)
    return order, lines


def _why_not_sent(order: PurchaseOrder) -> str | None:
    """Return why a purchase order can't have been sent by hand."""
    if order.state is PurchaseOrderState.PLANNED:
        return "still collects lines: it is sent, or can be sent by hand, after that"
    if order.state.is_over:
        return f"is over already: {order.state}"
    if order.reference is not None:
        return f"was sent, and {order.supplier_id} has it as {order.reference}"
    return None


@executes(ApprovePurchase)
def approve_purchase(work: UnitOfWork, command: ApprovePurchase) -> CommandResult:
    """Approve a proposed purchase, if it is still as expected; its replenishment sends it."""
    proposal = _lock_proposal(work, command)
    if proposal is not None and (field := _changed_field(command, proposal)):
        purchase = (
            f"{proposal.quantity} x {proposal.sku} from {proposal.supplier_id} for "
            f"{format_amount(proposal.landed_minor, proposal.currency)} {proposal.currency}"
        )
        way_out = approval_line(proposal)
        refuse(field, f"the proposed purchase is now {purchase}: `{way_out}`", STOCK_REFUSED)
    return _decide(work, command, proposal, ProposalState.APPROVED)


@executes(RejectPurchase)
def reject_purchase(work: UnitOfWork, command: RejectPurchase) -> CommandResult:
    """Reject a proposed purchase."""
    return _decide(work, command, _lock_proposal(work, command), ProposalState.REJECTED)


def _lock_proposal(work: UnitOfWork, command: PurchaseDecision) -> PurchaseProposal | None:
    key = StockKey(sku=command.sku, location=command.location)
    return work.session.get(PurchaseProposal, key.primary_key, with_for_update=True)


def _changed_field(command: ApprovePurchase, proposal: PurchaseProposal) -> str | None:
    """Return the field whose expected value isn't that of the open proposal any more."""
    if proposal.state is not ProposalState.OPEN:
        return None
    if command.expect_units not in (None, proposal.quantity):
        return "expect_units"
    if command.expect_cost is None:
        return None
    try:
        expected_minor = parse_amount(command.expect_cost, proposal.currency)
    except ValueError as error:
        refuse("expect_cost", str(error), STOCK_REFUSED)
    return None if expected_minor == proposal.landed_minor else "expect_cost"


def _decide(
    work: UnitOfWork,
    command: PurchaseDecision,
    proposal: PurchaseProposal | None,
    state: ProposalState,
) -> CommandResult:
    key = StockKey(sku=command.sku, location=command.location)
    if proposal is None or proposal.state is ProposalState.ENDED:
        refuse("sku", f"no purchase of {key.sku} for {key.location} is proposed", STOCK_REFUSED)
    if proposal.state is not ProposalState.OPEN:
        decided = f"{proposal.state} by {proposal.decided_by}: {proposal.reason}"
        refuse("sku", f"the purchase of {key.sku} for {key.location} is {decided}", STOCK_REFUSED)
    proposal.state, proposal.decided_at = state, work.now
    proposal.decided_by, proposal.reason = command.actor, command.reason
    what = f"the purchase of {proposal.quantity} x {key.sku} for {key.location}"
    return CommandResult.done(command, f"{what} is {state}", stock_keys=(key,))


def _why_not_close(order: PurchaseOrder) -> str | None:
    if order.state is PurchaseOrderState.PLANNED:
        return f"{order.po_id} isn't sent yet: it changes, or is deleted, with the shortages"
    if order.state.is_over:
        ended = order.ended_reason or "all goods were received"
        return f"{order.po_id} is over already: {order.state}, {ended}"
    return None
