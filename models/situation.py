"""What is known about an order: its progress, and what only the tables or only the engine know.

`models.why` explains from it what the order waits for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from models.messages.attention import Attention, OpenAttention
from models.messages.policy import Policy
from models.money import Money
from models.operator_actions import Target
from models.progress import FINAL_STAGES, Progress, stage
from models.refunds import PaidBy, RefundState
from models.returns import ReturnState


@dataclass(frozen=True)
class Retrying:
    """A step that failed and is tried again."""

    summary: str
    attempts: int
    error: str
    next_at: datetime | None = None


@dataclass(frozen=True)
class Supply:
    """Units that an order lacks, and where they come from."""

    sku: str
    quantity: int
    location: str
    po_id: str | None = None
    supplier: str | None = None
    expected_date: date | None = None
    is_proposed: bool = False
    """Whether their purchase waits for an operator's approval."""


@dataclass(frozen=True)
class OpenRefund:
    """A refund that was asked for and isn't paid."""

    number: int
    payment_id: str
    amount: str
    paid_by: PaidBy
    state: RefundState
    asked_at: datetime


@dataclass(frozen=True)
class OpenReturn:
    """A return that is not over."""

    return_id: str
    state: ReturnState
    since: datetime
    expires_at: datetime | None = None
    news_at: datetime | None = None


@dataclass(frozen=True)
class Situation:
    """What is known about an order. Its workflow knows less than the tables: no suppliers, refunds
    and returns."""

    order_id: str
    policy: Policy
    progress: Progress | None = None
    """None: not recorded yet."""
    since: datetime | None = None
    """When the order reached its stage."""
    attentions: tuple[OpenAttention, ...] = ()
    retrying: tuple[Retrying, ...] = ()
    supplies: tuple[Supply, ...] = ()
    carriers: Mapping[str, str] = field(default_factory=dict)
    """Names of carriers, by shipment."""
    refunds: tuple[OpenRefund, ...] = ()
    returns: tuple[OpenReturn, ...] = ()
    due_on: date | None = None
    """The date by which the oldest unpaid invoice is to be paid."""

    @property
    def is_over(self) -> bool:
        """Whether the order is completed or cancelled."""
        return self.progress is not None and stage(self.progress) in FINAL_STAGES

    def with_attention(self, attention: Attention, since: datetime) -> "Situation":
        """Add an attention that neither the tables nor the workflow can show."""
        shown = OpenAttention(attention=attention, since=since)
        return replace(self, attentions=(shown, *self.attentions))

    @property
    def target(self) -> Target:
        """The order as the commands for operators name it."""
        progress = self.progress
        if progress is None:
            return Target(order_id=self.order_id)
        return Target(
            order_id=self.order_id,
            due=amount_of(progress, progress.due_minor),
            received=amount_of(progress, progress.received_minor),
            has_received=progress.received_minor > 0,
            goods_left=progress.goods_left,
        )


def amount_of(progress: Progress, amount_minor: int) -> str:
    """Format an amount of an order, with its currency."""
    return str(Money(amount_minor=amount_minor, currency=progress.currency))
