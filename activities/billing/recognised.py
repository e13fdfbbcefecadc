"""Revenue of orders that are cancelled although goods had left: all came back or were lost."""

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import col

from activities.billing.invoicing import goods_issued
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from models.ledger import Account, unrecognised_entry
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.orders import Order


def reverse_recognised(work: UnitOfWork, order: Order) -> None:
    """Post back what an order recognised of which nothing is delivered, after its last credit note.

    That is an allowance credited while its goods were on their way, and the revenue of its
    services.
    """
    if goods_issued(work.session, order.order_id):
        return
    work.write_appended()
    sums = (
        select_columns(col(JournalPosting.account), func.sum(JournalPosting.amount_minor))
        .join(JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
        .where(
            col(JournalEntry.order_id) == order.order_id,
            col(JournalPosting.account).in_((Account.REVENUE.value, Account.SALES_RETURNS.value)),
        )
        .group_by(col(JournalPosting.account))
    )
    balances = {Account(code): int(sum_) for code, sum_ in work.session.execute(sums)}
    post(
        work,
        unrecognised_entry(
            order.order_id,
            order.currency,
            revenue_minor=-balances.get(Account.REVENUE, 0),
            allowance_minor=balances.get(Account.SALES_RETURNS, 0),
        ),
    )
