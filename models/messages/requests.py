"""Requests to a running order: inputs and outcome of its updates."""

from models.audit import OPERATOR, TEMPORAL, Origin
from models.base import Payload


class Request(Payload):
    """The base of all requests. Without a `source` it was sent from the Temporal UI or its CLI."""

    reason: str = ""
    actor: str = OPERATOR
    source: str = TEMPORAL

    @property
    def origin(self) -> Origin:
        """The origin of what the request changes."""
        return Origin(actor=self.actor, source=self.source, reason=self.reason)


class CancelRequest(Request):
    """Cancel the order."""


class RetryRequest(Request):
    """Retry the steps that wait for an operator."""


class AcceptRequest(Request):
    """Record the customer's consent to the delay."""


class CommandOutcome(Payload):
    """The outcome of a request: whether it was accepted, and why."""

    accepted: bool
    message: str
