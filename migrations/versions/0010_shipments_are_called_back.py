"""A shipment that hasn't left is called back from its carrier by a command."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "shipments",
        sa.Column("called_back_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
    )
