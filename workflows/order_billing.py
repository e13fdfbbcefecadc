"""The money of one order: payment, capture, reminders, and problems that an operator
acknowledges."""

from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities.billing.dunning import review_dunning
    from activities.billing.payment_calls import PaymentCalls
    from activities.billing.steps import lapse_authorisation
    from activities.mail.steps import CustomerMail
    from models.audit import PIPELINE
    from models.billing import AUTHORISATION_LAPSED
    from models.messages.requests import CancelRequest
    from models.messages.steps import BillStep, ReminderStep
    from models.orders import Terms
    from models.progress import Problem
    from workflows.compensation import start_cancellation
    from workflows.order_context import OrderContext
    from workflows.steps import RefusedStep, Stopped

REQUEST = "Request the payment"
CAPTURE = "Capture the payment"
MONEY = "money"
"""Keys on the attention board; the first two also name their steps."""
CHECK_AGAIN_AFTER = timedelta(hours=1)
"""The interval between checks of a lapsed authorisation while its capture is in doubt."""


class OrderBilling:
    """The collection of an order's payment, and the problems of its money."""

    def __init__(self, order: OrderContext) -> None:
        self._order = order
        self._is_watching = False
        self._shown: Problem | None = None
        self._is_reminding = False
        self._reminded: tuple[str, ...] = ()
        self._invoiced: set[str] = set()

    async def collect(self) -> None:
        """Wait for a payment or an authorisation; cancel the order at the payment deadline."""
        order = self._order
        if order.progress.terms is Terms.PREPAID:
            await self.request_payment()
        secured = await order.steps.wait_until(
            lambda: order.progress.secured,
            self._seconds_to_pay(),
            "Until the payment deadline",
        )
        if not secured:
            late = CancelRequest(reason="not paid in time", actor="deadline", source=PIPELINE)
            await start_cancellation(order, late, unless_paid=True)
            await order.steps.wait_until(lambda: order.progress.secured)

    def _seconds_to_pay(self) -> float:
        """Return the seconds to wait for the payment: until the time that the request names.

        Without a request, or if the time has passed before a resumed order waits, it is the whole
        period.
        """
        pay_by, now = self._order.progress.pay_by, workflow.now()
        if pay_by is None or pay_by <= now:
            return self._order.board.policy.payment_deadline
        return (pay_by - now).total_seconds()

    async def request_payment(self, call: str = "request_payment") -> None:
        """Request the payment from the provider, unless the order is paid before."""
        order = self._order
        outcome = order.outcome_of(call)
        if outcome.is_done:
            return
        try:
            order.update(
                await order.while_unpaid.call_partner(
                    PaymentCalls.request_payment, order.step, REQUEST, outcome.refusal
                )
            )
        except Stopped:
            await order.board.clear_attention(REQUEST)
            if order.cancelling:
                raise

    async def capture(self) -> None:
        """Capture the payment, which issues the invoice. A lapsed authorisation is requested again;
        any other refusal waits for an operator, or until the authorisation lapses."""
        order = self._order
        while not order.progress.paid_in_full:
            if not order.progress.secured:
                await self.collect()
            try:
                order.update(
                    await order.steps.call_partner_or_raise(
                        PaymentCalls.capture_payment, order.step, CAPTURE
                    )
                )
            except RefusedStep as refusal:
                if refusal.attention.code == AUTHORISATION_LAPSED:
                    await self._lapse_authorisation()
                else:
                    await order.steps.wait_for_operator(
                        CAPTURE,
                        refusal.attention,
                        lambda: order.progress.paid_in_full or not self._is_authorised(),
                    )
        if self._is_authorised():  # paid in another way
            await order.steps.call_partner(
                PaymentCalls.void_payment_request, order.step, "Release the authorisation"
            )

    def mail_invoice(self) -> None:
        """Mail the invoice in the background. Called again, it is not sent again."""
        order = self._order
        outcome = order.outcome_of("mail_invoice")
        order.start_mail(CustomerMail.mail_invoice, order.step, "Mail the invoice", outcome)

    def start_authorisation_watch(self) -> None:
        """Watch the authorisation of a card that is captured later, in the background."""
        if self._order.progress.captured_later and not self._is_watching:
            self._is_watching = True
            self._order.start_in_background(self._watch_authorisation())

    async def _watch_authorisation(self) -> None:
        """Record the lapse of each authorisation until the order is paid."""
        while True:
            await self._order.while_unpaid.wait_until(self._is_authorised)
            until = self._order.progress.authorised_until
            assert until is not None
            if not await self._changes_before(until, until):
                await self._lapse_authorisation()
            if self._order.progress.authorised_until == until:  # its capture is in doubt
                await self._changes_before(workflow.now() + CHECK_AGAIN_AFTER, until)

    async def _changes_before(self, moment: datetime, authorised_until: datetime) -> bool:
        """Wait for the end or the replacement of an authorisation, at most until `moment`."""
        return await self._order.while_unpaid.wait_until(
            lambda: self._order.progress.authorised_until != authorised_until,
            max(1.0, (moment - workflow.now()).total_seconds()),
            "Until the authorisation lapses",
        )

    async def _lapse_authorisation(self) -> None:
        """Expire lapsed authorisations, and forget the outcome of their request."""
        await self._order.run_step(lapse_authorisation, "Check the authorisation")
        self._order.outcome_of("request_payment")

    def _is_authorised(self) -> bool:
        return self._order.progress.authorised_until is not None

    async def remind(self) -> None:
        """Mail reminders of overdue invoices until all are paid or the last one is sent.

        Called again while it runs, it does nothing.
        """
        if self._is_reminding:
            return
        self._is_reminding = True
        try:
            await self._remind()
        finally:
            self._is_reminding = False
            self._reminded = self._order.progress.invoices if self._owes() else ()

    def _owes(self) -> bool:
        return self._order.progress.receivable_minor > 0

    async def _remind(self) -> None:
        order = self._order
        while self._owes():
            known = order.progress.invoices
            review = await order.while_unpaid.run_database_step(
                review_dunning, order.step, "Review dunning"
            )
            order.update(review.progress)
            if review.remind is not None and review.invoice_number is not None:
                reminder = ReminderStep(
                    order_id=order.order_id,
                    invoice_number=review.invoice_number,
                    level=review.remind,
                )
                summary = f"Mail reminder {reminder.level}"
                order.start_mail(CustomerMail.mail_reminder, reminder, summary)
            elif review.review_in_s is None:
                return
            else:
                await order.while_unpaid.wait_until(
                    partial(self._has_others, known),
                    review.review_in_s,
                    "Until a reminder is due",
                )

    def _has_others(self, known: tuple[str, ...]) -> bool:
        """Whether there is another invoice to remind of, or nothing is due any more."""
        return self._order.progress.invoices != known or not self._owes()

    def react_to_progress(self) -> None:
        """Mail and collect the invoices of deliveries; show a new problem of the money; remind
        again after a reversed payment."""
        problem = self._order.progress.money_problem
        if problem is not None and problem != self._shown:
            self._order.start_in_background(self._show_problem(problem))
        self._shown = problem
        progress = self._order.progress
        if progress.invoiced_by_delivery:
            self._follow_deliveries()
        is_reminded = self._is_reminding or self._reminded == progress.invoices
        if progress.terms.on_credit and self._owes() and not is_reminded:
            self._order.start_in_background(self.remind())

    def _follow_deliveries(self) -> None:
        """Mail each new invoice of a delivery, and request its payment."""
        order = self._order
        for position, number in enumerate(order.progress.invoices, start=1):
            if number in self._invoiced:
                continue
            self._invoiced.add(number)
            outcome = order.outcome_of(f"mail_invoice/{number}")
            bill = BillStep(number=number)
            order.start_mail(CustomerMail.mail_bill, bill, f"Mail {number}", outcome)
            order.start_in_background(self.request_payment(f"request_payment/{position}"))

    async def _show_problem(self, problem: Problem) -> None:
        order = self._order
        try:
            await order.show_problem(MONEY, problem, lambda: order.progress.money_problem)
        except Stopped:
            self._shown = None  # shown again if the cancellation is withdrawn
            raise
        if order.progress.money_problem in (problem, None):
            await order.board.clear_attention(MONEY)
