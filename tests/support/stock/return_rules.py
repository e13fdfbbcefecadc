"""Rules of returns: requested, received, inspected, exchanged."""

from hypothesis import strategies as st
from hypothesis.stateful import rule
from sqlmodel import col, select

from activities.returns.steps import write_exchange
from models.messages.commands.returns import (
    AuthoriseReturn,
    InspectedUnits,
    InspectReturn,
    MarkReturnSent,
    ReceiveReturn,
    RequestReturn,
    ReturnedUnits,
)
from models.messages.steps import SettlementStep
from models.returns import Condition, Disposition, RequestedOutcome, ReturnReason, ReturnState
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow, Settlement
from tests.support.database.stateful import picks
from tests.support.stock.model import locations, units
from tests.support.stock.order_rules import OrderRules

EXPECTED = ReturnLine.quantity > ReturnLine.received + ReturnLine.lost
"""Lines with units that are still expected."""
UNINSPECTED = (
    ReturnLine.received > ReturnLine.restocked + ReturnLine.scrapped + ReturnLine.sent_back
)


class ReturnedGoodsRules(OrderRules):
    """The events of returned goods."""

    @rule(
        pick=picks,
        quantity=units,
        because=st.sampled_from([ReturnReason.CHANGED_MIND, ReturnReason.DEFECTIVE]),
        wish=st.sampled_from(RequestedOutcome),
        authorises=st.booleans(),
        twice=st.booleans(),
    )
    def announce(
        self,
        pick: int,
        quantity: int,
        because: ReturnReason,
        wish: RequestedOutcome,
        authorises: bool,
        twice: bool,
    ) -> None:
        """Request a return; refused beyond the delivered units."""
        chosen = self.pick_units_to_return(pick, quantity)
        if chosen is None:
            return
        order_id, lines, allowed = chosen
        command = RequestReturn(
            command_id=self.next_id("Q"),
            reason="r",
            order_id=order_id,
            lines=lines,
            because=because,
            wish=wish,
        )
        return_ids = self.run_command(command, allowed, twice)
        for return_id in return_ids if authorises else ():
            authorise = AuthoriseReturn(
                command_id=self.next_id("Q"), reason="r", return_id=return_id
            )
            self.run_command(authorise, allowed=True, twice=twice)

    @rule(
        pick=picks,
        quantity=units,
        location=st.none() | locations,
        announced=st.booleans(),
        twice=st.booleans(),
    )
    def take_in(
        self, pick: int, quantity: int, location: str | None, announced: bool, twice: bool
    ) -> None:
        """Receive a return, announced or not; refused beyond the expected units."""
        if announced:
            found = self.pick_return_line(EXPECTED, pick)
            if found is None:
                return
            expected = self.return_lines(found.return_id, found.sku)
            allowed = quantity <= sum(line.expected for line in expected)
            lines: tuple[ReturnedUnits, ...] = (ReturnedUnits(sku=found.sku, quantity=quantity),)
            subject = {"return_id": found.return_id}
        else:
            chosen = self.pick_units_to_return(pick, quantity)
            if chosen is None:
                return
            order_id, lines, allowed = chosen
            subject = {"order_id": order_id}
        command = ReceiveReturn.model_validate(
            {
                "command_id": self.next_id("Q"),
                "reason": "r",
                "lines": [line.model_dump() for line in lines],
                "location": location,
                **subject,
            }
        )
        self.run_command(command, allowed, twice)
        self.events["unannounced"] += allowed and not announced

    @rule(
        pick=picks,
        quantity=units,
        disposition=st.sampled_from(Disposition),
        condition=st.sampled_from(Condition),
        twice=st.booleans(),
    )
    def inspect(
        self, pick: int, quantity: int, disposition: Disposition, condition: Condition, twice: bool
    ) -> None:
        """Inspect received units, or record expected ones as lost; refused beyond those units."""
        lost = disposition is Disposition.LOST
        found = self.pick_return_line(EXPECTED if lost else UNINSPECTED, pick)
        if found is None:
            return
        same_sku = self.return_lines(found.return_id, found.sku)
        if lost:
            self._report_on_its_way(found.return_id)
        allowed = quantity <= sum(line.expected if lost else line.here for line in same_sku)
        line = InspectedUnits(
            sku=found.sku, quantity=quantity, disposition=disposition, condition=condition
        )
        command = InspectReturn(
            command_id=self.next_id("Q"), reason="r", return_id=found.return_id, lines=(line,)
        )
        self.run_command(command, allowed, twice)
        self.events[disposition.value] += allowed
        self._place_exchanges()

    def _report_on_its_way(self, return_id: str) -> None:
        state = select(ReturnRow.state).where(ReturnRow.return_id == return_id)
        if self.read(state) == [ReturnState.AUTHORISED]:
            sent = MarkReturnSent(command_id=self.next_id("Q"), reason="r", return_id=return_id)
            self.run_command(sent, allowed=True, twice=False)

    def _place_exchanges(self) -> None:
        """Place the exchange orders of settled returns, as ReturnWorkflow does."""
        promised = select(Settlement).where(
            col(Settlement.exchange_order_id).is_not(None),
            col(Settlement.exchange_order_id).not_in(select(Order.order_id)),
        )
        for settlement in self.read(promised):
            step = SettlementStep(settlement_id=settlement.settlement_id)
            self.record_and_allocate(write_exchange.run(self.database, step), twice=False)
            self.events["exchange"] += 1
