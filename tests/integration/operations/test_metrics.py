"""Metrics of API and worker, and the dashboard and alerts that use them."""

import json
import re
from collections import defaultdict
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import engine
from models.errors import InvalidConfiguration
from tests.conftest import new_database
from tests.support.masterdata.shop import Document, unique
from tests.support.orders.stages import TOTAL, place_order
from tests.support.pipeline.start import running_world
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tools.ports import any_free
from tools.prepare import migrate

MONITORING = Path(__file__).parents[3] / "monitoring"
NAME = re.compile(r"\b(?:order_pipeline|temporal)_\w+")
LEGEND = re.compile(r"{{(\w+)}}")
ONLY_AFTER_A_FAILURE = {"temporal_workflow_task_execution_failed"}
"""Metrics that the SDK shows once a workflow task has failed."""
POOR: Document = {"credit_limit": "1.00"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(text: str) -> Samples:
    """Parse metrics as Prometheus does; returns values by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(world: World) -> Samples:
    """Read the API's metrics."""
    response = await world.api.get("/metrics")
    assert response.status_code == 200
    return samples_of(response.text)


def value(samples: Samples, name: str, **labels: str) -> float:
    """Return the value of a metric of the API; 0 where it isn't shown."""
    return samples.get((f"order_pipeline_{name}", frozenset(labels.items())), 0.0)


async def test_metrics_count_orders_by_stage_and_attentions_by_code(pipeline: World) -> None:
    """Each with the age of the oldest; they change with the orders."""
    before = await scrape(pipeline)
    before_rejected = value(before, "rejected_messages", kind="shipment_tracked")
    assert value(before, "rejected_messages", kind="goods_received") >= 0
    paid = (await place_order(pipeline)).order_id
    await pipeline.until_event(paid, "payment_requested")
    refused = (await place_order(pipeline, terms="net30", shop=POOR)).order_id
    await pipeline.until_event(refused, "attention")
    await pipeline.order_workflow(paid).signal("shipment_tracked", {"tracking_id": 7})
    after = await until(
        lambda: scrape(pipeline),
        lambda found: value(found, "rejected_messages", kind="shipment_tracked") > before_rejected,
    )

    def added(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert added("orders", stage="awaiting_payment") >= 1
    assert added("orders", stage="received") >= 1
    assert added("attentions", code="credit_limit_exceeded") >= 1
    for name, labels in (
        ("oldest_order_seconds", {"stage": "awaiting_payment"}),
        ("oldest_attention_seconds", {"code": "credit_limit_exceeded"}),
    ):
        assert 0 <= value(after, name, **labels) < 3_600, name
    assert value(after, "engine_up") == 1
    assert value(after, "task_pollers", kind="workflow") >= 1
    assert added("http_requests_total", method="GET", route="/metrics", status="200") >= 1
    await pipeline.complete(paid, TOTAL)


async def test_dashboard_and_alerts_use_metrics_that_exist(
    request: pytest.FixtureRequest, engine_address: str, tmp_path: Path
) -> None:
    """Names of API and SDK, as they are scraped after one order."""
    port = any_free()
    client = await engine.connect(
        {"TEMPORAL_ADDRESS": engine_address, "TEMPORAL_NAMESPACE": unique("metrics")},
        metrics_port=port,
    )
    await engine.prepare(client)
    url = new_database("sqlite", request, tmp_path)
    migrate(url)
    async with running_world(
        client, engine_address, url, tmp_path, worker=True, auto=False
    ) as world:
        await world.complete((await place_order(world)).order_id, TOTAL)
        async with httpx.AsyncClient() as http:
            sdk = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
        refused = (await place_order(world, terms="net30", shop=POOR)).order_id
        await world.until_event(refused, "attention")
        api = (await world.api.get("/metrics")).text
    shown = set(re.findall(r"^\w+", api + sdk, re.MULTILINE)) | ONLY_AFTER_A_FAILURE
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    used = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    } | set(NAME.findall((MONITORING / "alerts.yml").read_text()))
    assert len(used) > 12
    assert used - shown == set()
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for name, pairs in samples_of(api + sdk):
        labels[name] |= {label for label, _ in pairs}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            known = set[str]().union(*(labels[each] for each in NAME.findall(target["expr"])))
            assert set(LEGEND.findall(target.get("legendFormat", ""))) <= known, panel["title"]


async def test_metrics_port_in_use_is_a_clear_error(engine_address: str) -> None:
    """Instead of a worker without metrics."""
    port = int(engine_address.rpartition(":")[2])
    with pytest.raises(InvalidConfiguration, match="METRICS_PORT"):
        await engine.connect({"TEMPORAL_ADDRESS": engine_address}, metrics_port=port)
