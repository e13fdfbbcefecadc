"""The Temporal server: client, namespace, search attributes, schedules, state of workflows."""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple, TypeVar

from dotenv import dotenv_values
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import (
    IndexedValueType,
    TaskQueueType,
    WorkerDeploymentVersionStatus,
)
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    DescribeWorkerDeploymentRequest,
    RegisterNamespaceRequest,
    SetWorkerDeploymentCurrentVersionRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowExecutionDescription,
)
from temporalio.common import SearchAttributeKey
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode

from models.errors import EngineUnavailable, FieldError, InvalidConfiguration, NotFound
from models.messages import nightly
from models.visibility import CUT_OFF_STATUSES, REPORTED_PROBLEMS

Result = TypeVar("Result")

TASK_QUEUE = "orders"
DEPLOYMENT = "orders"
"""The name of the worker deployment, which has a version for each `BUILD_ID`."""
TASK_KINDS = {
    "workflow": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    "activity": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
}
RETENTION = timedelta(days=30)
CALL_TIMEOUT = timedelta(seconds=5)
"""How long API and CLI wait for the engine."""
UPDATE_TIMEOUT = timedelta(seconds=30)
"""How long API and CLI wait for a worker."""
CATCH_UP = timedelta(hours=12)
"""A nightly workflow missed while the engine was down starts if it is up within this time."""
LAZY_CONNECT_FAILED = "Failed client connect"
"""The start of the SDK's RuntimeError if a lazy client's first call finds no server."""
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", re.ASCII)
SEARCH_ATTRIBUTES = {
    "OrderStage": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "CustomerId": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Channel": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "AttentionReason": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    "Attention": IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
}


async def connect(
    environment: Mapping[str, str],
    temporal_port: int = 7233,
    *,
    lazy: bool = False,
    metrics_port: int | None = None,
) -> Client:
    """Connect to the server that the environment names.

    `lazy`: connect at the first call, so that the API starts without the engine. Otherwise raises
    EngineUnavailable. `metrics_port`: where the SDK shows its metrics to Prometheus, on 127.0.0.1.
    Raises InvalidConfiguration.
    """
    where = connection_options(environment, temporal_port)
    runtime = _runtime_with_metrics(metrics_port) if metrics_port else None
    try:
        return await Client.connect(
            **where, data_converter=pydantic_data_converter, lazy=lazy, runtime=runtime
        )
    except ValueError as error:
        raise _wrong("TEMPORAL_*", str(error)) from error
    except RuntimeError as error:
        address = where["target_host"]
        raise EngineUnavailable(f"the engine can't be reached at {address}: {error}") from error


def _runtime_with_metrics(port: int) -> Runtime:
    """Build the SDK's runtime with its metrics on a port. Raises InvalidConfiguration."""
    metrics = PrometheusConfig(bind_address=f"127.0.0.1:{port}", durations_as_seconds=True)
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except (RuntimeError, ValueError) as error:
        reason = f"port {port} can't be used ({error}): is it in use?"
        raise _wrong("METRICS_PORT", reason) from error


def connection_options(
    environment: Mapping[str, str], temporal_port: int = 7233
) -> ClientConnectConfig:
    """Read the SDK's `TEMPORAL_*` variables; the default is the local server on `temporal_port`.

    `environment` has precedence over `.env`. Raises InvalidConfiguration.
    """
    written = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    try:
        found = ClientConfig.load_client_connect_config(
            override_env_vars={**written, **environment}
        )
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]  # further lines show the file with its secrets
        raise _wrong("TEMPORAL_*", reason) from error
    found.setdefault("target_host", f"127.0.0.1:{temporal_port}")
    address = _ADDRESS.fullmatch(found["target_host"])
    if not address or not 1 <= int(address[2]) <= 65535:
        raise _wrong("TEMPORAL_ADDRESS", "must be a host and a port, such as 127.0.0.1:7233")
    return found


def _wrong(variable: str, reason: str) -> InvalidConfiguration:
    return InvalidConfiguration([FieldError(variable, reason)])


