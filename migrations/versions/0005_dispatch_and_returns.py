"""Dispatch and returns: packages, tracking, claims, parts of reservations, returns."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime


def upgrade() -> None:
    _new_tables()
    _new_columns()
    _reservations_in_parts()
    _claims_receivable()


def _new_tables() -> None:
    op.create_table(
        "returns",
        sa.Column("return_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("wish", sa.String(32), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("note", text(), nullable=False),
        sa.Column("requested_at", moment(), nullable=False),
        sa.Column("authorised_at", moment(), nullable=True),
        sa.Column("expires_at", moment(), nullable=True),
        sa.Column("received_at", moment(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_returns_order_id")
        ),
        sa.PrimaryKeyConstraint("return_id", name=op.f("pk_returns")),
    )
    with op.batch_alter_table("returns") as batch_op:
        batch_op.create_index(batch_op.f("ix_returns_order_id"), ["order_id"], unique=False)

    op.create_table(
        "claims",
        sa.Column("claim_id", text(), nullable=False),
        sa.Column("shipment_id", text(), nullable=False),
        sa.Column("carrier", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("claimed_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.shipment_id"], name=op.f("fk_claims_shipment_id")
        ),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_claims")),
        sa.UniqueConstraint("shipment_id", name=op.f("uq_claims_shipment_id")),
    )
    op.create_table(
        "packages",
        sa.Column("package_no", sa.Integer(), nullable=False),
        sa.Column("shipment_id", text(), nullable=False),
        sa.Column("sscc", text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("container", text(), nullable=False),
        sa.Column("weight_g", sa.BigInteger(), nullable=False),
        sa.Column("length_mm", sa.Integer(), nullable=False),
        sa.Column("width_mm", sa.Integer(), nullable=False),
        sa.Column("height_mm", sa.Integer(), nullable=False),
        sa.Column("contents", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.shipment_id"], name=op.f("fk_packages_shipment_id")
        ),
        sa.PrimaryKeyConstraint("package_no", name=op.f("pk_packages")),
    )
    with op.batch_alter_table("packages") as batch_op:
        batch_op.create_index(batch_op.f("ix_packages_shipment_id"), ["shipment_id"], unique=False)

    op.create_table(
        "return_lines",
        sa.Column("return_id", text(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("restocked", sa.Integer(), nullable=False),
        sa.Column("scrapped", sa.Integer(), nullable=False),
        sa.Column("sent_back", sa.Integer(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_return_lines_quantity_above_zero")),
        sa.ForeignKeyConstraint(
            ["return_id"], ["returns.return_id"], name=op.f("fk_return_lines_return_id")
        ),
        sa.PrimaryKeyConstraint("return_id", "line_no", name=op.f("pk_return_lines")),
    )
    op.create_table(
        "return_settlements",
        sa.Column("settlement_id", text(), nullable=False),
        sa.Column("return_id", text(), nullable=False),
        sa.Column("credit_note", text(), nullable=True),
        sa.Column("refund_key", text(), nullable=True),
        sa.Column("exchange_order_id", text(), nullable=True),
        sa.Column("exchange_lines", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("settled_at", moment(), nullable=False),
        sa.Column("done_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["return_id"], ["returns.return_id"], name=op.f("fk_return_settlements_return_id")
        ),
        sa.PrimaryKeyConstraint("settlement_id", name=op.f("pk_return_settlements")),
    )
    with op.batch_alter_table("return_settlements") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_return_settlements_refund_key"), ["refund_key"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_return_settlements_return_id"), ["return_id"], unique=False
        )

    op.create_table(
        "tracking_events",
        sa.Column("shipment_id", text(), nullable=False),
        sa.Column("event_id", text(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("occurred_at", moment(), nullable=False),
        sa.Column("place", text(), nullable=False),
        sa.Column("detail", text(), nullable=False),
        sa.Column("signed_by", text(), nullable=False),
        sa.Column("reference", text(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.shipment_id"], name=op.f("fk_tracking_events_shipment_id")
        ),
        sa.PrimaryKeyConstraint("shipment_id", "event_id", name=op.f("pk_tracking_events")),
    )


def _new_columns() -> None:
    with op.batch_alter_table("company") as batch_op:
        batch_op.add_column(sa.Column("gs1_prefix", text(), server_default="", nullable=False))

    with op.batch_alter_table("locations") as batch_op:
        batch_op.add_column(sa.Column("street", text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("city", text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("cutoff", sa.Time(), nullable=True))
        batch_op.add_column(sa.Column("timezone", text(), server_default="UTC", nullable=False))
        batch_op.add_column(sa.Column("region", text(), server_default="", nullable=False))

    with op.batch_alter_table("orders") as batch_op:
        batch_op.add_column(
            sa.Column("fulfilment", sa.String(32), server_default="carrier", nullable=False)
        )
        batch_op.add_column(sa.Column("location", text(), nullable=True))
        batch_op.add_column(sa.Column("taken_by", text(), server_default="", nullable=False))

    with op.batch_alter_table("shipments") as batch_op:
        batch_op.add_column(
            sa.Column("billed_weight_g", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(sa.Column("freight_class", text(), nullable=True))
        batch_op.add_column(sa.Column("planned_at", moment(), nullable=True))
        batch_op.add_column(sa.Column("book_from", moment(), nullable=True))
        batch_op.add_column(sa.Column("service", text(), nullable=True))
        batch_op.add_column(sa.Column("charge_minor", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("arrives_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("choice", text(), server_default="", nullable=False))
        batch_op.add_column(sa.Column("tracking", sa.String(32), nullable=True))
        batch_op.add_column(sa.Column("news_at", moment(), nullable=True))


def _reservations_in_parts() -> None:
    """What comes to a line when the first part has left is a row of its own."""
    with op.batch_alter_table("reservations") as batch_op:
        batch_op.add_column(sa.Column("part", sa.Integer(), server_default="1", nullable=False))
        batch_op.drop_constraint("pk_reservations", type_="primary")
        batch_op.create_primary_key("pk_reservations", ["order_id", "line_no", "location", "part"])
        for name in ("revenue_minor", "cost_minor"):
            batch_op.add_column(
                sa.Column(name, sa.BigInteger(), server_default="0", nullable=False)
            )
    op.execute(
        "UPDATE reservations SET cost_minor = COALESCE((SELECT -m.value_change_minor "
        "FROM stock_movements m WHERE m.movement_id = "
        "'issue:' || reservations.shipment_id || ':' || reservations.line_no), 0)"
    )
    _revenue_of_what_left()


def _revenue_of_what_left() -> None:
    """As it was posted: over all units of a line exactly the line's net, in the order in which
    they left."""
    connection = op.get_bind()
    left = sa.text(
        "SELECT r.order_id, r.line_no, r.location, r.quantity, l.quantity, l.net_minor "
        "FROM reservations r JOIN order_lines l ON l.order_id = r.order_id "
        "AND l.line_no = r.line_no JOIN shipments s ON s.shipment_id = r.shipment_id "
        "WHERE r.state = 'shipped' ORDER BY r.order_id, r.line_no, s.dispatched_at, r.location"
    )
    write = sa.text(
        "UPDATE reservations SET revenue_minor = :revenue WHERE order_id = :order_id "
        "AND line_no = :line_no AND location = :location"
    )
    gone: dict[tuple[str, int], int] = {}
    for order_id, line_no, location, units, ordered, net_minor in connection.execute(left).all():
        before = gone.get((order_id, line_no), 0)
        gone[order_id, line_no] = before + units
        revenue = _share(net_minor, before + units, ordered) - _share(net_minor, before, ordered)
        place = {"order_id": order_id, "line_no": line_no, "location": location}
        connection.execute(write, {"revenue": revenue, **place})


def _share(amount: int, units: int, of: int) -> int:
    """Rounded half up."""
    return (2 * amount * units + of) // (2 * of)


def _claims_receivable() -> None:
    """With its own number, unless the company has given that to another account."""
    op.execute(
        "INSERT INTO accounts (code, title, number) SELECT '1300', 'Claims receivable', "
        "CASE WHEN EXISTS (SELECT 1 FROM accounts WHERE number = '1300') THEN '1300-claims' "
        "ELSE '1300' END"
    )
