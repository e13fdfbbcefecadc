"""The warehouse that hypothesis explores: rules and invariants together, with its first orders."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from models.messages.commands.shipping import Reship
from models.orders import Delivery
from models.returns import Condition, Disposition, RequestedOutcome, ReturnReason
from models.tracking import TrackingStatus
from tests.support.stock.invariants import WarehouseInvariants
from tests.support.stock.return_rules import ReturnedGoodsRules
from tests.support.stock.stock_rules import StockRules


class Warehouse(ReturnedGoodsRules, StockRules, WarehouseInvariants):
    """A warehouse with orders, purchases, shipments, returns and stock commands in any order."""

    @initialize(waits=st.booleans())
    def begin(self, waits: bool) -> None:
        """Cause each kind of event once; `waits`: with orders that are short from then on."""
        self.reserve([("C", 2)], Delivery.COMPLETE, "DE", twice=False)
        self.supply(pick=0, quantity=2)
        self.cancel_order(pick=0, expires=False, twice=False)
        self.count("B", "VIE", 4, twice=False)
        self._deliver_in_parts()
        self._exchange()
        if waits:
            for delivery in (Delivery.COMPLETE, Delivery.PARTIAL):
                self.reserve([("A", 9), ("C", 4)], delivery, "DE", twice=False)

    def _deliver_in_parts(self) -> None:
        """Deliver an order's first part and return half of it, which serves the open shortage.

        That second part is lost, reshipped from a purchase, and recovered. The carrier pays a
        claim. The third part is recalled and the rest cancelled.
        """
        self.reserve([("B", 6)], Delivery.PARTIAL, "DE", twice=False)
        self.issue(pick=0, twice=False)
        self.deliver(pick=0, twice=False)
        self.announce(
            0, 2, ReturnReason.DEFECTIVE, RequestedOutcome.REFUND, authorises=True, twice=False
        )
        self.take_in(pick=0, quantity=2, location=None, announced=True, twice=False)
        self.inspect(0, 2, Disposition.RESTOCK, Condition.AS_NEW, twice=False)
        self.issue(pick=0, twice=False)
        self.fail(0, TrackingStatus.LOST, Reship, claim=None, twice=False)
        self.supply(pick=0, quantity=1)
        self.recall(pick=0, agrees=True, twice=False)
        self.recover(pick=0, location=None, returns=True, twice=False)
        self.claim(pick=0, amount="1.50", twice=False)
        self.end_claim(pick=0, paid="0.50", twice=False)
        self.cancel_rest(pick=0, twice=False)

    def _exchange(self) -> None:
        """Exchange two defective units, each by an order of its own; one of these is cancelled."""
        self.reserve([("A", 2)], Delivery.COMPLETE, "DE", twice=False)
        self.issue(pick=0, twice=False)
        self.deliver(pick=0, twice=False)
        self.announce(
            -1, 2, ReturnReason.DEFECTIVE, RequestedOutcome.EXCHANGE, authorises=True, twice=False
        )
        self.take_in(pick=-1, quantity=2, location=None, announced=True, twice=False)
        for _ in range(2):
            self.inspect(-1, 1, Disposition.SCRAP, Condition.AS_NEW, twice=False)
        self.cancel_order(pick=-1, expires=False, twice=True)
