"""The billing that hypothesis explores: rules and invariants together, with its first orders."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize
from sqlmodel import col, select

from models.returns import Condition, Disposition, RequestedOutcome
from models.tables.orders import Order
from models.tracking import TrackingStatus
from tests.support.billing.goods_rules import GoodsRules
from tests.support.billing.invariants import BillingInvariants
from tests.support.billing.payment_rules import PaymentRules
from tests.support.billing.setup import BILLING_RULES
from tests.support.database.stateful import picks


class Bookkeeper(PaymentRules, GoodsRules, BillingInvariants):
    """Orders, payments, goods, credit notes, refunds, chargebacks and dunning in any order."""

    @initialize(pick=picks, relief=st.booleans())
    def begin(self, pick: int, relief: bool) -> None:
        """Cause each kind of event once, and leave orders to pay, dispatch, return and write off.

        `relief`: with tax relief on bad debts.
        """
        self.use(BILLING_RULES.model_copy(update={"bad_debt_relief": relief}))
        for number, terms in enumerate(("prepaid", "net30", "prepaid", "net30")):
            self.place([("A", 2), ("B", 1)], terms, "ADA" if number < 2 else "BOB", "3", False)
        for part in ("all", "a third", "too much"):
            self.pay(pick, part, twice=False)
            pick += 1
        for number in range(3):
            self.issue_goods(number)
        self.pay_unknown_order(pick, reversed_first=False)
        self.remind(40, pick)  # the order without a payment
        for number, whole in enumerate((True, False)):
            self.deliver(pick=0)
            self._return_as_new(number, whole, Disposition.RESTOCK)
        self._exchange_in_vain()
        self.place([("B", 3), ("A", 1)], "net30", "BOB", "12.5", early=False)
        self.pay(4, "all", twice=False)
        self.issue_goods(pick=0)
        self.lose(pick=0, says=TrackingStatus.LOST, again=False)
        self.place([("A", 1)], "prepaid", "ADA", "0", early=False)
        self.cancel_order(self.read(select(Order).order_by(col(Order.order_id).desc()))[0])
        self.credit(pick, "0.01", keep=relief)
        self.refund_payment(pick)
        self._refund_in_vain(pick)
        self.charge_back(pick, some=relief, twice=True)

    def _refund_in_vain(self, pick: int) -> None:
        """Credit a delivered order while the provider refuses: one refund is withdrawn, one paid by
        hand, one stopped by a reversal of a part of its payment, and paid all the same."""
        self.provider.refuses = True
        for _ in range(3):
            self.place([("C", 1)], "prepaid", "ADA", "0", early=False)
            self.pay(-1, "all", twice=False, method="card")
            self.issue_goods(pick=-1)
            self.credit(-1, "80.00", keep=False)
        self.withdraw_refund(pick=-1)
        self.refund(-2, None, by="cash")
        self.charge_back(-3, some=True, twice=False)
        self.provider.refuses = False
        self.refund(-3, None, payment_pick=0)

    def _exchange_in_vain(self) -> None:
        """Exchange three delivered orders: one exchange is cancelled, one is lost, one returned."""
        for _ in range(3):
            self.place([("A", 3), ("B", 2)], "prepaid", "ADA", "3", early=False)
            self.pay(-1, "all", twice=False)
            self.issue_goods(pick=-1)
            self.deliver(pick=-1)
            self.take_back(-1, True, Disposition.SCRAP, Condition.WORN, RequestedOutcome.EXCHANGE)
        exchanges = select(Order).where(col(Order.order_id).endswith("-X1"))
        cancelled, *_ = self.read(exchanges.order_by(Order.order_id))
        self.cancel_order(cancelled)
        for _ in range(2):
            self.issue_goods(pick=-1)
        self.deliver(pick=-1)
        self._return_as_new(-1, False, Disposition.SCRAP)
        self.lose(pick=-1, says=TrackingStatus.LOST, again=False)

    def _return_as_new(self, pick: int, whole: bool, disposition: Disposition) -> None:
        self.take_back(pick, whole, disposition, Condition.AS_NEW, RequestedOutcome.REFUND)
