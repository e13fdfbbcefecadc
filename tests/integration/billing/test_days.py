"""Days are the company's on every way through the pipeline: API, CLI, steps, nightly schedules."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlmodel import col, select
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest

import engine
from models.days import day_at
from models.messages.nightly import RECONCILE, STOCK_REVIEW
from models.tables.ledger import JournalEntry
from tests.conftest import DATABASES, new_world
from tests.support.masterdata.shop import company_row, order, write_tables
from tests.support.pipeline.command_line import run, run_json
from tests.support.pipeline.world import World


def distant_zone() -> str:
    """Return a time zone in which it is another day than in UTC, for hours to come."""
    return "Pacific/Kiritimati" if datetime.now(UTC).hour >= 11 else "Etc/GMT+12"


async def import_company(world: World, **fields: str) -> tuple[int, str]:
    """Import the company by CLI; returns exit status and error output."""
    folder = Path(world.folder) / "company"
    write_tables(folder, company=[company_row(**fields)])
    status, _, err = await run(world, "import", str(folder))
    return status, err


@pytest.fixture(scope="module", params=DATABASES)
async def alone(request: pytest.FixtureRequest, engine_address: str) -> AsyncIterator[World]:
    """Run a pipeline of its own: its company has another time zone than those of other tests."""
    async with new_world(request, engine_address, worker=True, auto=False) as world:
        yield world


async def test_sales_by_api_and_cli_count_for_the_day_at_the_company(alone: World) -> None:
    timezone = distant_zone()
    today = day_at(timezone, datetime.now(UTC))
    assert today != datetime.now(UTC).date()
    sku, customer = alone.shop()
    assert await import_company(alone, timezone=timezone) == (0, "")
    by_api = await alone.place(order(sku, customer, terms="net30"))
    document = alone.folder / "order.json"
    document.write_text(json.dumps(order(sku, customer)))
    by_cli = await run_json(alone, "place", str(document))
    for placed, days in ((by_api, 30), (by_cli, None)):
        order_id = placed["order_id"]
        if days is None:
            await alone.until_event(order_id, "payment_requested")
            await alone.pay(order_id, "119.00")
        else:
            await alone.until_event(order_id, "booked")
            await alone.ship(order_id, "dispatched")
        await alone.until_event(order_id, "invoiced")
        shown = await alone.order(order_id)
        number = shown["invoice_number"]
        bill = (await alone.api.get(f"/invoices/{number}")).json()
        assert bill["issued_on"] == today.isoformat()
        assert number.startswith(f"INV-{today.year}-")
        due = (today + timedelta(days=days)).isoformat() if days else None
        assert bill["due_on"] == due
        assert shown["promised_date"] == (today + timedelta(days=30)).isoformat()
    posted = select(col(JournalEntry.posting_date)).where(col(JournalEntry.order_id).is_not(None))
    assert set(alone.database.read(lambda s: s.exec(posted).all())) == {today}
    assert (await alone.api.get("/receivables/ageing")).json()["today"] == today.isoformat()
    assert (await run_json(alone, "receivables", "ageing"))["today"] == today.isoformat()
    by_day = (await alone.api.get(f"/stock/{sku}")).json()["available_to_promise"]
    assert by_day[0]["day"] == today.isoformat()
    assert (await run_json(alone, "stock", sku))["available_to_promise"] == by_day


async def starts(world: World, schedule_id: str, first: date, days: int) -> list[str]:
    """Return the times in UTC at which a schedule starts its workflow."""
    begin = datetime(first.year, first.month, first.day, tzinfo=UTC)
    request = ListScheduleMatchingTimesRequest(
        namespace=world.client.namespace, schedule_id=schedule_id
    )
    for field, at in (("start_time", begin), ("end_time", begin + timedelta(days=days))):
        moment = Timestamp()
        moment.FromDatetime(at)
        getattr(request, field).CopyFrom(moment)
    answer = await world.client.workflow_service.list_schedule_matching_times(request)
    return [f"{at.ToDatetime():%m-%d %H:%M}" for at in answer.start_time]


async def test_nightly_schedules_follow_the_company_and_its_clocks(alone: World) -> None:
    """In UTC an hour earlier in summer; once a night, also when clocks change."""
    settings = alone.settings
    await engine.prepare_schedules(
        alone.client, settings.stock_review_at, settings.reconcile_at, "UTC"
    )
    assert await starts(alone, STOCK_REVIEW, date(2027, 3, 27), 1) == ["03-27 04:30"]
    assert await import_company(alone, timezone="America/New_York") == (0, "")
    assert await import_company(alone, timezone="Europe/Berlin") == (0, "")
    spring = ["03-27 03:30", "03-28 02:30", "03-29 02:30"]
    autumn = ["10-30 02:30", "10-31 03:30", "11-01 03:30"]
    assert await starts(alone, STOCK_REVIEW, date(2027, 3, 27), 3) == spring
    assert await starts(alone, STOCK_REVIEW, date(2027, 10, 30), 3) == autumn
    assert await starts(alone, RECONCILE, date(2027, 3, 28), 1) == ["03-28 03:30"]


async def test_import_of_a_company_without_its_time_zone_is_refused(alone: World) -> None:
    status, error = await import_company(alone, country="ES", timezone="")
    assert status == 1
    assert "company.csv line 2, timezone: is missing: the clocks of ES differ" in error
