"""A payment and a report about it, each recorded while the other one is. PostgreSQL only: SQLite has
a single writer."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from activities.billing.steps import (
    apply_payment,
    apply_refund_failure,
    apply_refund_report,
    apply_reversal,
)
from activities.database.unit_of_work import UnitOfWork
from models.messages.facts import PaymentReceived, PaymentRefunded, PaymentReversed, RefundFailed
from models.messages.steps import PaymentStep, ReversalStep
from models.orders import OrderDocument
from models.progress import Stage
from models.refunds import RefundState
from models.tables.billing import EarlyRefundReport, Payment, Refund
from models.tables.orders import Order
from tests.support.billing.machine import Bookkeeper
from tests.support.billing.setup import furnish
from tests.support.database.stateful import copies
from tests.support.masterdata.shop import SHIP_TO

WAITING = text(
    "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
    "WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()"
)
DOCUMENT = OrderDocument.model_validate(
    {
        "order_id": "O",
        "channel": "online",
        "customer": "ADA",
        "ship_to": SHIP_TO,
        "currency": "EUR",
        "terms": "prepaid",
        "lines": [{"sku": "C", "quantity": 1}],
    }
)
PAYMENT = PaymentReceived(payment_id="P", order_id="O", amount="120.00", currency="EUR")
REVERSAL = ReversalStep(order_id=None, fact=PaymentReversed(reversal_id="V", payment_id="P"))
EXCESS = PAYMENT.model_copy(update={"amount": "150.00"})
FAILED = RefundFailed(refund_id="R")
REFUND = PaymentRefunded(refund_id="R", payment_id="P", amount="30.00", currency="EUR")

Change = Callable[[UnitOfWork], object]


@pytest.fixture
def till(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bookkeeper]:
    """Billing, whose invariants hold after the test."""
    made = Bookkeeper(copies("postgresql", request, tmp_path, furnish))
    yield made
    made.assert_invariants()
    made.teardown()


def cross(till: Bookkeeper, first: Change, second: Change) -> None:
    """Begin the second change when the first is made and not yet committed, and wait for both."""
    with ThreadPoolExecutor(1) as thread:

        def make_first(work: UnitOfWork) -> Future[object]:
            first(work)
            work.write_appended()
            work.session.flush()
            begun = thread.submit(till.database.transaction, second)
            while not work.session.connection().execute(WAITING).scalar_one():
                assert not begun.done(), "the second change did not wait for the first"
            return begun

        till.database.transaction(make_first).result()


def pay(fact: PaymentReceived) -> Change:
    """Return the step that records a payment of the order."""
    return lambda work: apply_payment.function(work, PaymentStep(order_id="O", fact=fact))


@pytest.mark.parametrize("is_payment_first", [True, False])
def test_reversal_that_crosses_its_payment_is_applied(
    till: Bookkeeper, is_payment_first: bool
) -> None:
    """Whichever is recorded second finds the other one, and the order shows what is due again."""
    till.record(DOCUMENT)
    changes = [pay(PAYMENT), lambda work: apply_reversal.function(work, REVERSAL)]
    cross(till, *(changes if is_payment_first else reversed(changes)))
    [payment], [order] = till.read(select(Payment)), till.read(select(Order))
    assert (payment.reversed_minor, order.paid_minor) == (12_000, 0)
    assert order.stage in (Stage.RECEIVED, Stage.AWAITING_PAYMENT)


@pytest.mark.parametrize("is_payment_first", [True, False])
def test_refund_report_that_crosses_its_payment_is_applied(
    till: Bookkeeper, is_payment_first: bool
) -> None:
    """The excess of a payment is refunded at the provider, and owed no longer."""
    till.record(DOCUMENT)
    changes = [pay(EXCESS), lambda work: apply_refund_report.function(work, REFUND)]
    cross(till, *(changes if is_payment_first else reversed(changes)))
    [order], [refund] = till.read(select(Order)), till.read(select(Refund))
    assert (order.paid_minor, order.deposit_minor) == (12_000, 0)
    assert (refund.refund_id, refund.state) == ("R", RefundState.REFUNDED)
    assert till.read(select(EarlyRefundReport)) == []


@pytest.mark.parametrize("is_refund_first", [True, False])
def test_refund_that_crosses_its_failure_has_failed(
    till: Bookkeeper, is_refund_first: bool
) -> None:
    """The excess is owed again, and an operator decides about it."""
    till.record(DOCUMENT)
    till.database.transaction(pay(EXCESS))
    changes: list[Change] = [
        lambda work: apply_refund_report.function(work, REFUND),
        lambda work: apply_refund_failure.function(work, FAILED),
    ]
    cross(till, *(changes if is_refund_first else reversed(changes)))
    [refund] = till.read(select(Refund))
    assert (refund.refund_id, refund.state) == ("R", RefundState.HELD)
    assert till.read(select(EarlyRefundReport)) == []