async def reach(call: Awaitable[Result]) -> Result:
    """Await a call to the engine. Raises EngineUnavailable if it doesn't answer."""
    try:
        return await call
    except RPCError as error:
        if error.status in (
            RPCStatusCode.UNAVAILABLE,
            RPCStatusCode.DEADLINE_EXCEEDED,
            RPCStatusCode.CANCELLED,
            RPCStatusCode.UNKNOWN,
        ):
            status = error.status.name.lower().replace("_", " ")
            raise EngineUnavailable(
                f"the engine doesn't answer ({status}); is it running?"
            ) from error
        raise
    except RuntimeError as error:
        if LAZY_CONNECT_FAILED not in str(error):
            raise
        raise EngineUnavailable("the engine can't be reached; is it running?") from error


async def describe(
    client: Client, workflow_id: str, within: timedelta = CALL_TIMEOUT
) -> WorkflowExecutionDescription | None:
    """Describe a workflow; None if there is none. Raises EngineUnavailable."""
    try:
        async with asyncio.timeout(within.total_seconds()):  # the SDK retries for longer
            return await reach(client.get_workflow_handle(workflow_id).describe(rpc_timeout=within))
    except TimeoutError as error:
        raise EngineUnavailable("the engine doesn't answer in time; is it running?") from error
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


def is_terminated(description: WorkflowExecutionDescription | None) -> bool:
    """Check whether a workflow was ended from outside: terminated, cancelled, failed, timed out."""
    status = description.status if description is not None else None
    return status is not None and status.name.title().replace("_", "") in CUT_OFF_STATUSES


def is_failing(description: WorkflowExecutionDescription | None) -> bool:
    """Check whether a workflow's tasks fail, as the engine reports."""
    if description is None:
        return False
    problems = SearchAttributeKey.for_keyword_list(REPORTED_PROBLEMS)
    return bool(description.typed_search_attributes.get(problems))


class Version(NamedTuple):
    """A version of the workers. `status`: such as current, draining or drained."""

    build_id: str
    status: str


async def read_versions(client: Client) -> list[Version]:
    """Read the versions of the workers, the latest first. Raises EngineUnavailable."""
    request = DescribeWorkerDeploymentRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT
    )
    try:
        found = await reach(client.workflow_service.describe_worker_deployment(request))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return []
    prefix = "WORKER_DEPLOYMENT_VERSION_STATUS_"
    versions = sorted(
        found.worker_deployment_info.version_summaries,
        key=lambda summary: summary.create_time.ToNanoseconds(),
        reverse=True,
    )
    return [
        Version(
            build_id=summary.deployment_version.build_id,
            status=WorkerDeploymentVersionStatus.Name(summary.status).removeprefix(prefix).lower(),
        )
        for summary in versions
    ]


