"""Messages: ids that are put together from others can be told apart; what an order lives by."""

from hypothesis import given
from hypothesis import strategies as st

from models.messages.policy import Policy
from models.messages.steps import StockKey
from models.shipping import FreightMode

ids = st.from_regex(r"[A1][A1-]{0,4}", fullmatch=True)


@given(st.tuples(ids, ids), st.tuples(ids, ids))
def test_no_two_places_share_a_replenishment(one: tuple[str, str], other: tuple[str, str]) -> None:
    """A-1 and X are not A and 1-X."""
    places = [StockKey(location=location, sku=sku) for location, sku in (one, other)]
    assert (places[0].workflow_id == places[1].workflow_id) == (one == other)


def test_a_replenishment_is_named_after_its_place() -> None:
    """As people look for it in the Temporal UI."""
    assert StockKey(location="BER", sku="BIT-32").workflow_id == "replenish-BER-BIT-32"


def test_a_carrier_may_be_silent_as_long_as_its_mode_says() -> None:
    """Of an order that was recorded before there were modes, as long as it said."""
    old = {
        "payment_deadline": 1,
        "partner_timeout": 1,
        "attention_after_attempts": 1,
        "tracking_silence": 5,
    }
    assert {Policy.model_validate(old).silence_of(mode) for mode in FreightMode} == {5}
    policy = Policy.model_validate(old | {"tracking_silence_truckload": 9})
    silences = [policy.silence_of(mode) for mode in (FreightMode.LTL, FreightMode.TRUCKLOAD)]
    assert silences == [5, 9]
