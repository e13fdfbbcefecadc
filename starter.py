"""The command line of shops and operators."""

import os
import sys

import typer

from command_line.audit import add_audit
from command_line.billing import add_billing
from command_line.bulk import OrderOrBulk, add_bulk
from command_line.commands import add_commands
from command_line.context import CliContext
from command_line.customers import add_customers
from command_line.imports import add_imports
from command_line.ledger import add_ledger
from command_line.operations import add_operations
from command_line.orders import add_orders
from command_line.output import print_json, print_problem, problem_of
from command_line.purchasing import add_purchasing
from command_line.returns import add_returns
from command_line.shipping import add_shipping
from command_line.stock import add_stock
from command_line.subscriptions import add_subscriptions
from command_line.tokens import add_tokens
from command_line.why import add_why
from exits import exit_process, exit_status
from models.errors import InvalidInput, PipelineError
from models.settings import Settings

app = typer.Typer(
    cls=OrderOrBulk,
    no_args_is_help=True,
    add_completion=False,
    help=__doc__,
    pretty_exceptions_enable=False,
)


def open_context() -> CliContext:
    """Open the context of a command."""
    return CliContext(Settings.read(), os.environ)


for add in (
    add_orders,
    add_why,
    add_audit,
    add_customers,
    add_billing,
    add_returns,
    add_stock,
    add_shipping,
    add_purchasing,
    add_ledger,
    add_imports,
    add_operations,
    add_tokens,
    add_bulk,
    add_subscriptions,
    add_commands,
):
    add(app, open_context)


def main() -> int:
    """Run a command. Exit status: 0 done, 1 refused or failed, 2 wrong use or variables."""
    as_json = "--json" in sys.argv
    try:
        app()
    except SystemExit as end:
        wrong_use = end.__context__  # typer has printed it and exits because of it
        if as_json and isinstance(wrong_use, typer.TyperException):
            print_json({"code": "wrong_use", "detail": wrong_use.format_message()})
        return end.code if isinstance(end.code, int) else 1
    except PipelineError as error:
        fields = error.fields if isinstance(error, InvalidInput) else ()
        for line in map(str, fields) if fields else error.message.splitlines():
            print_problem(error.code, line)
        if as_json:
            print_json(problem_of(error))
        return exit_status(error)
    return 0


if __name__ == "__main__":
    exit_process(main())
