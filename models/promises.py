"""Promises: by when goods leave, and what a customer must be told when they don't.

The rules are those of the US Federal Trade Commission for goods not sold over a counter (Mail,
Internet, or Telephone Order Merchandise, 16 CFR part 435), with its numbers as configuration.
"""

from datetime import date, timedelta
from enum import StrEnum

from models.base import Payload


class PromisePolicy(Payload):
    """`ship_within_days`: what an order is promised that names no date (16 CFR 435.2(a)(1)).

    `silent_delay_days`: the longest first delay to which silence is consent, and how long a
    customer has to answer about a longer first one (435.2(b)(1)(ii) and (iii)).
    """

    ship_within_days: int = 30
    silent_delay_days: int = 30


class Told(StrEnum):
    """What a notice of delay says."""

    MAY_CANCEL = "may_cancel"
    """The customer may cancel now and is refunded promptly."""
    REVISED_DATE = "revised_date"
    """The definite new date."""
    DATE_UNKNOWN = "date_unknown"
    """We can't say how long the delay will be."""
    SILENCE_CONSENTS = "silence_consents"
    """Without a cancellation the order ships by the new date."""
    SILENCE_CANCELS = "silence_cancels"
    """Without consent by `answer_by` the order is cancelled, unless it has been shipped by then."""
    MAY_CANCEL_UNTIL_SHIPPED = "may_cancel_until_shipped"
    """Who consents to a delay without a date may still cancel at any time before shipment."""


class DelayNotice(Payload):
    """What must be told about a delay, and what silence means.

    `tell_by`: the last day for telling it. `answer_by`: the last day for an answer; where silence
    is no consent (`silence_is_consent` false), the order is then to be cancelled and refunded,
    unless it has been shipped. `paragraph`: the one of 16 CFR 435.2 that says so.
    """

    promised: date
    revised: date | None
    tell_by: date
    answer_by: date
    silence_is_consent: bool
    says: tuple[Told, ...]
    paragraph: str


def promised_date(placed_on: date, requested: date | None, policy: PromisePolicy) -> date:
    """The last day for shipping: the date agreed with the order, else `ship_within_days` after it.

    16 CFR 435.2(a)(1). A date before the order counts as the day of the order.
    """
    if requested is None:
        return placed_on + timedelta(days=policy.ship_within_days)
    return max(requested, placed_on)


def delay_notice(
    promised: date, revised: date | None, notices_before: int, policy: PromisePolicy
) -> DelayNotice | None:
    """The notice for goods that can't leave by `promised`; None where `revised` is no delay.

    `promised` is the date last promised and consented to, by silence or expressly; `revised` the
    definite new one, None where nobody knows; `notices_before` how often this order was delayed.

    - First delay, of at most `silent_delay_days`: silence is consent (435.2(b)(1)(ii)).
    - First delay, longer or without a date: without express consent within `silent_delay_days`
      of `promised` the order is cancelled, unless shipped by then (435.2(b)(1)(iii)).
    - Any further delay: without express consent by `promised` the order is cancelled, unless
      shipped by then (435.2(b)(2)(ii)).

    All are to be told by `promised` (435.2(b)(1), (b)(2)) with the right to cancel and the new date
    (435.2(b)(1)(i), (b)(2)(i)).
    """
    if revised is not None and revised <= promised:
        return None
    answer_days = timedelta(days=policy.silent_delay_days)
    renewed = notices_before > 0
    silent = not renewed and revised is not None and revised - promised <= answer_days
    if revised is not None and silent:
        answer_by, paragraph = revised, "(b)(1)(ii)"
    elif renewed:
        answer_by, paragraph = promised, "(b)(2)(ii)"
    else:
        answer_by, paragraph = promised + answer_days, "(b)(1)(iii)"
    return DelayNotice(
        promised=promised,
        revised=revised,
        tell_by=promised,
        answer_by=answer_by,
        silence_is_consent=silent,
        says=_says(revised, silent),
        paragraph=paragraph,
    )


def _says(revised: date | None, silent: bool) -> tuple[Told, ...]:
    silence = Told.SILENCE_CONSENTS if silent else Told.SILENCE_CANCELS
    if revised is None:
        return (
            Told.MAY_CANCEL,
            Told.DATE_UNKNOWN,
            silence,
            Told.MAY_CANCEL_UNTIL_SHIPPED,
        )
    return (Told.MAY_CANCEL, Told.REVISED_DATE, silence)


