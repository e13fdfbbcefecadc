"""The feed of events: every entry of the audit trail once, in the order of numbers."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import select

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.events import feed as event_feed
from activities.events.feed import EventFeed
from activities.order_record.audit import record_event
from models.events import Event, Filter
from models.tables.operations import AuditRow
from tests.conftest import DATABASES, new_database
from tests.support.database.rules import RULES

ALL = Filter()


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database without orders."""
    database = Database(new_database(request.param, request, tmp_path), RULES)
    yield database
    database.close()


@pytest.fixture
def postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database whose transactions may commit in another order than they write."""
    database = Database(new_database("postgresql", request, tmp_path), RULES)
    yield database
    database.close()


def write(database: Database, order_id: str, *events: str) -> None:
    """Record events of an order in one transaction."""

    def record(work: UnitOfWork) -> None:
        for event in events:
            record_event(work, order_id, event, f"{event} of {order_id}")

    database.transaction(record)


async def collect(feed: EventFeed, count: int, after: int = 0, wanted: Filter = ALL) -> list[Event]:
    """Follow the feed until `count` events have come."""
    found: list[Event] = []
    async with aclosing(feed.follow(after, wanted)) as batches:
        async for events in batches:
            found += events
            if len(found) >= count:
                break
    return found


def texts(events: list[Event] | tuple[Event, ...]) -> list[tuple[str, str]]:
    """Return the order and the type of events."""
    return [(event.subject, event.type) for event in events]


async def test_pages_continue_after_the_last_event(database: Database) -> None:
    """Also with a filter."""
    for order_id in ("O-1", "O-2"):
        write(database, order_id, "recorded", "allocated", "invoiced")
    feed, after, pages = EventFeed(database), 0, []
    while True:
        page = await feed.page(after, 4, ALL)
        pages.append(texts(page.events))
        after = page.next
        if not page.more:
            break
    assert [len(page) for page in pages] == [4, 2]
    assert len({*pages[0], *pages[1]}) == 6
    assert (await feed.page(after, 4, ALL)).events == ()
    page = await feed.page(0, 4, Filter("O-2", ["order.recorded", "order.invoiced"]))
    assert texts(page.events) == [("O-2", "order.recorded"), ("O-2", "order.invoiced")]
    assert page.next == after, "nothing else of the filter is among what was looked at"


async def test_event_is_an_entry_of_the_audit_trail(database: Database) -> None:
    write(database, "O-1", "recorded", "allocated")
    [_, event] = (await EventFeed(database).page(0, 10, ALL)).events
    [_, row] = database.read(lambda s: s.exec(select(AuditRow)).all())
    assert event.model_dump(mode="json") == {
        "specversion": "1.0",
        "id": str(row.audit_no),
        "source": "/orders",
        "type": "order.allocated",
        "subject": "O-1",
        "time": row.recorded_at.isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "dataschema": "/schemas/event",
        "data": {
            "order_id": "O-1",
            "entry_no": 2,
            "detail": "allocated of O-1",
            "actor": "pipeline",
            "source": "pipeline",
            "reason": "",
        },
    }


def test_event_of_no_kind_is_refused(database: Database) -> None:
    with pytest.raises(AssertionError, match="forgotten is not in"):
        write(database, "O-1", "forgotten")


async def test_event_committed_late_is_not_passed_over(postgresql: Database) -> None:
    """O-1 writes first and commits last: nothing above its number is shown before."""
    written, go_on = threading.Event(), threading.Event()

    def slow(work: UnitOfWork) -> None:
        record_event(work, "O-1", "recorded", "first")
        work.write_appended()
        written.set()
        go_on.wait(30)

    feed = EventFeed(postgresql)
    stream = asyncio.create_task(collect(feed, 2))
    late = asyncio.create_task(asyncio.to_thread(postgresql.transaction, slow))
    await asyncio.to_thread(written.wait, 30)
    write(postgresql, "O-2", "recorded")
    numbers = postgresql.read(lambda s: s.exec(select(AuditRow.order_id)).all())
    assert numbers == ["O-2"], "it is committed"
    page = await feed.page(0, 10, ALL)
    assert (page.events, page.next) == ((), 0)
    go_on.set()
    await late
    expected = [("O-1", "order.recorded"), ("O-2", "order.recorded")]
    assert texts((await feed.page(0, 10, ALL)).events) == expected
    assert texts(await stream) == expected


async def test_rolled_back_number_is_no_obstacle(postgresql: Database) -> None:
    def failing(work: UnitOfWork) -> None:
        record_event(work, "O-1", "recorded", "never")
        work.write_appended()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        postgresql.transaction(failing)
    write(postgresql, "O-2", "recorded")
    page = await EventFeed(postgresql).page(0, 10, ALL)
    assert texts(page.events) == [("O-2", "order.recorded")]


@pytest.mark.parametrize("kept", [3, 2_000])
async def test_subscribers_miss_nothing_however_far_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """One from the beginning, one from the middle, one with a filter, one that is slow."""
    monkeypatch.setattr(event_feed, "KEPT", kept)
    monkeypatch.setattr(event_feed, "BATCH", 7)
    for number in range(20):
        write(database, f"O-{number}", "recorded")
    feed = EventFeed(database)

    async def read_slowly() -> list[Event]:
        seen: list[Event] = []
        async with aclosing(feed.follow(0, ALL)) as batches:
            async for events in batches:
                seen += events
                if len(seen) >= 60:
                    break
                await asyncio.sleep(0.01)
        return seen

    first = asyncio.create_task(collect(feed, 60))
    middle = asyncio.create_task(collect(feed, 50, after=10))
    only = asyncio.create_task(collect(feed, 3, wanted=Filter(types=("order.invoiced",))))
    slowly = asyncio.create_task(read_slowly())
    for number in range(20, 60):
        events = ("recorded", "invoiced") if number % 20 == 0 else ("recorded",)
        await asyncio.to_thread(write, database, f"O-{number}", *events)
    write(database, "O-60", "invoiced")
    orders = [f"O-{number}" for number in range(60)]
    for found, begin in ((await first, 0), (await middle, 10), (await slowly, 0)):
        recorded = [event.subject for event in found if event.type == "order.recorded"]
        assert recorded == orders[begin : begin + len(recorded)]
        assert [event.number for event in found] == sorted({event.number for event in found})
    assert texts(await only) == [(f"O-{n}", "order.invoiced") for n in (20, 40, 60)]


async def test_reader_ends_with_its_last_subscriber(database: Database) -> None:
    feed = EventFeed(database)
    write(database, "O-1", "recorded")
    await collect(feed, 1)
    await asyncio.sleep(0)
    running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert "EventFeed._read_on" not in running


async def test_failing_reader_fails_its_subscribers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than leave them silent for ever."""

    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    feed = EventFeed(database)
    monkeypatch.setattr(event_feed, "KEEP_ALIVE_S", 0.05)
    monkeypatch.setattr(feed, "_look", broken)
    with pytest.raises(ZeroDivisionError):
        await collect(feed, 1)


def test_type_of_an_event_is_described() -> None:
    described = Event.model_json_schema()["properties"]["type"]["enum"]
    assert "order.delivered" in described
    with pytest.raises(ValidationError):
        Event.model_validate({"id": "1"})
