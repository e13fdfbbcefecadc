"""Accounting: periods, credit notes by part, refunds by number, authorisations, reversals."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ACCOUNTS = {
    "4100": "Sales returns",
    "4910": "Other income",
    "5100": "Bad debts",
    "5110": "Payment differences",
    "5200": "Payment fees",
}
SUMS = (
    *("fees_minor", "credited_minor", "payable_minor", "reclaimed_minor", "forgiven_minor"),
    *("difference_minor", "relieved_minor", "taxed_minor"),
)
CLOSED = """
    SELECT 1 FROM open_period WHERE NEW.posting_date < open_from
"""
MESSAGE = "the period is closed: post to the open one"


def upgrade() -> None:
    _new_tables()
    _orders_and_payments()
    _refunds_by_number()
    with _writable("credit_notes"), op.batch_alter_table("credit_notes") as batch_op:
        batch_op.drop_constraint("uq_credit_notes_invoice_number", type_="unique")
        batch_op.add_column(sa.Column("content", sa.JSON(none_as_null=True), nullable=True))
        batch_op.create_index(batch_op.f("ix_credit_notes_invoice_number"), ["invoice_number"])
        batch_op.create_index(batch_op.f("ix_credit_notes_order_id"), ["order_id"])
    op.execute(
        "UPDATE orders SET credited_minor = total_minor, payable_minor = paid_minor "
        "WHERE order_id IN (SELECT order_id FROM credit_notes)"
    )
    _dates()
    _accounts()
    op.create_index("ix_facts_po_id_applied_at", "facts", ["po_id", "applied_at"])
    op.rename_table("stock_commands", "commands")
    op.execute(
        "UPDATE number_series SET series = (SELECT legal_entity FROM company) || ':' || series "
        "WHERE (series LIKE 'INV-%' OR series LIKE 'CN-%') AND EXISTS (SELECT 1 FROM company)"
    )


def _new_tables() -> None:
    text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
    op.create_table(
        "open_period",
        sa.Column("ledger", text(), nullable=False),
        sa.Column("open_from", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", name=op.f("pk_open_period")),
    )
    op.execute("INSERT INTO open_period (ledger, open_from) VALUES ('main', '0001-01-01')")
    op.create_table(
        "authorisations",
        sa.Column("authorisation_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("authorised_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_authorisations_order_id")
        ),
        sa.PrimaryKeyConstraint("authorisation_id", name=op.f("pk_authorisations")),
    )
    op.create_index("ix_authorisations_order_id", "authorisations", ["order_id"])
    op.create_table(
        "payment_reversals",
        sa.Column("reversal_id", text(), nullable=False),
        sa.Column("payment_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.Column("applied_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("reversal_id", name=op.f("pk_payment_reversals")),
    )
    op.create_index("ix_payment_reversals_payment_id", "payment_reversals", ["payment_id"])
    op.create_index("ix_payment_reversals_order_id", "payment_reversals", ["order_id"])
    op.create_table(
        "payouts",
        sa.Column("payout_id", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("payout_id", name=op.f("pk_payouts")),
    )
    op.create_table(
        "reminders",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_minor", sa.BigInteger(), nullable=False),
        sa.Column("reminded_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_reminders_order_id")
        ),
        sa.PrimaryKeyConstraint("order_id", "level", name=op.f("pk_reminders")),
    )


def _orders_and_payments() -> None:
    with op.batch_alter_table("orders") as batch_op:
        batch_op.add_column(
            sa.Column("discount_ppm", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("payment_method", sa.String(32), nullable=True))
        batch_op.add_column(
            sa.Column("capture", sa.String(32), server_default="at_once", nullable=False)
        )
        batch_op.add_column(
            sa.Column("dunning_level", sa.Integer(), server_default="0", nullable=False)
        )
        for name in SUMS:
            batch_op.add_column(_sum(name))
    with op.batch_alter_table("order_lines") as batch_op:
        batch_op.add_column(_sum("order_discount_minor"))
    with op.batch_alter_table("payments") as batch_op:
        batch_op.add_column(_sum("reversed_minor"))
        batch_op.add_column(_sum("taxed_minor"))
    with op.batch_alter_table("payment_requests") as batch_op:
        batch_op.add_column(sa.Column("number", sa.Integer(), server_default="1", nullable=False))


def _sum(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)


def _refunds_by_number() -> None:
    text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
    op.drop_index("ix_refunds_order_id", "refunds")
    op.rename_table("refunds", "old_refunds")
    if op.get_bind().dialect.name == "postgresql":  # names of constraints are global there
        op.execute("ALTER TABLE old_refunds DROP CONSTRAINT pk_refunds")
    op.create_table(
        "refunds",
        sa.Column("refund_key", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("payment_id", text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        sa.Column("taxed_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("refund_id", text(), nullable=True),
        sa.Column("asked_at", moment(), nullable=False),
        sa.Column("refunded_at", moment(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_above_zero")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_refunds_of_order_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.payment_id"], name=op.f("fk_refunds_payment_id")
        ),
        sa.PrimaryKeyConstraint("refund_key", name=op.f("pk_refunds")),
    )
    op.execute(
        "INSERT INTO refunds SELECT order_id || '/refund/' || CAST(ROW_NUMBER() OVER "
        "(PARTITION BY order_id ORDER BY refunded_at, refund_id) AS VARCHAR), order_id, NULL, "
        "amount_minor, 0, 0, currency, '', 'refunded', refund_id, refunded_at, refunded_at "
        "FROM old_refunds"
    )
    op.drop_table("old_refunds")
    op.create_index("ix_refunds_order_id", "refunds", ["order_id"])


def _dates() -> None:
    with _writable("journal_entries"):
        with op.batch_alter_table("journal_entries") as batch_op:
            batch_op.add_column(sa.Column("tax_date", sa.Date(), nullable=True))
            batch_op.add_column(sa.Column("posting_date", sa.Date(), nullable=True))
        op.execute("UPDATE journal_entries SET tax_date = DATE(posted_at)")
        op.execute("UPDATE journal_entries SET posting_date = tax_date")
        with op.batch_alter_table("journal_entries") as batch_op:
            batch_op.alter_column("tax_date", existing_type=sa.Date(), nullable=False)
            batch_op.alter_column("posting_date", existing_type=sa.Date(), nullable=False)
            batch_op.create_index(batch_op.f("ix_journal_entries_posting_date"), ["posting_date"])
    _guard_closed_periods()


def _guard_closed_periods() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER journal_entries_period BEFORE INSERT ON journal_entries "
            f"WHEN EXISTS ({CLOSED}) BEGIN SELECT RAISE(ABORT, '{MESSAGE}'); END"
        )
        return
    op.execute(
        "CREATE FUNCTION journal_entries_period() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF EXISTS ({CLOSED}) THEN RAISE EXCEPTION '{MESSAGE}' "
        "USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER journal_entries_period BEFORE INSERT ON journal_entries "
        "FOR EACH ROW EXECUTE FUNCTION journal_entries_period()"
    )


def _accounts() -> None:
    accounts = sa.table("accounts", sa.column("code"), sa.column("title"))
    op.bulk_insert(accounts, [{"code": c, "title": t} for c, t in ACCOUNTS.items()])
    with op.batch_alter_table("accounts") as batch_op:
        batch_op.add_column(sa.Column("number", sqlmodel.sql.sqltypes.AutoString(), nullable=True))
    op.execute("UPDATE accounts SET number = code")
    with op.batch_alter_table("accounts") as batch_op:
        batch_op.alter_column(
            "number", existing_type=sqlmodel.sql.sqltypes.AutoString(), nullable=False
        )
        batch_op.create_unique_constraint(batch_op.f("uq_accounts_number"), ["number"])


@contextmanager
def _writable(table: str) -> Iterator[None]:
    """Change an append-only table: its triggers are away meanwhile, and the same after."""
    bind = op.get_bind()
    if bind.dialect.name != "sqlite":
        op.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        op.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        return
    found = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = [(name, sql) for name, sql in bind.execute(found) if table in sql]
    for name, _ in triggers:
        op.execute(f"DROP TRIGGER {name}")
    yield
    for _, sql in triggers:
        op.execute(sql)
