"""Tables of master data: company, locations, products, suppliers, customers."""

from datetime import date, time

from sqlalchemy import JSON, CheckConstraint
from sqlmodel import Field, SQLModel

from models.addresses import printed_lines
from models.customers import CustomerStatus, PaymentPreference, TaxTreatment
from models.tables.columns import bigint, enum_column
from models.tax import STANDARD_CLASS, ProductKind


class Company(SQLModel, table=True):
    """The legal entity that sells."""

    __tablename__ = "company"

    legal_entity: str = Field(primary_key=True)
    name: str
    street: str
    line2: str = ""
    city: str
    region: str = ""
    postal_code: str
    country: str
    vat_id: str
    iban: str
    currency: str
    gs1_prefix: str = ""
    """The GS1 company prefix, 7 to 10 digits; without it labels have no real SSCC."""
    tax_number: str = ""
    """The number that the tax office gave to a company, other than the VAT id."""
    prices_include_tax: bool = False
    """Whether the price list includes tax; also the default of orders."""
    oss: bool = False
    """Whether distance sales to consumers are declared in the one-stop shop of the EU."""
    contact_name: str = ""
    contact_phone: str = ""
    contact_email: str = ""
    trading_name: str = ""
    """The name by which customers know the company, where it is another (BT-28)."""
    timezone: str = "UTC"
    """The IANA time zone whose days count in books, documents and deadlines."""


class TaxRate(SQLModel, table=True):
    """The tax rate of another country than the company's for a class of products."""

    __tablename__ = "tax_rates"

    country: str = Field(primary_key=True)
    tax_class: str = Field(primary_key=True)
    rate_ppm: int


class Location(SQLModel, table=True):
    """A location that holds stock."""

    __tablename__ = "locations"

    location: str = Field(primary_key=True)
    name: str
    country: str
    postal_code: str
    handling_cost_minor: int = bigint(default=0)
    """The cost of handling one consignment."""
    street: str = ""
    line2: str = ""
    city: str = ""
    cutoff: time | None = None
    """The local time from which goods wait for the next working day; None: goods never wait."""
    timezone: str = "UTC"
    region: str = ""
    """The subdivision with further public holidays, such as "BE" for Berlin; printed in addresses
    where the country writes it."""
    weekend: str = ""
    """Its days, such as "fri sat", or "none"; empty: those of the country."""

    @property
    def address_lines(self) -> tuple[str, ...]:
        """The name and the lines of the address that are not empty."""
        return tuple(printed_lines(self, self.name))


class Distance(SQLModel, table=True):
    """The distance from a location to the customers of a country, or of a part of it."""

    __tablename__ = "distances"

    location: str = Field(primary_key=True, foreign_key="locations.location")
    country: str = Field(primary_key=True)
    postal_prefix: str = Field(primary_key=True)
    """The prefix of the customers' postal codes; empty: the whole country."""
    distance_km: int


class Product(SQLModel, table=True):
    """A SKU with its list price, the tax rate of the company's country, and size."""

    __tablename__ = "products"
    __table_args__ = (CheckConstraint("unit_price_minor >= 0", "unit_price_not_negative"),)

    sku: str = Field(primary_key=True)
    name: str
    unit_price_minor: int = bigint()
    currency: str
    tax_rate_ppm: int
    tax_class: str = STANDARD_CLASS
    """The class whose rate applies in other countries (`TaxRate`)."""
    kind: ProductKind = enum_column(ProductKind, default=ProductKind.GOODS)
    is_sold: bool = True
    """False: new orders are refused; accepted ones continue."""
    is_bought: bool = True
    """False: no more is purchased; purchase orders that were sent continue."""
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int
    gtin: str


class Supplier(SQLModel, table=True):
    """A company that sells to us."""

    __tablename__ = "suppliers"

    supplier_id: str = Field(primary_key=True)
    name: str
    email: str
    country: str


class SupplierOffer(SQLModel, table=True):
    """A supplier's price for purchases of a SKU from `from_quantity` units on: a price tier."""

    __tablename__ = "offers"

    supplier_id: str = Field(primary_key=True, foreign_key="suppliers.supplier_id")
    sku: str = Field(primary_key=True, foreign_key="products.sku", index=True)
    from_quantity: int = Field(default=1, primary_key=True)
    unit_cost_minor: int = bigint()
    currency: str
    minimum_quantity: int
    pack_size: int
    lead_time_days: int
    break_quantity: int | None = None
    break_unit_cost_minor: int | None = bigint(default=None)
    freight_cost_minor: int = bigint(default=0)
    """The freight cost of one purchase order of any size."""
    duty_ppm: int = 0
    """The duty on the value of the goods."""
    valid_until: date | None = None


class Customer(SQLModel, table=True):
    """A customer, with the credit limit.

    The keys are those of `models.identity`: equal ones are likely the same person's.
    """

    __tablename__ = "customers"

    customer_id: str = Field(primary_key=True)
    name: str
    company: str = ""
    """The company, if the name is that of a contact in it."""
    email: str
    phone: str
    country: str
    payment_preference: PaymentPreference = enum_column(PaymentPreference)
    credit_limit_minor: int = bigint()
    status: CustomerStatus = enum_column(CustomerStatus)
    vat_id: str
    tax_treatment: TaxTreatment = enum_column(TaxTreatment)
    language: str
    street: str
    line2: str = ""
    city: str
    postal_code: str
    mail_key: str | None = Field(default=None, index=True)
    vat_key: str | None = Field(default=None, index=True)
    phone_key: str | None = Field(default=None, index=True)
    address_key: str | None = Field(default=None, index=True)
    """Of name and address; without an own address, that of the first delivery."""
    merged_into: str | None = Field(default=None, foreign_key="customers.customer_id", index=True)
    """The customer whom this one turned out to be, and who has its orders."""
    distinct_from: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """Blocked customers from whom an operator has found this one to be another."""
