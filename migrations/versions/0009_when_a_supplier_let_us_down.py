"""A supplier rests from when it let us down, not from when it was asked."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

moment = sqlmodel.sql.sqltypes.UTCDateTime


def upgrade() -> None:
    op.add_column("purchase_order_lines", sa.Column("let_down_at", moment(), nullable=True))
    op.execute(
        "UPDATE purchase_order_lines SET let_down_at = (SELECT o.created_at FROM purchase_orders o "
        "WHERE o.po_id = purchase_order_lines.po_id) WHERE let_down"
    )
    with op.batch_alter_table("purchase_order_lines") as batch_op:
        batch_op.drop_column("let_down")
