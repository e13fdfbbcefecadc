"""Promised dates, notices of delay, and the customer's consent to delays.

The rules are those of the US Federal Trade Commission for goods not sold over a counter (Mail,
Internet, or Telephone Order Merchandise, 16 CFR part 435), with its numbers as configuration.
"""

from datetime import date, timedelta
from enum import StrEnum

from models.base import Payload


class PromisePolicy(Payload):
    """The configured numbers of the rules.

    `ship_within_days`: the promise for an order without a requested date (16 CFR 435.2(a)(1)).
    `silent_delay_days`: the longest first delay to which silence is consent, and the time to answer
    about a longer first delay (435.2(b)(1)(ii) and (iii)).
    """

    ship_within_days: int = 30
    silent_delay_days: int = 30


class Statement(StrEnum):
    """A statement in a notice of delay."""

    MAY_CANCEL = "may_cancel"
    """The customer may cancel now and is refunded promptly."""
    REVISED_DATE = "revised_date"
    """The definite new date."""
    DATE_UNKNOWN = "date_unknown"
    """The length of the delay is unknown."""
    SILENCE_CONSENTS = "silence_consents"
    """Without a cancellation the order ships by the new date."""
    SILENCE_CANCELS = "silence_cancels"
    """Without consent by `answer_by` the order is cancelled, unless it has been shipped by then."""
    MAY_CANCEL_UNTIL_SHIPPED = "may_cancel_until_shipped"
    """A customer who consents to a delay without a date may cancel at any time before shipment."""


class DelayNotice(Payload):
    """A notice of delay, due by the promised date.

    `answer_by`: the last day for an answer. Without consent by then the order is cancelled and
    refunded unless it has been shipped, or, with `silence_is_consent`, it ships by `revised`.
    """

    promised: date
    revised: date | None
    answer_by: date
    silence_is_consent: bool
    statements: tuple[Statement, ...]


def promised_date(placed_on: date, requested: date | None, policy: PromisePolicy) -> date:
    """Return the last day for shipping: the requested date, or `ship_within_days` after the order.

    16 CFR 435.2(a)(1). A requested date before the order counts as the day of the order.
    """
    if requested is None:
        return placed_on + timedelta(days=policy.ship_within_days)
    return max(requested, placed_on)


def delay_notice(
    promised: date, revised: date | None, notices_before: int, policy: PromisePolicy
) -> DelayNotice | None:
    """Return the notice for goods that can't leave by `promised`; None if `revised` is no delay.

    `promised`: the last date that the customer agreed to, by silence or expressly. `revised`: the
    definite new date; None if it is unknown. `notices_before`: earlier delays of the order.

    - First delay, of at most `silent_delay_days`: silence is consent (435.2(b)(1)(ii)).
    - First delay, longer or without a date: without express consent within `silent_delay_days`
      of `promised` the order is cancelled, unless shipped by then (435.2(b)(1)(iii)).
    - Any further delay: without express consent by `promised` the order is cancelled, unless
      shipped by then (435.2(b)(2)(ii)).

    Every notice is due by `promised` (435.2(b)(1), (b)(2)) and states the right to cancel and the
    new date (435.2(b)(1)(i), (b)(2)(i)).
    """
    if revised is not None and revised <= promised:
        return None
    answer_days = timedelta(days=policy.silent_delay_days)
    renewed = notices_before > 0
    silent = not renewed and revised is not None and revised - promised <= answer_days
    if revised is not None and silent:
        answer_by = revised
    else:
        answer_by = promised if renewed else promised + answer_days
    return DelayNotice(
        promised=promised,
        revised=revised,
        answer_by=answer_by,
        silence_is_consent=silent,
        statements=_statements(revised, silent),
    )


def _statements(revised: date | None, silent: bool) -> tuple[Statement, ...]:
    silence = Statement.SILENCE_CONSENTS if silent else Statement.SILENCE_CANCELS
    if revised is None:
        return (
            Statement.MAY_CANCEL,
            Statement.DATE_UNKNOWN,
            silence,
            Statement.MAY_CANCEL_UNTIL_SHIPPED,
        )
    return (Statement.MAY_CANCEL, Statement.REVISED_DATE, silence)


class LetterKind(StrEnum):
    """The subject of a letter to the customer."""

    BACKORDER = "backorder"
    """The expected date of a backorder, within the promise."""
    DELAY = "delay"
    """A delay beyond the promise, or without a date."""


