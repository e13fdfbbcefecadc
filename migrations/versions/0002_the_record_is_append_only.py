"""The record is append-only: triggers for ledger and invoices, and the chart of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "journal_entries",
    "journal_postings",
    "invoices",
    "credit_notes",
    "stock_movements",
    "audit_trail",
)

ACCOUNTS = {
    "1000": "Bank",
    "1100": "Cash clearing",
    "1200": "Accounts receivable",
    "1400": "Inventory",
    "2100": "Goods received not invoiced",
    "2200": "Tax payable",
    "2300": "Customer deposits",
    "2400": "Contract liabilities",
    "2500": "Refunds payable",
    "2600": "Unapplied receipts",
    "3000": "Opening balance equity",
    "4000": "Revenue",
    "5000": "Cost of goods sold",
}

UNBALANCED = """
    SELECT 1 FROM (
        SELECT SUM(amount_minor) AS balance, COUNT(*) AS lines,
            MIN(currency) AS low, MAX(currency) AS high
        FROM journal_postings WHERE entry_id = NEW.entry_id
    ) AS sums
    WHERE lines = 0 OR balance <> 0 OR low <> NEW.currency OR high <> NEW.currency
"""
SEALED = "SELECT 1 FROM journal_entries WHERE entry_id = NEW.entry_id"


def upgrade() -> None:
    accounts = sa.table("accounts", sa.column("code"), sa.column("title"))
    op.bulk_insert(accounts, [{"code": c, "title": t} for c, t in ACCOUNTS.items()])
    guard = _guard_sqlite if op.get_bind().dialect.name == "sqlite" else _guard_postgresql
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            guard(table, change, f"{table} is append-only: reverse it instead", None)
    guard("journal_entries", "INSERT", "the entry does not balance", UNBALANCED)
    guard("journal_postings", "INSERT", "the entry is sealed: post a new one", SEALED)


def _guard_sqlite(table: str, change: str, message: str, only_if: str | None) -> None:
    condition = f"WHEN EXISTS ({only_if})" if only_if else ""
    op.execute(
        f"CREATE TRIGGER {table}_{change.lower()} BEFORE {change} ON {table} {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _guard_postgresql(table: str, change: str, message: str, only_if: str | None) -> None:
    refuse = f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';"
    body = f"IF EXISTS ({only_if}) THEN {refuse} END IF; RETURN NEW;" if only_if else refuse
    name = f"{table}_{change.lower()}"
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
