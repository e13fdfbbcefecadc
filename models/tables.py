"""The tables: the record of business facts. Amounts are minor units, times are UTC.

Validation is the messages' work; the CHECK constraints here are the last line. Journal and
invoices are also guarded by triggers (see `migrations/`).
"""

from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

from pydantic import JsonValue
from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlmodel import Field, SQLModel

from models.billing import AuthorisationState, RefundState
from models.claims import ClaimState
from models.customers import CustomerStatus, PaymentPreference, TaxTreatment
from models.orders import (
    Cancellation,
    Capture,
    Channel,
    Delivery,
    Fulfilment,
    PaymentMethod,
    ShipmentProblem,
    ShipmentState,
    Stage,
    Terms,
)
from models.packing import PackageKind
from models.purchasing import PurchaseOrderState
from models.returns import ReturnReason, ReturnState, ReturnWish
from models.shipping import FreightMode
from models.stock import MovementKind, ReservationState, ShortageState
from models.tracking import TrackingStatus

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
SQLModel.metadata.naming_convention = NAMING


def big(**options: object) -> Any:
    """A 64-bit integer column: amounts don't fit 32 bits."""
    return Field(sa_type=BigInteger, **options)  # type: ignore[call-overload]  # its overloads take no **options


def total_of_facts() -> Any:
    """Define a column for a sum in minor units to which facts add."""
    return big(default=0)


def word(words: type[StrEnum], **options: object) -> Any:
    """A column of one of `words`, kept as text: new words need no migration."""
    column_type = Enum(
        words, native_enum=False, length=32, values_callable=lambda enum: [m.value for m in enum]
    )
    return Field(sa_type=column_type, **options)  # type: ignore[call-overload]  # as above


class Company(SQLModel, table=True):
    """The legal entity that sells."""

    __tablename__ = "company"

    legal_entity: str = Field(primary_key=True)
    name: str
    street: str
    city: str
    postal_code: str
    country: str
    vat_id: str
    iban: str
    currency: str
    gs1_prefix: str = ""
    """Our GS1 company prefix, of 7 to 10 digits; empty: labels carry no real SSCC."""


class Location(SQLModel, table=True):
    """A place that holds stock."""

    __tablename__ = "locations"

    location: str = Field(primary_key=True)
    name: str
    country: str
    postal_code: str
    handling_cost_minor: int = big(default=0)
    """What one consignment costs us there."""
    street: str = ""
    city: str = ""
    cutoff: time | None = None
    """What is ready after that is handed over on the next working day; local time. None: goods
    leave at any time."""
    timezone: str = "UTC"
    region: str = ""
    """Whose holidays it keeps, beside its country's: "BE" for Berlin."""

    @property
    def address_lines(self) -> tuple[str, ...]:
        """Name, street and town, as far as they are known."""
        town = f"{self.postal_code} {self.city}".strip()
        return tuple(filter(None, (self.name, self.street, town)))


class Distance(SQLModel, table=True):
    """How far a location is from the customers of a country, or of a part of it."""

    __tablename__ = "distances"

    location: str = Field(primary_key=True, foreign_key="locations.location")
    country: str = Field(primary_key=True)
    postal_prefix: str = Field(primary_key=True)
    """The customers' postal codes begin so; empty: the whole country."""
    distance_km: int


class Product(SQLModel, table=True):
    """A SKU with its list price (without tax), tax rate and size."""

    __tablename__ = "products"
    __table_args__ = (CheckConstraint("unit_price_minor >= 0", "unit_price_not_negative"),)

    sku: str = Field(primary_key=True)
    name: str
    unit_price_minor: int = big()
    currency: str
    tax_rate_ppm: int
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int
    gtin: str


class Supplier(SQLModel, table=True):
    """Who sells to us."""

    __tablename__ = "suppliers"

    supplier_id: str = Field(primary_key=True)
    name: str
    email: str
    country: str


