"""Records of retries: who had the steps of an order that wait tried again, and why."""

from pydantic import JsonValue, ValidationError
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.orders import retries
    from models.messages.requests import CommandOutcome, RetryRequest
    from models.messages.steps import RetryStep
    from workflows.steps import run_database_step


def read_request(raw: JsonValue) -> RetryRequest:
    """Read a request of any content; one that isn't valid has the defaults."""
    try:
        return RetryRequest.model_validate({} if raw is None else raw)
    except ValidationError:
        return RetryRequest()


async def record_retry(order_id: str, request: RetryRequest, outcome: CommandOutcome) -> None:
    """Record an accepted retry in the order's audit trail, once for each update."""
    update = workflow.current_update_info()
    if update is None or not outcome.accepted:
        return
    step = RetryStep(
        order_id=order_id,
        workflow_id=workflow.info().workflow_id,
        update_id=update.id,
        request=request,
        tried=outcome.message,
    )
    await run_database_step(retries.record_retry, step, "Record the retry")
