"""Revenue of services: recognised once, with the first goods issue of their order.

Services are billed and never stocked or delivered by themselves. Those of an order without goods
are supplied with its invoice.
"""

from datetime import datetime

from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.order_record.lines import order_lines
from models import billing_entries
from models.services import services_net
from models.tables.ledger import JournalEntry
from models.tables.orders import Order


def recognise_services(work: UnitOfWork, order: Order, occurred_at: datetime | None = None) -> None:
    """Post the revenue of an order's services once, as of the day of the first goods issue."""
    net_minor = services_net(order_lines(work.session, order.order_id))
    if not net_minor:
        return
    entry = billing_entries.services_entry(order.order_id, order.currency, net_minor)
    work.write_appended()
    if work.session.get(JournalEntry, entry.entry_id) is None:
        post(work, entry, occurred_at=occurred_at)