class SupplierOffer(SQLModel, table=True):
    """A supplier's price for a SKU."""

    __tablename__ = "offers"

    supplier_id: str = Field(primary_key=True, foreign_key="suppliers.supplier_id")
    sku: str = Field(primary_key=True, foreign_key="products.sku")
    unit_cost_minor: int = big()
    currency: str
    minimum_quantity: int
    pack_size: int
    lead_time_days: int
    break_quantity: int | None = None
    break_unit_cost_minor: int | None = big(default=None)
    freight_cost_minor: int = big(default=0)
    """Of one purchase order, whatever its size."""
    duty_ppm: int = 0
    """Of the goods' value."""
    valid_until: date | None = None


class Customer(SQLModel, table=True):
    """Who buys from us."""

    __tablename__ = "customers"

    customer_id: str = Field(primary_key=True)
    name: str
    email: str
    phone: str
    country: str
    payment_preference: PaymentPreference = word(PaymentPreference)
    credit_limit_minor: int = big()
    status: CustomerStatus = word(CustomerStatus)
    vat_id: str
    tax_treatment: TaxTreatment = word(TaxTreatment)
    language: str
    street: str
    city: str
    postal_code: str


class Stock(SQLModel, table=True):
    """The counters of one SKU at one location; its row is the lock of its reservations."""

    __tablename__ = "stock"
    __table_args__ = (
        CheckConstraint("reserved >= 0 AND reserved <= on_hand", "available_not_negative"),
        CheckConstraint("value_minor >= 0", "value_not_negative"),
        CheckConstraint("on_hand > 0 OR value_minor = 0", "nothing_is_worth_nothing"),
    )

    sku: str = Field(primary_key=True, foreign_key="products.sku")
    location: str = Field(primary_key=True, foreign_key="locations.location")
    on_hand: int = big(default=0)
    reserved: int = big(default=0)
    value_minor: int = big(default=0)


class StockMovement(SQLModel, table=True):
    """One change of a counter; `movement_id` is the natural key of what changed it."""

    __tablename__ = "stock_movements"

    movement_id: str = Field(primary_key=True)
    sku: str = Field(index=True)
    location: str
    kind: MovementKind = word(MovementKind)
    on_hand_change: int = big()
    reserved_change: int = big()
    value_change_minor: int = big()
    cause: str = Field(index=True)
    """The fact behind it: `receipt:<id>`, `release:<order>`, `allocate`..."""
    order_id: str | None = None
    reason: str | None = None
    """What a person said, who changed it by command."""
    actor: str | None = None
    recorded_at: datetime


class StockPolicy(SQLModel, table=True):
    """What the nightly review found about a SKU at a location: see `models/replenishment.py`."""

    __tablename__ = "stock_policies"

    sku: str = Field(primary_key=True, foreign_key="products.sku")
    location: str = Field(primary_key=True, foreign_key="locations.location")
    demand_a_day: float
    demand_deviation: float
    observed_days: int
    lead_time_days: float | None
    lead_time_deviation: float
    safety_stock: int
    reorder_point: int
    order_quantity: int
    """EOQ, in units."""
    reviewed_at: datetime


