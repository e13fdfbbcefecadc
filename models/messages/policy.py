"""The policy of an order: the settings that are fixed when it is recorded."""

from typing import Literal

from models.base import Payload
from models.promises import PromisePolicy
from models.shipping import FreightMode


class Policy(Payload):
    """The durations an order lives by, fixed when it is recorded. Seconds."""

    payment_deadline: float
    partner_timeout: float
    attention_after_attempts: int
    late_money: Literal["refund", "reallocate"] = "refund"
    tracking_silence: float = 7 * 86_400.0
    """How long a carrier may say nothing of a shipment."""
    tracking_silence_ltl: float | None = None
    tracking_silence_truckload: float | None = None
    """The same of what goes by LTL, or by truckload; None: as of all others."""
    collect_within: float = 14 * 86_400.0
    """How long goods wait to be collected before a person is to ask."""
    promises: PromisePolicy = PromisePolicy()
    """Days, not seconds: what customers are promised is a date."""

    def silence_of(self, mode: FreightMode) -> float:
        """How long a carrier may say nothing of a shipment that goes so."""
        of_mode = {
            FreightMode.LTL: self.tracking_silence_ltl,
            FreightMode.TRUCKLOAD: self.tracking_silence_truckload,
        }
        return of_mode.get(mode) or self.tracking_silence
