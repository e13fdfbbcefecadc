"""A ledger of a few entries, and orders with open receivables."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.masterdata.importing import import_folder
from models.ledger import Account, entry
from models.orders import Channel, Delivery, Terms
from models.tables.billing import InvoiceRow
from models.tables.ledger import AccountRow
from models.tables.orders import Order
from models.tax import TaxCase
from tests.support.database.rules import RULES
from tests.support.masterdata.shop import write_shop

NOW = datetime(2026, 7, 6, 12, tzinfo=UTC)
TODAY = NOW.date()
RECEIVABLE, REVENUE, CASH = Account.ACCOUNTS_RECEIVABLE, Account.REVENUE, Account.CASH_CLEARING


def copy_database(migrated_file: Path, folder: Path) -> Database:
    """Open a copy of a migrated database, with its clock at NOW."""
    shutil.copyfile(migrated_file, folder / "orders.db")
    return Database(f"sqlite:///{folder / 'orders.db'}", RULES, lambda: NOW)


def import_customers(database: Database, folder: Path) -> None:
    """Import the customers C-1 and C-2."""
    for customer_id in ("C-1", "C-2"):
        write_shop(folder / customer_id, "DRILL", customer_id, 0)
        import_folder(database, folder / customer_id)


def book(
    database: Database,
    entry_id: str,
    debit: Account,
    credit: Account,
    amount_minor: int,
    occurred_on: date = TODAY,
    currency: str = "EUR",
    order_id: str = "O-1",
) -> None:
    """Post an entry of two postings for an order."""
    built = entry(entry_id, currency, {debit: amount_minor}, {credit: amount_minor}, order_id)
    database.transaction(lambda work: post(work, built, occurred_on))


def sales(database: Database) -> None:
    """Post a sale in each of three months; the first is paid in the second month."""
    book(database, "invoice:1", RECEIVABLE, REVENUE, 10_000, date(2026, 4, 30))
    book(database, "invoice:2", RECEIVABLE, REVENUE, 2_000, date(2026, 5, 1))
    book(database, "payment:1", CASH, RECEIVABLE, 10_000, date(2026, 5, 31))
    book(database, "invoice:3", RECEIVABLE, REVENUE, 300, date(2026, 6, 1))


def renumber(database: Database, account: Account, number: str, title: str) -> None:
    """Set the company's number and title of an account."""

    def change(work: UnitOfWork) -> None:
        row = work.session.get_one(AccountRow, account.value)
        row.number, row.title = number, title

    database.transaction(change)


def net30_order(order_id: str, customer_id: str = "C-1", **columns: Any) -> Order:
    """Make the row of an order on 30 days, without lines."""
    return Order(
        order_id=order_id,
        customer_id=customer_id,
        channel=Channel.ONLINE,
        terms=Terms.NET30,
        delivery=Delivery.COMPLETE,
        currency="EUR",
        ship_to={},
        bill_to={},
        requested_delivery_date=None,
        tax_case=TaxCase.DOMESTIC,
        digest="",
        workflow_id=f"order-{order_id}",
        document={},
        placed_at=NOW,
        stage_since=NOW,
        updated_at=NOW,
        **columns,
    )


def owe(
    database: Database,
    order_id: str,
    due_on: date | None,
    *,
    customer_id: str = "C-1",
    total_minor: int = 10_000,
    invoiced: bool = True,
    posted: bool = True,
    **columns: Any,
) -> None:
    """Record an order with its invoice, and post its receivable."""
    row = net30_order(
        order_id,
        customer_id,
        net_minor=total_minor,
        total_minor=total_minor,
        invoiced_minor=total_minor if invoiced else 0,
        **columns,
    )
    invoice = InvoiceRow(
        number=f"INV-{order_id}",
        order_id=order_id,
        customer_id=customer_id,
        currency="EUR",
        net_minor=total_minor,
        total_minor=total_minor,
        issued_on=date(2026, 5, 1),
        due_on=due_on,
        content={},
    )

    def change(work: UnitOfWork) -> None:
        work.session.add(row)
        work.session.flush()
        if invoiced:
            work.session.add(invoice)

    database.transaction(change)
    get = columns.get
    amount_minor = total_minor + get("fees_minor", 0) - get("credited_minor", 0)
    amount_minor += get("payable_minor", 0) - get("paid_minor", 0) - get("forgiven_minor", 0)
    if posted and invoiced and amount_minor > 0:
        book(
            database,
            f"invoice:{invoice.number}",
            RECEIVABLE,
            REVENUE,
            amount_minor,
            order_id=order_id,
        )
