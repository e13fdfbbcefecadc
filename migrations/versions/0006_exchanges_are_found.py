"""The settlement that an exchange comes from is found by the exchange's order: there is one."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        op.f("ix_return_settlements_exchange_order_id"),
        "return_settlements",
        ["exchange_order_id"],
        unique=True,
    )