async def use_version(client: Client, build_id: str) -> None:
    """Make a version the current one: new and running orders go to its workers.

    Raises NotFound if no worker of it has started, EngineUnavailable.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build_id
    )
    try:
        await reach(client.workflow_service.set_worker_deployment_current_version(request))
    except RPCError as error:
        if error.status not in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION):
            raise
        message = f"no worker of version {build_id} runs: start one with BUILD_ID={build_id}"
        raise NotFound("version_unknown", message) from error


class Backlog(NamedTuple):
    """The task queue: tasks that wait, age of the oldest in seconds, and pollers, by kind."""

    tasks: dict[str, int]
    seconds: dict[str, float]
    pollers: dict[str, int]


async def read_backlog(client: Client) -> Backlog:
    """Read the backlog of the task queue. Raises EngineUnavailable."""
    backlog = Backlog({}, {}, {})
    for kind, type_ in TASK_KINDS.items():
        request = DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=TASK_QUEUE),
            task_queue_type=type_,
            report_stats=True,
        )
        call = client.workflow_service.describe_task_queue(request, timeout=CALL_TIMEOUT)
        found = await reach(call)
        backlog.tasks[kind] = found.stats.approximate_backlog_count
        backlog.seconds[kind] = found.stats.approximate_backlog_age.ToTimedelta().total_seconds()
        backlog.pollers[kind] = len(found.pollers)
    return backlog


async def prepare(client: Client) -> None:
    """Create the namespace, its retention and the search attributes, unless they exist.

    Returns when the server knows all attributes: a new one is unknown for a second or two.
    """
    await _prepare_namespace(client)
    while missing := await _missing_attributes(client):
        await _add_attributes(client, missing)
        await asyncio.sleep(0.2)


async def _prepare_namespace(client: Client) -> None:
    retention = Duration(seconds=int(RETENTION.total_seconds()))
    service = client.workflow_service
    try:
        await service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        await service.register_namespace(
            RegisterNamespaceRequest(
                namespace=client.namespace, workflow_execution_retention_period=retention
            )
        )
    else:
        config = NamespaceConfig(workflow_execution_retention_ttl=retention)
        await service.update_namespace(
            UpdateNamespaceRequest(namespace=client.namespace, config=config)
        )


async def _missing_attributes(client: Client) -> dict[str, IndexedValueType.ValueType]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        answer = await client.operator_service.list_search_attributes(request)
        existing = set(answer.custom_attributes)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        existing = set()  # the new namespace isn't known everywhere yet
    return {name: kind for name, kind in SEARCH_ATTRIBUTES.items() if name not in existing}


async def _add_attributes(
    client: Client, missing: Mapping[str, IndexedValueType.ValueType]
) -> None:
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    except RPCError as error:
        if error.status not in (RPCStatusCode.ALREADY_EXISTS, RPCStatusCode.NOT_FOUND):
            raise


async def prepare_schedules(
    client: Client, stock_review_at: str, reconcile_at: str, timezone: str
) -> None:
    """Create the nightly schedules, or change them to these times ("04:30") of a time zone.

    A paused schedule stays paused.
    """
    review = ScheduleActionStartWorkflow(
        "StockReviewWorkflow",
        id=nightly.STOCK_REVIEW,
        task_queue=TASK_QUEUE,
        static_summary="Review all stock",
        static_details="Reorder points, safety stock and order quantities, from what was ordered.",
    )
    reconcile = ScheduleActionStartWorkflow(
        "ReconcileWorkflow",
        id=nightly.RECONCILE,
        task_queue=TASK_QUEUE,
        static_summary="Reconcile the books",
        static_details="Compares counters, reservations, movements, ledger and workflows.",
    )
    for action, at in ((review, stock_review_at), (reconcile, reconcile_at)):
        await _prepare_schedule(client, action.id, _every_day(action, at, timezone))


def _every_day(action: ScheduleActionStartWorkflow, at: str, timezone: str) -> Schedule:
    hour, minute = map(int, at.split(":"))
    return Schedule(
        action=action,
        spec=ScheduleSpec(
            calendars=[
                ScheduleCalendarSpec(hour=(ScheduleRange(hour),), minute=(ScheduleRange(minute),))
            ],
            time_zone_name=timezone,
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
    )


def _times(schedule: Schedule) -> tuple[Sequence[ScheduleCalendarSpec], str | None]:
    return schedule.spec.calendars, schedule.spec.time_zone_name


async def change_timezone(client: Client, timezone: str) -> None:
    """Change the nightly schedules that exist to the times of a time zone."""

    def update(given: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = given.description.schedule
        spec = replace(schedule.spec, time_zone_name=timezone)
        return ScheduleUpdate(replace(schedule, spec=spec))

    for schedule_id in (nightly.STOCK_REVIEW, nightly.RECONCILE):
        try:
            await client.get_schedule_handle(schedule_id).update(update, rpc_timeout=CALL_TIMEOUT)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise


async def _prepare_schedule(client: Client, schedule_id: str, wanted: Schedule) -> None:
    def update(given: ScheduleUpdateInput) -> ScheduleUpdate | None:
        existing = given.description.schedule
        if (_times(existing), existing.policy) == (_times(wanted), wanted.policy):
            return None
        return ScheduleUpdate(replace(wanted, state=existing.state))

    try:
        await client.create_schedule(schedule_id, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(schedule_id).update(update)
