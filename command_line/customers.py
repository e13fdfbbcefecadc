"""Customers: found by contact data, and possible duplicates."""

from collections.abc import Sequence
from typing import Annotated

import typer

from activities.masterdata import reading as masterdata_reading
from command_line.context import OpenContext
from command_line.output import Json, Limit, Wide, print_line, show_view
from command_line.tables import CliTable, new_table, print_table
from models.views.customers import CustomerSummary, DuplicatesView


def add_customers(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `customers`."""
    customers = typer.Typer(no_args_is_help=True, help="Customers: find and merge them.")
    app.add_typer(customers, name="customers")

    @customers.command("list")
    def list_(
        email: Annotated[str | None, typer.Option(help="Only with this mail address.")] = None,
        phone: Annotated[str | None, typer.Option(help="Only with this phone number.")] = None,
        vat_id: Annotated[str | None, typer.Option(help="Only with this VAT id.")] = None,
        limit: Limit = 50,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """List customers by id."""
        rows = open_context().read(
            lambda s: masterdata_reading.find_customers(s, email, phone, vat_id, limit)
        )
        show_view(rows, as_json, lambda views: print_table(customers_table(views)), wide)

    @customers.command()
    def duplicates(limit: Limit = 50, as_json: Json = False, wide: Wide = False) -> None:
        """List groups of customers that are likely the same."""
        groups = open_context().read(lambda s: masterdata_reading.possible_duplicates(s, limit))
        show_view(groups, as_json, print_duplicates, wide)


def customers_table(customers: Sequence[CustomerSummary]) -> CliTable:
    """Make a table with a row for each customer."""
    table = new_table("customer", "name", "mail", "phone", "VAT id", "status", "orders")
    for row in customers:
        status = f"merged into {row.merged_into}" if row.merged_into else row.status
        contact = (row.customer_id, row.name, row.email, row.phone, row.vat_id)
        table.add_row(*contact, status, str(row.order_count))
    return table


def print_duplicates(groups: Sequence[DuplicatesView]) -> None:
    """Print each group with what its customers have in common."""
    for group in groups:
        print_line(f"the same: {', '.join(group.because)}")
        print_table(customers_table(group.customers))
    if not groups:
        print_line("no two customers have contact data in common")
