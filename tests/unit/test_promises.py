"""Promises: who is told what about a delay, and when silence is consent (16 CFR 435.2)."""

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
    Told,
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
    """So many days after the promised one."""
    return PROMISED + timedelta(days=days)


def notice(
    revised: date | None, notices_before: int = 0, policy: PromisePolicy = RULE
) -> DelayNotice:
    """The notice, which there must be."""
    told = delay_notice(PROMISED, revised, notices_before, policy)
    assert told is not None
    return told


def test_an_order_without_a_date_is_promised_within_thirty_days() -> None:
    assert promised_date(PLACED, None, RULE) == date(2026, 2, 9)
    assert promised_date(PLACED, None, PromisePolicy(ship_within_days=3)) == date(2026, 1, 13)


def test_an_agreed_date_is_the_promise_and_never_before_the_order() -> None:
    assert promised_date(PLACED, date(2026, 6, 1), RULE) == date(2026, 6, 1)
    assert promised_date(PLACED, date(2025, 6, 1), RULE) == PLACED


@pytest.mark.parametrize("revised", [after(0), after(-1)])
@pytest.mark.parametrize("before", [0, 1])
def test_no_delay_needs_no_notice(revised: date, before: int) -> None:
    assert delay_notice(PROMISED, revised, before, RULE) is None


@pytest.mark.parametrize("days", [1, 30])
def test_silence_is_consent_to_a_first_delay_of_up_to_thirty_days(days: int) -> None:
    told = notice(after(days))
    assert told.silence_is_consent
    assert told.says == (Told.MAY_CANCEL, Told.REVISED_DATE, Told.SILENCE_CONSENTS)
    assert (told.tell_by, told.answer_by, told.paragraph) == (PROMISED, after(days), "(b)(1)(ii)")


def test_a_longer_first_delay_needs_consent_within_thirty_days() -> None:
    told = notice(after(31))
    assert not told.silence_is_consent
    assert told.says == (Told.MAY_CANCEL, Told.REVISED_DATE, Told.SILENCE_CANCELS)
    assert (told.tell_by, told.answer_by, told.paragraph) == (PROMISED, after(30), "(b)(1)(iii)")


def test_a_first_delay_without_a_date_needs_consent_that_can_be_taken_back() -> None:
    told = notice(None)
    assert not told.silence_is_consent
    assert told.says == (
        *(Told.MAY_CANCEL, Told.DATE_UNKNOWN, Told.SILENCE_CANCELS),
        Told.MAY_CANCEL_UNTIL_SHIPPED,
    )
    assert (told.tell_by, told.answer_by, told.paragraph) == (PROMISED, after(30), "(b)(1)(iii)")


@pytest.mark.parametrize("revised", [after(1), after(31), None])
@pytest.mark.parametrize("before", [1, 2])
def test_a_further_delay_needs_consent_by_the_date_promised_last(
    revised: date | None, before: int
) -> None:
    told = notice(revised, before)
    assert not told.silence_is_consent
    assert Told.SILENCE_CANCELS in told.says
    assert (told.tell_by, told.answer_by, told.paragraph) == (PROMISED, PROMISED, "(b)(2)(ii)")


def test_the_numbers_are_configuration() -> None:
    strict = PromisePolicy(silent_delay_days=0)
    assert not notice(after(1), policy=strict).silence_is_consent
    assert notice(after(45), policy=PromisePolicy(silent_delay_days=45)).silence_is_consent


@given(days=st.none() | st.integers(1, 400), before=st.integers(0, 3), policy=some_policies)
def test_every_notice_says_what_silence_means_and_that_one_may_cancel(
    days: int | None, before: int, policy: PromisePolicy
) -> None:
    """Exactly one of both, exactly one about the date, and consent by silence only as allowed."""
    told = notice(after(days) if days else None, before, policy)
    says = set(told.says)
    assert Told.MAY_CANCEL in says
    assert told.silence_is_consent == (Told.SILENCE_CONSENTS in says)
    assert len(says & {Told.SILENCE_CONSENTS, Told.SILENCE_CANCELS}) == 1
    assert (Told.REVISED_DATE in says) == (days is not None)
    assert (Told.DATE_UNKNOWN in says) == (Told.MAY_CANCEL_UNTIL_SHIPPED in says) == (days is None)
    allowed = before == 0 and days is not None and days <= policy.silent_delay_days
    assert told.silence_is_consent == allowed
    assert told.tell_by <= told.answer_by


