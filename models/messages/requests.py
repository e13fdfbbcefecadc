"""Requests to a running order: the inputs of its updates, and their outcome."""

from models.base import Payload


class CancelRequest(Payload):
    """Please cancel."""

    reason: str = ""
    actor: str = "operator"


class RetryRequest(Payload):
    """Please try the step again that waits for a person."""

    actor: str = "operator"


class AcceptRequest(Payload):
    """The customer accepts the delay that was told."""

    actor: str = "operator"


class CommandOutcome(Payload):
    """What a command came to."""

    accepted: bool
    message: str
