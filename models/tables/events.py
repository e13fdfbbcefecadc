"""Tables of subscriptions to events."""

from datetime import datetime

from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from models.tables.columns import bigint


class Subscription(SQLModel, table=True):
    """An address to which events are posted: see `models.subscriptions`."""

    __tablename__ = "subscriptions"

    subscription_id: str = Field(primary_key=True)
    url: str
    types: list[str] = Field(sa_type=JSON)
    """None: all."""
    secret: str
    old_secret: str | None = None
    """The secret before a rotation: it signs, too, until `old_until`."""
    old_until: datetime | None = None
    state: str
    reason: str = ""
    """Why it is paused."""
    actor: str
    created_at: datetime
    delivered_no: int = bigint()
    """The number of the last event that was delivered, and so were all before it."""
    failing_since: datetime | None = None
    failure: str = ""
    """The last failure of the receiver."""


class DeadLetter(SQLModel, table=True):
    """An event that the receiver of a subscription refused."""

    __tablename__ = "dead_letters"

    subscription_id: str = Field(foreign_key="subscriptions.subscription_id", primary_key=True)
    audit_no: int = bigint(primary_key=True)
    reason: str
    refused_at: datetime
    to_send: bool = False
    """An operator wants it to be sent again."""