class Order(SQLModel, table=True):
    """An order; stage and counters are recomputed in the transaction of every fact."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_stage_placed_at", "stage", "placed_at"),
        CheckConstraint("paid_minor >= 0", "paid_not_negative"),
    )

    order_id: str = Field(primary_key=True)
    customer_id: str = Field(foreign_key="customers.customer_id", index=True)
    channel: Channel = word(Channel)
    terms: Terms = word(Terms)
    delivery: Delivery = word(Delivery)
    currency: str
    ship_to: dict[str, str | None] = Field(sa_type=JSON)
    bill_to: dict[str, str | None] = Field(sa_type=JSON)
    requested_delivery_date: date | None
    tax_treatment: TaxTreatment = word(TaxTreatment)
    digest: str
    workflow_id: str
    discount_ppm: int = 0
    """Of the whole order; each line has its share of it."""
    payment_method: PaymentMethod | None = word(PaymentMethod, default=None, nullable=True)
    capture: Capture = word(Capture, default=Capture.AT_ONCE)
    net_minor: int = big()
    total_minor: int = big()
    paid_minor: int = big(default=0)
    """Money applied to what was due, less what was reversed."""
    deposit_minor: int = big(default=0)
    """Received beyond what was due, less what was reversed."""
    refunded_minor: int = big(default=0)
    """Given back, of `payable_minor`, of deposits, and of what was paid before any invoice."""
    fees_minor: int = total_of_facts()
    """Dunning fees: due like the rest."""
    credited_minor: int = total_of_facts()
    """All credit notes together."""
    payable_minor: int = total_of_facts()
    """What credit notes gave back of money that had been paid."""
    reclaimed_minor: int = total_of_facts()
    """Given back, and then taken back by the payer's bank as well: due again."""
    forgiven_minor: int = total_of_facts()
    """Due and not paid: written off, or too small a difference to ask for."""
    difference_minor: int = total_of_facts()
    """The part of it that was too small a difference."""
    relieved_minor: int = total_of_facts()
    """The tax in what was forgiven that is owed no longer."""
    taxed_minor: int = total_of_facts()
    """Tax that fell due on payments before the invoice (2006/112/EC art. 65)."""
    dunning_level: int = 0
    """How many reminders were sent."""
    credit_accepted: bool = False
    """It counts towards its customer's exposure (net30)."""
    allocated: bool = False
    allocation_no: int = 0
    """How often it was allocated: late money may have it done again."""
    stage: Stage = word(Stage, default=Stage.RECEIVED)
    cancellation: Cancellation = word(Cancellation, default=Cancellation.NONE)
    cancel_reason: str = ""
    promised_date: date | None = None
    """When the goods are to leave at the latest: the last date that the customer agreed to. None
    after a delay: agreed to wait without one."""
    told_date: date | None = None
    """The date that the customer was last told."""
    delay_notices: int = 0
    """How many delays the customer has agreed to, by silence or expressly."""
    consent_by: date | None = None
    """Until when the customer must accept the delay; None: nothing is to be accepted."""
    letter: dict[str, JsonValue] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """What the customer was told last about the date: `models.promises.Letter`."""
    expired: bool = False
    """It was cancelled because it wasn't paid in time."""
    document: dict[str, JsonValue] = Field(sa_type=JSON)
    """The order as it was placed: late money may start it again."""
    fulfilment: Fulfilment = word(Fulfilment, default=Fulfilment.CARRIER)
    location: str | None = None
    """Where the goods are handed over to the customer."""
    taken_by: str = ""
    """Who of us took the order."""
    attention_code: str | None = Field(default=None, index=True)
    """What is shown: of what waits for a person the oldest (`AttentionRow`), else what happened to
    its money or goods."""
    attention_message: str | None = None
    version: int = 1
    placed_at: datetime = Field(index=True)
    updated_at: datetime


class AttentionRow(SQLModel, table=True):
    """A workflow that waits for a person because of an order."""

    __tablename__ = "attentions"

    order_id: str = Field(foreign_key="orders.order_id", primary_key=True)
    source: str = Field(primary_key=True)
    """The id of the workflow, where that isn't the order's own; else empty."""
    code: str
    message: str
    since: datetime


class OrderLineRow(SQLModel, table=True):
    """A line with its settled price."""

    __tablename__ = "order_lines"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    line_no: int = Field(primary_key=True)
    sku: str = Field(foreign_key="products.sku")
    name: str
    quantity: int
    list_price_minor: int = big()
    unit_price_minor: int = big()
    discount_ppm: int
    net_minor: int = big()
    tax_rate_ppm: int
    order_discount_minor: int = total_of_facts()


