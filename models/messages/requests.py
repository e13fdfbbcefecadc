"""Requests to a running order: inputs and outcome of its updates."""

from models.base import Payload


class CancelRequest(Payload):
    """Cancel the order."""

    reason: str = ""
    actor: str = "operator"


class RetryRequest(Payload):
    """Retry the steps that wait for an operator."""

    actor: str = "operator"


class AcceptRequest(Payload):
    """Record the customer's consent to the delay."""

    actor: str = "operator"


class CommandOutcome(Payload):
    """The outcome of a request: whether it was accepted, and why."""

    accepted: bool
    message: str
