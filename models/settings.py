"""The configuration, declared once.

Each entry point reads it and passes on the parts that its components need.
"""

import os
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from email.utils import parseaddr
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, Json, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.approvals import ApprovalRules
from models.billing import BillingRules, DunningLevel, InvoiceAt
from models.documents import FONTS, DocumentRules
from models.errors import FieldError, InvalidConfiguration
from models.messages.policy import ATTENTION_AFTER_S, Policy
from models.money import PPM_PER_PERCENT
from models.packing import CARTONS, PALLET, Container
from models.promises import PromisePolicy
from models.purchasing import PurchasingPolicy
from models.replenishment import ReviewPolicy
from models.returns import ReturnRules
from models.rules import Rules
from models.shipping import Packaging, keeps_parcel_limits

_SQLITE = re.compile(r"sqlite(\+pysqlite)?:///.+")
_POSTGRESQL = re.compile(
    r"postgres(ql(\+psycopg)?)?://([^@]*@)?(\[[^]]*\]|[^/:?\s]*)(:\d{1,5})?(/.*|\?.*)?"
)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_BUILD_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_TOKEN = re.compile(r"[\w.~+/=-]{40,200}", re.ASCII)
_LEVEL = re.compile(r"\d{1,4}:\d{1,9}(\.\d{1,4})?", re.ASCII)
T = TypeVar("T")
CORES_PER_WORKER = 2
"""Temporal server, database, API and simulators of the same machine use the other one."""
_LONGEST_S = 1e9
"""About thirty years."""


def _only(is_valid: Callable[[T], bool]) -> AfterValidator:
    """Reject values without a message of its own: the field's description is shown."""

    def check(value: T) -> T:
        if not is_valid(value):
            raise ValueError
        return value

    return AfterValidator(check)


