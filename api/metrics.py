"""Metrics of the API for Prometheus: requests, and the numbers of operation.

The worker's metrics are those of Temporal's SDK: see `METRICS_PORT`.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime

from fastapi import APIRouter, FastAPI, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from temporalio.client import Client

import engine
from activities.database.engine import Database
from activities.operations.metrics import Numbers, read_numbers
from engine import Backlog
from models.errors import EngineUnavailable

PREFIX = "order_pipeline"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
UNKNOWN_ROUTE = "unknown"
"""The route of a request for a path that doesn't exist."""


class RequestMetrics:
    """Middleware that counts requests and measures their time, by method, route and status."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        labels = ("method", "route", "status")
        self._requests = Counter(
            f"{PREFIX}_http_requests", "Requests answered.", labels, registry=registry
        )
        self._seconds = Histogram(
            *(f"{PREFIX}_http_request_seconds", "Time until a request was answered."),
            *(("method", "route"),),
            registry=registry,
            buckets=SECONDS,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, began = 500, time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
            self._requests.labels(scope["method"], route, status).inc()
            self._seconds.labels(scope["method"], route).observe(time.perf_counter() - began)


def add_metrics(app: FastAPI) -> CollectorRegistry:
    """Measure the requests of an app; returns the registry of the measurements."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # more series, of start times
    registry = CollectorRegistry()
    app.add_middleware(RequestMetrics, registry=registry)
    return registry


def metrics_router(client: Client, database: Database, registry: CollectorRegistry) -> APIRouter:
    """Build the route of the metrics."""
    router = APIRouter()

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Show metrics in the text format of Prometheus."""
        numbers = await database.read_async(read_numbers)
        now = CollectorRegistry()
        now.register(_Families(list(_numbers(numbers, database.clock()))))
        now.register(_Families(list(_backlog(await _read_backlog(client)))))
        return Response(
            generate_latest(registry) + generate_latest(now), media_type=CONTENT_TYPE_LATEST
        )

    return router


class _Families(Collector):
    """Metrics that were computed for one answer."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        """Return the metrics."""
        return self._families


async def _read_backlog(client: Client) -> Backlog | None:
    """Read the backlog of the task queue; None if the server doesn't answer."""
    try:
        return await engine.read_backlog(client)
    except EngineUnavailable:
        return None


def _numbers(numbers: Numbers, now: datetime) -> Iterator[Metric]:
    """Build the metrics of orders and of what waits for an operator."""
    yield _by("orders", "Open orders by stage.", "stage", numbers.orders)
    yield _by(
        *("oldest_order_seconds", "Age of the oldest open order in its stage.", "stage"),
        _ages(numbers.oldest_in_stage, now),
    )
    yield _by("attentions", "Orders in attention by code.", "code", numbers.attentions)
    yield _by(
        *("oldest_attention_seconds", "Age of the oldest attention by code.", "code"),
        _ages(numbers.oldest_attention, now),
    )
    yield _one("purchase_proposals", "Purchases that wait for approval.", numbers.proposals)
    yield _one("findings", "Open findings of reconciliation.", numbers.findings)
    yield _by("rejected_messages", "Messages that could not be applied.", "kind", numbers.rejected)


def _backlog(backlog: Backlog | None) -> Iterator[Metric]:
    """Build the metrics of the Temporal server and its task queue."""
    yield _one("engine_up", "1 if the Temporal server answers, else 0.", int(backlog is not None))
    if backlog is not None:
        yield _by("task_backlog", "Tasks that wait for a worker.", "kind", backlog.tasks)
        yield _by(
            "task_backlog_seconds", "Age of the oldest task that waits.", "kind", backlog.seconds
        )
        yield _by("task_pollers", "Pollers of workers.", "kind", backlog.pollers)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    """Build a gauge with one value for each value of a label."""
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=(label,))
    for value, number in values.items():
        family.add_metric((value,), number)
    return family


def _one(name: str, text: str, number: float) -> Metric:
    """Build a gauge with one value."""
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=number)


def _ages(since: Mapping[str, datetime], now: datetime) -> dict[str, float]:
    """Return ages in seconds."""
    return {name: max(0.0, (now - moment).total_seconds()) for name, moment in since.items()}