class Reservation(SQLModel, table=True):
    """Stock held for one order line at one location: what came later, when the first part had left
    already, is a part of its own."""

    __tablename__ = "reservations"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    line_no: int = Field(primary_key=True)
    location: str = Field(primary_key=True)
    part: int = Field(default=1, primary_key=True)
    sku: str = Field(index=True)
    quantity: int
    state: ReservationState = word(ReservationState)
    shipment_id: str | None = Field(default=None, index=True)
    revenue_minor: int = total_of_facts()
    """Net of tax, posted when it left."""
    cost_minor: int = total_of_facts()
    """Posted when it left."""


class Shortage(SQLModel, table=True):
    """What could not be reserved; with an expected date it is a backorder."""

    __tablename__ = "shortages"
    __table_args__ = (
        Index("ix_shortages_sku_state", "sku", "state"),
        CheckConstraint("filled >= 0 AND filled <= quantity", "filled_within_quantity"),
    )

    shortage_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    line_no: int
    sku: str
    location: str
    quantity: int
    filled: int = 0
    state: ShortageState = word(ShortageState)
    promised_at: datetime
    """When the order was promised the goods: receipts are handed out in this order."""
    po_id: str | None = None
    expected_date: date | None = None
    problem: str | None = None
    """Why nobody is bringing the goods; None while somebody is."""


class PurchaseOrder(SQLModel, table=True):
    """What we ask a supplier for."""

    __tablename__ = "purchase_orders"

    po_id: str = Field(primary_key=True)
    supplier_id: str = Field(foreign_key="suppliers.supplier_id")
    location: str = Field(foreign_key="locations.location")
    currency: str
    state: PurchaseOrderState = word(PurchaseOrderState)
    reference: str | None = None
    expected_date: date | None = None
    reason: str
    freight_minor: int = big(default=0)
    created_at: datetime
    collects_until: datetime
    """Until then more lines may be added; it is sent then."""
    sender_sku: str | None = None
    """The SKU whose replenishment sends it."""
    acknowledge_by: datetime | None = None
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    """When the supplier said how much of it comes: an acknowledgement said earlier is nothing."""
    told_at: datetime | None = None
    """When the supplier said what we believe of its dates: one said earlier changes nothing."""
    ended_reason: str | None = None
    """Why we no longer count on it (or on the rest of it)."""
    ended_at: datetime | None = None


class PurchaseOrderLine(SQLModel, table=True):
    """One SKU of a purchase order."""

    __tablename__ = "purchase_order_lines"
    __table_args__ = (Index("ix_purchase_order_lines_sku", "sku"),)

    po_id: str = Field(primary_key=True, foreign_key="purchase_orders.po_id")
    sku: str = Field(primary_key=True, foreign_key="products.sku")
    quantity: int
    unit_cost_minor: int = big()
    duty_ppm: int = 0
    expected: int | None = None
    """Units the supplier has promised; None: it hasn't said, so all of them."""
    expected_date: date | None = None
    received: int = 0
    """Units that came, damaged ones left out."""
    damaged: int = 0
    invoiced: int = 0
    let_down_at: datetime | None = None
    """Since when the supplier didn't promise or bring (all of) it: others are asked, until it has
    rested or a person tries again."""
    reason: dict[str, JsonValue] = Field(sa_type=JSON)
    """Why it was bought, and there: `models.purchasing.Reason`."""


class SupplierInvoice(SQLModel, table=True):
    """What a supplier asks for; matched with order and receipt."""

    __tablename__ = "supplier_invoices"

    invoice_id: str = Field(primary_key=True)
    po_id: str = Field(foreign_key="purchase_orders.po_id", index=True)
    currency: str
    amount_minor: int = big()
    difference_minor: int = big()
    """Above (below: negative) what the received goods cost by the purchase order."""
    lines: list[dict[str, JsonValue]] = Field(sa_type=JSON)
    recorded_at: datetime
    matched_at: datetime | None = None
    """When it was matched with received goods, and posted; None: it came before them."""


