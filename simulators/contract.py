"""The words of docs/partners.md as types: partners, bodies, answers and callbacks."""

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


# Printable ASCII, as ids travel in headers; no "#", which numbers the ids derived from them.
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
    """The body of a request: exactly the agreed fields, of exactly the agreed types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class SimulatorConfig(BaseModel):
    """All that the simulators need to know; made by a root or by a test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    books: Path
    mail_dir: Path
    callback_url: str
    """Callbacks go to {callback_url}/payments, /suppliers and /carriers."""
    secrets: Mapping[Partner, str]
    """One `whsec_...` a partner, to sign with."""
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 0
    """0: any free port, told as `app.state.smtp_port`."""
    auto: bool = True
    delay_seconds: float = Field(default=1.0, ge=0)


@dataclass(frozen=True)
class Callback:
    """What a partner will tell us, `delays` delays after the request that caused it."""

    type: str
    event_id: str
    data: Data
    delays: int = 1
    time_field: str = "occurred_at"

    def body(self, moment: datetime) -> Data:
        """The message to send, of something that happens at `moment`."""
        return message(self.type, moment, self.data | {self.time_field: clock.stamp(moment)})


def message(kind: str, moment: datetime, data: Data) -> Data:
    """The body of a callback, as every receiver gets it."""
    return {"type": kind, "timestamp": clock.stamp(moment), "data": data}


@dataclass(frozen=True)
class Outcome:
    """What came of a request: the answer, the state it leaves, and what is told later."""

    status: int
    answer: Data
    state: str | None = None
    callbacks: tuple[Callback, ...] = ()


def problem(code: str, message: str) -> Data:
    """The body of every refusal."""
    return {"code": code, "message": message}