# What is told when, and what becomes of the promise.

BEFORE = after(-10)
"""A day on which there is time left."""


def look(promise: Promise, expected: date | None, today: date = BEFORE) -> Review:
    """A look by the usual rule."""
    return review(promise, expected, today, RULE)


def kinds(*reviews: Review) -> list[tuple[int, LetterKind]]:
    """Number and kind of the letters."""
    return [(r.promise.letter.number, r.promise.letter.kind) for r in reviews if r.promise.letter]


def test_nothing_is_told_while_there_is_time_and_no_date() -> None:
    found = look(Promise(promised=PROMISED), None)
    assert found == Review(promise=Promise(promised=PROMISED), look_on=PROMISED)


def test_a_date_within_the_promise_is_told_and_another_one_again() -> None:
    first = look(Promise(promised=PROMISED), after(-5))
    second = look(first.promise, after(0))
    assert kinds(first, second) == [(1, LetterKind.BACKORDER), (2, LetterKind.BACKORDER)]
    assert second.promise.promised == PROMISED
    assert second.look_on is None


def test_a_short_first_delay_moves_the_promise_and_the_next_waits_for_an_answer() -> None:
    first = look(Promise(promised=PROMISED), after(30))
    assert (first.promise.promised, first.promise.consent_by) == (after(30), None)
    second = look(first.promise, after(31))
    assert (second.promise.promised, second.promise.consent_by) == (after(30), after(30))
    assert second.look_on == after(31)
    assert kinds(first, second) == [(1, LetterKind.DELAY), (2, LetterKind.DELAY)]


def test_without_an_answer_it_lapses_on_the_day_after_the_last() -> None:
    told = look(Promise(promised=PROMISED), after(31)).promise
    assert told.consent_by == after(30)
    assert not look(told, after(31), after(30)).lapsed
    assert look(told, after(31), after(31)).lapsed
    assert not look(told, after(0), after(31)).lapsed, "a date within the promise came"


def test_a_lost_date_is_told_and_so_is_the_promised_day_without_one() -> None:
    dated = look(Promise(promised=PROMISED), after(-5)).promise
    for found in (look(dated, None), look(Promise(promised=PROMISED), None, PROMISED)):
        assert found.promise.consent_by == after(30)
        assert found.promise.letter is not None
        assert found.promise.letter.expected is None
        assert Told.DATE_UNKNOWN in found.promise.letter.says


def test_who_is_told_too_late_has_the_day_to_answer() -> None:
    late = look(Promise(promised=PROMISED, delays=1, told=after(0)), after(9), after(5))
    assert late.promise.consent_by == after(5)


def test_an_accepted_delay_moves_the_promise_to_what_was_told() -> None:
    assert accept(Promise(promised=PROMISED)) is None
    known = accept(look(Promise(promised=PROMISED), after(50)).promise)
    assert known is not None
    assert (known.promised, known.delays, known.consent_by) == (after(50), 1, None)
    unknown = accept(look(Promise(promised=PROMISED), None, PROMISED).promise)
    assert unknown is not None
    assert unknown.promised is None
    assert look(unknown, None, after(300)) == Review(promise=unknown)
    found = look(unknown, after(90))
    assert (found.promise.promised, found.promise.consent_by) == (after(90), None)


@given(
    expected=st.lists(st.none() | st.integers(-9, 90), min_size=1, max_size=6),
    today=st.integers(-10, 60),
    requires=st.booleans(),
)
def test_looking_again_tells_nothing_new(
    expected: list[int | None], today: int, requires: bool
) -> None:
    """And whoever must answer was told so, by the last letter; nobody lapses on time."""
    promise = Promise(promised=PROMISED, delays=int(requires))
    for days in expected:
        day = None if days is None else after(days)
        found = look(promise, day, after(today))
        again = look(found.promise, day, after(today))
        assert again.promise == found.promise
        assert again == found or found.look_on is None or found.look_on > after(today)
        assert not found.lapsed
        assert found.look_on is None or found.look_on > after(today)
        if found.promise.consent_by:
            assert found.promise.standing_letter is not None
            assert found.promise.standing_letter.answer_by == found.promise.consent_by
        promise = found.promise
