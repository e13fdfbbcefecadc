"""Claims that end, goods that come back after all, and what a person has to see to."""

import re

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime
PROBLEMS = ("arrived_after_all", "came_back_after_all", "called_back_in_vain")


def upgrade() -> None:
    with op.batch_alter_table("claims") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_claims_shipment_id"), type_="unique")
        batch_op.create_index(batch_op.f("ix_claims_shipment_id"), ["shipment_id"], unique=False)
        batch_op.add_column(
            sa.Column("state", sa.String(32), server_default="open", nullable=False)
        )
        batch_op.add_column(sa.Column("settled_minor", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("ended_at", moment(), nullable=True))

    with op.batch_alter_table("shipments") as batch_op:
        batch_op.add_column(sa.Column("restocked_at", moment(), nullable=True))
        batch_op.add_column(sa.Column("problem", sa.String(32), nullable=True))

    with op.batch_alter_table("payments") as batch_op:
        batch_op.add_column(sa.Column("seen_to", text(), server_default="", nullable=False))

    _restocked_when_given_up()
    _problems_that_are_shown()


def _restocked_when_given_up() -> None:
    """What a carrier had brought back was on the shelf again as soon as it was given up."""
    op.execute(
        "UPDATE shipments SET restocked_at = (SELECT MIN(m.recorded_at) FROM stock_movements m "
        "WHERE m.kind = 'return' AND m.cause IN ('reship:' || shipments.shipment_id, "
        "'refund_shipment:' || shipments.shipment_id)) WHERE state = 'failed'"
    )


def _problems_that_are_shown() -> None:
    """They were only in what their orders show, in a sentence that names the shipment."""
    connection = op.get_bind()
    shown = sa.text(
        "SELECT s.shipment_id, o.attention_code, o.attention_message FROM orders o "
        "JOIN shipments s ON s.order_id = o.order_id WHERE o.attention_code IN :codes"
    ).bindparams(sa.bindparam("codes", PROBLEMS, expanding=True))
    write = sa.text("UPDATE shipments SET problem = :problem WHERE shipment_id = :shipment_id")
    for shipment_id, problem, message in connection.execute(shown).all():
        if shipment_id in re.split(r"[ ,]", message or ""):
            connection.execute(write, {"problem": problem, "shipment_id": shipment_id})
