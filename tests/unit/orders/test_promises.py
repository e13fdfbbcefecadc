"""Test notices of delay and consent by silence (16 CFR 435.2)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.promises import (
    DelayNotice,
    LetterKind,
    Promise,
    PromisePolicy,
    Review,
    Statement,
    accept,
    delay_notice,
    promised_date,
    review,
)

PLACED = date(2026, 1, 10)
PROMISED = date(2026, 2, 1)
RULE = PromisePolicy()

some_policies = st.builds(PromisePolicy, silent_delay_days=st.integers(0, 60))


def after(days: int) -> date:
    """Return the day so many days after the promised date."""
    return PROMISED + timedelta(days=days)


def notice(
    revised: date | None, notices_before: int = 0, policy: PromisePolicy = RULE
) -> DelayNotice:
    """Return the notice of a delay."""
    found = delay_notice(PROMISED, revised, notices_before, policy)
    assert found is not None
    return found


def test_order_without_date_is_promised_within_thirty_days() -> None:
    assert promised_date(PLACED, None, RULE) == date(2026, 2, 9)
    assert promised_date(PLACED, None, PromisePolicy(ship_within_days=3)) == date(2026, 1, 13)


def test_requested_date_is_promised_but_none_before_the_order() -> None:
    assert promised_date(PLACED, date(2026, 6, 1), RULE) == date(2026, 6, 1)
    assert promised_date(PLACED, date(2025, 6, 1), RULE) == PLACED


@pytest.mark.parametrize("revised", [after(0), after(-1)])
@pytest.mark.parametrize("before", [0, 1])
def test_date_within_promise_needs_no_notice(revised: date, before: int) -> None:
    assert delay_notice(PROMISED, revised, before, RULE) is None


@pytest.mark.parametrize("days", [1, 30])
def test_silence_is_consent_to_first_delay_of_up_to_thirty_days(days: int) -> None:
    """435.2(b)(1)(ii)."""
    delay = notice(after(days))
    assert delay.silence_is_consent
    assert delay.statements == (
        Statement.MAY_CANCEL,
        Statement.REVISED_DATE,
        Statement.SILENCE_CONSENTS,
    )
    assert (delay.promised, delay.answer_by) == (PROMISED, after(days))


def test_longer_first_delay_needs_consent_within_thirty_days() -> None:
    """435.2(b)(1)(iii)."""
    delay = notice(after(31))
    assert not delay.silence_is_consent
    assert delay.statements == (
        Statement.MAY_CANCEL,
        Statement.REVISED_DATE,
        Statement.SILENCE_CANCELS,
    )
    assert (delay.promised, delay.answer_by) == (PROMISED, after(30))


def test_first_delay_without_date_needs_consent_that_can_be_withdrawn() -> None:
    """435.2(b)(1)(iii)."""
    delay = notice(None)
    assert not delay.silence_is_consent
    assert delay.statements == (
        *(Statement.MAY_CANCEL, Statement.DATE_UNKNOWN, Statement.SILENCE_CANCELS),
        Statement.MAY_CANCEL_UNTIL_SHIPPED,
    )
    assert (delay.promised, delay.answer_by) == (PROMISED, after(30))


@pytest.mark.parametrize("revised", [after(1), after(31), None])
@pytest.mark.parametrize("before", [1, 2])
def test_further_delay_needs_consent_by_promised_date(revised: date | None, before: int) -> None:
    """435.2(b)(2)(ii)."""
    delay = notice(revised, before)
    assert not delay.silence_is_consent
    assert Statement.SILENCE_CANCELS in delay.statements
    assert (delay.promised, delay.answer_by) == (PROMISED, PROMISED)


def test_silent_delay_days_are_configurable() -> None:
    strict = PromisePolicy(silent_delay_days=0)
    assert not notice(after(1), policy=strict).silence_is_consent
    assert notice(after(45), policy=PromisePolicy(silent_delay_days=45)).silence_is_consent


@given(days=st.none() | st.integers(1, 400), before=st.integers(0, 3), policy=some_policies)
def test_notice_states_right_to_cancel_and_effect_of_silence(
    days: int | None, before: int, policy: PromisePolicy
) -> None:
    """With one statement about silence, one about the date, and silent consent only as allowed."""
    delay = notice(after(days) if days else None, before, policy)
    stated = set(delay.statements)
    assert Statement.MAY_CANCEL in stated
    assert delay.silence_is_consent == (Statement.SILENCE_CONSENTS in stated)
    assert len(stated & {Statement.SILENCE_CONSENTS, Statement.SILENCE_CANCELS}) == 1
    assert (Statement.REVISED_DATE in stated) == (days is not None)
    assert (Statement.DATE_UNKNOWN in stated) == (days is None)
    assert (Statement.MAY_CANCEL_UNTIL_SHIPPED in stated) == (days is None)
    allowed = before == 0 and days is not None and days <= policy.silent_delay_days
    assert delay.silence_is_consent == allowed
    assert delay.promised <= delay.answer_by


# --- reviews ------------------------------------------------------------------------------------

BEFORE = after(-10)
"""A day before the promised date."""


def reviewed(promise: Promise, expected: date | None, today: date = BEFORE) -> Review:
    """Review a promise by the default policy."""
    return review(promise, expected, today, RULE)


def kinds(*reviews: Review) -> list[tuple[int, LetterKind]]:
    """List number and kind of the letters."""
    return [(r.promise.letter.number, r.promise.letter.kind) for r in reviews if r.promise.letter]


def test_customer_is_not_notified_without_date_before_promised_date() -> None:
    found = reviewed(Promise(promised=PROMISED), None)
    assert found == Review(promise=Promise(promised=PROMISED), review_on=PROMISED)


def test_customer_is_notified_of_each_date_within_promise() -> None:
    first = reviewed(Promise(promised=PROMISED), after(-5))
    second = reviewed(first.promise, after(0))
    assert kinds(first, second) == [(1, LetterKind.BACKORDER), (2, LetterKind.BACKORDER)]
    assert second.promise.promised == PROMISED
    assert second.review_on is None


def test_short_first_delay_moves_promise_and_next_one_needs_consent() -> None:
    first = reviewed(Promise(promised=PROMISED), after(30))
    assert (first.promise.promised, first.promise.consent_by) == (after(30), None)
    second = reviewed(first.promise, after(31))
    assert (second.promise.promised, second.promise.consent_by) == (after(30), after(30))
    assert second.review_on == after(31)
    assert kinds(first, second) == [(1, LetterKind.DELAY), (2, LetterKind.DELAY)]


def test_delay_without_consent_lapses_on_day_after_deadline() -> None:
    """Unless the goods are expected within the promise by then."""
    delayed = reviewed(Promise(promised=PROMISED), after(31)).promise
    assert delayed.consent_by == after(30)
    assert not reviewed(delayed, after(31), after(30)).lapsed
    assert reviewed(delayed, after(31), after(31)).lapsed
    assert not reviewed(delayed, after(0), after(31)).lapsed


def test_customer_is_notified_of_lost_date_and_on_promised_date_without_one() -> None:
    dated = reviewed(Promise(promised=PROMISED), after(-5)).promise
    for found in (reviewed(dated, None), reviewed(Promise(promised=PROMISED), None, PROMISED)):
        assert found.promise.consent_by == after(30)
        assert found.promise.letter is not None
        assert found.promise.letter.expected is None
        assert Statement.DATE_UNKNOWN in found.promise.letter.statements


def test_late_notice_leaves_current_day_to_answer() -> None:
    late = reviewed(Promise(promised=PROMISED, delays=1, notified=after(0)), after(9), after(5))
    assert late.promise.consent_by == after(5)


def test_accepted_delay_moves_promise_to_date_in_letter() -> None:
    assert accept(Promise(promised=PROMISED)) is None
    known = accept(reviewed(Promise(promised=PROMISED), after(50)).promise)
    assert known is not None
    assert (known.promised, known.delays, known.consent_by) == (after(50), 1, None)
    unknown = accept(reviewed(Promise(promised=PROMISED), None, PROMISED).promise)
    assert unknown is not None
    assert unknown.promised is None
    assert reviewed(unknown, None, after(300)) == Review(promise=unknown)
    found = reviewed(unknown, after(90))
    assert (found.promise.promised, found.promise.consent_by) == (after(90), None)


@given(
    expected=st.lists(st.none() | st.integers(-9, 90), min_size=1, max_size=6),
    today=st.integers(-10, 60),
    requires=st.booleans(),
)
def test_repeated_review_sends_no_new_letter(
    expected: list[int | None], today: int, requires: bool
) -> None:
    """The last letter states every deadline for consent, and no delay lapses before it."""
    promise = Promise(promised=PROMISED, delays=int(requires))
    for days in expected:
        day = None if days is None else after(days)
        found = reviewed(promise, day, after(today))
        again = reviewed(found.promise, day, after(today))
        assert again.promise == found.promise
        assert again == found or found.review_on is None or found.review_on > after(today)
        assert not found.lapsed
        assert found.review_on is None or found.review_on > after(today)
        if found.promise.consent_by:
            assert found.promise.standing_letter is not None
            assert found.promise.standing_letter.answer_by == found.promise.consent_by
        promise = found.promise
