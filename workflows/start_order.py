"""The start of an order's workflow by another workflow."""

from collections.abc import Mapping

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

with workflow.unsafe.imports_passed_through():
    from models.orders import OrderDocument
    from workflows import search_attributes
    from workflows.status_text import order_summary


async def start_order(
    document: OrderDocument,
    memo: Mapping[str, object],
    details: str,
    reuse: WorkflowIDReusePolicy,
) -> None:
    """Start the workflow of an order and don't wait for it. `reuse` allows one that is over."""
    try:
        await workflow.start_child_workflow(
            "OrderWorkflow",
            document,
            id=f"order-{document.order_id}",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            id_reuse_policy=reuse,
            memo=memo,
            search_attributes=search_attributes.at_start(document.customer_id, document.channel),
            static_summary=order_summary(document),
            static_details=details,
        )
    except WorkflowAlreadyStartedError:
        return
