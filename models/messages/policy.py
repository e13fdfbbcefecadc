"""The policy of an order: settings fixed when it is recorded."""

from typing import Literal

from pydantic import Field

from models.base import Payload
from models.promises import PromisePolicy
from models.shipping import FreightMode

ATTENTION_AFTER_S = 120.0


class Policy(Payload):
    """The settings of one order; durations in seconds."""

    payment_deadline: float
    partner_timeout: float
    attention_after_attempts: int
    attention_after: float = Field(
        default=ATTENTION_AFTER_S, exclude_if=lambda seconds: seconds == ATTENTION_AFTER_S
    )
    """Time that a step fails until it is shown as attention."""
    late_money: Literal["refund", "reallocate"] = "refund"
    tracking_silence: float = 7 * 86_400.0
    """Time without a carrier event until a shipment is shown as attention."""
    tracking_silence_ltl: float | None = None
    tracking_silence_truckload: float | None = None
    """The same for shipments by LTL or truckload; None: as `tracking_silence`."""
    collect_within: float = 14 * 86_400.0
    """Time that goods wait for collection until an attention is shown."""
    promises: PromisePolicy = PromisePolicy()
    """In days, as customers are promised dates."""

    def silence_of(self, mode: FreightMode) -> float:
        """Choose the tracking silence of a freight mode, in seconds."""
        by_mode = {
            FreightMode.LTL: self.tracking_silence_ltl,
            FreightMode.TRUCKLOAD: self.tracking_silence_truckload,
        }
        return by_mode.get(mode) or self.tracking_silence
