"""Define the types of docs/partners.md: partners, request bodies, answers and callbacks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from simulators import clock

Partner = Literal["payments", "suppliers", "carriers"]
Data = dict[str, JsonValue]


def _positive(amount: str) -> str:
    if Decimal(amount) <= 0:
        raise ValueError("must be more than zero")
    return amount


# Printable ASCII, because ids are sent in headers; no "#", which numbers derived ids.
BusinessId = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[!-\x22$-~]([ -\x22$-~]*[!-\x22$-~])?$"),
]
Price = Annotated[str, StringConstraints(pattern=r"^\d{1,15}(\.\d{1,6})?$")]
Amount = Annotated[Price, AfterValidator(_positive)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Quantity = Annotated[int, Field(gt=0)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Body(BaseModel):
    """A request body: no unknown fields, no type conversion."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SimulatorConfig(BaseModel):
    """The simulators' configuration, created by the entry point or a test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    books: Path
    mail_dir: Path
    callback_url: str
    """Base URL: callbacks go to {callback_url}/payments, /suppliers and /carriers."""
    secrets: Mapping[Partner, str]
    """The signing secret `whsec_...` of each partner."""
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 0
    """0: any free port; read it from `app.state.smtp_port`."""
    auto: bool = True
    """False: send only the callbacks requested through /control/send."""
    delay_seconds: float = Field(default=1.0, ge=0)
    """The time between a partner's consecutive steps."""


@dataclass(frozen=True)
class Callback:
    """A callback to send `delays` times the configured delay after its request."""

    type: str
    event_id: str
    data: Data
    delays: int = 1
    time_field: str = "occurred_at"

    def body(self, moment: datetime) -> Data:
        """Build the body for an event that happens at `moment`."""
        return callback_body(self.type, moment, self.data | {self.time_field: clock.stamp(moment)})


def callback_body(type_: str, moment: datetime, data: Data) -> Data:
    """Build a callback body as Standard Webhooks defines it."""
    return {"type": type_, "timestamp": clock.stamp(moment), "data": data}


@dataclass(frozen=True)
class Outcome:
    """The result of a request: the answer, the new state (None if rejected), later callbacks."""

    status: int
    answer: Data
    state: str | None = None
    callbacks: tuple[Callback, ...] = ()


def conflict(code: str, message: str) -> Outcome:
    """Build the outcome of a rejected request (409)."""
    return Outcome(409, error_body(code, message))


def error_body(code: str, message: str) -> Data:
    """Build the body of an error answer."""
    return {"code": code, "message": message}
