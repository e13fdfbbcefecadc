"""Credits of one line or one tax rate of an invoice: units, amounts, and what is left."""

from typing import Any

import pytest
from sqlmodel import col, select

from models.billing import CreditNote, InvoiceAt
from models.errors import InvalidInput
from models.messages.commands.billing import CreditInvoice
from models.messages.commands.results import CommandResult
from models.messages.parsing import parse_command
from models.tables.billing import CreditNoteRow, InvoiceRow
from tests.support.billing.machine import Bookkeeper


def invoice(till: Bookkeeper) -> str:
    """Invoice 3 A and 2 B on credit, whose goods have left; returns the invoice's number."""
    till.place([("A", 3), ("B", 2)], "net30", "ADA", "0", early=False)
    till.issue_goods(pick=-1)
    return till.read(select(InvoiceRow).order_by(col(InvoiceRow.number).desc()))[0].number


@pytest.fixture
def number(till: Bookkeeper) -> str:
    """An invoice whose prices don't include tax: 29.97 at 19 % and 0.74 at 7 %."""
    invoice(till)
    return invoice(till)


@pytest.fixture
def gross(till: Bookkeeper) -> str:
    """An invoice whose prices include tax."""
    return invoice(till)


def credit(till: Bookkeeper, number: str, **fields: Any) -> CommandResult:
    """Execute the command."""
    return till.command("credit", kind="credit", invoice_number=number, **fields)


def note(till: Bookkeeper) -> CreditNote:
    """Read the latest credit note."""
    rows = till.read(select(CreditNoteRow).order_by(col(CreditNoteRow.number).desc()))
    return CreditNote.model_validate(rows[0].content)


def refused(done: CommandResult) -> tuple[str, str]:
    """Return field and reason of a refusal."""
    assert done.refusal is not None
    return done.refusal.field, done.refusal.reason


def test_units_of_a_line_are_credited_until_none_is_left(till: Bookkeeper, number: str) -> None:
    """Their tax adds up to that of the invoice, and the rest of it is the other line."""
    shown = []
    for quantity in (1, None):
        assert credit(till, number, line_no=1, quantity=quantity).refusal is None
        [line] = note(till).lines
        shown.append((line.sku, line.quantity, line.net_minor, note(till).tax_minor))
    assert shown == [("A", 1, 999, 190), ("A", 2, 1_998, 379)]
    for fields in ({"line_no": 1, "quantity": 1}, {"line_no": 1}):
        assert "of line 1 can be credited" in refused(credit(till, number, **fields))[1]
    assert credit(till, number).refusal is None
    assert [(tax.taxable_minor, tax.tax_minor) for tax in note(till).taxes] == [(74, 5)]


def test_units_whose_prices_include_tax_are_credited_for_their_prices(
    till: Bookkeeper, gross: str
) -> None:
    totals = []
    for quantity in (1, 1, None):
        assert credit(till, gross, line_no=1, quantity=quantity).refusal is None
        totals.append(note(till).total_minor)
    assert totals == [1_189, 1_189, 1_189]
    assert credit(till, gross, line_no=2, amount="0.80").refusal is None
    assert refused(credit(till, gross)) == ("amount", f"only 0.00 EUR of {gross} can be credited")


@pytest.mark.parametrize(
    ("fields", "taxable", "tax", "name"),
    [
        ({"line_no": 2, "amount": "0.30"}, 28, 2, "Cordless drill: because"),
        ({"line_no": 1, "amount": "11.90"}, 1_000, 190, "Cordless drill: because"),
        ({"line_no": 1, "amount": "35.66"}, 2_997, 569, "Cordless drill: because"),
        ({"rate_percent": "7.0"}, 74, 5, "because"),
        ({"rate_percent": "7", "amount": "0.30"}, 28, 2, "because"),
    ],
)
def test_amount_of_a_line_or_a_rate_has_the_tax_of_that_rate(
    till: Bookkeeper, number: str, fields: dict[str, Any], taxable: int, tax: int, name: str
) -> None:
    done = credit(till, number, **fields)
    assert done.refusal is None, done
    [amounts] = note(till).taxes
    assert (amounts.taxable_minor, amounts.tax_minor) == (taxable, tax)
    assert amounts.rate_ppm == (190_000 if fields.get("line_no") == 1 else 70_000)
    [line] = note(till).lines
    assert (line.name, line.net_minor) == (name, taxable)