class GoodsReceipt(SQLModel, table=True):
    """What arrived against a purchase order."""

    __tablename__ = "goods_receipts"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    receipt_id: str = Field(primary_key=True)
    po_id: str = Field(foreign_key="purchase_orders.po_id")
    sku: str = Field(index=True)
    location: str
    quantity: int
    damaged: int = 0
    value_minor: int = big()
    occurred_at: datetime


class CommandRow(SQLModel, table=True):
    """A person's command that was done, so that it is done once."""

    __tablename__ = "commands"

    command_id: str = Field(primary_key=True)
    kind: str
    actor: str
    reason: str
    outcome: dict[str, JsonValue] = Field(sa_type=JSON)
    """`models.commands.Commanded`, with the command as it was given."""
    recorded_at: datetime


class Finding(SQLModel, table=True):
    """A difference that reconciliation found; it is reported, never mended in silence."""

    __tablename__ = "findings"

    finding_id: str = Field(primary_key=True)
    """What differs, and where: `reserved:SKU:location`."""
    subject: str
    message: str
    found_at: datetime
    last_seen_at: datetime
    gone_at: datetime | None = None


class NumberSeries(SQLModel, table=True):
    """The last number drawn of a gapless series, such as `INV-2026`."""

    __tablename__ = "number_series"

    series: str = Field(primary_key=True)
    last_number: int


class InvoiceRow(SQLModel, table=True):
    """An invoice, never changed: `content` is `models.billing.Invoice` as issued."""

    __tablename__ = "invoices"

    number: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", unique=True)
    customer_id: str = Field(index=True)
    currency: str
    net_minor: int = big()
    total_minor: int = big()
    issued_on: date
    due_on: date | None
    content: dict[str, object] = Field(sa_type=JSON)


class CreditNoteRow(SQLModel, table=True):
    """The reversal of an invoice or of a part of it, never changed: `content` is
    `models.billing.CreditNote` as issued."""

    __tablename__ = "credit_notes"

    number: str = Field(primary_key=True)
    invoice_number: str = Field(foreign_key="invoices.number", index=True)
    order_id: str = Field(index=True)
    currency: str
    net_minor: int = big()
    total_minor: int = big()
    reason: str
    issued_on: date
    content: dict[str, object] = Field(sa_type=JSON)


class PaymentRequest(SQLModel, table=True):
    """What the provider was asked to collect."""

    __tablename__ = "payment_requests"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    amount_minor: int = big()
    currency: str
    due_date: date
    request_id: str
    requested_at: datetime
    number: int = 1
    """Counts what the provider was asked for: again, where an authorisation has lapsed."""


class Authorisation(SQLModel, table=True):
    """A card's promise to pay: it posts nothing until it is captured."""

    __tablename__ = "authorisations"

    authorisation_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    amount_minor: int = big()
    currency: str
    state: AuthorisationState = word(AuthorisationState)
    authorised_at: datetime
    expires_at: datetime


class Payment(SQLModel, table=True):
    """Money received. `applied_minor` settled an order; the rest is a deposit or unapplied."""

    __tablename__ = "payments"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_above_zero"),)

    payment_id: str = Field(primary_key=True)
    order_id: str | None = Field(default=None, foreign_key="orders.order_id", index=True)
    claimed_order_id: str | None = None
    """What the payer wrote, whether or not such an order exists."""
    amount_minor: int = big()
    currency: str
    method: str
    applied_minor: int = big()
    unmatched_reason: str | None = Field(default=None, index=True)
    """Why (part of) the money has no use yet; None: all of it is applied."""
    reversed_minor: int = total_of_facts()
    """Taken back by the payer's bank."""
    taxed_minor: int = total_of_facts()
    """The tax that fell due with it, as it came before the invoice."""
    seen_to: str = ""
    """What was said of a problem with it that a person has seen to."""
    received_at: datetime


