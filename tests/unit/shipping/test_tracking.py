"""The tracking summary: the same for the same reports, in whatever order they arrive."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.tracking import NEEDING_OPERATOR, TrackingEvent, TrackingStatus, summarise

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
S = TrackingStatus


def report(status: TrackingStatus, hours: int) -> TrackingEvent:
    return TrackingEvent(status=status, at=NOON + timedelta(hours=hours))


reports = st.builds(report, status=st.sampled_from(S), hours=st.integers(0, 4))


@pytest.mark.parametrize(
    ("reported", "status"),
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
def test_latest_report_gives_the_status_and_a_delivery_is_final(
    reported: list[tuple[TrackingStatus, int]], status: TrackingStatus | None
) -> None:
    summary = summarise(report(*one) for one in reported)
    assert (summary.status if summary else None) == status


@pytest.mark.parametrize(("status", "left"), [(s, s not in (S.BOOKED, S.DELAYED)) for s in S])
def test_first_report_of_a_carrier_with_the_goods_dates_their_departure(
    status: TrackingStatus, left: bool
) -> None:
    summary = summarise([report(status, 0)])
    assert summary is not None
    assert (summary.left_at == NOON) is left
    assert (summary.arrived_at == NOON) is (status is S.DELIVERED)


def test_five_reports_have_one_summary_in_all_their_orders() -> None:
    reported = [
        report(status, hours)
        for status, hours in (
            *((S.PICKED_UP, 0), (S.IN_TRANSIT, 1), (S.LOST, 2)),
            *((S.IN_TRANSIT, 3), (S.DELIVERED, 4)),
        )
    ]
    for count in range(1, 6):
        summaries = {summarise(order) for order in permutations(reported[:count])}
        doubled = {summarise((*order, *order)) for order in permutations(reported[:count])}
        assert summaries == doubled
        assert len(summaries) == 1


@given(reported=st.lists(reports, min_size=1, max_size=12), data=st.data())
def test_summary_depends_on_neither_order_nor_repetition(
    reported: list[TrackingEvent], data: st.DataObject
) -> None:
    repeated = data.draw(st.lists(st.sampled_from(reported), max_size=5))
    assert summarise(reported) == summarise(data.draw(st.permutations(reported + repeated)))


def test_carrier_exceptions_need_an_operator() -> None:
    assert {s for s in S if s.needs_operator} == set(NEEDING_OPERATOR)
    assert all(s.has_goods for s in NEEDING_OPERATOR)
