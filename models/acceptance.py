"""The acceptance of an order: what was agreed with its customer."""

from pydantic import Field

from models.base import Payload
from models.billing import InvoiceAt
from models.orders import OrderDocument
from models.pricing import PricedLine, Totals, total
from models.tax import TaxCase, tax_warnings


class Acceptance(Payload):
    """Prices, tax and names of an order as of its acceptance."""

    tax_case: TaxCase
    prices_include_tax: bool = Field(default=False, exclude_if=lambda includes: not includes)
    vat_id: str = Field(default="", exclude_if=lambda vat_id: not vat_id)
    """The customer's VAT id, on which the tax case rests."""
    invoice_at: InvoiceAt = Field(
        default=InvoiceAt.GOODS_ISSUE, exclude_if=lambda moment: moment is InvoiceAt.GOODS_ISSUE
    )
    """When the order is invoiced, if it is on credit."""
    same_reference: tuple[str, ...] = Field(default=(), exclude_if=lambda orders: not orders)
    """Other orders of the customer with the same reference of theirs."""
    lines: tuple[PricedLine, ...]

    @property
    def totals(self) -> Totals:
        """The sums of the lines."""
        return total(self.lines)

    @property
    def warnings(self) -> list[str]:
        """What the seller still has to do for the tax case, and what may be ordered twice."""
        warnings = tax_warnings(self.tax_case, self.vat_id)
        if self.same_reference:
            others = ", ".join(self.same_reference)
            warnings.append(f"customer_reference: is that of {others} too: is it ordered twice?")
        return warnings


class AcceptedOrder(OrderDocument):
    """An order with what API or CLI agreed at its acceptance: the argument of its workflow.

    So an import between acceptance and recording changes nothing of it. An order without `accepted`
    was started by a workflow or an operator: it is priced when it is recorded.
    """

    accepted: Acceptance | None = None
    placed_by: str = Field(default="", exclude_if=lambda name: not name)
    """The name of the shop's token that placed it; empty: a way that may use all orders."""

    @property
    def warnings(self) -> list[str]:
        """What is unusual about the order and its acceptance, and doesn't stop it."""
        return [*super().warnings, *(self.accepted.warnings if self.accepted else ())]