class PaymentReversal(SQLModel, table=True):
    """Money that the payer's bank took back (chargeback)."""

    __tablename__ = "payment_reversals"

    reversal_id: str = Field(primary_key=True)
    payment_id: str = Field(index=True)
    """It may be known before the payment is."""
    order_id: str | None = Field(default=None, index=True)
    amount_minor: int = big()
    fee_minor: int = big()
    currency: str
    reason: str
    recorded_at: datetime
    applied_at: datetime | None = None
    """When it was posted; None: its payment hasn't come yet."""


class Payout(SQLModel, table=True):
    """What the payment provider paid out to our bank account, and kept as its fee."""

    __tablename__ = "payouts"

    payout_id: str = Field(primary_key=True)
    amount_minor: int = big()
    fee_minor: int = big()
    currency: str
    recorded_at: datetime


class Refund(SQLModel, table=True):
    """Money given back, of an order or (with no order) of a payment. The row is written before the
    provider is asked, so that nothing is promised twice."""

    __tablename__ = "refunds"
    __table_args__ = (CheckConstraint("amount_minor > 0", "amount_above_zero"),)

    refund_key: str = Field(primary_key=True)
    """The name of the call to the provider: `<order>/refund/<n>`."""
    order_id: str | None = Field(default=None, foreign_key="orders.order_id", index=True)
    payment_id: str | None = Field(default=None, foreign_key="payments.payment_id")
    amount_minor: int = big()
    payable_minor: int = big(default=0)
    """The part that credit notes owe; the rest was never invoiced, or had no order."""
    taxed_minor: int = big(default=0)
    """The tax in it, which had fallen due with payments before the invoice."""
    currency: str
    reason: str
    state: RefundState = word(RefundState)
    refund_id: str | None = None
    """The provider's."""
    asked_at: datetime
    refunded_at: datetime | None = None


class Reminder(SQLModel, table=True):
    """A reminder of an invoice that is overdue, with its fee."""

    __tablename__ = "reminders"

    order_id: str = Field(primary_key=True, foreign_key="orders.order_id")
    level: int = Field(primary_key=True)
    fee_minor: int = big()
    due_minor: int = big()
    """What was due then, with the fee."""
    reminded_on: date


class OpenPeriod(SQLModel, table=True):
    """Where the ledger is open: one row, held (shared) by every transaction that posts."""

    __tablename__ = "open_period"

    ledger: str = Field(primary_key=True)
    open_from: date
    """The first day that may still be posted to."""


class AccountRow(SQLModel, table=True):
    """The chart of accounts."""

    __tablename__ = "accounts"

    code: str = Field(primary_key=True)
    """Ours: `models.ledger.Account`."""
    title: str
    number: str = Field(unique=True)
    """As the company's own chart of accounts has it."""


class JournalEntry(SQLModel, table=True):
    """The header of a balanced entry: written last, it seals the postings."""

    __tablename__ = "journal_entries"

    entry_id: str = Field(primary_key=True)
    currency: str
    order_id: str | None = Field(default=None, index=True)
    posted_at: datetime
    tax_date: date
    """When it happened, for tax."""
    posting_date: date = Field(index=True)
    """The day it counts for in the ledger: when it happened, or the first open day after."""


class JournalPosting(SQLModel, table=True):
    """One line of an entry: a debit above zero, a credit below."""

    __tablename__ = "journal_postings"
    __table_args__ = (
        ForeignKeyConstraint(
            ["entry_id"], ["journal_entries.entry_id"], deferrable=True, initially="DEFERRED"
        ),
        CheckConstraint("amount_minor <> 0", "amount_not_zero"),
    )

    entry_id: str = Field(primary_key=True)
    account: str = Field(primary_key=True, foreign_key="accounts.code")
    currency: str
    amount_minor: int = big()


