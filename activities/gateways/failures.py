"""How our errors reach the engine: a refusal isn't retried, an unavailability is."""

from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from models.errors import PipelineError, Refused


def as_failure(error: PipelineError) -> ApplicationError:
    """The engine's failure with our code as its type: refusals are final and expected."""
    refused = isinstance(error, Refused)
    return ApplicationError(
        error.message,
        type=error.code,
        non_retryable=refused,
        category=ApplicationErrorCategory.BENIGN
        if refused
        else ApplicationErrorCategory.UNSPECIFIED,
    )


class _TranslateErrors(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        """`Any`: whatever the activity returns."""
        try:
            return await super().execute_activity(input)
        except PipelineError as error:
            activity.logger.warning("%s: %s", error.code, error.message)
            raise as_failure(error) from error


class Failures(Interceptor):
    """Worker interceptor that translates errors of `models.errors` for every activity."""

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See `temporalio.worker.Interceptor`."""
        return _TranslateErrors(next)
