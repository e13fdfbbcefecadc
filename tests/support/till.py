"""A bookkeeper whom hypothesis keeps busy: orders, payments, goods, credit notes, refunds,
chargebacks, reminders, write-offs, in any order, through the real steps; and what must be true
after each."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from beancount import loader
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.billing.dunning import review_dunning
from activities.billing.steps import (
    Billing,
    apply_payment,
    apply_reversal,
    credit_invoice,
    issue_invoice,
    record_payout,
    record_unmatched_payment,
)
from activities.database.engine import Database
from activities.ledger import reading as ledger_reading
from activities.masterdata.importing import import_folder
from activities.operations.commands import execute_command
from activities.order_record.balance import balance_of
from activities.order_record.progress import read_progress
from activities.orders.steps import finish_cancelling, record_order, start_cancelling
from activities.returns.steps import finish_settlement, write_exchange
from activities.shipping.steps import (
    Shipping,
    apply_delivery,
    apply_dispatch,
    apply_tracking,
    plan_shipments,
)
from activities.stock.steps import allocate_stock, release_stock
from models.billing import BillingRules, DunningLevel, RefundState
from models.ledger import Account
from models.messages.commands import CommandResult, CommandStep
from models.messages.facts import (
    PaymentReceived,
    PaymentReversed,
    PayoutPaid,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentTracked,
)
from models.messages.policy import Policy
from models.messages.requests import CancelRequest
from models.messages.steps import (
    CancelOrder,
    DeliveryStep,
    DispatchStep,
    OrderStep,
    PaymentStep,
    RecordOrder,
    RefundStep,
    ReversalStep,
    SettlementStep,
    TrackingStep,
)
from models.money import format_amount
from models.orders import OrderDocument
from models.progress import Cancellation, ShipmentState, Stage, stage
from models.returns import Condition, Disposition, RequestedOutcome
from models.tables.billing import CreditNoteRow, InvoiceRow, Payment, Refund
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.orders import Order
from models.tables.returns import ReturnLine, ReturnRow, Settlement
from models.tables.shipping import Shipment
from models.tables.stock import Reservation
from models.tracking import TrackingStatus
from tests.support.machine import RULES as MACHINE_RULES
from tests.support.machine import Partners, Provider
from tests.support.shop import SHIP_TO, write_csv
from tests.support.stateful import BEGIN, Machine, picks

BILLING_RULES = BillingRules(
    tolerance="0.03", dunning=(DunningLevel(days=7), DunningLevel(days=14, fee="5.00"))
)
RULES = replace(
    MACHINE_RULES,
    policy=Policy(payment_deadline=86_400, partner_timeout=1, attention_after_attempts=1),
    billing=BILLING_RULES,
)
GOODS = (("A", "9.99", "19"), ("B", "0.37", "7"), ("C", "120.00", "0"))


class Part(StrEnum):
    """How much of an order comes back at once."""

    SOME = "some"
    WHOLE = "whole"


PARTS = ("a third", "all", "all but two cents", "too much")


def furnish(url: str, folder: Path) -> None:
    """Goods at three rates, and two customers, in a migrated database."""
    folder.mkdir(parents=True, exist_ok=True)
    place = {"location": "BER", "name": "Berlin", "country": "DE", "postal_code": "10115"}
    write_csv(folder, "locations.csv", [place])
    size = {"weight_g": 900, "length_mm": 300, "width_mm": 200, "height_mm": 100}
    products = [
        {
            "sku": sku,
            "name": f"Product {sku}",
            "unit_price": price,
            "currency": "EUR",
            "tax_rate_percent": rate,
            **size,
        }
        for sku, price, rate in GOODS
    ]
    write_csv(folder, "products.csv", products)
    people = [
        {
            "customer_id": name,
            "name": name,
            "email": f"{name.lower()}@example.com",
            "phone": "1",
            "country": "DE",
            "payment_preference": "card",
            "credit_limit": "10000000.00",
        }
        for name in ("ADA", "BOB")
    ]
    write_csv(folder, "customers.csv", people)
    stock = [
        {"location": "BER", "sku": sku, "on_hand": 100_000, "unit_cost": "0.33"}
        for sku, _, _ in GOODS
    ]
    write_csv(folder, "stock.csv", stock)
    database = Database(url, RULES, lambda: BEGIN)
    import_folder(database, folder)
    database.close()


class Bookkeeper(Machine):
    """Money, in whatever order hypothesis likes."""

    def __init__(self, new_database: Callable[[], str]) -> None:
        super().__init__(new_database, RULES)
        self.provider = Provider()
        self.shipping = Shipping(self.database, Partners())
        self.billing = Billing(self.database, self.provider)

    def use(self, rules: BillingRules) -> None:
        """Bill by these rules."""
        self.database.rules = replace(self.database.rules, billing=rules)

    def teardown(self) -> None:
        """Beancount comes to our balances, which the export asserts."""
        _, errors, _ = loader.load_string(self.database.read(ledger_reading.export_beancount))
        assert errors == []
        super().teardown()

    # What happens.

    @initialize(pick=picks, relief=st.booleans())
    def begin(self, pick: int, relief: bool) -> None:
        """A shop that has been open for a while: there is something to pay, send, credit, take
        back, remind of and write off; with or without relief of tax on bad debts."""
        self.use(BILLING_RULES.model_copy(update={"bad_debt_relief": relief}))
        for number, terms in enumerate(("prepaid", "net30", "prepaid", "net30")):
            self.place([("A", 2), ("B", 1)], terms, "ADA" if number < 2 else "BOB", "3", False)
        for part in ("all", "a third", "too much"):
            self.pay(pick, part, twice=False)
            pick += 1
        for which in range(3):
            self.issue_goods(which)
        self.pay_for_nothing(pick, reversed_first=False)
        self.remind(40, pick)  # who paid nothing
        for which, part in enumerate((Part.WHOLE, Part.SOME)):
            self.deliver(pick=0)
            self.take_back(
                which, part, Disposition.RESTOCK, Condition.AS_NEW, RequestedOutcome.REFUND
            )
        self.exchange_in_vain()
        self.place([("B", 3), ("A", 1)], "net30", "BOB", "12.5", early=False)
        self.pay(4, "all", twice=False)
        self.issue_goods(pick=0)
        self.lose(pick=0, says=TrackingStatus.LOST, again=False)
        self.place([("A", 1)], "prepaid", "ADA", "0", early=False)
        self.cancel_order(self.read(select(Order).order_by(col(Order.order_id).desc()))[0])

    def exchange_in_vain(self) -> None:
        """Three orders are paid, delivered and exchanged: one exchange is cancelled, one is lost,
        and one comes back."""
        for _ in range(3):
            self.place([("A", 3), ("B", 2)], "prepaid", "ADA", "3", early=False)
            self.pay(-1, "all", twice=False)
            self.issue_goods(pick=-1)
            self.deliver(pick=-1)
            wish = RequestedOutcome.EXCHANGE
            self.take_back(-1, Part.WHOLE, Disposition.SCRAP, Condition.WORN, wish)
        exchanges = select(Order).where(col(Order.order_id).endswith("-X1"))
        cancelled, *_ = self.read(exchanges.order_by(Order.order_id))
        self.cancel_order(cancelled)
        for _ in range(2):
            self.issue_goods(pick=-1)
        self.deliver(pick=-1)
        self.take_back(-1, Part.SOME, Disposition.SCRAP, Condition.AS_NEW, RequestedOutcome.REFUND)
        self.lose(pick=-1, says=TrackingStatus.LOST, again=False)

    @rule(
        lines=st.lists(
            st.tuples(st.sampled_from("ABC"), st.integers(1, 9)), min_size=1, max_size=3
        ),
        terms=st.sampled_from(["prepaid", "net30"]),
        customer=st.sampled_from(["ADA", "BOB"]),
        discount=st.sampled_from(["0", "3", "12.5"]),
        early=st.booleans(),
    )
    def place(
        self, lines: list[tuple[str, int]], terms: str, customer: str, discount: str, early: bool
    ) -> None:
        """An order; on credit it is billed, now or later."""
        order_id = self.next_id("O")
        document = OrderDocument.model_validate(
            {
                "order_id": order_id,
                "channel": "online",
                "customer": customer,
                "ship_to": SHIP_TO,
                "currency": "EUR",
                "terms": terms,
                "discount_percent": discount,
                "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
            }
        )
        step = self.record(document)
        if terms == "net30" and not early:
            issue_invoice.run(self.database, step)

    def record(self, document: OrderDocument) -> OrderStep:
        """An order comes, and its goods are reserved."""
        order_id = document.order_id
        record = RecordOrder(
            order=document, digest="d", placed_at=self.clock(), workflow_id=f"order-{order_id}"
        )
        record_order.run(self.database, record)
        step = OrderStep(order_id=order_id)
        allocate_stock.run(self.database, step)
        return step

    @rule(pick=picks)
    def bill(self, pick: int) -> None:
        """An order on credit whose invoice wasn't written yet."""
        billed = select(InvoiceRow.order_id)
        order = self.pick(
            select(Order).where(Order.terms == "net30", col(Order.order_id).not_in(billed)), pick
        )
        if order is not None:
            issue_invoice.run(self.database, OrderStep(order_id=order.order_id))

    @rule(pick=picks, part=st.sampled_from(PARTS), twice=st.booleans())
    def pay(self, pick: int, part: str, twice: bool) -> None:
        """Money for an order, whatever has become of it."""
        order = self.pick(select(Order).order_by(Order.order_id), pick)
        if order is None:
            return
        due_minor = order.total_minor + order.fees_minor - order.paid_minor
        amount_minor = {
            "a third": due_minor // 3,
            "all": due_minor,
            "all but two cents": due_minor - 2,
            "too much": due_minor + 777,
        }[part]
        if amount_minor <= 0:
            return
        fact = PaymentReceived(
            payment_id=self.next_id("P"),
            order_id=order.order_id,
            amount=format_amount(amount_minor, "EUR"),
            currency="EUR",
            received_at=self.clock(),
        )
        for _ in range(1 + twice):
            apply_payment.run(self.database, PaymentStep(order_id=order.order_id, fact=fact))
        self.happened[f"paid {part}"] += 1

    @rule(pick=picks, reversed_first=st.booleans())
    def pay_for_nothing(self, pick: int, reversed_first: bool) -> None:
        """Money for an order that isn't there; its reversal may be known before it."""
        payment_id = self.next_id("P")
        if reversed_first:
            fact = PaymentReversed(
                reversal_id=self.next_id("RV"), payment_id=payment_id, amount="1.00", currency="EUR"
            )
            apply_reversal.run(self.database, ReversalStep(order_id=None, fact=fact))
        record_unmatched_payment.run(
            self.database,
            PaymentReceived(
                payment_id=payment_id, order_id="NOBODY", amount=f"{1 + pick}.10", currency="EUR"
            ),
        )

    @rule(pick=picks, which=picks)
    def assign(self, pick: int, which: int) -> None:
        """It is somebody's after all."""
        payment = self.pick(select(Payment).where(col(Payment.order_id).is_(None)), pick)
        order = self.pick(select(Order), which)
        if payment is not None and order is not None:
            self.command(
                "assign", kind="assign", payment_id=payment.payment_id, order_id=order.order_id
            )

    @rule(pick=picks)
    def issue_goods(self, pick: int) -> None:
        """An order that may leaves: no shipment is planned before the invoice is written."""
        billed = select(InvoiceRow.order_id)
        ready = (Order.stage == Stage.DISPATCHING) & col(Order.order_id).in_(billed)
        order = self.pick(select(Order).where(ready).order_by(Order.order_id), pick)
        if order is None:
            return
        planned = plan_shipments.run(self.database, OrderStep(order_id=order.order_id))
        alive = planned.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED)
        fact = ShipmentDispatched(
            event_id=self.next_id("E"), order_id=order.order_id, shipment_id=alive[0]
        )
        apply_dispatch.run(self.database, DispatchStep(order_id=order.order_id, fact=fact))
        self.happened["issued"] += 1

    @rule(pick=picks)
    def deliver(self, pick: int) -> None:
        """Goods arrive."""
        shipment = self.on_its_way(pick)
        if shipment is None:
            return
        fact = ShipmentDelivered(
            event_id=self.next_id("E"), order_id=shipment.order_id, shipment_id=shipment.shipment_id
        )
        apply_delivery.run(self.database, DeliveryStep(order_id=shipment.order_id, fact=fact))
        self.happened["delivered"] += 1

    @rule(
        pick=picks,
        says=st.sampled_from([TrackingStatus.LOST, TrackingStatus.RETURNED_TO_SENDER]),
        again=st.booleans(),
    )
    def lose(self, pick: int, says: TrackingStatus, again: bool) -> None:
        """Goods won't arrive: they are sent again, or their price is given back."""
        shipment = self.on_its_way(pick)
        if shipment is None:
            return
        fact = ShipmentTracked(
            event_id=self.next_id("E"),
            order_id=shipment.order_id,
            shipment_id=shipment.shipment_id,
            status=says,
        )
        apply_tracking.run(self.database, TrackingStep(order_id=shipment.order_id, fact=fact))
        kind = "reship" if again else "refund_shipment"
        self.command(kind, kind=kind, shipment_id=shipment.shipment_id)

    @rule(
        pick=picks,
        part=st.sampled_from(Part),
        disposition=st.sampled_from(Disposition),
        condition=st.sampled_from(Condition),
        wish=st.sampled_from(RequestedOutcome),
    )
    def take_back(
        self,
        pick: int,
        part: Part,
        disposition: Disposition,
        condition: Condition,
        wish: RequestedOutcome,
    ) -> None:
        """Goods come back: a unit of an order, or all that is left of it; their price is given
        back, or they are sent once more. Who wants a refund sends them unannounced, unless they
        are lost on their way."""
        units = self.read(
            select(Reservation)
            .join(Shipment, col(Shipment.shipment_id) == col(Reservation.shipment_id))
            .where(Shipment.state == ShipmentState.DELIVERED)
            .order_by(Reservation.order_id, col(Reservation.line_no))
        )
        if not units:
            return
        order_id = sorted({row.order_id for row in units})[pick % len({u.order_id for u in units})]
        left: Counter[str] = Counter()
        for row in units:
            left[row.sku] += row.quantity if row.order_id == order_id else 0
        came = select(ReturnLine).join(ReturnRow).where(ReturnRow.order_id == order_id)
        for line in self.read(came):
            left[line.sku] -= line.quantity
        lines = [{"sku": sku, "quantity": n} for sku, n in sorted(left.items()) if n > 0]
        if part is Part.SOME:
            lines = [line | {"quantity": 1} for line in lines[:1]]
        if not lines:
            return
        of = {"order_id": order_id}
        lost = disposition is Disposition.LOST
        if lost or wish is RequestedOutcome.EXCHANGE:
            done = self.command("request", kind="request_return", lines=lines, wish=wish, **of)
            of = {"return_id": done.notification.returns[0]}
            self.command("authorise", kind="authorise_return", **of)
        if lost:
            done = self.command("send", kind="return_on_its_way", **of)
        else:
            done = self.command("receive", kind="receive_return", lines=lines, **of)
        assert done.refusal is None, done
        [return_id] = done.notification.returns
        looked_at = [line | {"disposition": disposition, "condition": condition} for line in lines]
        done = self.command(
            f"returned {part}", kind="inspect_return", return_id=return_id, lines=looked_at
        )
        credited = wish is RequestedOutcome.EXCHANGE and done.refusal is not None
        assert credited or done.refusal is None, done
        self.settle_returns()

    def settle_returns(self) -> None:
        """As ReturnWorkflow does: refunds are paid, exchanges placed, which are paid in full."""
        for row in self.read(select(Settlement).where(col(Settlement.done_at).is_(None))):
            step = SettlementStep(settlement_id=row.settlement_id)
            if row.refund_key is not None:
                asyncio.run(self.billing.pay_refund(RefundStep(refund_key=row.refund_key)))
                self.happened["return refunded"] += 1
            if row.exchange_order_id is not None:
                issue_invoice.run(
                    self.database, self.record(write_exchange.run(self.database, step))
                )
                self.happened["exchanged"] += 1
            finish_settlement.run(self.database, step)

    def on_its_way(self, pick: int) -> Shipment | None:
        """One of the shipments that left and haven't arrived."""
        gone = select(Shipment).where(Shipment.state == ShipmentState.DISPATCHED)
        return self.pick(gone.order_by(Shipment.shipment_id), pick)

    @rule(pick=picks, amount=st.sampled_from([None, "0.01", "3.33", "50.00"]), keep=st.booleans())
    def credit(self, pick: int, amount: str | None, keep: bool) -> None:
        """A part of an invoice, or all of it."""
        invoice = self.pick(select(InvoiceRow), pick)
        if invoice is not None:
            self.command(
                "credit",
                kind="credit",
                invoice_number=invoice.number,
                amount=amount,
                refund=not keep,
            )

    @rule(pick=picks, amount=st.sampled_from([None, "0.01", "5.00"]))
    def refund(self, pick: int, amount: str | None) -> None:
        """What we owe a customer."""
        order = self.pick(select(Order), pick)
        if order is not None:
            self.command("refund", kind="refund", order_id=order.order_id, amount=amount)

    @rule(pick=picks)
    def refund_payment(self, pick: int) -> None:
        """Money without an order goes back."""
        payment = self.pick(select(Payment).where(col(Payment.order_id).is_(None)), pick)
        if payment is not None:
            self.command("refund payment", kind="refund", payment_id=payment.payment_id)

    @rule(pick=picks, some=st.booleans(), twice=st.booleans())
    def charge_back(self, pick: int, some: bool, twice: bool) -> None:
        """The payer's bank takes money back, all of it or some."""
        payment = self.pick(select(Payment), pick)
        if payment is None:
            return
        left_minor = payment.amount_minor - payment.reversed_minor
        amount_minor = left_minor // 2 if some else left_minor
        if amount_minor <= 0:
            return
        fact = PaymentReversed(
            reversal_id=self.next_id("RV"),
            payment_id=payment.payment_id,
            order_id=payment.order_id,
            amount=format_amount(amount_minor, "EUR"),
            currency="EUR",
            fee="7.50",
            occurred_at=self.clock(),
        )
        for _ in range(1 + twice):
            apply_reversal.run(self.database, ReversalStep(order_id=payment.order_id, fact=fact))
        self.happened["charged back"] += 1

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """Until goods leave; then everything is undone."""
        order = self.pick(select(Order).where(Order.cancellation == Cancellation.NONE), pick)
        if order is not None:
            self.cancel_order(order)

    def cancel_order(self, order: Order) -> None:
        """As its workflow does; refused once goods have left."""
        wish = CancelOrder(order_id=order.order_id, request=CancelRequest())
        if not start_cancelling.run(self.database, wish).accepted:
            return
        step = OrderStep(order_id=order.order_id)
        asyncio.run(self.billing.void_payment_request(step))
        credit_invoice.run(self.database, step)
        release_stock.run(self.database, step)
        self.give_back(order.order_id)
        self.settle_returns()
        self.happened["cancelled"] += 1

    @rule(pick=picks)
    def give_late_money_back(self, pick: int) -> None:
        """As FactWorkflow does for a cancelled order."""
        order = self.pick(select(Order).where(Order.cancellation == Cancellation.DONE), pick)
        if order is not None:
            self.give_back(order.order_id)

    @rule(days=st.integers(1, 40), pick=picks)
    def remind(self, days: int, pick: int) -> None:
        """Time goes by, and somebody is reminded."""
        self.now += timedelta(days=days)
        order = self.pick(select(Order), pick)
        if order is not None:
            review = review_dunning.run(self.database, OrderStep(order_id=order.order_id))
            self.happened["reminded"] += review.remind is not None

    @rule(pick=picks)
    def write_off(self, pick: int) -> None:
        """What isn't paid won't be."""
        order = self.pick(select(Order), pick)
        if order is not None:
            self.command("write off", kind="write_off", order_id=order.order_id)

    @rule(amount=st.integers(0, 10_000), fee=st.integers(0, 99))
    def pay_out(self, amount: int, fee: int) -> None:
        """The provider pays."""
        record_payout.run(
            self.database,
            PayoutPaid(
                payout_id=self.next_id("PO"),
                amount=format_amount(amount, "EUR"),
                fee=format_amount(fee, "EUR"),
                currency="EUR",
            ),
        )

    @rule(days=st.integers(1, 20))
    def close(self, days: int) -> None:
        """The books of the past are closed."""
        through = (self.now - timedelta(days=days)).date()
        self.command("close", kind="close_period", through=through)

    def command(self, name: str, **said: Any) -> CommandResult:
        """A person's command, and what follows it."""
        command = {"command_id": self.next_id("CMD"), "reason": "because", **said}
        step = CommandStep.model_validate({"command": command})
        done = execute_command.run(self.database, step)
        assert execute_command.run(self.database, step) == done
        if done.follow_up is not None and done.follow_up.refund_key is not None:
            asyncio.run(self.billing.pay_refund(RefundStep(refund_key=done.follow_up.refund_key)))
        self.happened[name if done.refusal is None else f"{name} refused"] += 1
        return done

    def give_back(self, order_id: str) -> None:
        """Until nothing is owed."""
        step = OrderStep(order_id=order_id)
        while True:
            progress = finish_cancelling.run(self.database, step)
            if progress.cancellation is Cancellation.DONE and not progress.refund_due_minor:
                return
            asyncio.run(self.billing.refund_payment(step))

    # What must be true.

    @invariant()
    def books_balance(self) -> None:
        """Debits equal credits, and the inventory account equals the stock."""
        balance = self.database.read(ledger_reading.trial_balance)
        assert balance.balanced, balance.model_dump_json(indent=1)

    @invariant()
    def each_account_says_what_the_orders_say(self) -> None:
        """By order: receivable, deposits, what is to be given back, contract liabilities."""
        ledger = self.database.read(_by_order)
        for order in self.read(select(Order)):
            said = self.database.read(lambda s, o=order: _said_by(s, o))
            posted = ledger[order.order_id]
            assert {account: posted[account] for account in said} == said, order.order_id

    @invariant()
    def ageing_agrees(self) -> None:
        """The report of receivables is the ledger's account."""
        report = self.database.read(lambda s: ledger_reading.ageing(s, self.now.date()))
        assert report.equals_ledger, report.model_dump_json(indent=1)

    @invariant()
    def nobody_is_given_more_than_came(self) -> None:
        """By the provider's own book."""
        given: Counter[str] = Counter()
        for demand in self.provider.given_back.values():
            given[demand.order_id] += int(demand.amount.replace(".", ""))
        for order_id, given_minor in given.items():
            named = (Payment.order_id == order_id) | (Payment.payment_id == order_id)
            came = self.read(select(Payment.amount_minor).where(named))
            assert given_minor <= sum(came), order_id

    @invariant()
    def stages_fit(self) -> None:
        """What the row shows is what its facts say."""
        for order in self.read(select(Order)):
            progress = self.database.read(
                lambda s, o=order: read_progress(s, s.get_one(Order, o.order_id))
            )
            assert stage(progress) is order.stage