class Shipment(SQLModel, table=True):
    """A consignment with its carrier. The row is written before the carrier is asked."""

    __tablename__ = "shipments"

    shipment_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    location: str
    mode: FreightMode = word(FreightMode)
    mode_reason: str
    weight_g: int = big()
    billed_weight_g: int = big(default=0)
    """The greater of weight and dimensional weight."""
    freight_class: str | None = None
    state: ShipmentState = word(ShipmentState)
    planned_at: datetime
    book_from: datetime | None = None
    """When the location hands it over at the earliest; None: at once."""
    booking_id: str | None = None
    carrier: str | None = None
    service: str | None = None
    charge_minor: int | None = big(default=None)
    """What the carrier asked for it, in the company's currency."""
    arrives_on: date | None = None
    """As the carrier promised with its quote."""
    choice: str = ""
    """Why this carrier and service."""
    tracking_number: str | None = None
    tracking: TrackingStatus | None = word(TrackingStatus, default=None, nullable=True)
    """What the carrier's reports say together."""
    news_at: datetime | None = None
    """When the carrier told us something last."""
    dispatched_at: datetime | None = None
    delivered_at: datetime | None = None
    restocked_at: datetime | None = None
    """When the goods of one that was given up were on the shelf again."""
    problem: ShipmentProblem | None = word(ShipmentProblem, default=None, nullable=True)
    """What happened to it, and nobody has seen to yet."""
    called_back_by: str | None = None
    """The command for which its carrier is being asked not to fetch it: nobody books it now."""


class PackageRow(SQLModel, table=True):
    """A carton or pallet of a shipment, with its label's number."""

    __tablename__ = "packages"

    package_no: int | None = Field(default=None, primary_key=True)
    """The serial of its SSCC."""
    shipment_id: str = Field(foreign_key="shipments.shipment_id", index=True)
    sscc: str
    kind: PackageKind = word(PackageKind)
    container: str
    weight_g: int = big()
    length_mm: int
    width_mm: int
    height_mm: int
    contents: list[dict[str, JsonValue]] = Field(sa_type=JSON)
    """`models.packing.Content`."""


class _Report(SQLModel):
    """What a carrier reports, of goods that leave or come back."""

    status: TrackingStatus = word(TrackingStatus)
    occurred_at: datetime
    """As the carrier says; where it doesn't, when we heard of it."""
    place: str
    detail: str
    signed_by: str
    reference: str
    recorded_at: datetime


class TrackingRow(_Report, table=True):
    """A report of a carrier's, with the proof of a delivery."""

    __tablename__ = "tracking_events"

    shipment_id: str = Field(primary_key=True, foreign_key="shipments.shipment_id")
    event_id: str = Field(primary_key=True)


class ReturnTrackingRow(_Report, table=True):
    """As `TrackingRow`, of goods that come back."""

    __tablename__ = "return_tracking_events"

    return_id: str = Field(primary_key=True, foreign_key="returns.return_id")
    event_id: str = Field(primary_key=True)


class Claim(SQLModel, table=True):
    """What a carrier owes us for goods that it lost or damaged."""

    __tablename__ = "claims"

    claim_id: str = Field(primary_key=True)
    shipment_id: str = Field(foreign_key="shipments.shipment_id", index=True)
    carrier: str
    amount_minor: int = big()
    currency: str
    reason: str
    claimed_at: datetime
    state: ClaimState = word(ClaimState, default=ClaimState.OPEN)
    settled_minor: int | None = big(default=None)
    """What the carrier has paid for it."""
    ended_at: datetime | None = None


class ReturnRow(SQLModel, table=True):
    """Goods of an order that come back."""

    __tablename__ = "returns"

    return_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    state: ReturnState = word(ReturnState)
    reason: ReturnReason = word(ReturnReason)
    wish: ReturnWish = word(ReturnWish)
    location: str
    """Where the goods are to come."""
    note: str
    """What was said about it last: why it was refused, say."""
    requested_at: datetime
    authorised_at: datetime | None = None
    expires_at: datetime | None = None
    """Until then the goods must be on their way."""
    tracking: TrackingStatus | None = word(TrackingStatus, default=None, nullable=True)
    """What the carrier's reports say together."""
    news_at: datetime | None = None
    """Since when the goods are on their way, or when their carrier told us something last."""
    received_at: datetime | None = None
    ended_at: datetime | None = None


