"""Warehouse and purchasing: distances, price breaks, reasons, promises, findings."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACCOUNTS = {
    "2000": "Accounts payable",
    "2110": "Accrued freight",
    "4900": "Inventory gain",
    "5900": "Inventory loss",
}


def upgrade() -> None:
    op.create_table(
        "findings",
        sa.Column("finding_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("subject", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("message", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("found_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("last_seen_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("gone_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_findings")),
    )
    op.create_table(
        "stock_commands",
        sa.Column("command_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("kind", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("actor", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_stock_commands")),
    )
    op.create_table(
        "distances",
        sa.Column("location", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("country", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("postal_prefix", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("distance_km", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_distances_location")
        ),
        sa.PrimaryKeyConstraint("location", "country", "postal_prefix", name=op.f("pk_distances")),
    )
    op.create_table(
        "stock_policies",
        sa.Column("sku", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("location", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("demand_a_day", sa.Float(), nullable=False),
        sa.Column("demand_deviation", sa.Float(), nullable=False),
        sa.Column("observed_days", sa.Integer(), nullable=False),
        sa.Column("lead_time_days", sa.Float(), nullable=True),
        sa.Column("lead_time_deviation", sa.Float(), nullable=False),
        sa.Column("safety_stock", sa.Integer(), nullable=False),
        sa.Column("reorder_point", sa.Integer(), nullable=False),
        sa.Column("order_quantity", sa.Integer(), nullable=False),
        sa.Column("reviewed_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_stock_policies_location")
        ),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_stock_policies_sku")),
        sa.PrimaryKeyConstraint("sku", "location", name=op.f("pk_stock_policies")),
    )
    op.create_table(
        "supplier_invoices",
        sa.Column("invoice_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("po_id", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("currency", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("difference_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("recorded_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=False),
        sa.Column("matched_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["po_id"], ["purchase_orders.po_id"], name=op.f("fk_supplier_invoices_po_id")
        ),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_supplier_invoices")),
    )
    with op.batch_alter_table("supplier_invoices", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_supplier_invoices_po_id"), ["po_id"], unique=False)

    with op.batch_alter_table("goods_receipts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("damaged", sa.Integer(), server_default="0", nullable=False))
        batch_op.create_index(batch_op.f("ix_goods_receipts_sku"), ["sku"], unique=False)

    with op.batch_alter_table("locations", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("handling_cost_minor", sa.BigInteger(), server_default="0", nullable=False)
        )

    with op.batch_alter_table("offers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("break_quantity", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("break_unit_cost_minor", sa.BigInteger(), nullable=True))
        batch_op.add_column(
            sa.Column("freight_cost_minor", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("duty_ppm", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("valid_until", sa.Date(), nullable=True))

    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("allocation_no", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("promised_date", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("told_date", sa.Date(), nullable=True))
        batch_op.add_column(
            sa.Column("delay_notices", sa.Integer(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("consent_by", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("letter", sa.JSON(none_as_null=True), nullable=True))
        batch_op.add_column(
            sa.Column("expired", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.add_column(sa.Column("document", sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table("purchase_order_lines", schema=None) as batch_op:
        batch_op.add_column(sa.Column("duty_ppm", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("expected", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("expected_date", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("damaged", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("invoiced", sa.Integer(), server_default="0", nullable=False))
        batch_op.add_column(
            sa.Column("let_down", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        batch_op.add_column(sa.Column("reason", sa.JSON(none_as_null=True), nullable=True))

    with op.batch_alter_table("purchase_orders", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("freight_minor", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("collects_until", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("sender_sku", sqlmodel.sql.sqltypes.AutoString(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("acknowledge_by", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("sent_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("acknowledged_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("told_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("ended_reason", sqlmodel.sql.sqltypes.AutoString(), nullable=True)
        )
        batch_op.add_column(
            sa.Column("ended_at", sqlmodel.sql.sqltypes.UTCDateTime(), nullable=True)
        )

    with op.batch_alter_table("reservations", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reservations_sku"), ["sku"], unique=False)

    with op.batch_alter_table("shortages", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_shortages_location_sku_state"))
        batch_op.create_index("ix_shortages_sku_state", ["sku", "state"], unique=False)

    with op.batch_alter_table("stock_movements", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reason", sqlmodel.sql.sqltypes.AutoString(), nullable=True))
        batch_op.add_column(sa.Column("actor", sqlmodel.sql.sqltypes.AutoString(), nullable=True))

    accounts = sa.table("accounts", sa.column("code"), sa.column("title"))
    op.bulk_insert(accounts, [{"code": c, "title": t} for c, t in ACCOUNTS.items()])
