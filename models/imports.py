"""The rows of the CSV files of an import."""

import re
from datetime import date, time
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from stdnum import ean, iban

from models.addresses import review_address
from models.base import Document, Identifier, LocationId, Text, Words, at_field
from models.cells import CellKind
from models.customers import (
    AmountText,
    Country,
    Email,
    OptionalEmail,
    OptionalText,
    PercentText,
    VatId,
    check_country,
    checked_number,
)
from models.days import timezone_of
from models.money import decimals, parse_amount, parse_percent
from models.patterns import CURRENCY, GS1_PREFIX, SHORT_IDENTIFIER, TAX_CLASS
from models.tax import AS_GOODS, NORTHERN_IRELAND, STANDARD_CLASS, ProductKind
from models.working_days import check_calendar, weekend_of

_WHOLE = re.compile(r"-?\d{1,18}(\.0+)?", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _check_number(cell: object) -> object:
    """Read a whole number, which spreadsheets write as "10.0" too; pydantic accepts "1_0"."""
    if not isinstance(cell, str):
        return cell
    if not _WHOLE.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a whole number")
    return cell.partition(".")[0]


def _check_day(cell: object) -> object:
    """Check the format of a date: pydantic also accepts seconds since 1970, and a time of day."""
    if isinstance(cell, str) and not _DAY.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a date such as 2026-12-31")
    return cell


def _check_time(cell: object) -> object:
    """Check the format of a time: pydantic also accepts seconds since midnight, and an offset."""
    if isinstance(cell, str) and not _TIME.fullmatch(cell):
        raise ValueError(f"{cell!r} is not a time of the day such as 15:00")
    return cell


Whole = Annotated[int, BeforeValidator(_check_number), CellKind.WHOLE]
Count = Annotated[Whole, Field(ge=0, le=1_000_000_000)]
Positive = Annotated[Whole, Field(ge=1, le=1_000_000_000)]
Day = Annotated[date, BeforeValidator(_check_day), CellKind.DAY]
Currency = Annotated[str, StringConstraints(pattern=CURRENCY)]
Gs1Prefix = Annotated[
    str,
    StringConstraints(pattern=GS1_PREFIX),
    Field(description="7 to 10 digits"),
]
TimeOfDay = Annotated[time, BeforeValidator(_check_time), CellKind.TIME]
AccountNumber = Annotated[str, StringConstraints(pattern=SHORT_IDENTIFIER)]
TaxClass = Annotated[str, StringConstraints(pattern=TAX_CLASS)]


def check_tax_country(code: str) -> str:
    """Return the code of a country or of Northern Ireland, in capitals. Raises ValueError."""
    code = code.strip().upper()
    return code if code == NORTHERN_IRELAND else check_country(code)


TaxCountry = Annotated[str, AfterValidator(check_tax_country)]


class CompanyRow(Document):
    """company.csv: the legal entity that sells.

    `timezone`: whose days count in books, documents and deadlines; by default its country's.
    """

    legal_entity: Text
    name: Words
    street: Words
    line2: OptionalText = ""
    city: OptionalText = ""
    region: OptionalText = ""
    postal_code: OptionalText = ""
    country: Country
    vat_id: VatId = ""
    iban: OptionalText = ""
    currency: Currency
    gs1_prefix: Gs1Prefix = ""
    tax_number: OptionalText = ""
    prices_include_tax: bool = False
    oss: bool = False
    contact_name: OptionalText = ""
    contact_phone: OptionalText = ""
    contact_email: OptionalEmail = ""
    trading_name: OptionalText = ""
    timezone: OptionalText = ""

    @field_validator("currency")
    @classmethod
    def _check_currency(cls, value: str) -> str:
        decimals(value)
        return value

    @field_validator("iban")
    @classmethod
    def _check_iban(cls, value: str) -> str:
        return checked_number(iban.validate, value, "IBAN")

    @model_validator(mode="after")
    def _check_address(self) -> Self:
        """Require what the company's country requires of an address."""
        for error in review_address(self).errors:
            raise ValueError(f"{error.field}: {error.reason}")
        return self

    @model_validator(mode="after")
    def _check_timezone(self) -> Self:
        timezone_of(self.timezone, self.country)
        return self

    @model_validator(mode="after")
    def _check_oss(self) -> Self:
        """Check that a company in the one-stop shop is registered for VAT (art. 369b)."""
        if self.oss and not self.vat_id:
            raise ValueError("vat_id: is missing: oss requires one")
        return self


class TaxRateRow(Document):
    """tax_rates.csv: the tax rate of another country than the company's for a class of products."""

    country: TaxCountry
    tax_class: TaxClass
    rate_percent: PercentText

    @model_validator(mode="after")
    def _check_rate(self) -> Self:
        with at_field("rate_percent"):
            parse_percent(self.rate_percent)
        return self


class AccountNumberRow(Document):
    """accounts.csv: number and title of an account in the company's own chart.

    `account` is the account's name, such as `accounts_receivable`, or its code.
    """

    account: Text
    number: AccountNumber
    title: Text


class LocationRow(Document):
    """locations.csv: a location.

    `handling_cost` is the cost of one consignment in the company's currency. `cutoff` is the local
    time from which goods wait for the next working day; without one they never wait. `timezone` is
    by default its country's, or the company's where the country's clocks differ. `region`, such as
    BE, adds its public holidays to the country's. `weekend`: its days, such as "fri sat", or
    "none"; by default those of the country.
    """

    location: LocationId
    name: Text
    country: Country
    postal_code: OptionalText = ""
    handling_cost: AmountText = "0"
    street: OptionalText = ""
    line2: OptionalText = ""
    city: OptionalText = ""
    cutoff: TimeOfDay | None = None
    timezone: OptionalText = ""
    region: OptionalText = ""
    weekend: OptionalText = ""

    @model_validator(mode="after")
    def _check_calendar(self) -> Self:
        check_calendar(self.timezone or "UTC", self.cutoff, self.country, self.region)
        weekend_of(self.country, self.weekend)
        return self

    @model_validator(mode="after")
    def _check_postal_code(self) -> Self:
        """Require a postal code where the country requires one; street and city are optional."""
        for error in review_address(self).errors:
            if error.field == "postal_code":
                raise ValueError(f"{error.field}: {error.reason}")
        return self


class DistanceRow(Document):
    """distances.csv: from a location to the customers of a country.

    It applies to postal codes with the prefix, unless another row has a longer one.
    """

    location: LocationId
    country: Country
    postal_prefix: OptionalText = ""
    distance_km: Annotated[Whole, Field(ge=0, le=1_000_000)]


class ProductRow(Document):
    """products.csv: a product, with its price, and weight and size of one unit.

    `unit_price` includes tax if the company's prices do. `tax_rate_percent` is the rate of the
    company's country, `tax_class` chooses that of others. New orders of a product that is no longer
    `is_sold` are refused; no more is purchased of one that is no longer `is_bought`. A service has
    no weight and size; with the tax class as_goods it is taxed as the goods that it accompanies.
    """

    sku: Identifier
    name: Text
    unit_price: AmountText
    currency: Currency
    tax_rate_percent: PercentText
    tax_class: TaxClass = STANDARD_CLASS
    kind: ProductKind = ProductKind.GOODS
    is_sold: bool = True
    is_bought: bool = True
    weight_g: Count
    length_mm: Count
    width_mm: Count
    height_mm: Count
    gtin: OptionalText = ""

    @model_validator(mode="before")
    @classmethod
    def _without_size(cls, sent: object) -> object:
        """Complete a service by weight and size, which only goods have."""
        if isinstance(sent, dict) and sent.get("kind") == ProductKind.SERVICE:
            return dict.fromkeys(("weight_g", "length_mm", "width_mm", "height_mm"), "0") | sent
        return sent

    @model_validator(mode="after")
    def _check_class(self) -> Self:
        if self.tax_class == AS_GOODS and self.kind is ProductKind.GOODS:
            raise ValueError(
                f"tax_class: {AS_GOODS} is for services that accompany goods, such as shipping: "
                "set kind service, or another tax_class"
            )
        return self

    @field_validator("gtin")
    @classmethod
    def _check_gtin(cls, value: str) -> str:
        return checked_number(ean.validate, value, "GTIN")

    @model_validator(mode="after")
    def _check_amounts(self) -> Self:
        _check_amount("unit_price", self.unit_price, self.currency)
        with at_field("tax_rate_percent"):
            parse_percent(self.tax_rate_percent)
        return self


class SupplierRow(Document):
    """suppliers.csv: a supplier."""

    supplier_id: LocationId
    name: Words
    email: Email
    country: Country


class OfferRow(Document):
    """offers.csv: a supplier's offer for a SKU, or one of its further price tiers.

    The row counts for purchases of `from_quantity` units up to the next row's, on its own terms.
    From `break_quantity` units every unit costs `break_unit_cost`. `freight_cost` is the cost of a
    purchase order, `duty_percent` a part of the goods' value, `valid_until` the last day for
    ordering.
    """

    supplier_id: LocationId
    sku: Identifier
    unit_cost: AmountText
    currency: Currency
    minimum_quantity: Positive
    pack_size: Positive
    lead_time_days: Annotated[Whole, Field(ge=0, le=3650)]
    break_quantity: Positive | None = None
    break_unit_cost: AmountText | None = None
    freight_cost: AmountText = "0"
    duty_percent: PercentText = "0"
    valid_until: Day | None = None
    from_quantity: Positive = 1

    @model_validator(mode="after")
    def _check_amounts(self) -> Self:
        _check_amount("unit_cost", self.unit_cost, self.currency)
        _check_amount("freight_cost", self.freight_cost, self.currency)
        with at_field("duty_percent"):
            parse_percent(self.duty_percent)
        if self.break_unit_cost is None and self.break_quantity is not None:
            raise ValueError("break_unit_cost: is missing: break_quantity requires it")
        if self.break_unit_cost is not None:
            _check_amount("break_unit_cost", self.break_unit_cost, self.currency)
            if self.break_quantity is None:
                raise ValueError("break_quantity: is missing: break_unit_cost requires it")
        return self


class StockRow(Document):
    """stock.csv: an opening balance; `unit_cost` in the company's currency."""

    location: LocationId
    sku: Identifier
    on_hand: Count
    unit_cost: AmountText


def _check_amount(field: str, text: str, currency: str) -> None:
    with at_field(field):
        if parse_amount(text, currency) < 0:
            raise ValueError("is below zero")
