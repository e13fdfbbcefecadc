"""Facts that operators record over HTTP instead of a partner's webhook."""

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from intake import Intake
from models.audit import API


class FactTaken(BaseModel):
    """A recorded fact; `workflow_id`: the workflow it was passed to, None if applied before."""

    fact_id: str
    workflow_id: str | None


async def record_fact(
    intake: Intake, type_: str, id_field: str, body: Mapping[str, JsonValue]
) -> FactTaken:
    """Record a fact whose own id is in `id_field`. Raises as `Intake.record_fact`."""
    given = body.get(id_field)
    fact_id = given if isinstance(given, str) else ""  # the parser rejects any other
    recorded = await intake.record_fact(API, fact_id, type_, dict(body), by_operator=True)
    return FactTaken(fact_id=recorded.fact_id, workflow_id=recorded.workflow_id)
