"""Events for subscribers: the entries of the audit trail in the envelope of CloudEvents 1.0.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
"""

from collections.abc import Collection
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple

from pydantic import Field

from models.base import Payload
from models.event_names import EVENTS
from models.views.audit import AuditEntryView

TYPE_PREFIX = "order."
"""What the type of an event begins with; the rest is the name of the entry in the audit trail."""
SCHEMA: Literal["/schemas/event"] = "/schemas/event"


EVENT_TYPES = tuple(TYPE_PREFIX + name for name in EVENTS)


class EventData(Payload):
    """What an event says: an entry of the order's audit trail."""

    order_id: str
    entry_no: int = Field(description="the place in the order's trail, from 1, without gaps")
    detail: str
    actor: str
    source: str = Field(description="the way by which the change came in")
    reason: str


class Event(Payload):
    """A CloudEvent about an order."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="the event's number, ascending; also the cursor of the feed")
    source: Literal["/orders"] = "/orders"
    type: str = Field(json_schema_extra={"enum": list(EVENT_TYPES)})
    subject: str = Field(description="the order")
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: Literal["/schemas/event"] = SCHEMA
    data: EventData

    @cached_property
    def text(self) -> str:
        """The event as JSON, written once for all subscribers."""
        return self.model_dump_json()

    @property
    def number(self) -> int:
        """The event's number."""
        return int(self.id)


class Filter(NamedTuple):
    """Which events a subscriber wants: of one order or all, and of some types or all."""

    order_id: str | None = None
    types: Collection[str] = ()

    def matches(self, event: Event) -> bool:
        """Check an event."""
        return (self.order_id in (None, event.subject)) and (
            not self.types or event.type in self.types
        )


class EventPage(Payload):
    """Events in order, and the cursor that continues after them."""

    events: tuple[Event, ...]
    next: int = Field(description="the value of `after` for the next page")
    more: bool = Field(description="the next page has events already")


def event_of(entry: AuditEntryView) -> Event:
    """Build the event of an entry of the audit trail."""
    return Event(
        id=str(entry.audit_no),
        type=TYPE_PREFIX + entry.event,
        subject=entry.order_id,
        time=entry.recorded_at,
        data=EventData(
            order_id=entry.order_id,
            entry_no=entry.entry_no,
            detail=entry.detail,
            actor=entry.actor,
            source=entry.source,
            reason=entry.reason,
        ),
    )
