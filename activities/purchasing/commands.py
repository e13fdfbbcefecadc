"""Commands of operators on purchases: close an order, approve or reject a proposal."""

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.purchasing.purchase_orders import keys_of, lock_purchase
from activities.stock.backorders import due_units, set_expected_dates
from activities.stock.notifications import changed_shortages, read_shortages
from models.approvals import ProposalState
from models.messages.commands.base import STOCK_REFUSED, UNKNOWN_PURCHASE_ORDER, refuse
from models.messages.commands.purchasing import ClosePurchaseOrder
from models.messages.commands.results import CommandResult
from models.messages.commands.stock import ApprovePurchase, PurchaseDecision, RejectPurchase
from models.messages.steps import StockKey
from models.purchasing import PurchaseOrderState
from models.tables.purchasing import PurchaseOrder, PurchaseProposal


@executes(ClosePurchaseOrder)
def close_purchase(work: UnitOfWork, command: ClosePurchaseOrder) -> CommandResult:
    """Close a purchase order: its due units are no longer expected and may be purchased again."""
    order, lines = lock_purchase(work, command.po_id)
    if order is None:
        reason = f"there is no purchase order {command.po_id!r}"
        refuse("po_id", reason, UNKNOWN_PURCHASE_ORDER)
    if problem := _why_not_close(order):
        refuse("po_id", problem, STOCK_REFUSED)
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


@executes(ApprovePurchase)
def approve_purchase(work: UnitOfWork, command: ApprovePurchase) -> CommandResult:
    """Approve a proposed purchase; its replenishment sends it."""
    return _decide(work, command, ProposalState.APPROVED)


@executes(RejectPurchase)
def reject_purchase(work: UnitOfWork, command: RejectPurchase) -> CommandResult:
    """Reject a proposed purchase."""
    return _decide(work, command, ProposalState.REJECTED)


def _decide(work: UnitOfWork, command: PurchaseDecision, state: ProposalState) -> CommandResult:
    key = StockKey(sku=command.sku, location=command.location)
    proposal = work.session.get(PurchaseProposal, key.primary_key, with_for_update=True)
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
