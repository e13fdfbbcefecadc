"""Proposed purchases: they wait for an operator's approval."""

from collections.abc import Collection

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from activities.stock.backorders import open_shortages
from models.approvals import ProposalState
from models.messages.steps import StockKey
from models.money import format_amount
from models.offers import ComparedOffer
from models.tables.purchasing import (
    GoodsReceipt,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchaseProposal,
)


def is_first_purchase(session: Session, key: StockKey) -> bool:
    """Return whether no goods of a SKU were received at a location."""
    received = select(GoodsReceipt.receipt_id).where(
        GoodsReceipt.sku == key.sku, GoodsReceipt.location == key.location
    )
    return session.exec(received.limit(1)).first() is None


def is_approved(session: Session, key: StockKey, chosen: ComparedOffer) -> bool:
    """Return whether a purchase is approved: until it is sent, and at most at the approved cost."""
    proposal = session.get(PurchaseProposal, key.primary_key)
    if proposal is None or proposal.state is not ProposalState.APPROVED:
        return False
    if not _covers(proposal, chosen):
        return False
    sent = (
        select(PurchaseOrder.po_id)
        .join(PurchaseOrderLine)
        .where(
            PurchaseOrderLine.sku == key.sku,
            PurchaseOrder.location == key.location,
            col(PurchaseOrder.sent_at) >= proposal.decided_at,
        )
    )
    return session.exec(sent.limit(1)).first() is None


def _covers(proposal: PurchaseProposal, chosen: ComparedOffer) -> bool:
    """Return whether a decision holds for a purchase: of at most its units and landed cost."""
    return (
        chosen.quantity <= proposal.quantity
        and chosen.currency == proposal.currency
        and chosen.landed_minor <= proposal.landed_minor
    )


def propose(
    work: UnitOfWork, key: StockKey, chosen: ComparedOffer, why: str, *, again: bool
) -> str | None:
    """Propose a purchase; return what an operator reads.

    None for one of at most the units and landed cost that an operator has rejected, unless asked
    `again`.
    """
    known = _lock(work, key)
    rejected = known is not None and known.state is ProposalState.REJECTED
    if known is not None and rejected and _covers(known, chosen) and not again:
        return None
    proposal = known or PurchaseProposal(sku=key.sku, location=key.location, proposed_at=work.now)
    if proposal.state is not ProposalState.OPEN:
        proposal.state, proposal.proposed_at = ProposalState.OPEN, work.now
    proposal.quantity, proposal.supplier_id = chosen.quantity, chosen.supplier_id
    proposal.landed_minor, proposal.currency = chosen.landed_minor, chosen.currency
    proposal.why = why
    proposal.decided_at, proposal.decided_by, proposal.reason = None, "", ""
    work.session.add(proposal)
    cost = f"{format_amount(chosen.landed_minor, chosen.currency)} {chosen.currency}"
    return (
        f"{chosen.quantity} x {key.sku} for {key.location} from {chosen.supplier_id}, for {cost}, "
        f"wait for approval ({why}): `{approval_line(proposal)}`, or "
        f"`stock reject-purchase {key.sku} {key.location}`"
    )


def approval_line(proposal: PurchaseProposal) -> str:
    """Return the command that approves a proposal as it is now."""
    cost = format_amount(proposal.landed_minor, proposal.currency)
    return (
        f"stock approve-purchase {proposal.sku} {proposal.location} "
        f"--expect-units {proposal.quantity} --expect-cost {cost}"
    )


def end_proposal(work: UnitOfWork, key: StockKey) -> None:
    """End the proposal of a SKU for a location where no units are missing any more."""
    proposal = _lock(work, key)
    if proposal is not None:
        _end(work, proposal)


def _lock(work: UnitOfWork, key: StockKey) -> PurchaseProposal | None:
    """Lock a proposal: an operator may be deciding on it."""
    return work.session.get(
        PurchaseProposal, key.primary_key, with_for_update=True, populate_existing=True
    )


def end_proposals(work: UnitOfWork, skus: Collection[str], low: Collection[StockKey]) -> None:
    """End the proposals of SKUs that aren't low any more, and that no order is short of.

    Not the approved ones: their units may be planned, and count as on order.
    """
    proposals = work.session.exec(
        select(PurchaseProposal)
        .where(
            col(PurchaseProposal.sku).in_(skus),
            col(PurchaseProposal.state).in_((ProposalState.OPEN, ProposalState.REJECTED)),
        )
        .with_for_update()
    ).all()
    if not proposals:
        return
    needed = {*low, *(shortage.key for shortage in open_shortages(work.session, skus))}
    for row in proposals:
        if StockKey(sku=row.sku, location=row.location) not in needed:
            _end(work, row)


def _end(work: UnitOfWork, proposal: PurchaseProposal) -> None:
    """Delete a proposal that is open; keep the record of a decision."""
    if proposal.state is ProposalState.OPEN:
        work.session.delete(proposal)
    else:
        proposal.state = ProposalState.ENDED
