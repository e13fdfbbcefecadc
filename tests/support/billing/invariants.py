"""The invariants of billing: asserted after every rule."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from hypothesis.stateful import invariant
from sqlalchemy import func
from sqlmodel import Session, col, select

from activities.database.company import day_of
from activities.ledger import reading as ledger_reading
from activities.operations.money_comparison import compare_money
from activities.order_record.balance import balance_of
from models.billing import Balance, Bill, CreditNote, Invoice
from models.ledger import Account
from models.progress import Stage, stage
from models.refunds import RefundState
from models.tables.billing import CreditBalance, CreditNoteRow, InvoiceRow, Payment, Refund
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.orders import Order
from tests.support.billing.model import BillingModel


class BillingInvariants(BillingModel):
    """The invariants of payments, refunds and ledger."""

    @invariant()
    def ledger_balances_and_inventory_equals_stock(self) -> None:
        """The trial balance has no difference."""
        balance = self.database.read(ledger_reading.trial_balance)
        assert balance.balanced, balance.model_dump_json(indent=1)

    @invariant()
    def accounts_equal_the_orders(self) -> None:
        """By order: receivable, tax, deposits, refunds payable, contract liability."""
        ledger = self.database.read(balances_by_order)
        for order in self.read(select(Order)):
            expected = self.database.read(partial(_expected_balances, order=order))
            posted = ledger[order.order_id]
            assert {account: posted[account] for account in expected} == expected, order.order_id

    @invariant()
    def lines_add_up_to_bills(self) -> None:
        """The net amounts of a bill's lines are its net, and its prices with tax are its total."""
        bills: list[Bill] = [
            *(Invoice.model_validate(row.content) for row in self.read(select(InvoiceRow))),
            *(CreditNote.model_validate(row.content) for row in self.read(select(CreditNoteRow))),
        ]
        for bill in bills:
            assert sum(line.net_minor for line in bill.lines) == bill.net_minor, bill.number
            if bill.prices_include_tax:
                gross_minor = sum(line.gross_minor or 0 for line in bill.lines)
                assert gross_minor == bill.total_minor, bill.number

    @invariant()
    def ageing_equals_receivables(self) -> None:
        """The ageing report adds up to the ledger's account."""
        today = self.database.read(lambda s: day_of(s, self.now))
        report = self.database.read(lambda s: ledger_reading.ageing(s, today))
        assert report.equals_ledger, report.model_dump_json(indent=1)
        past = self.database.read(lambda s: ledger_reading.ageing(s, today, today))
        assert past == report, "that of the end of this day, by the postings"

    @invariant()
    def tax_report_equals_tax_payable(self) -> None:
        """Also that of the days until today, and of today."""
        today = self.database.read(lambda s: day_of(s, self.now))
        for from_, to in ((None, None), (None, today - timedelta(days=1)), (today, today)):
            report = self.database.read(partial(ledger_reading.tax, from_=from_, to=to))
            assert report.equals_ledger, report.model_dump_json(indent=1)

    @invariant()
    def money_equals_payments_and_refunds(self) -> None:
        """Till, bank and the provider's clearing, as reconciliation compares them."""
        assert self.database.read(compare_money) == []

    @invariant()
    def refunds_stay_within_payments(self) -> None:
        """By the provider's own record, and by ours with those that are not paid yet."""
        refunded, reserved = Counter[str](), Counter[str]()
        for demand in self.provider.refunds.values():
            refunded[demand.payment_id] += int(demand.amount.replace(".", ""))
        unpaid = (RefundState.ASKED, RefundState.HELD, RefundState.REFUNDED)
        for refund in self.read(select(Refund).where(col(Refund.state).in_(unpaid))):
            reserved[refund.payment_id] += refund.amount_minor
        for payment in self.read(select(Payment)):
            assert refunded[payment.payment_id] <= payment.refunded_minor <= payment.amount_minor
            assert reserved[payment.payment_id] == payment.refunded_minor, payment.payment_id
        assert not {*refunded} - {row.payment_id for row in self.read(select(Payment))}

    @invariant()
    def amounts_owed_can_go_back(self) -> None:
        """What is owed to a customer is left of the payments of the order."""
        for order in self.read(select(Order)):
            owed_minor = balance_of(order).owed_minor
            payments = select(Payment).where(
                Payment.order_id == order.order_id, Payment.currency == order.currency
            )
            left_minor = sum(max(0, row.left_minor) for row in self.read(payments))
            assert owed_minor <= left_minor, order.order_id

    @invariant()
    def credit_notes_know_what_became_of_them(self) -> None:
        """By order: the credit of all credit notes, and what its refunds gave back of each."""
        for order in self.read(select(Order)):
            of_order = CreditBalance.order_id == order.order_id
            balances = self.read(select(CreditBalance).where(of_order))
            given = Counter[str]()
            refunds = select(Refund).where(
                Refund.order_id == order.order_id, Refund.state != RefundState.WITHDRAWN
            )
            for refund in self.read(refunds):
                assert sum(refund.credits.values()) == refund.payable_minor
                given.update(refund.credits)
            for row in balances:
                assert given[row.number] == row.refunded_minor, row.number
                assert min(row.kept_minor, row.used_minor) >= 0, row.number
            owed_minor = sum(row.payable_minor - row.used_minor for row in balances)
            assert owed_minor == order.payable_minor, order.order_id

    @invariant()
    def stored_stage_equals_progress(self) -> None:
        """The stage of each order row follows from its facts."""
        for order in self.read(select(Order)):
            assert stage(self.progress_of(order.order_id)) is order.stage