class Letter(Payload):
    """A letter to the customer about the date. `number` counts an order's letters from 1.

    `promised`: the promised date before the letter; None: the customer accepted a delay without a
    date. `answer_by`: the last day for consent to a delay; None: no consent is required.
    """

    number: int
    kind: LetterKind
    promised: date | None
    expected: date | None
    answer_by: date | None = None
    statements: tuple[Statement, ...] = ()


class Promise(Payload):
    """The promise to an order's customer, and the last letter about it.

    `promised`: the last date that the customer agreed to; None: the customer accepted a delay
    without a date. `notified`: the date in the last letter. `delays`: the number of delays that the
    customer agreed to, by silence or expressly. `consent_by`: the last day for consent to the delay
    in the last letter.
    """

    promised: date | None
    notified: date | None = None
    delays: int = 0
    consent_by: date | None = None
    letter: Letter | None = None

    @property
    def standing_letter(self) -> Letter | None:
        """The last letter, if its date still holds."""
        is_notified = self.notified is not None or self.consent_by is not None
        stands = is_notified and self.letter is not None and self.letter.expected == self.notified
        return self.letter if stands else None


class Review(Payload):
    """The result of a review of a promise.

    `promise`: the promise with its last letter. `review_on`: the day on which a new review is due
    without any other change. `lapsed`: the time for consent is over, the order is to be cancelled.
    """

    promise: Promise
    review_on: date | None = None
    lapsed: bool = False


def review(promise: Promise, expected: date | None, today: date, policy: PromisePolicy) -> Review:
    """Review a promise for goods `expected` on a date; a repeated review changes nothing.

    A date within the promise needs no consent. Without a date the customer is notified on the
    promised day, or when a date in an earlier letter no longer holds.
    """
    if expected is not None and (promise.promised is None or expected <= promise.promised):
        return Review(promise=_dated(promise, expected))
    if promise.consent_by is not None and today > promise.consent_by:
        return Review(promise=promise, lapsed=True)
    if promise.promised is None:
        return Review(promise=promise)
    if promise.consent_by is not None and promise.notified == expected:
        return Review(promise=promise, review_on=promise.consent_by + timedelta(days=1))
    if expected is None and promise.notified is None and today < promise.promised:
        return Review(promise=promise, review_on=promise.promised)
    notice = delay_notice(promise.promised, expected, promise.delays, policy)
    assert notice is not None, "the goods are expected in time"
    delayed = _delayed(promise, notice, today)
    if delayed.consent_by is None:
        return Review(promise=delayed)
    return Review(promise=delayed, review_on=delayed.consent_by + timedelta(days=1))


def accept(promise: Promise) -> Promise | None:
    """Return the promise after the customer's consent; None if there is no delay to accept."""
    if promise.consent_by is None:
        return None
    return promise.model_copy(
        update={"promised": promise.notified, "delays": promise.delays + 1, "consent_by": None}
    )


def _dated(promise: Promise, expected: date) -> Promise:
    if promise.notified == expected and promise.consent_by is None:
        return promise
    letter = _letter(promise, LetterKind.BACKORDER, expected)
    return promise.model_copy(
        update={
            "promised": promise.promised or expected,
            "notified": expected,
            "consent_by": None,
            "letter": letter,
        }
    )


def _delayed(promise: Promise, notice: DelayNotice, today: date) -> Promise:
    """Return the promise after a notice of delay.

    With silent consent the promise moves at once, as the customer may still cancel. For an express
    consent the customer has at least the current day, also after a late notice.
    """
    silent = notice.silence_is_consent
    answer_by = None if silent else max(notice.answer_by, today)
    letter = _letter(promise, LetterKind.DELAY, notice.revised)
    return Promise(
        promised=notice.revised if silent else promise.promised,
        notified=notice.revised,
        delays=promise.delays + silent,
        consent_by=answer_by,
        letter=letter.model_copy(update={"answer_by": answer_by, "statements": notice.statements}),
    )


def _letter(promise: Promise, kind: LetterKind, expected: date | None) -> Letter:
    return Letter(
        number=promise.letter.number + 1 if promise.letter else 1,
        kind=kind,
        promised=promise.promised,
        expected=expected,
    )
