"""Proposed purchases: they wait for an operator's approval."""

from collections.abc import Collection

from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from models.approvals import ProposalState
from models.messages.steps import StockKey
from models.money import format_amount
from models.purchasing import ComparedOffer
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


def approved_units(session: Session, key: StockKey) -> int:
    """Return the units whose purchase is approved, until it is sent."""
    proposal = session.get(PurchaseProposal, key.primary_key)
    if proposal is None or proposal.state is not ProposalState.APPROVED:
        return 0
    sent = (
        select(PurchaseOrder.po_id)
        .join(PurchaseOrderLine)
        .where(
            PurchaseOrderLine.sku == key.sku,
            PurchaseOrder.location == key.location,
            col(PurchaseOrder.sent_at) >= proposal.decided_at,
        )
    )
    return 0 if session.exec(sent.limit(1)).first() else proposal.quantity


def propose(
    work: UnitOfWork, key: StockKey, chosen: ComparedOffer, why: str, *, again: bool
) -> str | None:
    """Propose a purchase; return what an operator reads.

    None for one of at most the units that an operator has rejected, unless asked `again`.
    """
    known = work.session.get(PurchaseProposal, key.primary_key)
    if known is not None and known.state is ProposalState.REJECTED and not again:
        return None
    proposal = known or PurchaseProposal(sku=key.sku, location=key.location, proposed_at=work.now)
    if proposal.state is not ProposalState.OPEN:
        proposal.state, proposal.proposed_at = ProposalState.OPEN, work.now
    proposal.quantity, proposal.supplier_id = chosen.quantity, chosen.supplier_id
    proposal.landed_minor, proposal.currency, proposal.why = (
        *(chosen.landed_minor, chosen.currency),
        why,
    )
    proposal.decided_at, proposal.decided_by, proposal.reason = None, "", ""
    work.session.add(proposal)
    cost = f"{format_amount(chosen.landed_minor, chosen.currency)} {chosen.currency}"
    return (
        f"{chosen.quantity} x {key.sku} for {key.location} from {chosen.supplier_id}, for {cost}, "
        f"wait for approval ({why}): `stock approve-purchase {key.sku} {key.location}`, or "
        f"`stock reject-purchase {key.sku} {key.location}`"
    )


def withdraw_proposals(work: UnitOfWork, skus: Collection[str], low: Collection[StockKey]) -> None:
    """Delete the open proposals of SKUs that aren't low any more."""
    rows = work.session.exec(
        select(PurchaseProposal).where(
            col(PurchaseProposal.sku).in_(skus), PurchaseProposal.state == ProposalState.OPEN
        )
    )
    for row in rows:
        if StockKey(sku=row.sku, location=row.location) not in low:
            work.session.delete(row)
