"""The search attributes by which operators find orders in the Temporal UI."""

from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from models.messages.attention import Attention
from models.progress import Stage

ORDER_STAGE = SearchAttributeKey.for_keyword("OrderStage")
CUSTOMER_ID = SearchAttributeKey.for_keyword("CustomerId")
CHANNEL = SearchAttributeKey.for_keyword("Channel")
ATTENTION = SearchAttributeKey.for_bool("Attention")
ATTENTION_REASON = SearchAttributeKey.for_keyword("AttentionReason")


def at_start(customer_id: str, channel: str) -> TypedSearchAttributes:
    """Return the search attributes of a new order."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(ORDER_STAGE, Stage.RECEIVED.value),
            SearchAttributePair(CUSTOMER_ID, customer_id),
            SearchAttributePair(CHANNEL, channel),
            SearchAttributePair(ATTENTION, False),
        ]
    )


def for_attention(attention: Attention | None) -> list:  # type: ignore[type-arg]  # updates of two value types
    """Return the updates that show an attention, or clear it."""
    if attention is None:
        return [ATTENTION.value_set(False), ATTENTION_REASON.value_unset()]
    return [ATTENTION.value_set(True), ATTENTION_REASON.value_set(attention.code)]
