"""What carriers report of returns, and what got lost on its way back."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime


def upgrade() -> None:
    op.create_table(
        "return_tracking_events",
        sa.Column("return_id", text(), nullable=False),
        sa.Column("event_id", text(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("occurred_at", moment(), nullable=False),
        sa.Column("place", text(), nullable=False),
        sa.Column("detail", text(), nullable=False),
        sa.Column("signed_by", text(), nullable=False),
        sa.Column("reference", text(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["return_id"],
            ["returns.return_id"],
            name=op.f("fk_return_tracking_events_return_id_returns"),
        ),
        sa.PrimaryKeyConstraint("return_id", "event_id", name=op.f("pk_return_tracking_events")),
    )

    with op.batch_alter_table("returns") as batch_op:
        batch_op.add_column(sa.Column("tracking", sa.String(32), nullable=True))
        batch_op.add_column(sa.Column("news_at", moment(), nullable=True))

    op.execute("UPDATE returns SET news_at = authorised_at WHERE state = 'in_transit'")

    with op.batch_alter_table("return_lines") as batch_op:
        batch_op.add_column(sa.Column("lost", sa.Integer(), server_default="0", nullable=False))
