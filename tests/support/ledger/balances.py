"""Balances of the ledger, by account."""

from collections import Counter

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from models.ledger import Account
from models.tables.ledger import JournalEntry, JournalPosting
from tests.support.pipeline.world import World


def balances(world: World, entries: ColumnElement[bool]) -> dict[str, int]:
    """Add up the postings of journal entries: account name -> minor units, without zeros."""

    def read(session: Session) -> dict[str, int]:
        rows = session.exec(
            select(JournalPosting.account, JournalPosting.amount_minor)
            .join(JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id))
            .where(entries)
        )
        sums: Counter[str] = Counter()
        for account, amount_minor in rows:
            sums[Account(account).name] += amount_minor
        return {account: amount_minor for account, amount_minor in sums.items() if amount_minor}

    return world.database.read(read)


def accounts_of(world: World, order_id: str) -> dict[str, int]:
    """Read the balances of an order: account name -> minor units, without zeros."""
    return balances(world, col(JournalEntry.order_id) == order_id)
