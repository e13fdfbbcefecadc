"""Every workflow that waits for a person because of an order is kept: one hid the other."""

import re

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
NOT_WAITING = (
    "payment_reversed",
    "payment_currency",
    "arrived_after_all",
    "came_back_after_all",
    "called_back_in_vain",
)
"""What is shown though no workflow need wait for it: it is in the tables."""


def upgrade() -> None:
    attentions = op.create_table(
        "attentions",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("source", text(), nullable=False),
        sa.Column("code", text(), nullable=False),
        sa.Column("message", text(), nullable=False),
        sa.Column("since", moment(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"]),
        sa.PrimaryKeyConstraint("order_id", "source"),
    )
    orders = sa.table(
        "orders",
        *(sa.column(name) for name in ("order_id", "attention_code", "attention_message")),
        sa.column("updated_at", moment()),
    )
    shown = op.get_bind().execute(
        sa.select(orders).where(
            orders.c.attention_code.is_not(None), orders.c.attention_code.not_in(NOT_WAITING)
        )
    )
    waiting = [
        {
            "order_id": row.order_id,
            "source": _source(row.attention_message or ""),
            "code": row.attention_code,
            "message": row.attention_message or "",
            "since": row.updated_at,
        }
        for row in shown
    ]
    if waiting:
        op.bulk_insert(attentions, waiting)


def _source(message: str) -> str:
    """The workflow beside the order's own that said it."""
    found = re.search(r"\(workflow (\S+)\)$", message)
    return found[1] if found else ""