class ReturnLine(SQLModel, table=True):
    """One SKU of a return, in units."""

    __tablename__ = "return_lines"
    __table_args__ = (CheckConstraint("quantity > 0", "quantity_above_zero"),)

    return_id: str = Field(primary_key=True, foreign_key="returns.return_id")
    line_no: int = Field(primary_key=True)
    """Of the order."""
    sku: str
    quantity: int
    received: int = 0
    restocked: int = 0
    scrapped: int = 0
    sent_back: int = 0
    """To their supplier."""
    lost: int = 0
    """On their way back."""

    @property
    def inspected(self) -> int:
        """Units that came, and whose disposition is decided."""
        return self.restocked + self.scrapped + self.sent_back

    @property
    def here(self) -> int:
        """Units that came, and that nobody has looked at."""
        return self.received - self.inspected

    @property
    def expected(self) -> int:
        """Units that may still come."""
        return self.quantity - self.received - self.lost

    @property
    def settled(self) -> int:
        """Units for which the customer has got, or is to get, what they are worth."""
        return self.inspected + self.lost


class Settlement(SQLModel, table=True):
    """What the customer gets for goods that came back and were inspected."""

    __tablename__ = "return_settlements"

    settlement_id: str = Field(primary_key=True)
    return_id: str = Field(foreign_key="returns.return_id", index=True)
    credit_note: str | None = None
    refund_key: str | None = Field(default=None, index=True)
    exchange_order_id: str | None = Field(default=None, index=True, unique=True)
    exchange_lines: list[dict[str, JsonValue]] | None = Field(
        default=None, sa_type=JSON(none_as_null=True)
    )
    """What of it replaces the goods: `models.returns.ExchangeLine`."""
    settled_at: datetime
    done_at: datetime | None = None
    """When the customer was refunded and told, or the new order was started."""


class PartnerCall(SQLModel, table=True):
    """Which attempt of a call to a partner we are at (it rises with each definite refusal), and
    what was asked in it."""

    __tablename__ = "partner_calls"

    call: str = Field(primary_key=True)
    attempt: int
    asked: dict[str, JsonValue] | None = Field(default=None, sa_type=JSON(none_as_null=True))


class FactRow(SQLModel, table=True):
    """A fact as the door received it, once per source and id."""

    __tablename__ = "facts"
    __table_args__ = (
        UniqueConstraint("source", "fact_id"),
        Index("ix_facts_type_business_id", "type", "business_id"),
        Index("ix_facts_order_id_applied_at", "order_id", "applied_at"),
        Index("ix_facts_po_id_applied_at", "po_id", "applied_at"),
    )

    fact_no: int | None = Field(default=None, primary_key=True)
    source: str
    fact_id: str
    type: str
    business_id: str
    order_id: str | None = None
    po_id: str | None = None
    data: dict[str, JsonValue] = Field(sa_type=JSON)
    received_at: datetime
    applied_at: datetime | None = None


class OddFactRow(SQLModel, table=True):
    """A message that could not be used, kept for a person to look at."""

    __tablename__ = "odd_facts"

    odd_id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    name: str
    body: str
    reason: str
    recorded_at: datetime


class AuditRow(SQLModel, table=True):
    """A business fact of an order, in words, written in the fact's own transaction."""

    __tablename__ = "audit_trail"

    audit_no: int | None = Field(default=None, primary_key=True)
    order_id: str = Field(index=True)
    event: str
    detail: str
    recorded_at: datetime


class Mail(SQLModel, table=True):
    """A mail that left, or that its receiver refused."""

    __tablename__ = "mails"

    message_id: str = Field(primary_key=True)
    order_id: str = Field(foreign_key="orders.order_id", index=True)
    kind: str
    recipient: str
    refused: str | None = None
    """The mail server's words, where it refused the address."""
    recorded_at: datetime
