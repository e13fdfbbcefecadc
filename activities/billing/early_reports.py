"""Reports about payments that came before their payment: kept, and applied when it is recorded."""

from collections.abc import Sequence

from sqlalchemy import String, bindparam, literal, select, union_all
from sqlmodel import col

from activities.billing.on_account import lock_payment_id
from activities.billing.refund_reports import record_reported_refund
from activities.billing.reversals import reversal_problem, reverse_payment
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.audit import reject_fact
from models.messages.facts import PaymentRefunded, PaymentReversed
from models.tables.billing import EarlyRefundReport, Payment, PaymentReversal

_PAYMENT_ID = bindparam("payment_id", type_=String)
_EARLY = union_all(
    select(literal("reversal"), col(PaymentReversal.reversal_id)).where(
        col(PaymentReversal.payment_id) == _PAYMENT_ID, col(PaymentReversal.applied_at).is_(None)
    ),
    select(literal("refund"), col(EarlyRefundReport.report_id)).where(
        col(EarlyRefundReport.payment_id) == _PAYMENT_ID,
        col(EarlyRefundReport.type) == "payment.refunded",
    ),
)

EarlyReports = Sequence[tuple[str, str]]
"""Kind and id of each report."""


def early_reports(work: UnitOfWork, payment_id: str) -> EarlyReports:
    """Read which reports came before their payment, which is being recorded.

    One that is being recorded at the same time waits, and finds the payment.
    """
    lock_payment_id(work, payment_id)
    rows = work.session.execute(_EARLY, {"payment_id": payment_id}).all()
    return sorted((kind, report_id) for kind, report_id in rows)


def apply_early_reports(work: UnitOfWork, payment: Payment, early: EarlyReports) -> None:
    """Apply reports that came before their payment, which is recorded now: refunds first."""
    if not early:
        return
    work.session.flush()
    for kind, report_id in early:
        if kind == "refund":
            row = work.session.get_one(EarlyRefundReport, report_id)
            fact = PaymentRefunded.model_validate(row.reported)
            work.session.delete(row)
            record_reported_refund(work, fact)
    ids = [report_id for kind, report_id in early if kind == "reversal"]
    _apply_reversals(work, payment, [work.session.get_one(PaymentReversal, id_) for id_ in ids])


def _apply_reversals(
    work: UnitOfWork, payment: Payment, reversals: Sequence[PaymentReversal]
) -> None:
    """Apply reversals, whole ones last.

    One without an amount takes back what others leave of the payment, whatever their order.
    """
    for reversal in sorted(reversals, key=lambda row: row.reported["amount"] is None):
        fact = PaymentReversed.model_validate(reversal.reported)
        if problem := reversal_problem(fact, payment, None):
            reject_fact(work, payment.order_id or "", fact, problem)
        else:
            reverse_payment(work, reversal, payment)