def _by_order(session: Session) -> dict[str, Counter[Account]]:
    """The ledger, by order and account; credits are below zero."""
    sums: dict[str, Counter[Account]] = defaultdict(Counter)
    rows = select(JournalEntry.order_id, JournalPosting.account, JournalPosting.amount_minor).join(
        JournalPosting, col(JournalPosting.entry_id) == col(JournalEntry.entry_id)
    )
    for order_id, account, amount_minor in session.exec(rows):
        sums[order_id or ""][Account(account)] += amount_minor
    return sums


def _said_by(session: Session, order: Order) -> dict[Account, int]:
    """What the ledger must have of an order, from its own facts."""
    balance = balance_of(session, order)
    refunds = session.exec(select(Refund).where(Refund.order_id == order.order_id)).all()
    asked = [r for r in refunds if r.state is RefundState.ASKED]
    invoiced_minor = order.total_minor + order.fees_minor + order.reclaimed_minor
    credited_minor = order.credited_minor - order.payable_minor + order.forgiven_minor
    receivable_minor = invoiced_minor - credited_minor - order.paid_minor
    deposits_minor = order.deposit_minor - order.taxed_minor
    deposits_minor += 0 if balance.invoiced else order.paid_minor
    if balance.cancelled:
        deposits_minor -= sum(r.amount_minor - r.payable_minor for r in refunds)
    deposits_minor += sum(r.amount_minor - r.payable_minor - r.taxed_minor for r in asked)
    paid_back = sum(r.payable_minor for r in refunds if r.state is RefundState.REFUNDED)
    credited_tax = session.exec(
        select(func.sum(col(CreditNoteRow.total_minor) - col(CreditNoteRow.net_minor))).where(
            CreditNoteRow.order_id == order.order_id
        )
    ).one()
    tax_minor = order.total_minor - order.net_minor if balance.invoiced else 0
    tax_minor += order.taxed_minor + sum(r.taxed_minor for r in asked)
    tax_minor -= int(credited_tax or 0) + order.relieved_minor
    shipped = order.stage in (Stage.IN_TRANSIT, Stage.DELIVERED, Stage.COMPLETED)
    waiting = balance.invoiced and not balance.cancelled and not shipped
    return {
        Account.ACCOUNTS_RECEIVABLE: receivable_minor
        if balance.invoiced
        else max(0, order.reclaimed_minor - order.forgiven_minor),
        Account.TAX_PAYABLE: -tax_minor,
        Account.CUSTOMER_DEPOSITS: -deposits_minor,
        Account.REFUNDS_PAYABLE: paid_back - order.payable_minor,
        Account.CONTRACT_LIABILITIES: -order.net_minor if waiting else 0,
    }
