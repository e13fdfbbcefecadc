"""Create the schema: tables, chart of accounts, open period and append-only triggers."""

import sqlalchemy as sa
import sqlmodel.sql.sqltypes
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

text, moment = sqlmodel.sql.sqltypes.AutoString, sqlmodel.sql.sqltypes.UTCDateTime

ACCOUNTS = {
    "1000": "Bank",
    "1010": "Till",
    "1100": "Cash clearing",
    "1200": "Accounts receivable",
    "1300": "Claims receivable",
    "1400": "Inventory",
    "2000": "Accounts payable",
    "2100": "Goods received not invoiced",
    "2110": "Accrued freight",
    "2200": "Tax payable",
    "2300": "Customer deposits",
    "2400": "Contract liabilities",
    "2500": "Refunds payable",
    "2600": "Unapplied receipts",
    "3000": "Opening balance equity",
    "4000": "Revenue",
    "4100": "Sales returns",
    "4900": "Inventory gain",
    "4910": "Other income",
    "5000": "Cost of goods sold",
    "5100": "Bad debts",
    "5110": "Payment differences",
    "5200": "Payment fees",
    "5900": "Inventory loss",
}
"""Code and title. Each account's number is its code until the company imports its own chart."""

APPEND_ONLY = (
    "journal_entries",
    "journal_postings",
    "invoices",
    "credit_notes",
    "stock_movements",
    "audit_trail",
    "audit_anchors",
)

UNBALANCED = """
    SELECT 1 FROM (
        SELECT SUM(amount_minor) AS balance, COUNT(*) AS lines,
            MIN(currency) AS low, MAX(currency) AS high
        FROM journal_postings WHERE entry_id = NEW.entry_id
    ) AS sums
    WHERE lines = 0 OR balance <> 0 OR low <> NEW.currency OR high <> NEW.currency
"""
SEALED = "SELECT 1 FROM journal_entries WHERE entry_id = NEW.entry_id"
CLOSED = "SELECT 1 FROM open_period WHERE NEW.posting_date < open_from"


def upgrade() -> None:
    _create_master_data()
    _create_stock()
    _create_orders()
    _create_purchasing()
    _create_operations()
    _create_shipping()
    _create_billing()
    _create_ledger()
    _create_returns()
    _create_messages()
    _insert_accounts()
    op.execute("INSERT INTO open_period (ledger, open_from) VALUES ('main', '0001-01-01')")
    _create_triggers()


