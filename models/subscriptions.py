"""Subscriptions: events that are posted to an address, signed as by Standard Webhooks.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import ipaddress
import secrets
from base64 import b64encode
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import StringConstraints

from models.audit import OPERATOR
from models.base import Document, Identifier, Payload, Text
from models.errors import FieldError, InvalidInput
from models.events import EVENT_TYPES

DELIVER = "deliver_events"
"""The name of the step, which the workflow calls."""
GONE = 410
"""The status by which a receiver ends its subscription."""
OTHER_REFUSALS = (400, 413, 415, 422)
"""The statuses by which a receiver refuses one event; all others concern the receiver itself."""
REFUSED_TRIES = 5
"""How often an event is sent that is refused; then it becomes a dead letter."""
GIVE_UP_AFTER = timedelta(days=3)
"""How long a receiver may fail until its subscription is paused."""
OLD_SECRET_FOR = timedelta(hours=24)
"""How long the secret before a rotation signs, too."""
SubscriptionId = Annotated[Identifier, StringConstraints(max_length=32)]
Url = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=2_000)]


class SubscriptionDocument(Document):
    """A subscription to create: events of these `types` (none: all) are posted to `url`.

    `after`: begin with the events above this number; by default with new ones.
    """

    url: Url
    types: tuple[str, ...] = ()
    after: Annotated[int | None, "number of an event"] = None
    subscription_id: SubscriptionId | None = None
    actor: Text = OPERATOR


class SubscriptionState(StrEnum):
    """The state of a subscription. Paused: by an operator, or because its receiver is dead."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class DeliveryStep(Payload):
    """Deliver events of a subscription for some minutes."""

    subscription_id: str


class DeliveryResult(Payload):
    """The state of the subscription after a delivery."""

    state: SubscriptionState


class Verdict(StrEnum):
    """What an answer of a receiver means."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """This event; others may be welcome."""
    GONE = "gone"
    FAILED = "failed"


def verdict(status: int) -> Verdict:
    """Return what the HTTP status of a receiver means. Redirects are failures."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status == GONE:
        return Verdict.GONE
    return Verdict.REFUSED if status in OTHER_REFUSALS else Verdict.FAILED


def workflow_id_of(subscription_id: str) -> str:
    """Return the id of the workflow that delivers."""
    return f"subscription-{subscription_id}"


def new_secret() -> str:
    """Return a secret of 256 bits."""
    return "whsec_" + b64encode(secrets.token_bytes(32)).decode()


def signing_secrets(
    secret: str, old_secret: str | None, old_until: datetime | None, now: datetime
) -> list[str]:
    """Return the secrets that sign at a moment: after a rotation the old one, too, for a day."""
    still = old_secret is not None and old_until is not None and now < old_until
    return [secret, *([old_secret] if still and old_secret else [])]


def check_subscription(document: SubscriptionDocument, private: bool) -> None:
    """Check address and types. `private`: addresses of private networks are allowed.

    Raises InvalidInput.
    """
    errors = [FieldError("url", reason) for reason in _url_problems(document.url, private)]
    unknown = sorted(set(document.types) - set(EVENT_TYPES))
    if unknown:
        reason = f"there is no type {unknown[0][:100]!r}: docs/events.md lists all"
        errors.append(FieldError("types", reason))
    if document.after is not None and not 0 <= document.after < 2**63:
        errors.append(FieldError("after", "is not the number of an event"))
    if errors:
        raise InvalidInput(errors)


def _url_problems(url: str, private: bool) -> list[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("https", "http") or url.split() != [url]:
        return ["is not an address such as https://shop.example/events"]
    if parts.username or parts.password:
        return ["has a name or password: the signature proves who sends"]
    if private:
        return []
    if parts.scheme != "https":
        return ["must begin with https://"]
    return [PRIVATE] if is_literal_address(host) and not is_public(host) else []


PRIVATE = "is an address of a private network: see WEBHOOK_PRIVATE_ADDRESSES"


def is_literal_address(host: str) -> bool:
    """Check whether a host is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_public(address: str) -> bool:
    """Check that an IP address is on the public internet, also one of IPv4 within IPv6."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if within is not None:
            found = within
    return found.is_global and not found.is_multicast
