"""The configuration, declared once; each root reads one and hands on what its parts need."""

import re
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Json, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.billing import BillingRules, DunningLevel
from models.errors import FieldError, WrongVariables
from models.messages.policy import Policy
from models.money import PPM_PER_PERCENT
from models.packing import CARTONS, PALLET, Container
from models.promises import PromisePolicy
from models.purchasing import BuyingPolicy
from models.replenishment import ReviewPolicy
from models.returns import ReturnRules
from models.rules import Rules
from models.shipping import Packaging, is_parcel

_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///.+")
_POSTGRESQL = re.compile(
    r"postgres(ql(\+psycopg)?)?://([^@]*@)?(\[[^]]*\]|[^/:?\s]*)(:\d{1,5})?(/.*|\?.*)?"
)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_LEVEL = re.compile(r"\d{1,4}:\d{1,9}(\.\d{1,4})?", re.ASCII)
T = TypeVar("T")
_LONGEST_S = 1e9
"""Some thirty years: more than that is no time to wait, and too much for a clock."""


def _only(is_right: Callable[[T], bool]) -> AfterValidator:
    def check(value: T) -> T:
        if not is_right(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _is_url(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        named = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return named and url.split() == [url]


def _is_http(url: str) -> bool:
    return _is_url(url, "http", "https")


def _is_smtp(url: str) -> bool:
    return _is_url(url, "smtp", "smtps", "smtp+starttls")


def _is_database(url: str) -> bool:
    return not url or bool(_SQLITE.fullmatch(url) or _POSTGRESQL.fullmatch(url))


def _is_mail_address(text: str) -> bool:
    local, _, domain = parseaddr(text)[1].rpartition("@")
    return bool(local and domain) and text.isprintable()


def _is_time(text: str) -> bool:
    return bool(_TIME.fullmatch(text))


def _is_dunning(text: str) -> bool:
    days = [int(level.partition(":")[0]) for level in text.split() if _LEVEL.fullmatch(level)]
    return len(days) == len(text.split()) and days == sorted(set(days))


def _are_secrets(text: str) -> bool:
    return all(map(_is_secret, text.split()))


def _is_secret(text: str) -> bool:
    try:
        key = b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        return False
    return text.startswith("whsec_") and bool(key)


def _are_cartons(cartons: tuple[Container, ...]) -> bool:
    return bool(cartons) and all(map(is_parcel, cartons))


# A description says what is accepted: it is what people read where something else was given.

Port = Annotated[int, Field(ge=1, le=65535, description="a whole number from 1 to 65535")]
HttpUrl = Annotated[str, _only(_is_http), Field(description="http:// or https:// with a host")]
Secrets = Annotated[
    str,
    _only(_are_secrets),
    Field(description="whsec_ and base64; several of these are separated by spaces"),
]
Days = Annotated[int, Field(ge=0, le=3650, description="days: a whole number from 0 to 3650")]
Percent = Annotated[Decimal, Field(ge=0, le=100, description="a number from 0 to 100")]
WholePercent = Annotated[int, Field(ge=0, le=100, description="a whole number from 0 to 100")]
TimeOfDay = Annotated[
    str, _only(_is_time), Field(description="a time of the day, UTC, such as 02:30")
]
Seconds = Annotated[
    float,
    Field(gt=0, le=_LONGEST_S, allow_inf_nan=False, description="seconds: a number above 0"),
]


class Settings(BaseSettings):
    """Environment variables (or `.env`), named as the fields in capitals.

    The engine's own address, namespace, API key and TLS are the SDK's `TEMPORAL_*`
    variables and are read by the SDK, not here.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    var_dir: Path = Field(default=Path("var"), description="a folder")
    database_url: Annotated[str, _only(_is_database)] = Field(
        default="",
        description="postgresql://user:password@host/name, or sqlite:/// with a file's path",
    )
    """SQLAlchemy URL; empty: the SQLite file `orders.db` in VAR_DIR."""

    temporal_port: Port = 7233
    ui_port: Port = 8233
    api_port: Port = 8080

    payments_url: HttpUrl = "http://127.0.0.1:8090/payments"
    suppliers_url: HttpUrl = "http://127.0.0.1:8090/suppliers"
    carriers_url: HttpUrl = "http://127.0.0.1:8090/carriers"
    smtp_url: Annotated[str, _only(_is_smtp)] = Field(
        default="smtp://127.0.0.1:8025",
        description="smtp://, smtps:// or smtp+starttls:// with a host",
    )
    mail_from: Annotated[str, _only(_is_mail_address)] = Field(
        default="orders@shop.example", description="a mail address"
    )

    webhook_secret_payments: Secrets = ""
    webhook_secret_suppliers: Secrets = ""
    webhook_secret_carriers: Secrets = ""
    """`whsec_...`; several, separated by spaces, while a secret is being changed."""

    partners: Literal["auto", "manual"] = Field(default="auto", description="auto or manual")
    partner_delay: float = Field(
        default=1.0,
        ge=0,
        le=_LONGEST_S,
        allow_inf_nan=False,
        description="seconds: a number from 0",
    )
    """How long the simulators wait before each thing they do by themselves, in seconds."""

    partner_timeout: Seconds = 10.0
    """How long one call to a partner may take, in seconds: also the recovery time of a lost one."""
    attention_after_attempts: int = Field(default=5, ge=1, description="a whole number from 1")
    """After so many failed attempts a partner step is shown as attention (and goes on)."""
    payment_deadline: Seconds = 7 * 86400.0
    """How long a prepaid or cash order waits for its payment, in seconds."""
    late_money: Literal["refund", "reallocate"] = Field(
        default="refund", description="refund or reallocate"
    )
    """What money does that comes for an order which was cancelled because it didn't."""
    tax_point: Literal["payment", "invoice"] = Field(
        default="payment", description="payment or invoice"
    )
    """When tax falls due: with payments before the invoice too (2006/112/EC art. 65), or only with
    the invoice."""
    payment_tolerance: Decimal = Field(
        default=Decimal(0), ge=0, le=1000, description="an amount such as 0.05"
    )
    """What may be missing of a payment: it is forgiven, and posted as a payment difference."""
    bad_debt_relief: bool = Field(default=True, description="true or false")
    """Whether tax on what is written off is owed no longer (2006/112/EC art. 90)."""
    dunning: Annotated[str, _only(_is_dunning)] = Field(
        default="7:0 14:5.00 28:10.00",
        description="days:fee for each reminder, rising, separated by spaces; empty for none",
    )
    """Reminders of what is overdue: how many days after the invoice was due, and what each adds to
    what is due, in the company's currency."""
    tracking_silence: Seconds = 7 * 86400.0
    """How long a carrier may say nothing of a shipment before a person is to ask, in seconds."""
    tracking_silence_ltl: Seconds | None = Field(
        default=None, description="seconds: a number above 0"
    )
    tracking_silence_truckload: Seconds | None = Field(
        default=None, description="seconds: a number above 0"
    )
    """The same of what goes by LTL, or by truckload; None: as of all others."""
    cartons: Annotated[Json[tuple[Container, ...]], _only(_are_cartons)] = Field(
        default=CARTONS,
        validate_default=False,
        description="JSON: a list of objects with name, length_mm, width_mm, height_mm (inside), "
        "max_weight_g (of goods) and tare_g, each within the limits of a parcel",
    )
    pallet: Json[Container] = Field(
        default=PALLET,
        validate_default=False,
        description="JSON: an object with name, length_mm, width_mm, height_mm (of goods), "
        "max_weight_g (of goods) and tare_g",
    )
    """What we pack in."""
    collect_within_days: int = Field(
        default=14, ge=1, le=3650, description="days: a whole number from 1 to 3650"
    )
    """How long goods wait to be collected before a person is to ask, in days."""
    ship_within_days: Days = 30
    """What an order is promised that names no date, in days after it was placed."""
    silent_delay_days: Days = 30
    """The longest first delay to which a customer's silence is consent, in days; also how long
    there is to answer about a longer one."""

    return_window_days: Days = 30
    """How long after the delivery goods may come back for any reason."""
    return_warranty_days: Days = 730
    """How long they may come back where it is our fault: wrong, defective or damaged."""
    return_expires_days: Days = 14
    """How long an authorised return may take to be on its way."""
    return_authorisation: Literal["manual", "auto"] = Field(
        default="manual", description="manual or auto"
    )
    """Whether a person allows each return, or the rules alone."""
    return_opened_percent: WholePercent = 100
    """What of the price is given back for goods that were opened, where it isn't our fault."""
    return_worn_percent: WholePercent = 50
    """The same for goods that were worn."""

    replenishment_window: Seconds = 2.0
    """How long a purchase order collects lines before it is sent, in seconds."""
    acknowledge_within: Seconds = 2 * 86400.0
    """How long a supplier has to answer before the next offer is taken, in seconds."""
    receipt_grace_days: Days = 14
    """How late goods may be before we count on them no longer."""
    supplier_rest_days: Days = 30
    """How long a supplier that has let us down isn't asked again for the same."""
    receipt_tolerance_percent: Percent = Decimal(10)
    """How much more than was ordered is taken in."""

    service_level_percent: Decimal = Field(
        default=Decimal(95), ge=50, lt=100, description="a number from 50, below 100"
    )
    """In how many order cycles of a hundred stock is to last until the goods arrive."""
    demand_window_days: int = Field(
        default=90, ge=1, le=3650, description="days: a whole number from 1 to 3650"
    )
    """Over how many days demand is observed."""
    order_cost: Decimal = Field(
        default=Decimal("25.00"), ge=0, le=10**9, description="an amount such as 25.00"
    )
    """What placing one purchase order costs us, in the company's currency."""
    holding_cost_percent: Percent = Decimal(20)
    """What holding a unit for a year costs, of its value."""
    stock_review_at: TimeOfDay = "02:30"
    """When the nightly stock review starts."""
    reconcile_at: TimeOfDay = "03:30"
    """When the nightly reconciliation starts."""

    @classmethod
    def read(cls) -> Self:
        """What environment and `.env` say; raises WrongVariables, which never shows a value."""
        try:
            return cls()
        except ValidationError as error:
            wrong = dict.fromkeys(str(found["loc"][0]) for found in error.errors())
        raise WrongVariables(
            FieldError(name.upper(), f"must be {cls.model_fields[name].description}")
            for name in wrong
        )

    @property
    def database(self) -> str:
        """The database's URL, with the default filled in."""
        return self.database_url or f"sqlite:///{self.var_dir / 'orders.db'}"

    @property
    def billing(self) -> BillingRules:
        """How we bill."""
        levels = (level.split(":") for level in self.dunning.split())
        return BillingRules(
            tax_on_account=self.tax_point == "payment",
            tolerance=str(self.payment_tolerance),
            bad_debt_relief=self.bad_debt_relief,
            dunning=tuple(DunningLevel(days=int(days), fee=fee) for days, fee in levels),
        )

    @property
    def returns(self) -> ReturnRules:
        """What may come back, and for how much."""
        return ReturnRules(
            window_days=self.return_window_days,
            warranty_days=self.return_warranty_days,
            expires_days=self.return_expires_days,
            opened_percent=self.return_opened_percent,
            worn_percent=self.return_worn_percent,
            by_itself=self.return_authorisation == "auto",
        )

    @property
    def packaging(self) -> Packaging:
        """What we pack in."""
        return Packaging(cartons=self.cartons, pallet=self.pallet)

    @property
    def buying(self) -> BuyingPolicy:
        """How we buy."""
        return BuyingPolicy(
            window=timedelta(seconds=self.replenishment_window),
            acknowledge_within=timedelta(seconds=self.acknowledge_within),
            receipt_grace=timedelta(days=self.receipt_grace_days),
            rest=timedelta(days=self.supplier_rest_days),
            tolerance_ppm=int(self.receipt_tolerance_percent * PPM_PER_PERCENT),
        )

    @property
    def policy(self) -> Policy:
        """The policy that is fixed for an order when it is recorded."""
        return Policy(
            payment_deadline=self.payment_deadline,
            partner_timeout=self.partner_timeout,
            attention_after_attempts=self.attention_after_attempts,
            late_money=self.late_money,
            tracking_silence=self.tracking_silence,
            tracking_silence_ltl=self.tracking_silence_ltl,
            tracking_silence_truckload=self.tracking_silence_truckload,
            collect_within=timedelta(days=self.collect_within_days).total_seconds(),
            promises=PromisePolicy(
                ship_within_days=self.ship_within_days,
                silent_delay_days=self.silent_delay_days,
            ),
        )

    @property
    def review(self) -> ReviewPolicy:
        """How stock is controlled."""
        return ReviewPolicy(
            window_days=self.demand_window_days,
            service_level_ppm=int(self.service_level_percent * PPM_PER_PERCENT),
            order_cost=self.order_cost,
            holding_cost_ppm=int(self.holding_cost_percent * PPM_PER_PERCENT),
        )

    @property
    def rules(self) -> Rules:
        """The rules of every domain."""
        return Rules(
            policy=self.policy,
            billing=self.billing,
            buying=self.buying,
            review=self.review,
            packaging=self.packaging,
            returns=self.returns,
        )