def balances_by_order(session: Session) -> dict[str, Counter[Account]]:
    """Read the ledger's balances by order and account; credits are negative."""
    sums: dict[str, Counter[Account]] = defaultdict(Counter)
    rows = select(JournalEntry.order_id, JournalPosting.account, JournalPosting.amount_minor).join(
        JournalPosting, col(JournalPosting.entry_id) == col(JournalEntry.entry_id)
    )
    for order_id, account, amount_minor in session.exec(rows):
        sums[order_id or ""][Account(account)] += amount_minor
    return sums


def _expected_balances(session: Session, order: Order) -> dict[Account, int]:
    """Calculate an order's balances from its own rows, without the ledger."""
    balance = balance_of(order)
    refunds = session.exec(select(Refund).where(Refund.order_id == order.order_id)).all()
    unpaid = [row for row in refunds if row.state in (RefundState.ASKED, RefundState.HELD)]
    tax_minor = (
        order.invoiced_tax_minor + order.taxed_minor + sum(row.taxed_minor for row in unpaid)
    )
    tax_minor -= _credited_tax_minor(session, order.order_id) + order.relieved_minor
    paid_back = sum(row.payable_minor for row in refunds if row.state is RefundState.REFUNDED)
    shipped = order.stage in (Stage.IN_TRANSIT, Stage.DELIVERED, Stage.COMPLETED)
    undispatched = balance.invoiced and not balance.cancelled and not shipped
    unrecognised = (Account.REVENUE, Account.SALES_RETURNS) if balance.cancelled else ()
    return {
        **dict.fromkeys(unrecognised, 0),
        Account.ACCOUNTS_RECEIVABLE: _receivable_minor(order, balance),
        Account.TAX_PAYABLE: -tax_minor,
        Account.CUSTOMER_DEPOSITS: -_deposits_minor(order, refunds, balance),
        Account.REFUNDS_PAYABLE: paid_back - order.payable_minor,
        Account.CONTRACT_LIABILITIES: -order.net_minor if undispatched else 0,
    }


def _receivable_minor(order: Order, balance: Balance) -> int:
    if not balance.invoiced:
        return max(0, order.reclaimed_minor - order.forgiven_minor)
    invoiced_minor = order.invoiced_minor + order.fees_minor + order.reclaimed_minor
    credited_minor = order.credited_minor - order.payable_minor + order.forgiven_minor
    return invoiced_minor - credited_minor - order.paid_minor + balance.advance_minor


def _deposits_minor(order: Order, refunds: Sequence[Refund], balance: Balance) -> int:
    deposits_minor = order.deposit_minor - order.taxed_minor
    deposits_minor += balance.advance_minor if balance.invoiced else order.paid_minor
    deposits_minor -= order.refunded_minor
    for row in refunds:
        if row.state is not RefundState.WITHDRAWN:
            deposits_minor += row.payable_minor
        if row.state in (RefundState.ASKED, RefundState.HELD):
            deposits_minor += row.amount_minor - row.payable_minor - row.taxed_minor
    return deposits_minor


def _credited_tax_minor(session: Session, order_id: str) -> int:
    credited_tax = func.sum(col(CreditNoteRow.total_minor) - col(CreditNoteRow.net_minor))
    credited = select(credited_tax).where(CreditNoteRow.order_id == order_id)
    return int(session.exec(credited).one() or 0)
