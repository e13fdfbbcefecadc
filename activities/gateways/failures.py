"""Failures of activities: refusals are final, unavailability is retried."""

import logging
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from models.errors import PipelineError, Refused


def as_failure(error: PipelineError) -> ApplicationError:
    """Translate an error to a failure of Temporal, with the error's code as type."""
    refused = isinstance(error, Refused)
    return ApplicationError(
        error.message,
        type=error.code,
        non_retryable=refused,
        category=ApplicationErrorCategory.BENIGN
        if refused
        else ApplicationErrorCategory.UNSPECIFIED,
    )


def is_unexpected(record: logging.LogRecord) -> bool:
    """Filter the SDK's log of failed activities: errors of `models.errors` are logged here.

    The SDK would log them again, with a traceback that takes longer than most steps.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, ApplicationError) and isinstance(error.__cause__, PipelineError))


def log_failure(error: PipelineError, step: str | None = None) -> None:
    """Log an expected failure in one line, with the request of a partner call; the traceback only
    at the level DEBUG. `step`: the part of the activity that failed."""
    running, logger = activity.info(), activity.logger.base_logger
    fields: dict[str, object] = {
        "code": error.code,
        "step": step or running.activity_type,
        "workflow_id": running.workflow_id,
        "attempt": running.attempt,
    }
    if notes := getattr(error, "__notes__", None):
        fields["request"] = "; ".join(notes)
    logger.warning("%s: %s", error.code, error.message, extra=fields)
    logger.debug("%s: traceback", error.code, exc_info=error, extra=fields)


class _TranslateErrors(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """Translate the errors of an activity, whose result is of `Any` type."""
        try:
            return await super().execute_activity(input)
        except PipelineError as error:
            log_failure(error)
            raise as_failure(error) from error


class TranslateErrors(Interceptor):
    """The worker interceptor that translates errors of `models.errors` in every activity."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next interceptor of activities."""
        return _TranslateErrors(next)