def _create_master_data() -> None:
    """Create company, tax rates, locations, products, suppliers and customers."""
    op.create_table(
        "company",
        sa.Column("legal_entity", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("street", text(), nullable=False),
        sa.Column("line2", text(), nullable=False),
        sa.Column("city", text(), nullable=False),
        sa.Column("region", text(), nullable=False),
        sa.Column("postal_code", text(), nullable=False),
        sa.Column("country", text(), nullable=False),
        sa.Column("vat_id", text(), nullable=False),
        sa.Column("iban", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("gs1_prefix", text(), nullable=False),
        sa.Column("tax_number", text(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("oss", sa.Boolean(), nullable=False),
        sa.Column("contact_name", text(), nullable=False),
        sa.Column("contact_phone", text(), nullable=False),
        sa.Column("contact_email", text(), nullable=False),
        sa.Column("trading_name", text(), nullable=False),
        sa.Column("timezone", text(), nullable=False),
        sa.PrimaryKeyConstraint("legal_entity", name=op.f("pk_company")),
    )
    op.create_table(
        "tax_rates",
        sa.Column("country", text(), nullable=False),
        sa.Column("tax_class", text(), nullable=False),
        sa.Column("rate_ppm", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("country", "tax_class", name=op.f("pk_tax_rates")),
    )
    op.create_table(
        "locations",
        sa.Column("location", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("country", text(), nullable=False),
        sa.Column("postal_code", text(), nullable=False),
        sa.Column("handling_cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("street", text(), nullable=False),
        sa.Column("line2", text(), nullable=False),
        sa.Column("city", text(), nullable=False),
        sa.Column("cutoff", sa.Time(), nullable=True),
        sa.Column("timezone", text(), nullable=False),
        sa.Column("region", text(), nullable=False),
        sa.Column("weekend", text(), nullable=False),
        sa.PrimaryKeyConstraint("location", name=op.f("pk_locations")),
    )
    op.create_table(
        "distances",
        sa.Column("location", text(), nullable=False),
        sa.Column("country", text(), nullable=False),
        sa.Column("postal_prefix", text(), nullable=False),
        sa.Column("distance_km", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_distances_location")
        ),
        sa.PrimaryKeyConstraint("location", "country", "postal_prefix", name=op.f("pk_distances")),
    )
    op.create_table(
        "products",
        sa.Column("sku", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("tax_rate_ppm", sa.Integer(), nullable=False),
        sa.Column("tax_class", text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("is_sold", sa.Boolean(), nullable=False),
        sa.Column("is_bought", sa.Boolean(), nullable=False),
        sa.Column("weight_g", sa.Integer(), nullable=False),
        sa.Column("length_mm", sa.Integer(), nullable=False),
        sa.Column("width_mm", sa.Integer(), nullable=False),
        sa.Column("height_mm", sa.Integer(), nullable=False),
        sa.Column("gtin", text(), nullable=False),
        sa.CheckConstraint(
            "unit_price_minor >= 0", name=op.f("ck_products_unit_price_not_negative")
        ),
        sa.PrimaryKeyConstraint("sku", name=op.f("pk_products")),
    )
    op.create_table(
        "suppliers",
        sa.Column("supplier_id", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("email", text(), nullable=False),
        sa.Column("country", text(), nullable=False),
        sa.PrimaryKeyConstraint("supplier_id", name=op.f("pk_suppliers")),
    )
    op.create_table(
        "offers",
        sa.Column("supplier_id", text(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("from_quantity", sa.Integer(), nullable=False),
        sa.Column("unit_cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("minimum_quantity", sa.Integer(), nullable=False),
        sa.Column("pack_size", sa.Integer(), nullable=False),
        sa.Column("lead_time_days", sa.Integer(), nullable=False),
        sa.Column("break_quantity", sa.Integer(), nullable=True),
        sa.Column("break_unit_cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("freight_cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("duty_ppm", sa.Integer(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_offers_sku")),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.supplier_id"], name=op.f("fk_offers_supplier_id")
        ),
        sa.PrimaryKeyConstraint("supplier_id", "sku", "from_quantity", name=op.f("pk_offers")),
    )
    op.create_index("ix_offers_sku", "offers", ["sku"])
    op.create_table(
        "customers",
        sa.Column("customer_id", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("company", text(), nullable=False),
        sa.Column("email", text(), nullable=False),
        sa.Column("phone", text(), nullable=False),
        sa.Column("country", text(), nullable=False),
        sa.Column("payment_preference", sa.String(32), nullable=False),
        sa.Column("credit_limit_minor", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("vat_id", text(), nullable=False),
        sa.Column("tax_treatment", sa.String(32), nullable=False),
        sa.Column("language", text(), nullable=False),
        sa.Column("street", text(), nullable=False),
        sa.Column("line2", text(), nullable=False),
        sa.Column("city", text(), nullable=False),
        sa.Column("postal_code", text(), nullable=False),
        sa.Column("mail_key", text(), nullable=True),
        sa.Column("vat_key", text(), nullable=True),
        sa.Column("phone_key", text(), nullable=True),
        sa.Column("address_key", text(), nullable=True),
        sa.Column("merged_into", text(), nullable=True),
        sa.Column("distinct_from", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["merged_into"], ["customers.customer_id"], name=op.f("fk_customers_merged_into")
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customers")),
    )
    for key in ("mail_key", "vat_key", "phone_key", "address_key", "merged_into"):
        op.create_index(f"ix_customers_{key}", "customers", [key])


def _create_stock() -> None:
    """Create stock counters, their movements and the replenishment policies."""
    op.create_table(
        "stock",
        sa.Column("sku", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "reserved >= 0 AND reserved <= on_hand", name=op.f("ck_stock_available_not_negative")
        ),
        sa.CheckConstraint(
            "on_hand > 0 OR value_minor = 0", name=op.f("ck_stock_nothing_is_worth_nothing")
        ),
        sa.CheckConstraint("value_minor >= 0", name=op.f("ck_stock_value_not_negative")),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_stock_location")
        ),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_stock_sku")),
        sa.PrimaryKeyConstraint("sku", "location", name=op.f("pk_stock")),
    )
    op.create_table(
        "stock_movements",
        sa.Column("movement_id", text(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("on_hand_change", sa.BigInteger(), nullable=False),
        sa.Column("reserved_change", sa.BigInteger(), nullable=False),
        sa.Column("value_change_minor", sa.BigInteger(), nullable=False),
        sa.Column("cause", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("reason", text(), nullable=True),
        sa.Column("actor", text(), nullable=True),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("movement_id", name=op.f("pk_stock_movements")),
    )
    op.create_index("ix_stock_movements_cause", "stock_movements", ["cause"])
    op.create_index("ix_stock_movements_sku", "stock_movements", ["sku"])
    op.create_table(
        "stock_policies",
        sa.Column("sku", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("demand_a_day", sa.Float(), nullable=False),
        sa.Column("demand_deviation", sa.Float(), nullable=False),
        sa.Column("observed_days", sa.Integer(), nullable=False),
        sa.Column("lead_time_days", sa.Float(), nullable=True),
        sa.Column("lead_time_deviation", sa.Float(), nullable=False),
        sa.Column("safety_stock", sa.Integer(), nullable=False),
        sa.Column("reorder_point", sa.Integer(), nullable=False),
        sa.Column("order_quantity", sa.Integer(), nullable=False),
        sa.Column("reviewed_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_stock_policies_location")
        ),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_stock_policies_sku")),
        sa.PrimaryKeyConstraint("sku", "location", name=op.f("pk_stock_policies")),
    )


def _create_orders() -> None:
    """Create orders with their lines, reservations, shortages and attentions."""
    op.create_table(
        "orders",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("customer_id", text(), nullable=False),
        sa.Column("channel", sa.String(32), nullable=False),
        sa.Column("terms", sa.String(32), nullable=False),
        sa.Column("delivery", sa.String(32), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("ship_to", sa.JSON(), nullable=False),
        sa.Column("bill_to", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("requested_delivery_date", sa.Date(), nullable=True),
        sa.Column("tax_case", sa.String(32), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("vat_id", text(), nullable=False),
        sa.Column("digest", text(), nullable=False),
        sa.Column("workflow_id", text(), nullable=False),
        sa.Column("discount_ppm", sa.Integer(), nullable=False),
        sa.Column("payment_method", sa.String(32), nullable=True),
        sa.Column("capture", sa.String(32), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("deposit_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("fees_minor", sa.BigInteger(), nullable=False),
        sa.Column("credited_minor", sa.BigInteger(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        sa.Column("reclaimed_minor", sa.BigInteger(), nullable=False),
        sa.Column("forgiven_minor", sa.BigInteger(), nullable=False),
        sa.Column("difference_minor", sa.BigInteger(), nullable=False),
        sa.Column("relieved_minor", sa.BigInteger(), nullable=False),
        sa.Column("taxed_minor", sa.BigInteger(), nullable=False),
        sa.Column("invoiced_by_delivery", sa.Boolean(), nullable=False),
        sa.Column("invoiced_minor", sa.BigInteger(), nullable=False),
        sa.Column("invoiced_tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("resembles", text(), nullable=True),
        sa.Column("paused_by", text(), nullable=True),
        sa.Column("paused_at", moment(), nullable=True),
        sa.Column("pause_reason", text(), nullable=False),
        sa.Column("credit_accepted", sa.Boolean(), nullable=False),
        sa.Column("allocated", sa.Boolean(), nullable=False),
        sa.Column("allocation_no", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(32), nullable=False),
        sa.Column("stage_since", moment(), nullable=False),
        sa.Column("cancellation", sa.String(32), nullable=False),
        sa.Column("cancel_reason", text(), nullable=False),
        sa.Column("promised_date", sa.Date(), nullable=True),
        sa.Column("notified_date", sa.Date(), nullable=True),
        sa.Column("delay_notices", sa.Integer(), nullable=False),
        sa.Column("consent_by", sa.Date(), nullable=True),
        sa.Column("letter", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("amendments", sa.Integer(), nullable=False),
        sa.Column("pay_by", moment(), nullable=True),
        sa.Column("expired", sa.Boolean(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("fulfilment", sa.String(32), nullable=False),
        sa.Column("location", text(), nullable=True),
        sa.Column("named_carrier", text(), nullable=False),
        sa.Column("named_service", text(), nullable=False),
        sa.Column("taken_by", text(), nullable=False),
        sa.Column("placed_by", text(), nullable=False),
        sa.Column("warnings", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("customer_reference", text(), nullable=False),
        sa.Column("phone", text(), nullable=False),
        sa.Column("attention_code", text(), nullable=True),
        sa.Column("attention_message", text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("placed_at", moment(), nullable=False),
        sa.Column("updated_at", moment(), nullable=False),
        sa.CheckConstraint("paid_minor >= 0", name=op.f("ck_orders_paid_not_negative")),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.customer_id"], name=op.f("fk_orders_customer_id")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_attention_code", "orders", ["attention_code"])
    op.create_index("ix_orders_customer_id", "orders", ["customer_id"])
    op.create_index("ix_orders_customer_reference", "orders", ["customer_reference"])
    op.create_index("ix_orders_placed_by_placed_at", "orders", ["placed_by", "placed_at"])
    op.create_index("ix_orders_placed_at", "orders", ["placed_at"])
    op.create_index("ix_orders_stage_placed_at", "orders", ["stage", "placed_at"])
    op.create_table(
        "attentions",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("source", text(), nullable=False),
        sa.Column("code", text(), nullable=False),
        sa.Column("message", text(), nullable=False),
        sa.Column("subject", text(), nullable=False),
        sa.Column("since", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_attentions_order_id")
        ),
        sa.PrimaryKeyConstraint("order_id", "source", name=op.f("pk_attentions")),
    )
    op.create_table(
        "order_lines",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("list_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_ppm", sa.Integer(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate_ppm", sa.Integer(), nullable=False),
        sa.Column("order_discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=True),
        sa.Column("gross_discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_order_lines_order_id")
        ),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_order_lines_sku")),
        sa.PrimaryKeyConstraint("order_id", "line_no", name=op.f("pk_order_lines")),
    )
    op.create_table(
        "reservations",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("shipment_id", text(), nullable=True),
        sa.Column("revenue_minor", sa.BigInteger(), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_reservations_quantity_above_zero")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_reservations_order_id")
        ),
        sa.PrimaryKeyConstraint(
            "order_id", "line_no", "location", "part", name=op.f("pk_reservations")
        ),
    )
    op.create_index("ix_reservations_shipment_id", "reservations", ["shipment_id"])
    op.create_index("ix_reservations_sku", "reservations", ["sku"])
    op.create_table(
        "shortages",
        sa.Column("shortage_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("line_no", sa.Integer(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("filled", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("promised_at", moment(), nullable=False),
        sa.Column("po_id", text(), nullable=True),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("problem", text(), nullable=True),
        sa.CheckConstraint(
            "filled >= 0 AND filled <= quantity", name=op.f("ck_shortages_filled_within_quantity")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_shortages_order_id")
        ),
        sa.PrimaryKeyConstraint("shortage_id", name=op.f("pk_shortages")),
    )
    op.create_index("ix_shortages_order_id", "shortages", ["order_id"])
    op.create_index("ix_shortages_po_id_state", "shortages", ["po_id", "state"])
    op.create_index("ix_shortages_sku_state", "shortages", ["sku", "state"])


def _create_purchasing() -> None:
    """Create purchase orders, supplier invoices and goods receipts."""
    op.create_table(
        "purchase_orders",
        sa.Column("po_id", text(), nullable=False),
        sa.Column("supplier_id", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reference", text(), nullable=True),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("reason", text(), nullable=False),
        sa.Column("freight_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("collects_until", moment(), nullable=False),
        sa.Column("sender_sku", text(), nullable=True),
        sa.Column("acknowledge_by", moment(), nullable=True),
        sa.Column("sent_at", moment(), nullable=True),
        sa.Column("acknowledged_at", moment(), nullable=True),
        sa.Column("reported_at", moment(), nullable=True),
        sa.Column("ended_reason", text(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_purchase_orders_location")
        ),
        sa.ForeignKeyConstraint(
            ["supplier_id"], ["suppliers.supplier_id"], name=op.f("fk_purchase_orders_supplier_id")
        ),
        sa.PrimaryKeyConstraint("po_id", name=op.f("pk_purchase_orders")),
    )
    op.create_index("ix_purchase_orders_created_at", "purchase_orders", ["created_at", "po_id"])
    op.create_index(
        "ix_purchase_orders_state_supplier_id", "purchase_orders", ["state", "supplier_id"]
    )
    op.create_index(
        "ix_purchase_orders_supplier_id_created_at",
        "purchase_orders",
        ["supplier_id", "created_at"],
    )
    op.create_table(
        "purchase_order_lines",
        sa.Column("po_id", text(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_cost_minor", sa.BigInteger(), nullable=False),
        sa.Column("acknowledged_unit_cost_minor", sa.BigInteger(), nullable=True),
        sa.Column("duty_ppm", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=True),
        sa.Column("expected_date", sa.Date(), nullable=True),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("damaged", sa.Integer(), nullable=False),
        sa.Column("invoiced", sa.Integer(), nullable=False),
        sa.Column("reassigned_to", text(), nullable=True),
        sa.Column("failed_at", moment(), nullable=True),
        sa.Column("reason", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["po_id"], ["purchase_orders.po_id"], name=op.f("fk_purchase_order_lines_po_id")
        ),
        sa.ForeignKeyConstraint(
            ["sku"], ["products.sku"], name=op.f("fk_purchase_order_lines_sku")
        ),
        sa.PrimaryKeyConstraint("po_id", "sku", name=op.f("pk_purchase_order_lines")),
    )
    op.create_index("ix_purchase_order_lines_sku", "purchase_order_lines", ["sku"])
    op.create_table(
        "purchase_proposals",
        sa.Column("sku", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("supplier_id", text(), nullable=False),
        sa.Column("landed_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("why", text(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("proposed_at", moment(), nullable=False),
        sa.Column("decided_at", moment(), nullable=True),
        sa.Column("decided_by", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["location"], ["locations.location"], name=op.f("fk_purchase_proposals_location")
        ),
        sa.ForeignKeyConstraint(["sku"], ["products.sku"], name=op.f("fk_purchase_proposals_sku")),
        sa.PrimaryKeyConstraint("sku", "location", name=op.f("pk_purchase_proposals")),
    )
    op.create_table(
        "supplier_invoices",
        sa.Column("invoice_id", text(), nullable=False),
        sa.Column("po_id", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("difference_minor", sa.BigInteger(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.Column("matched_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["po_id"], ["purchase_orders.po_id"], name=op.f("fk_supplier_invoices_po_id")
        ),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("pk_supplier_invoices")),
    )
    op.create_index("ix_supplier_invoices_po_id", "supplier_invoices", ["po_id"])
    op.create_table(
        "goods_receipts",
        sa.Column("receipt_id", text(), nullable=False),
        sa.Column("po_id", text(), nullable=False),
        sa.Column("sku", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("damaged", sa.Integer(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("occurred_at", moment(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_goods_receipts_quantity_above_zero")),
        sa.ForeignKeyConstraint(
            ["po_id"], ["purchase_orders.po_id"], name=op.f("fk_goods_receipts_po_id")
        ),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("pk_goods_receipts")),
    )
    op.create_index("ix_goods_receipts_po_id", "goods_receipts", ["po_id"])
    op.create_index("ix_goods_receipts_sku", "goods_receipts", ["sku"])


def _create_operations() -> None:
    """Create executed commands, reconciliation findings and number series."""
    op.create_table(
        "commands",
        sa.Column("command_id", text(), nullable=False),
        sa.Column("kind", text(), nullable=False),
        sa.Column("actor", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("command_id", name=op.f("pk_commands")),
    )
    op.create_table(
        "api_tokens",
        *(sa.Column(name, text(), nullable=False) for name in ("secret_hash", "name", "scopes")),
        sa.Column("made_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=True),
        sa.Column("revoked_at", moment(), nullable=True),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_api_tokens")),
    )
    op.create_index("ix_api_tokens_name", "api_tokens", ["name"])
    op.create_table(
        "findings",
        sa.Column("finding_id", text(), nullable=False),
        sa.Column("subject", text(), nullable=False),
        sa.Column("message", text(), nullable=False),
        sa.Column("found_at", moment(), nullable=False),
        sa.Column("last_seen_at", moment(), nullable=False),
        sa.Column("gone_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("finding_id", name=op.f("pk_findings")),
    )
    op.create_table(
        "number_series",
        sa.Column("series", text(), nullable=False),
        sa.Column("last_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series", name=op.f("pk_number_series")),
    )


def _create_billing() -> None:
    """Create invoices, credit notes, payments, refunds and reminders."""
    op.create_table(
        "invoices",
        sa.Column("number", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("shipment_id", text(), nullable=True),
        sa.Column("customer_id", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_invoices_order_id")
        ),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.shipment_id"], name=op.f("fk_invoices_shipment_id")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_invoices")),
        sa.UniqueConstraint("shipment_id", name=op.f("uq_invoices_shipment_id")),
    )
    op.create_index("ix_invoices_order_id", "invoices", ["order_id"])
    op.create_index(
        "uq_invoices_whole_order",
        "invoices",
        ["order_id"],
        unique=True,
        sqlite_where=sa.text("shipment_id IS NULL"),
        postgresql_where=sa.text("shipment_id IS NULL"),
    )
    op.create_index("ix_invoices_customer_id", "invoices", ["customer_id"])
    op.create_table(
        "credit_notes",
        sa.Column("number", text(), nullable=False),
        sa.Column("invoice_number", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_number"], ["invoices.number"], name=op.f("fk_credit_notes_invoice_number")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_credit_notes")),
    )
    op.create_index("ix_credit_notes_invoice_number", "credit_notes", ["invoice_number"])
    op.create_index("ix_credit_notes_order_id", "credit_notes", ["order_id"])
    op.create_table(
        "credit_balances",
        sa.Column("number", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("used_minor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["credit_notes.number"], name=op.f("fk_credit_balances_number")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_credit_balances")),
    )
    op.create_index("ix_credit_balances_order_id", "credit_balances", ["order_id"])
    op.create_table(
        "payment_requests",
        sa.Column("order_id", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("due_date", sa.Date(), nullable=False),
        sa.Column("request_id", text(), nullable=False),
        sa.Column("requested_at", moment(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_payment_requests_order_id")
        ),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_payment_requests")),
    )
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
        "payments",
        sa.Column("payment_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("claimed_order_id", text(), nullable=True),
        sa.Column("invoice_number", text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("method", text(), nullable=False),
        sa.Column("applied_minor", sa.BigInteger(), nullable=False),
        sa.Column("unmatched_reason", text(), nullable=True),
        sa.Column("reversed_minor", sa.BigInteger(), nullable=False),
        sa.Column("taxed_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("refund_failed", text(), nullable=False),
        sa.Column("acknowledged", text(), nullable=False),
        sa.Column("received_at", moment(), nullable=False),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payments_amount_above_zero")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_payments_order_id")
        ),
        sa.PrimaryKeyConstraint("payment_id", name=op.f("pk_payments")),
    )
    op.create_index("ix_payments_claimed_order_id", "payments", ["claimed_order_id"])
    op.create_index("ix_payments_order_id", "payments", ["order_id"])
    op.create_index(
        "ix_payments_unmatched",
        "payments",
        ["received_at", "payment_id"],
        sqlite_where=sa.text("unmatched_reason IS NOT NULL"),
        postgresql_where=sa.text("unmatched_reason IS NOT NULL"),
    )
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
        sa.Column("reported", sa.JSON(), nullable=False),
        sa.Column("applied_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("reversal_id", name=op.f("pk_payment_reversals")),
    )
    op.create_index("ix_payment_reversals_order_id", "payment_reversals", ["order_id"])
    op.create_index("ix_payment_reversals_payment_id", "payment_reversals", ["payment_id"])
    op.create_table(
        "early_refund_reports",
        sa.Column("report_id", text(), nullable=False),
        sa.Column("type", text(), nullable=False),
        sa.Column("payment_id", text(), nullable=True),
        sa.Column("reported", sa.JSON(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name=op.f("pk_early_refund_reports")),
    )
    op.create_index("ix_early_refund_reports_payment_id", "early_refund_reports", ["payment_id"])
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
        "refunds",
        sa.Column("refund_key", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("payment_id", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        sa.Column("deposit_minor", sa.BigInteger(), nullable=False),
        sa.Column("taxed_minor", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.JSON(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("paid_by", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("refund_id", text(), nullable=True),
        sa.Column("asked_at", moment(), nullable=False),
        sa.Column("refunded_at", moment(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refunds_amount_above_zero")),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_refunds_order_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["payments.payment_id"], name=op.f("fk_refunds_payment_id")
        ),
        sa.PrimaryKeyConstraint("refund_key", name=op.f("pk_refunds")),
    )
    op.create_index("ix_refunds_order_id", "refunds", ["order_id"])
    op.create_index("ix_refunds_payment_id", "refunds", ["payment_id"])
    op.create_table(
        "reminders",
        sa.Column("invoice_number", text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("due_minor", sa.BigInteger(), nullable=False),
        sa.Column("reminded_on", sa.Date(), nullable=False),
        sa.ForeignKeyConstraint(
            ["invoice_number"], ["invoices.number"], name=op.f("fk_reminders_invoice_number")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_reminders_order_id")
        ),
        sa.PrimaryKeyConstraint("invoice_number", "level", name=op.f("pk_reminders")),
    )
    op.create_index("ix_reminders_order_id", "reminders", ["order_id"])


def _create_ledger() -> None:
    """Create open period, chart of accounts and journal."""
    op.create_table(
        "open_period",
        sa.Column("ledger", text(), nullable=False),
        sa.Column("open_from", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("ledger", name=op.f("pk_open_period")),
    )
    op.create_table(
        "accounts",
        sa.Column("code", text(), nullable=False),
        sa.Column("title", text(), nullable=False),
        sa.Column("number", text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_accounts")),
        sa.UniqueConstraint("number", name=op.f("uq_accounts_number")),
    )
    op.create_table(
        "journal_entries",
        sa.Column("entry_id", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("posted_at", moment(), nullable=False),
        sa.Column("tax_date", sa.Date(), nullable=False),
        sa.Column("posting_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_journal_entries")),
    )
    op.create_index("ix_journal_entries_order_id", "journal_entries", ["order_id"])
    op.create_index("ix_journal_entries_posting_date", "journal_entries", ["posting_date"])
    op.create_table(
        "journal_postings",
        sa.Column("entry_id", text(), nullable=False),
        sa.Column("account", text(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_journal_postings_amount_not_zero")),
        sa.ForeignKeyConstraint(
            ["account"], ["accounts.code"], name=op.f("fk_journal_postings_account")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["journal_entries.entry_id"],
            name=op.f("fk_journal_postings_entry_id"),
            deferrable=True,
            initially="DEFERRED",
        ),
        sa.PrimaryKeyConstraint("entry_id", "account", name=op.f("pk_journal_postings")),
    )


def _create_shipping() -> None:
    """Create shipments, packages, tracking events and claims."""
    op.create_table(
        "shipments",
        sa.Column("shipment_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("location", text(), nullable=False),
        sa.Column("mode", sa.String(32), nullable=False),
        sa.Column("mode_reason", text(), nullable=False),
        sa.Column("weight_g", sa.BigInteger(), nullable=False),
        sa.Column("billed_weight_g", sa.BigInteger(), nullable=False),
        sa.Column("freight_class", text(), nullable=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("planned_at", moment(), nullable=False),
        sa.Column("book_from", moment(), nullable=True),
        sa.Column("booking_id", text(), nullable=True),
        sa.Column("carrier", text(), nullable=True),
        sa.Column("service", text(), nullable=True),
        sa.Column("charge_minor", sa.BigInteger(), nullable=True),
        sa.Column("arrives_on", sa.Date(), nullable=True),
        sa.Column("choice", text(), nullable=False),
        sa.Column("tracking_number", text(), nullable=True),
        sa.Column("tracking", sa.String(32), nullable=True),
        sa.Column("news_at", moment(), nullable=True),
        sa.Column("dispatched_at", moment(), nullable=True),
        sa.Column("delivered_at", moment(), nullable=True),
        sa.Column("restocked_at", moment(), nullable=True),
        sa.Column("problem", sa.String(32), nullable=True),
        sa.Column("called_back_by", text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_shipments_order_id")
        ),
        sa.PrimaryKeyConstraint("shipment_id", name=op.f("pk_shipments")),
    )
    op.create_index("ix_shipments_order_id", "shipments", ["order_id"])
    op.create_index("ix_shipments_planned_at", "shipments", ["planned_at", "shipment_id"])
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
    op.create_index("ix_packages_shipment_id", "packages", ["shipment_id"])
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
    op.create_table(
        "claims",
        sa.Column("claim_id", text(), nullable=False),
        sa.Column("shipment_id", text(), nullable=False),
        sa.Column("carrier", text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("claimed_at", moment(), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("settled_minor", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["shipment_id"], ["shipments.shipment_id"], name=op.f("fk_claims_shipment_id")
        ),
        sa.PrimaryKeyConstraint("claim_id", name=op.f("pk_claims")),
    )
    op.create_index("ix_claims_shipment_id", "claims", ["shipment_id"])


def _create_returns() -> None:
    """Create returns, their tracking events, lines and settlements."""
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
        sa.Column("tracking", sa.String(32), nullable=True),
        sa.Column("news_at", moment(), nullable=True),
        sa.Column("received_at", moment(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.order_id"], name=op.f("fk_returns_order_id")
        ),
        sa.PrimaryKeyConstraint("return_id", name=op.f("pk_returns")),
    )
    op.create_index("ix_returns_order_id", "returns", ["order_id"])
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
            ["return_id"], ["returns.return_id"], name=op.f("fk_return_tracking_events_return_id")
        ),
        sa.PrimaryKeyConstraint("return_id", "event_id", name=op.f("pk_return_tracking_events")),
    )
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
        sa.Column("lost", sa.Integer(), nullable=False),
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
        sa.Column("credit_notes", sa.JSON(), nullable=False),
        sa.Column("refund_keys", sa.JSON(), nullable=False),
        sa.Column("exchange_order_id", text(), nullable=True),
        sa.Column("exchange_lines", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("settled_at", moment(), nullable=False),
        sa.Column("done_at", moment(), nullable=True),
        sa.ForeignKeyConstraint(
            ["return_id"], ["returns.return_id"], name=op.f("fk_return_settlements_return_id")
        ),
        sa.PrimaryKeyConstraint("settlement_id", name=op.f("pk_return_settlements")),
    )
    op.create_index(
        "ix_return_settlements_exchange_order_id",
        "return_settlements",
        ["exchange_order_id"],
        unique=True,
    )
    op.create_index("ix_return_settlements_return_id", "return_settlements", ["return_id"])


def _create_messages() -> None:
    """Create partner calls, facts, rejected messages, audit trail and mails."""
    op.create_table(
        "partner_calls",
        sa.Column("call", text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("asked", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("call", name=op.f("pk_partner_calls")),
    )
    op.create_table(
        "facts",
        sa.Column("fact_no", sa.Integer(), nullable=False),
        sa.Column("source", text(), nullable=False),
        sa.Column("fact_id", text(), nullable=False),
        sa.Column("type", text(), nullable=False),
        sa.Column("business_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=True),
        sa.Column("po_id", text(), nullable=True),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("received_at", moment(), nullable=False),
        sa.Column("applied_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("fact_no", name=op.f("pk_facts")),
        sa.UniqueConstraint("source", "fact_id", name=op.f("uq_facts_source_fact_id")),
    )
    op.create_index("ix_facts_order_id_applied_at", "facts", ["order_id", "applied_at"])
    op.create_index("ix_facts_po_id_applied_at", "facts", ["po_id", "applied_at"])
    op.create_index("ix_facts_type_business_id", "facts", ["type", "business_id"])
    op.create_table(
        "rejected_messages",
        sa.Column("rejected_id", text(), nullable=False),
        sa.Column("subject", text(), nullable=False),
        sa.Column("name", text(), nullable=False),
        sa.Column("body", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("rejected_id", name=op.f("pk_rejected_messages")),
    )
    op.create_index("ix_rejected_messages_subject", "rejected_messages", ["subject"])
    op.create_table(
        "audit_trail",
        sa.Column("audit_no", sa.Integer(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("entry_no", sa.Integer(), nullable=False),
        sa.Column("event", text(), nullable=False),
        sa.Column("detail", text(), nullable=False),
        sa.Column("actor", text(), nullable=False),
        sa.Column("source", text(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.Column("hash", text(), nullable=False),
        sa.PrimaryKeyConstraint("audit_no", name=op.f("pk_audit_trail")),
        sa.UniqueConstraint("order_id", "entry_no", name=op.f("uq_audit_trail_order_id_entry_no")),
    )
    op.create_table(
        "audit_anchors",
        sa.Column("anchor_no", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_no", sa.Integer(), nullable=False),
        sa.Column("to_no", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("hash", text(), nullable=False),
        sa.Column("anchored_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("anchor_no", name=op.f("pk_audit_anchors")),
    )
    op.create_table(
        "bulk_runs",
        *(
            sa.Column(name, text(), nullable=False)
            for name in ("bulk_id", "action", "where", "reason", "actor", "source")
        ),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("state", text(), nullable=False),
        sa.Column("started_at", moment(), nullable=False),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("bulk_id", name=op.f("pk_bulk_runs")),
    )
    op.create_table(
        "bulk_outcomes",
        *(
            sa.Column(name, text(), nullable=False)
            for name in ("bulk_id", "order_id", "outcome", "message")
        ),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bulk_id"], ["bulk_runs.bulk_id"], name=op.f("fk_bulk_outcomes_bulk_id")
        ),
        sa.PrimaryKeyConstraint("bulk_id", "order_id", name=op.f("pk_bulk_outcomes")),
    )
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", text(), nullable=False),
        sa.Column("url", text(), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("secret", text(), nullable=False),
        sa.Column("old_secret", text(), nullable=True),
        sa.Column("old_until", moment(), nullable=True),
        *(
            sa.Column(name, text(), nullable=False)
            for name in ("state", "reason", "actor", "failure")
        ),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("delivered_no", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", moment(), nullable=True),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_subscriptions")),
    )
    op.create_table(
        "dead_letters",
        sa.Column("subscription_id", text(), nullable=False),
        sa.Column("audit_no", sa.BigInteger(), nullable=False),
        sa.Column("reason", text(), nullable=False),
        sa.Column("refused_at", moment(), nullable=False),
        sa.Column("to_send", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.subscription_id"],
            name=op.f("fk_dead_letters_subscription_id"),
        ),
        sa.PrimaryKeyConstraint("subscription_id", "audit_no", name=op.f("pk_dead_letters")),
    )
    op.create_table(
        "mails",
        sa.Column("message_id", text(), nullable=False),
        sa.Column("order_id", text(), nullable=False),
        sa.Column("kind", text(), nullable=False),
        sa.Column("recipient", text(), nullable=False),
        sa.Column("refused", text(), nullable=True),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name=op.f("fk_mails_order_id")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_mails")),
    )
    op.create_index("ix_mails_order_id", "mails", ["order_id"])


def _insert_accounts() -> None:
    """Insert the chart of accounts."""
    columns = (sa.column("code"), sa.column("title"), sa.column("number"))
    accounts = [{"code": code, "title": title, "number": code} for code, title in ACCOUNTS.items()]
    op.bulk_insert(sa.table("accounts", *columns), accounts)


def _create_triggers() -> None:
    """Refuse changes of recorded rows, and journal entries that break a rule of the ledger."""
    refuse = _refuse_sqlite if op.get_bind().dialect.name == "sqlite" else _refuse_postgresql
    for table in APPEND_ONLY:
        for change in ("UPDATE", "DELETE"):
            message = f"{table} is append-only: reverse it instead"
            refuse(f"{table}_{change.lower()}", change, table, message)
    entries, postings = "journal_entries", "journal_postings"
    refuse(f"{entries}_insert", "INSERT", entries, "the entry does not balance", UNBALANCED)
    refuse(f"{postings}_insert", "INSERT", postings, "the entry is sealed: post a new one", SEALED)
    closed = "the period is closed: post to the open one"
    refuse(f"{entries}_period", "INSERT", entries, closed, CLOSED)


def _refuse_sqlite(name: str, change: str, table: str, message: str, only_if: str = "") -> None:
    condition = f"WHEN EXISTS ({only_if})" if only_if else ""
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {change} ON {table} {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _refuse_postgresql(name: str, change: str, table: str, message: str, only_if: str = "") -> None:
    refuse = f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';"
    body = f"IF EXISTS ({only_if}) THEN {refuse} END IF; RETURN NEW;" if only_if else refuse
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {change} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
    )
