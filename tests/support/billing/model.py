"""The state of billing: its database, and the refunds that other events cause."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from beancount import loader
from sqlmodel import col, select

from activities.billing.steps import credit_invoice, issue_invoice
from activities.ledger import reading as ledger_reading
from activities.operations.commands import execute_command
from activities.orders.steps import finish_cancelling, start_cancelling
from activities.returns.steps import finish_settlement, write_exchange
from activities.stock.steps import allocate_stock, release_stock
from models.billing import BillingRules
from models.errors import PartnerUnavailable, Refused
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandResult
from models.messages.requests import CancelRequest
from models.messages.steps import CancelOrder, OrderStep, RefundStep, SettlementStep
from models.orders import OrderDocument
from models.progress import Cancellation
from models.tables.orders import Order
from models.tables.returns import Settlement
from models.views.ledger import Ageing
from tests.support.billing.setup import RULES
from tests.support.orders.machine import OrderMachine


class BillingModel(OrderMachine):
    """The database of orders and their money."""

    def __init__(self, new_database: Callable[[], str]) -> None:
        super().__init__(new_database, RULES)
        self.ageings: dict[date, Ageing] = {}
        """The ageing of receivables at the end of each day before time advanced."""

    def teardown(self) -> None:
        """Assert that past days are aged as they were, and that Beancount calculates our balances:
        the export contains balance assertions."""
        for day, report in self.ageings.items():
            assert (
                self.database.read(partial(ledger_reading.ageing, today=day, as_of=day)) == report
            )
        _, errors, _ = loader.load_string(self.database.read(ledger_reading.export_beancount))
        assert errors == []
        super().teardown()

    def use(self, rules: BillingRules) -> None:
        """Replace the billing rules."""
        self.database.rules = replace(self.database.rules, billing=rules)

    def record(self, document: OrderDocument) -> OrderStep:
        """Record an order and reserve its stock."""
        step = self.record_order(document)
        allocate_stock.run(self.database, step)
        return step

    def command(self, name: str, **fields: Any) -> CommandResult:
        """Execute a command twice, as one; pay the refund that follows. `name` counts as event."""
        command = {"command_id": self.next_id("CMD"), "reason": "because", **fields}
        step = CommandStep.model_validate({"command": command})
        done = execute_command.run(self.database, step)
        assert execute_command.run(self.database, step) == done
        if done.follow_up is not None:
            self.pay_refunds(done.follow_up.refund_keys)
        self.events[name if done.refusal is None else f"{name} refused"] += 1
        return done

    def pay_refunds(self, refund_keys: Iterable[str]) -> None:
        """Pay refunds; one that the provider refuses, or an operator pays, waits."""
        for refund_key in refund_keys:
            try:
                asyncio.run(self.billing.pay_refund(RefundStep(refund_key=refund_key)))
            except (Refused, PartnerUnavailable) as failure:
                self.events[f"refund {failure.code}"] += 1

    def cancel_order(self, order: Order) -> None:
        """Cancel an order as its workflow does; refused after dispatch."""
        cancel = CancelOrder(order_id=order.order_id, request=CancelRequest())
        if not start_cancelling.run(self.database, cancel).accepted:
            return
        step = OrderStep(order_id=order.order_id)
        asyncio.run(self.billing.void_payment_request(step))
        credit_invoice.run(self.database, step)
        release_stock.run(self.database, step)
        self.give_back(order.order_id)
        self.settle_returns()
        self.events["cancelled"] += 1

    def give_back(self, order_id: str) -> None:
        """Refund a cancelled order until nothing is due to its customer, or an operator has to."""
        step = OrderStep(order_id=order_id)
        while True:
            progress = finish_cancelling.run(self.database, step)
            if progress.cancellation is Cancellation.DONE and not progress.refund_due_minor:
                return
            try:
                asyncio.run(self.billing.refund_payment(step))
            except (Refused, PartnerUnavailable) as failure:
                self.events[f"refund {failure.code}"] += 1
                return

    def settle_returns(self) -> None:
        """Pay refunds and place exchange orders of open settlements, as ReturnWorkflow does."""
        for row in self.read(select(Settlement).where(col(Settlement.done_at).is_(None))):
            step = SettlementStep(settlement_id=row.settlement_id)
            if row.refund_keys:
                self.pay_refunds(row.refund_keys)
                self.events["return refunded"] += 1
            if row.exchange_order_id is not None:
                exchange = self.record(write_exchange.run(self.database, step))
                issue_invoice.run(self.database, exchange)
                self.events["exchanged"] += 1
            finish_settlement.run(self.database, step)
