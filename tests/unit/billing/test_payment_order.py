"""Facts about payments: the same state in whatever order and spacing they arrive."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import pytest
from sqlmodel import col, select

from activities.billing.dunning import review_dunning
from activities.billing.steps import (
    apply_authorisation,
    apply_payment,
    apply_refund_failure,
    apply_refund_report,
    apply_reversal,
)
from activities.order_record.balance import balance_of
from models.messages.facts import (
    PaymentAuthorised,
    PaymentReceived,
    PaymentRefunded,
    PaymentReversed,
    RefundFailed,
)
from models.messages.steps import AuthorisationStep, OrderStep, PaymentStep, ReversalStep
from models.orders import OrderDocument
from models.refunds import RefundState
from models.tables.billing import Authorisation, Payment, Refund
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.operations import RejectedMessageRow
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.masterdata.shop import SHIP_TO

FACTS = ("authorised", "received", "received the rest", "reversed", "reversed in part")
"""The facts of one order of 120.00: its card is authorised, 70.00 and 50.00 arrive, the first payment
is taken back whole (without amount and currency), and 20.00 of the second."""

CANCELLED = (*FACTS[1:], "refunded", "refund failed")
"""Those of a cancelled order: what it is paid is owed, and 20.00 of the second payment are given back
at the provider, which then fails."""


class State(NamedTuple):
    """The money of an order, as everything that decides about it reads it."""

    paid: int
    due: int
    owed: int
    deposit: int
    reclaimed: int
    is_secured: bool
    stage: str
    payments: tuple[tuple[str, int, int], ...]
    """Each payment's suffix, and the amounts reversed and given back."""
    refunds: tuple[tuple[int, str], ...]
    authorisations: tuple[str, ...]
    money: int
    """The balance of cash clearing."""


def place(till: Bookkeeper, order_id: str, terms: str) -> None:
    """Record an order of 120.00. `terms`: those of the order, or "cancelled"."""
    is_cancelled = terms == "cancelled"
    terms = "prepaid" if is_cancelled else terms
    card = {"payment_method": "card", "capture": "at_dispatch"} if terms == "prepaid" else {}
    document = {
        "order_id": order_id,
        "channel": "online",
        "customer": "ADA",
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": terms,
        "lines": [{"sku": "C", "quantity": 1}],
        **card,
    }
    till.record(OrderDocument.model_validate(document))
    if is_cancelled:
        till.cancel_order(till.read(select(Order).where(Order.order_id == order_id))[0])


def report(till: Bookkeeper, order_id: str, fact: str) -> None:
    """Apply a fact of an order."""
    first, rest = f"{order_id}-P1", f"{order_id}-P2"
    match fact:
        case "authorised":
            authorised = PaymentAuthorised(
                authorisation_id=f"{order_id}-A", order_id=order_id, amount="70.00", currency="EUR"
            )
            step = AuthorisationStep(order_id=order_id, fact=authorised)
            apply_authorisation.run(till.database, step)
        case "received" | "received the rest":
            is_first = fact == "received"
            received = PaymentReceived(
                payment_id=first if is_first else rest,
                order_id=order_id,
                amount="70.00" if is_first else "50.00",
                currency="EUR",
                method="card",
            )
            apply_payment.run(till.database, PaymentStep(order_id=order_id, fact=received))
        case "refunded":
            made = PaymentRefunded(
                refund_id=f"{order_id}-RF", payment_id=rest, amount="20.00", currency="EUR"
            )
            apply_refund_report.run(till.database, made)
        case "refund failed":
            failed = RefundFailed(refund_id=f"{order_id}-RF", payment_id=rest)
            apply_refund_failure.run(till.database, failed)
        case _:
            is_whole = fact == "reversed"
            back = PaymentReversed(
                reversal_id=f"{order_id}-{fact}".replace(" ", "-"),
                payment_id=first if is_whole else rest,
                amount=None if is_whole else "20.00",
            )
            known = till.read(select(Payment).where(Payment.payment_id == back.payment_id))
            order = order_id if known else None  # as the inbox finds the order of a payment
            apply_reversal.run(till.database, ReversalStep(order_id=order, fact=back))


def state(till: Bookkeeper, order_id: str) -> State:
    """Read the money of an order."""
    [order] = till.read(select(Order).where(Order.order_id == order_id))
    balance = balance_of(order)
    progress = till.progress_of(order_id)
    payments = select(Payment).where(Payment.order_id == order_id)
    of_order = select(JournalPosting.amount_minor).join(
        JournalEntry, col(JournalEntry.entry_id) == col(JournalPosting.entry_id)
    )
    cards = select(Authorisation.state).where(Authorisation.order_id == order_id)
    return State(
        paid=order.paid_minor,
        due=balance.due_minor,
        owed=balance.owed_minor,
        deposit=order.deposit_minor,
        reclaimed=order.reclaimed_minor,
        is_secured=progress.secured,
        stage=order.stage.value,
        payments=tuple(
            (row.payment_id[-2:], row.reversed_minor, row.refunded_minor)
            for row in till.read(payments.order_by(Payment.payment_id))
        ),
        refunds=tuple(
            (row.amount_minor, row.state.value)
            for row in till.read(select(Refund).where(Refund.order_id == order_id))
            if row.state
            is not RefundState.WITHDRAWN  # a reversal stops a refund and holds the rest
        ),
        authorisations=tuple(till.read(cards)),
        money=sum(
            till.read(
                of_order.where(JournalEntry.order_id == order_id, JournalPosting.account == "1100")
            )
        ),
    )


FACTS_OF = {"prepaid": FACTS, "net30": FACTS[1:], "cancelled": CANCELLED}


def sequences(terms: str) -> Iterator[tuple[str, ...]]:
    """List the orders of up to five facts; only an order paid by card is authorised."""
    facts = FACTS_OF[terms]
    for count in range(1, min(len(facts), 5) + 1):
        yield from permutations(facts, count)


@pytest.mark.sized
@pytest.mark.parametrize("terms", ["prepaid", "net30", "cancelled"])
def test_facts_end_in_the_same_state_in_all_their_orders(
    till: Bookkeeper, terms: str, full: bool
) -> None:
    """At once, or with all that is due done in between; each may be repeated; none is rejected.

    The small size takes every fourth order of more than two facts (of a cancelled order, every
    eleventh), at once and spaced in turn.
    """
    states: dict[frozenset[str], State] = {}
    part = 11 if terms == "cancelled" else 4
    for number, facts in enumerate(sequences(terms)):
        if not full and len(facts) > 2 and number % part:
            continue
        for is_spaced in (False, True) if full else (bool(number % (2 * part)),):
            order_id = f"S{number}-{is_spaced}"
            place(till, order_id, terms)
            _report_all(till, order_id, facts, is_spaced=is_spaced)
            found = state(till, order_id)
            assert states.setdefault(frozenset(facts), found) == found, facts
    assert till.read(select(RejectedMessageRow)) == []
    if terms == "cancelled":
        owed = {facts: found.owed for facts, found in states.items()}
        assert owed[frozenset({"received the rest", "refunded"})] == 3_000
    else:
        everything = states[frozenset(FACTS_OF[terms])]
        assert (everything.paid, everything.due, everything.money) == (3_000, 9_000, 3_000)


def _report_all(till: Bookkeeper, order_id: str, facts: Sequence[str], *, is_spaced: bool) -> None:
    for fact in facts:
        report(till, order_id, fact)
        if is_spaced:
            report(till, order_id, fact)
            review_dunning.run(till.database, OrderStep(order_id=order_id))