def test_amounts_and_units_of_a_line_are_at_most_its_price(till: Bookkeeper, number: str) -> None:
    """After 20.00 of 29.97 one unit of 9.99 is not left: 9.97 are."""
    assert credit(till, number, line_no=1, amount="23.80").refusal is None
    field, reason = refused(credit(till, number, line_no=1, quantity=1))
    assert (field, reason) == (
        "quantity",
        "a part of the price of line 1 is credited already: give an amount",
    )
    assert refused(credit(till, number, line_no=1, amount="11.87")) == (
        "amount",
        "only 11.86 EUR of line 1 can be credited",
    )
    assert credit(till, number, line_no=1).refusal is None
    assert (note(till).net_minor, note(till).tax_minor) == (997, 189)
    till.ageing_equals_receivables()


def test_credit_of_the_whole_invoice_limits_its_lines(till: Bookkeeper, number: str) -> None:
    assert credit(till, number, rate_percent="19", amount="30.00").refusal is None
    field, reason = refused(credit(till, number, line_no=1, quantity=1))
    assert field == "quantity"
    assert reason == "only 4.76 EUR without tax at the rate of line 1 can be credited"
    assert credit(till, number, line_no=1, amount="5.66").refusal is None


def test_credit_of_a_delivery_is_of_its_own_invoice(till: Bookkeeper) -> None:
    """An order on credit that is invoiced with its goods issue."""
    till.place([("A", 3)], "net30", "ADA", "0", False, InvoiceAt.GOODS_ISSUE)
    till.issue_goods(pick=-1)
    [row] = till.read(select(InvoiceRow))
    assert credit(till, row.number, line_no=1, quantity=2).refusal is None
    assert note(till).invoice_number == row.number
    till.ageing_equals_receivables()


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"line_no": 3}, "line_no", "the invoice has no line 3: it has 1 (A), 2 (B)"),
        ({"line_no": 1, "quantity": 4}, "quantity", "only 3 of line 1 can be credited"),
        ({"line_no": 1, "amount": "35.67"}, "amount", "only 35.66 EUR of line 1 can be credited"),
        ({"rate_percent": "16"}, "rate_percent", "INV-2026-000002 has no tax rate of 16: it has 7, 19"),
        ({"rate_percent": "7", "amount": "0.80"}, "amount", "only 0.79 EUR of INV-2026-000002 at 7 %"),
    ],
)  # fmt: skip
def test_credit_beyond_the_part_is_refused(
    till: Bookkeeper, number: str, fields: dict[str, Any], field: str, reason: str
) -> None:
    found = refused(credit(till, number, **fields))
    assert (found[0], found[1][: len(reason)]) == (field, reason)
    assert till.read(select(CreditNoteRow)) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"quantity": 1}, "quantity: give the number of its line too"),
        ({"line_no": 1, "quantity": 1, "amount": "1.00"}, "quantity: give units or an amount"),
        ({"line_no": 1, "quantity": 0}, "quantity: 0 is below 1, the least"),
        ({"line_no": 0}, "line_no: 0 is below 1, the least"),
        ({"line_no": 1, "rate_percent": "7"}, "rate_percent: give a line or a tax rate, not both"),
        ({"rate_percent": "many"}, "rate_percent: 'many' is not"),
        ({"rate_percent": "101"}, "rate_percent: '101' is not between 0 and 100"),
    ],
)
def test_command_names_a_wrong_field(fields: dict[str, Any], reason: str) -> None:
    sent = {"command_id": "c-1", "reason": "because", "invoice_number": "INV-1", **fields}
    with pytest.raises(InvalidInput, match=reason):
        parse_command(CreditInvoice, {"kind": "credit", **sent})
