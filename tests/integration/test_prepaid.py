"""A prepaid order, all the way, and what it costs the engine."""

from collections import Counter

from temporalio.api.enums.v1 import EventType

from tests.support.shop import order
from tests.support.world import World

MOST_EVENTS = 60
ACTIVITIES = ["book_shipment", "mail_dispatch", "mail_invoice", "request_payment"]


async def test_a_prepaid_order_takes_one_workflow_and_at_most_sixty_events(
    pipeline: World,
) -> None:
    """Facts arriving one by one; counted from the order's own history."""
    sku, customer = pipeline.shop()
    document = order(sku, customer, quantity=2)
    placed = await pipeline.place(document)
    assert placed["total"] == "238.00"
    shown = await pipeline.complete(document["order_id"], "238.00")
    handle = await pipeline.ended(document["order_id"])

    history = await handle.fetch_history()
    kinds = Counter(EventType.Name(event.event_type) for event in history.events)
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]
    assert sorted(scheduled) == ACTIVITIES
    assert len(history.events) <= MOST_EVENTS, kinds
    assert "EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED" not in kinds

    assert shown["paid"] == "238.00"
    assert shown["lines"] == [
        {"sku": sku, "ordered": 2, "reserved": 0, "backordered": 0, "shipped": 2, "delivered": 2}
    ]
    events = [row["event"] for row in shown["history"]]
    assert [e for e in events if e != "mailed"] == [
        "recorded",
        "allocated",
        "payment_requested",
        "payment_received",
        "invoiced",
        "consigned",
        "booked",
        "dispatched",
        "delivered",
    ]
