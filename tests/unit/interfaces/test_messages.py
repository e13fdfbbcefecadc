"""Messages: unambiguous ids, and the policy of an order."""

from hypothesis import given
from hypothesis import strategies as st

from models.messages.policy import Policy
from models.messages.steps import StockKey
from models.shipping import FreightMode

ids = st.from_regex(r"[A1][A1-]{0,4}", fullmatch=True)


@given(st.tuples(ids, ids), st.tuples(ids, ids))
def test_replenishment_id_is_unique_for_each_stock_key(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    """A-1 and X have another id than A and 1-X."""
    keys = [StockKey(location=location, sku=sku) for location, sku in (one, other)]
    assert (keys[0].workflow_id == keys[1].workflow_id) == (one == other)


def test_replenishment_id_names_location_and_sku() -> None:
    """As operators search for it in the Temporal UI."""
    assert StockKey(location="BER", sku="BIT-32").workflow_id == "replenish-BER-BIT-32"


def test_tracking_silence_of_freight_mode() -> None:
    """Modes without a duration of their own have the order's."""
    given = {
        "payment_deadline": 1,
        "partner_timeout": 1,
        "attention_after_attempts": 1,
        "tracking_silence": 5,
    }
    assert {Policy.model_validate(given).silence_of(mode) for mode in FreightMode} == {5}
    policy = Policy.model_validate(given | {"tracking_silence_truckload": 9})
    silences = [policy.silence_of(mode) for mode in (FreightMode.LTL, FreightMode.TRUCKLOAD)]
    assert silences == [5, 9]
