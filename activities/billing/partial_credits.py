"""Credit notes for one line of an invoice."""

from activities.billing.invoicing import (
    Credit,
    create_credit_note,
    credit_notes_of,
    goods_issued,
    limited_taxes,
    line_of_amount,
    uncredited_taxes,
)
from activities.database.unit_of_work import UnitOfWork
from activities.order_record.balance import money_of
from activities.order_record.targets import target_amount
from models.billing import Invoice, fit_gross, split_credit
from models.messages.commands.base import MONEY_REFUSED, refuse
from models.messages.commands.billing import CreditInvoice
from models.partial_credits import (
    LineRest,
    amount_left,
    find_line,
    rest_of_line,
    units_to_credit,
)
from models.pricing import PricedLine, TaxAmount, total
from models.tables.billing import CreditNoteRow
from models.tables.orders import Order


def credit_line(
    work: UnitOfWork, order: Order, invoice: Invoice, command: CreditInvoice, line_no: int
) -> CreditNoteRow:
    """Credit units or an amount of a line of an invoice, or all that is left of it.

    Raises CommandRefused for more than is left.
    """
    try:
        line = find_line(invoice.lines, line_no)
        rest = rest_of_line(line, credit_notes_of(work.session, invoice.number))
        units = units_to_credit(line, rest, command.quantity) if command.amount is None else None
    except ValueError as error:
        field, _, reason = str(error).partition(": ")
        refuse(field, reason, MONEY_REFUSED)
    issued = goods_issued(work.session, order.order_id)
    if units is not None:
        taxes = limited_taxes(work.session, invoice, total([units]).taxes)
        if taxes[0].taxable_minor < units.net_minor:
            left = money_of(order, taxes[0].taxable_minor)
            reason = f"only {left} without tax at the rate of line {line_no} can be credited"
            refuse("quantity", reason, MONEY_REFUSED)
        credit = Credit(taxes, fit_gross([units], taxes), command.reason, issued, command.refund)
    else:
        tax = _tax_of_amount(work, order, invoice, command, line, rest)
        shown = line_of_amount(invoice, 1, tax, f"{line.name}: {command.reason}")
        credit = Credit((tax,), (shown,), command.reason, issued, command.refund, line_no)
    return create_credit_note(work, order, invoice, credit)


def _tax_of_amount(
    work: UnitOfWork,
    order: Order,
    invoice: Invoice,
    command: CreditInvoice,
    line: PricedLine,
    rest: LineRest,
) -> TaxAmount:
    """Split the amount to credit into net and tax at the rate of the line."""
    [left] = uncredited_taxes(work.session, invoice, line.tax_rate_ppm)
    [invoiced] = [tax for tax in invoice.taxes if tax.rate_ppm == line.tax_rate_ppm]
    left_minor = amount_left(rest, line, invoiced, left)
    amount_minor = left_minor
    if command.amount is not None:
        amount_minor = target_amount(command.amount, order.currency, "amount", MONEY_REFUSED)
    if not left_minor or amount_minor > left_minor:
        shown = money_of(order, left_minor)
        reason = f"only {shown} of line {line.line_no} can be credited"
        refuse("amount", reason, MONEY_REFUSED)
    [tax] = split_credit([invoiced], [left], amount_minor)
    return tax
