"""What a carrier's reports say together: the same, in whatever order they come."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tracking import EXCEPTIONS, TrackingEvent, TrackingStatus, fold

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
S = TrackingStatus


def report(number: int, status: TrackingStatus, hours: int) -> TrackingEvent:
    return TrackingEvent(event_id=f"E-{number}", status=status, at=NOON + timedelta(hours=hours))


reports = st.builds(
    report, number=st.integers(0, 9), status=st.sampled_from(S), hours=st.integers(0, 4)
)


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ([], None),
        ([(S.BOOKED, 0)], S.BOOKED),
        ([(S.PICKED_UP, 0), (S.IN_TRANSIT, 1)], S.IN_TRANSIT),
        ([(S.PICKED_UP, 0), (S.IN_TRANSIT, 0)], S.IN_TRANSIT),
        ([(S.LOST, 1), (S.IN_TRANSIT, 2)], S.IN_TRANSIT),
        ([(S.IN_TRANSIT, 2), (S.LOST, 3)], S.LOST),
        ([(S.LOST, 3), (S.DELIVERED, 2)], S.DELIVERED),
        ([(S.DELIVERED, 2), (S.RETURNED_TO_SENDER, 9)], S.DELIVERED),
        ([(S.REFUSED, 2), (S.RETURNED_TO_SENDER, 2)], S.RETURNED_TO_SENDER),
        ([(S.OUT_FOR_DELIVERY, 2), (S.DELAYED, 3)], S.DELAYED),
    ],
)
def test_the_latest_report_says_where_goods_are_and_a_delivery_is_final(
    told: list[tuple[TrackingStatus, int]], status: TrackingStatus | None
) -> None:
    tracked = fold(report(n, *one) for n, one in enumerate(told))
    assert (tracked.status if tracked else None) == status


@pytest.mark.parametrize(("status", "left"), [(s, s not in (S.BOOKED, S.DELAYED)) for s in S])
def test_goods_have_left_as_soon_as_the_carrier_must_have_them(
    status: TrackingStatus, left: bool
) -> None:
    tracked = fold([report(1, status, 0)])
    assert tracked is not None
    assert (tracked.left_at == NOON) is left
    assert (tracked.arrived_at == NOON) is (status is S.DELIVERED)


def test_five_reports_say_the_same_in_each_of_their_orders() -> None:
    told = [
        report(n, status, hours)
        for n, (status, hours) in enumerate(
            [(S.PICKED_UP, 0), (S.IN_TRANSIT, 1), (S.LOST, 2), (S.IN_TRANSIT, 3), (S.DELIVERED, 4)]
        )
    ]
    for count in range(1, 6):
        found = {fold(order) for order in permutations(told[:count])}
        doubled = {fold((*order, *order)) for order in permutations(told[:count])}
        assert found == doubled
        assert len(found) == 1


@given(told=st.lists(reports, min_size=1, max_size=12), data=st.data())
def test_more_reports_say_the_same_in_any_order_and_number(
    told: list[TrackingEvent], data: st.DataObject
) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=5))
    assert fold(told) == fold(data.draw(st.permutations(told + again)))


def test_what_will_not_arrive_by_itself_wants_a_person() -> None:
    assert {s for s in S if s.wants_a_person} == set(EXCEPTIONS)
    assert all(s.has_goods for s in EXCEPTIONS)
