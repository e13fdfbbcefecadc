"""Messages: ids that are put together from others can be told apart."""

from hypothesis import given
from hypothesis import strategies as st

from models.messages import StockPlace

ids = st.from_regex(r"[A1][A1-]{0,4}", fullmatch=True)


@given(st.tuples(ids, ids), st.tuples(ids, ids))
def test_no_two_places_share_a_replenishment(one: tuple[str, str], other: tuple[str, str]) -> None:
    """A-1 and X are not A and 1-X."""
    places = [StockPlace(location=location, sku=sku) for location, sku in (one, other)]
    assert (places[0].workflow_id == places[1].workflow_id) == (one == other)


def test_a_replenishment_is_named_after_its_place() -> None:
    """As people look for it in the Temporal UI."""
    assert StockPlace(location="BER", sku="BIT-32").workflow_id == "replenish-BER-BIT-32"