def _is_url(url: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and url.split() == [url]


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


def _is_token(text: str) -> bool:
    return not text or bool(_TOKEN.fullmatch(text))


def _are_cartons(cartons: tuple[Container, ...]) -> bool:
    return bool(cartons) and all(map(keeps_parcel_limits, cartons))


def _is_folder(path: Path | None) -> bool:
    return path is None or path.is_dir()


def _is_build_id(text: str) -> bool:
    return not text or bool(_BUILD_ID.fullmatch(text))


def _are_fonts(text: str) -> bool:
    return bool(text.split()) and all(map(_is_font_source, text.split()))


def _is_font_source(name: str) -> bool:
    return Path(name).is_dir() or (name.isidentifier() and find_spec(name) is not None)


# A description completes "<VARIABLE>: must be ...", the message for an invalid value.

Port = Annotated[int, Field(ge=1, le=65535, description="a whole number from 1 to 65535")]
HttpUrl = Annotated[
    str, _only(_is_http), Field(description="a URL with http:// or https:// and a host")
]
Secrets = Annotated[
    str,
    _only(_are_secrets),
    Field(description="whsec_ followed by base64, or several of these separated by spaces"),
]
Days = Annotated[int, Field(ge=0, le=3650, description="a whole number of days from 0 to 3650")]
PositiveDays = Annotated[
    int, Field(ge=1, le=3650, description="a whole number of days from 1 to 3650")
]
Percent = Annotated[Decimal, Field(ge=0, le=100, description="a percentage from 0 to 100")]
WholePercent = Annotated[int, Field(ge=0, le=100, description="a whole percentage from 0 to 100")]
TimeOfDay = Annotated[str, _only(_is_time), Field(description="a time of day such as 04:30")]
_SECONDS = "a number of seconds above 0"
Seconds = Annotated[float, Field(gt=0, le=_LONGEST_S, allow_inf_nan=False, description=_SECONDS)]
OptionalSeconds = Annotated[Seconds | None, Field(description=_SECONDS)]


class Settings(BaseSettings):
    """The environment variables of all processes: the fields' names in capitals, or from `.env`.

    Address, namespace, API key and TLS of the Temporal server are the SDK's own variables
    (`TEMPORAL_*`), which the SDK reads.
    """

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    # Processes and addresses

    var_dir: Path = Field(default=Path("var"), description="the path of a folder")
    """The folder of data and logs."""
    database_url: Annotated[str, _only(_is_database)] = Field(
        default="",
        description="a URL: postgresql://user:password@host/name, or sqlite:/// and a path",
    )
    """Empty: the SQLite file `orders.db` in VAR_DIR."""

    temporal_port: Port = 7233
    ui_port: Port = 8233
    api_port: Port = 8080

    workers: Annotated[int, Field(ge=1, le=64, description="a whole number from 1 to 64")] = max(
        1, (os.cpu_count() or 1) // CORES_PER_WORKER
    )
    """Worker processes that `make up` and `make demo` run."""
    build_id: Annotated[str, _only(_is_build_id)] = Field(
        default="", description="1 to 64 letters, digits, dots, underscores or hyphens, or absent"
    )
    """The version of this worker's code, for deployments side by side; empty: not versioned."""
    metrics_port: Port | None = Field(
        default=None, description="a whole number from 1 to 65535, or absent"
    )
    """The port on which a worker shows its metrics; further workers take the next ones."""

    api_token: Annotated[
        str,
        _only(_is_token),
        Field(description="at least 40 characters: `openssl rand -hex 32`"),
    ] = ""
    """A token of the scope admin, which `tools.prepare` stores."""
    payments_url: HttpUrl = "http://127.0.0.1:8090/payments"
    suppliers_url: HttpUrl = "http://127.0.0.1:8090/suppliers"
    carriers_url: HttpUrl = "http://127.0.0.1:8090/carriers"
    smtp_url: Annotated[str, _only(_is_smtp)] = Field(
        default="smtp://127.0.0.1:8025",
        description="a URL with smtp://, smtps:// or smtp+starttls:// and a host",
    )
    mail_from: Annotated[str, _only(_is_mail_address)] = Field(
        default="orders@shop.example", description="a mail address"
    )
    """The sender of mail to customers."""

    # Partners

    webhook_secret_payments: Secrets = ""
    webhook_secret_suppliers: Secrets = ""
    webhook_secret_carriers: Secrets = ""
    """`whsec_...`; several, separated by spaces, while a secret is being replaced."""

    webhook_private_addresses: bool = Field(default=False, description="true or false")
    """Post events also to private networks and this machine, and without TLS."""

    log_level: Literal["debug", "info", "warning"] = Field(
        default="info", description="debug, info or warning"
    )
    """Level of the worker's log; debug has the tracebacks of expected failures, too."""

    partners: Literal["auto", "manual"] = Field(default="auto", description="auto or manual")
    partner_delay: float = Field(
        default=1.0,
        ge=0,
        le=_LONGEST_S,
        allow_inf_nan=False,
        description="a number of seconds, 0 or more",
    )
    """Delay before each automatic action of the simulators, in seconds."""

    partner_timeout: Seconds = 10.0
    """Time limit of a call to a partner, in seconds; also the time until a lost call is noticed."""
    attention_after_attempts: int = Field(default=5, ge=1, description="a whole number, 1 or more")
    """Failed attempts until a partner step is shown as attention; attempts continue."""
    attention_after: Seconds = ATTENTION_AFTER_S
    """Time that any step fails until it is shown as attention, in seconds; attempts continue."""

    # Payments and invoices

    payment_deadline: Seconds = 7 * 86400.0
    """Time until an unpaid prepaid or cash order is cancelled, in seconds."""
    late_money: Literal["refund", "reallocate"] = Field(
        default="refund", description="refund or reallocate"
    )
    """The use of money received after its order was cancelled for lack of payment."""
    tax_point: Literal["payment", "invoice"] = Field(
        default="payment", description="payment or invoice"
    )
    """When tax falls due: already with payments before the invoice (2006/112/EC art. 65), or only
    with the invoice."""
    invoice_at: Literal["goods_issue", "acceptance"] = Field(
        default="goods_issue", description="goods_issue or acceptance"
    )
    """When an order on credit is invoiced: each delivery with its goods issue, or the whole order
    before its goods leave. An order keeps the rule of its acceptance."""
    payment_tolerance: Decimal = Field(
        default=Decimal(0), ge=0, le=1000, description="an amount from 0 to 1000, such as 0.05"
    )
    """Accepted underpayment in the company's currency, posted as a payment difference."""
    bad_debt_relief: bool = Field(default=True, description="true or false")
    """Whether written-off receivables reduce the tax owed (2006/112/EC art. 90)."""
    dunning: Annotated[str, _only(_is_dunning)] = Field(
        default="7:0 14:5.00 28:10.00",
        description="days:fee of each reminder by ascending days, such as 7:0 14:5.00, or empty",
    )
    """Reminders of overdue invoices: days after the due date, and the fee in the company's
    currency."""

    # Shipping

    tracking_silence: Seconds = 7 * 86400.0
    """Time without a carrier event until a shipment is shown as attention, in seconds."""
    tracking_silence_ltl: OptionalSeconds = None
    tracking_silence_truckload: OptionalSeconds = None
    """The same for shipments by LTL or truckload; None: as `tracking_silence`."""
    cartons: Annotated[Json[tuple[Container, ...]], _only(_are_cartons)] = Field(
        default=CARTONS,
        validate_default=False,
        description="a JSON list of objects with name, length_mm, width_mm, height_mm (inside), "
        "max_weight_g (of goods) and tare_g, each within the limits of a parcel",
    )
    pallet: Json[Container] = Field(
        default=PALLET,
        validate_default=False,
        description="a JSON object with name, length_mm, width_mm, height_mm (of goods), "
        "max_weight_g (of goods) and tare_g",
    )
    """The cartons of parcels, and the pallet of LTL and truckload."""
    collect_within_days: PositiveDays = 14
    """Days that goods wait for collection until an attention is shown."""
    ship_within_days: Days = 30
    """Days until goods are promised to leave, if the order names no date."""
    silent_delay_days: Days = 30
    """The longest first delay to which silence is consent, in days; also the days for an answer
    about a longer one."""

    # Returns

    return_window_days: Days = 30
    """Days after delivery for returns for any reason."""
    return_warranty_days: Days = 730
    """Days after delivery for returns that are our fault: wrong, defective or damaged goods."""
    return_expires_days: Days = 14
    """Days until an authorised return that is not on its way expires."""
    return_authorisation: Literal["manual", "auto"] = Field(
        default="manual", description="manual or auto"
    )
    """Whether an operator authorises each return, or the rules alone."""
    return_opened_percent: WholePercent = 100
    """Share of the price refunded for opened goods, if it is not our fault."""
    return_worn_percent: WholePercent = 50
    """Share of the price refunded for worn goods, if it is not our fault."""

    # Documents

    documents_dir: Annotated[Path | None, _only(_is_folder)] = Field(
        default=None, description="the path of an existing folder"
    )
    """The shop's own templates and words; its files replace the shipped ones of the same name."""
    documents_fonts: Annotated[str, _only(_are_fonts)] = Field(
        default=" ".join(FONTS),
        description="Python packages or folders with fonts, separated by spaces",
    )

    documents_unprintable: Literal["wait", "mark"] = Field(
        default="wait", description="wait or mark"
    )
    """What happens to a document with characters that no font has: it waits for an operator, or is
    printed with marks."""

    # Purchasing

    replenishment_window: Seconds = 2.0
    """Time that a purchase order collects lines before it is sent, in seconds."""
    acknowledge_within: Seconds = 2 * 86400.0
    """Time for a supplier to acknowledge; then the next offer is taken. In seconds."""
    receipt_grace_days: Days = 14
    """Days of lateness until a delivery is no longer expected."""
    supplier_rest_days: Days = 30
    """Days without purchases of a SKU from a supplier that failed to supply it."""
    receipt_tolerance_percent: Percent = Decimal(10)
    """Accepted excess over the ordered quantity."""

    service_level_percent: Decimal = Field(
        default=Decimal(95), ge=50, lt=100, description="a percentage from 50, below 100"
    )
    """Share of order cycles without a stock-out."""
    demand_window_days: PositiveDays = 90
    """Days over which demand is observed."""
    order_cost: Decimal = Field(
        default=Decimal("25.00"), ge=0, le=10**9, description="an amount, 0 or more, such as 25.00"
    )
    """Cost of placing one purchase order, in the company's currency."""
    holding_cost_percent: Percent = Decimal(20)
    """Cost of holding a unit for a year, as a share of its value."""

    approve_first_purchase: bool = Field(default=True, description="true or false")
    """Whether a first purchase of more than orders are short of waits for approval."""
    approve_above: Decimal = Field(
        default=Decimal("5000.00"),
        ge=0,
        le=10**12,
        description="an amount, 0 or more, such as 1000.00",
    )
    """Landed cost above which a purchase waits for approval, in the company's currency."""
    approve_cover_months: Annotated[
        int, Field(ge=1, le=1_200, description="a whole number of months from 1 to 1200")
    ] = 6
    """Months of demand that a purchase covers beyond what orders are short of, without approval."""

    # Nightly jobs, at times of the company's time zone. No clock skips or repeats the default ones.

    stock_review_at: TimeOfDay = "04:30"
    """Start of the nightly stock review."""
    reconcile_at: TimeOfDay = "05:30"
    """Start of the nightly reconciliation."""

    @classmethod
    def read(cls) -> Self:
        """Read environment and `.env`. Raises InvalidConfiguration, which never shows a value."""
        try:
            return cls()
        except ValidationError as error:
            invalid = dict.fromkeys(str(details["loc"][0]) for details in error.errors())
        raise InvalidConfiguration(
            FieldError(name.upper(), f"must be {cls.model_fields[name].description}")
            for name in invalid
        )

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database: `database_url` or its default."""
        return self.database_url or f"sqlite:///{self.var_dir / 'orders.db'}"

    @property
    def billing(self) -> BillingRules:
        """Rules of invoices, payments and reminders."""
        levels = (level.split(":") for level in self.dunning.split())
        return BillingRules(
            tax_on_account=self.tax_point == "payment",
            tolerance=str(self.payment_tolerance),
            bad_debt_relief=self.bad_debt_relief,
            dunning=tuple(DunningLevel(days=int(days), fee=fee) for days, fee in levels),
            invoice_at=InvoiceAt(self.invoice_at),
        )

    @property
    def returns(self) -> ReturnRules:
        """Rules of returns: periods and refunded shares of the price."""
        return ReturnRules(
            window_days=self.return_window_days,
            warranty_days=self.return_warranty_days,
            expires_days=self.return_expires_days,
            opened_percent=self.return_opened_percent,
            worn_percent=self.return_worn_percent,
            authorises_automatically=self.return_authorisation == "auto",
        )

    @property
    def documents(self) -> DocumentRules:
        """Templates and fonts of documents."""
        fonts = tuple(self.documents_fonts.split())
        return DocumentRules(
            folder=self.documents_dir,
            fonts=fonts,
            prints_marks=self.documents_unprintable == "mark",
        )

    @property
    def packaging(self) -> Packaging:
        """Cartons and pallet."""
        return Packaging(cartons=self.cartons, pallet=self.pallet)

    @property
    def purchasing(self) -> PurchasingPolicy:
        """Rules of purchase orders and suppliers."""
        return PurchasingPolicy(
            window=timedelta(seconds=self.replenishment_window),
            acknowledge_within=timedelta(seconds=self.acknowledge_within),
            receipt_grace=timedelta(days=self.receipt_grace_days),
            rest=timedelta(days=self.supplier_rest_days),
            tolerance_ppm=int(self.receipt_tolerance_percent * PPM_PER_PERCENT),
        )

    @property
    def policy(self) -> Policy:
        """The settings that are fixed for an order when it is recorded."""
        return Policy(
            payment_deadline=self.payment_deadline,
            partner_timeout=self.partner_timeout,
            attention_after_attempts=self.attention_after_attempts,
            attention_after=self.attention_after,
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
        """Rules of the stock review: demand, service level and costs."""
        return ReviewPolicy(
            window_days=self.demand_window_days,
            service_level_ppm=int(self.service_level_percent * PPM_PER_PERCENT),
            order_cost=self.order_cost,
            holding_cost_ppm=int(self.holding_cost_percent * PPM_PER_PERCENT),
        )

    @property
    def rules(self) -> Rules:
        """The rules of all domains."""
        return Rules(
            policy=self.policy,
            billing=self.billing,
            purchasing=self.purchasing,
            approvals=ApprovalRules(
                first=self.approve_first_purchase,
                value=self.approve_above,
                cover_months=self.approve_cover_months,
            ),
            review=self.review,
            packaging=self.packaging,
            returns=self.returns,
            documents=self.documents,
        )
