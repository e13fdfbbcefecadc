"""Commands on customers: merge two records of one, and decide about a resemblance."""

from collections.abc import Sequence

from sqlalchemy import update
from sqlmodel import Session, col, select

from activities.database.command import executes
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.reading import company_currency
from activities.order_record.audit import record_event
from activities.order_record.progress import lock_order, save_progress
from activities.order_record.standing import exposure
from activities.order_record.targets import target_order
from models.customers import CustomerStatus
from models.messages.commands.base import ORDER_REFUSED, UNKNOWN, refuse
from models.messages.commands.customers import AcceptCustomer, MergeCustomers
from models.messages.commands.results import CommandResult
from models.money import format_amount
from models.progress import FINAL_STAGES
from models.tables.masterdata import Customer
from models.tables.orders import Order

CUSTOMER_REFUSED = "customer_refused"
_COMPARED = (
    *("name", "company", "email", "phone", "vat_id", "country", "language", "payment_preference"),
    *("tax_treatment", "street", "line2", "city", "postal_code"),
)


@executes(MergeCustomers)
def merge_customers(work: UnitOfWork, command: MergeCustomers) -> CommandResult:
    """Give the orders of a duplicate to the customer that is kept, whose data stay."""
    first, second = sorted((command.duplicate_id, command.customer_id))
    for customer_id in (first, second):
        work.session.get(Customer, customer_id, with_for_update=True)
    duplicate = _target(work.session, "duplicate_id", command.duplicate_id)
    kept = _target(work.session, "customer_id", command.customer_id)
    _check_statuses(duplicate, kept)
    orders = work.session.exec(
        select(Order.order_id, Order.stage)
        .where(Order.customer_id == duplicate.customer_id)
        .order_by(Order.order_id)
    ).all()
    open_count = sum(stage not in FINAL_STAGES for _, stage in orders)
    described = _describe(work.session, duplicate, kept, len(orders), open_count)
    moved = update(Order).where(col(Order.customer_id) == duplicate.customer_id)
    work.session.execute(moved.values(customer_id=kept.customer_id))
    for order_id, _ in orders:
        detail = f"{duplicate.customer_id} into {kept.customer_id} by {command.actor}"
        record_event(work, order_id, "customer_merged", f"{detail}: {command.reason}")
    earlier = update(Customer).where(col(Customer.merged_into) == duplicate.customer_id)
    work.session.execute(earlier.values(merged_into=kept.customer_id))
    duplicate.merged_into = kept.customer_id
    return CommandResult.done(command, described)


@executes(AcceptCustomer)
def accept_customer(work: UnitOfWork, command: AcceptCustomer) -> CommandResult:
    """Let the orders of a customer go on that wait for a decision about its resemblance."""
    order = target_order(work, command.order_id)
    blocked_id = order.resembles
    if blocked_id is None:
        refuse("order_id", f"{order.order_id} waits for no such decision", ORDER_REFUSED)
    customer = work.session.get_one(Customer, order.customer_id, with_for_update=True)
    customer.distinct_from = sorted({*(customer.distinct_from or ()), blocked_id})
    waiting = _waiting_orders(work.session, customer.customer_id, blocked_id)
    for order_id in waiting:
        one = lock_order(work, order_id)
        one.resembles = None
        detail = f"{customer.customer_id} is not {blocked_id}, by {command.actor}: {command.reason}"
        record_event(work, order_id, "customer_accepted", detail)
        save_progress(work, one)
    message = f"{customer.customer_id} is not {blocked_id}: {', '.join(waiting)} goes on"
    return CommandResult.done(command, message, orders=waiting)


def _waiting_orders(session: Session, customer_id: str, blocked_id: str) -> Sequence[str]:
    """Read the orders of a customer that wait because it resembles a blocked one."""
    query = select(Order.order_id).where(
        Order.customer_id == customer_id, Order.resembles == blocked_id
    )
    return session.exec(query.order_by(Order.order_id)).all()


def _target(session: Session, field: str, customer_id: str) -> Customer:
    """Read a customer that a command names. Raises CommandRefused for an unknown or merged one."""
    customer = session.get(Customer, customer_id)
    if customer is None:
        refuse(field, f"there is no customer {customer_id!r}", UNKNOWN)
    if customer.merged_into is not None:
        reason = f"{customer_id} is merged into {customer.merged_into} already: name that one"
        refuse(field, reason, CUSTOMER_REFUSED)
    return customer


def _check_statuses(duplicate: Customer, kept: Customer) -> None:
    """Refuse a merge by which the orders of a blocked customer would go on."""
    if duplicate.status is CustomerStatus.BLOCKED and kept.status is not CustomerStatus.BLOCKED:
        refuse(
            "duplicate_id",
            f"{duplicate.customer_id} is blocked and {kept.customer_id} is not: keep "
            f"{duplicate.customer_id} (`customers merge {kept.customer_id} "
            f"{duplicate.customer_id}`), or import both with the same status first",
            CUSTOMER_REFUSED,
        )


def _describe(
    session: Session, duplicate: Customer, kept: Customer, count: int, open_count: int
) -> str:
    """Describe a merge: the orders, the credit after it, and the data that are given up."""
    currency = company_currency(session) or ""
    ids = (duplicate.customer_id, kept.customer_id)
    owed_minor = sum(exposure(session, customer_id) for customer_id in ids)
    owed, limit = (format_amount(n, currency) for n in (owed_minor, kept.credit_limit_minor))
    given_up = [
        f"{name} {getattr(duplicate, name)} (kept: {getattr(kept, name) or 'none'})"
        for name in _COMPARED
        if getattr(duplicate, name) and getattr(duplicate, name) != getattr(kept, name)
    ]
    parts = [
        f"{ids[0]} into {ids[1]}: orders {count} (open {open_count})",
        f"{ids[1]} then owes {owed} of at most {limit} {currency} on credit",
        *([f"given up: {', '.join(given_up)}"] if given_up else []),
    ]
    return "; ".join(parts)
