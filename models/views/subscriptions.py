"""Views of subscriptions."""

from datetime import datetime

from models.base import Payload


class SubscriptionView(Payload):
    """A subscription; `delivered`: the number of the last event that was delivered."""

    subscription_id: str
    url: str
    types: tuple[str, ...]
    state: str
    reason: str
    actor: str
    created_at: datetime
    delivered: int
    failing_since: datetime | None
    failure: str
    dead_letters: int


class NewSecretView(Payload):
    """A subscription with its secret, which is shown once."""

    subscription: SubscriptionView
    secret: str


class DeadLetterView(Payload):
    """An event that its receiver refused."""

    event: int
    reason: str
    refused_at: datetime
    to_send: bool