class LetterKind(StrEnum):
    """What a letter to the customer is about."""

    BACKORDER = "backorder"
    """When goods come that aren't there: within what was promised."""
    DELAY = "delay"
    """They come later than promised, or nobody knows when."""


class Letter(Payload):
    """What a customer is told about the date. `number` counts an order's letters from 1.

    `promised`: what was promised before it; None: a delay without a date had been accepted.
    `answer_by`: the last day for accepting a delay; None: nothing is to be accepted.
    """

    number: int
    kind: LetterKind
    promised: date | None
    expected: date | None
    answer_by: date | None = None
    says: tuple[Told, ...] = ()


class Promise(Payload):
    """What an order's customer was promised and told.

    `promised`: the last date that the customer agreed to; None: agreed to wait without one.
    `told`: the date told last. `delays`: how many the customer has agreed to, silence included.
    `consent_by`: the last day for accepting the delay that was told.
    """

    promised: date | None
    told: date | None = None
    delays: int = 0
    consent_by: date | None = None
    letter: Letter | None = None

    @property
    def standing_letter(self) -> Letter | None:
        """The last letter, if it still says how things are."""
        is_told = self.told is not None or self.consent_by is not None
        stands = is_told and self.letter is not None and self.letter.expected == self.told
        return self.letter if stands else None


class Review(Payload):
    """What a look at a promise came to.

    `promise`: as it is now, with the letter that tells of it. `look_on`: when time alone changes
    something. `lapsed`: the delay wasn't accepted in time, the order is to be cancelled.
    """

    promise: Promise
    look_on: date | None = None
    lapsed: bool = False


def review(promise: Promise, expected: date | None, today: date, policy: PromisePolicy) -> Review:
    """What is to be told now that the goods are `expected`, if anything; again, it is nothing.

    A date within the promise ends whatever was to be accepted. Without any date the customer is
    told when the promised day has come, or when a date that was told is lost.
    """
    if expected is not None and (promise.promised is None or expected <= promise.promised):
        return Review(promise=_dated(promise, expected))
    if promise.consent_by is not None and today > promise.consent_by:
        return Review(promise=promise, lapsed=True)
    if promise.promised is None:
        return Review(promise=promise)
    if promise.consent_by is not None and promise.told == expected:
        return Review(promise=promise, look_on=promise.consent_by + timedelta(days=1))
    if expected is None and promise.told is None and today < promise.promised:
        return Review(promise=promise, look_on=promise.promised)
    notice = delay_notice(promise.promised, expected, promise.delays, policy)
    assert notice is not None, "the goods come in time"
    told = _delayed(promise, notice, today)
    if told.consent_by is None:
        return Review(promise=told)
    return Review(promise=told, look_on=told.consent_by + timedelta(days=1))


def accept(promise: Promise) -> Promise | None:
    """The promise after the customer accepted the delay; None where there is none to accept."""
    if promise.consent_by is None:
        return None
    return promise.model_copy(
        update={"promised": promise.told, "delays": promise.delays + 1, "consent_by": None}
    )


def _dated(promise: Promise, expected: date) -> Promise:
    if promise.told == expected and promise.consent_by is None:
        return promise
    letter = _letter(promise, LetterKind.BACKORDER, expected)
    return promise.model_copy(
        update={
            "promised": promise.promised or expected,
            "told": expected,
            "consent_by": None,
            "letter": letter,
        }
    )


def _delayed(promise: Promise, notice: DelayNotice, today: date) -> Promise:
    """Silence moves the promise at once: who doesn't want it may still cancel. Who must accept
    has at least the rest of the day for it, also where we are late with telling."""
    silent = notice.silence_is_consent
    answer_by = None if silent else max(notice.answer_by, today)
    letter = _letter(promise, LetterKind.DELAY, notice.revised)
    return Promise(
        promised=notice.revised if silent else promise.promised,
        told=notice.revised,
        delays=promise.delays + silent,
        consent_by=answer_by,
        letter=letter.model_copy(update={"answer_by": answer_by, "says": notice.says}),
    )


def _letter(promise: Promise, kind: LetterKind, expected: date | None) -> Letter:
    return Letter(
        number=promise.letter.number + 1 if promise.letter else 1,
        kind=kind,
        promised=promise.promised,
        expected=expected,
    )
