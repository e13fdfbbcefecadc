"""The ledger: `ledger` and `receivables`."""

import os
import sys
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from activities.database.company import day_of
from activities.database.unit_of_work import utc_now
from activities.ledger import reading as ledger_reading
from command_line.context import OpenContext
from command_line.output import Json, Wide, print_json, print_line, show, show_view
from command_line.tables import new_table, out, print_table
from models.ledger_export import tax_csv
from models.views.ledger import (
    AccountView,
    Ageing,
    AgeingBucket,
    CurrencyStatement,
    ExportFormat,
    JournalEntryView,
    Statement,
    TaxReport,
    TrialBalance,
)

DAYS = ["%Y-%m-%d"]
From = Annotated[
    datetime | None, typer.Option("--from", formats=DAYS, help="The first day; absent: all before.")
]
To = Annotated[
    datetime | None, typer.Option("--to", formats=DAYS, help="The last day; absent: all after.")
]

At = Annotated[
    datetime | None, typer.Option(formats=DAYS, help="At the end of this day; absent: now.")
]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", formats=DAYS, help="At the end of this day; absent: now."),
]


def add_ledger(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the groups `ledger` and `receivables`."""
    ledger = typer.Typer(no_args_is_help=True, help="The ledger.")
    receivables = typer.Typer(no_args_is_help=True, help="What customers owe.")
    app.add_typer(ledger, name="ledger")
    app.add_typer(receivables, name="receivables")
    _add_statement(ledger, open_context)
    _add_export(ledger, open_context)
    _add_tax(ledger, open_context)

    @ledger.command("trial-balance")
    def trial_balance(at: At = None, as_json: Json = False, wide: Wide = False) -> None:
        """Show the balance of every account; exit status 1 unless the ledger balances."""
        view = open_context().read(lambda s: ledger_reading.trial_balance(s, _day(at)))
        show_view(view, as_json, _print_balance, wide)
        if not view.balanced:
            raise typer.Exit(1)

    @ledger.command()
    def accounts(as_json: Json = False, wide: Wide = False) -> None:
        """Show the chart of accounts."""
        show_view(open_context().read(ledger_reading.chart), as_json, _print_accounts, wide)

    @receivables.command("ageing")
    def ageing(as_of: AsOf = None, as_json: Json = False, wide: Wide = False) -> None:
        """Show what customers owe, by days overdue; exit status 1 unless it equals the ledger."""
        view = open_context().read(
            lambda s: ledger_reading.ageing(s, day_of(s, utc_now()), _day(as_of))
        )
        show_view(view, as_json, _print_ageing, wide)
        if not view.equals_ledger:
            raise typer.Exit(1)


def _add_statement(ledger: typer.Typer, open_context: OpenContext) -> None:
    @ledger.command()
    def statement(
        account: Annotated[
            str | None, typer.Argument(help="Number, code, title, or name; absent: all entries.")
        ] = None,
        from_: From = None,
        to: To = None,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """Show an account's postings with its balances; without ACCOUNT, the general ledger."""
        days = _day(from_), _day(to)
        if account is None:
            entries = open_context().read(lambda s: ledger_reading.journal(s, *days))
            show_view(entries, as_json, _print_journal, wide)
            return
        view = open_context().read(lambda s: ledger_reading.statement(s, account, *days))
        show_view(view, as_json, _print_statement, wide)


def _add_export(ledger: typer.Typer, open_context: OpenContext) -> None:
    @ledger.command()
    def export(
        format_: Annotated[
            ExportFormat, typer.Option("--format", help="The format.")
        ] = ExportFormat.CSV,
        file: Annotated[
            Path | None,
            typer.Option(
                "--out", metavar="FILE", help="The file to write; absent: standard output."
            ),
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Export the whole ledger, for a spreadsheet or for beancount."""
        text = open_context().read(lambda s: ledger_reading.export(s, format_))
        if file is not None:
            _write(file, text)
            show({"format": format_, "file": str(file)}, as_json, f"{format_} written to {file}")
        elif as_json:
            print_json({"format": format_, "text": text})
        else:
            sys.stdout.write(text)


def _add_tax(ledger: typer.Typer, open_context: OpenContext) -> None:
    @ledger.command()
    def tax(
        from_: From = None,
        to: To = None,
        file: Annotated[
            Path | None,
            typer.Option("--out", metavar="FILE", help="The CSV file to write as well."),
        ] = None,
        as_json: Json = False,
        wide: Wide = False,
    ) -> None:
        """Show the tax of a period by country, category and rate, for tax returns; exit status 1
        unless it equals the ledger."""
        view = open_context().read(lambda s: ledger_reading.tax(s, _day(from_), _day(to)))
        if file is not None:
            _write(file, tax_csv(view))
        show_view(view, as_json, _print_tax, wide)
        if not view.equals_ledger:
            raise typer.Exit(1)


def _print_tax(view: TaxReport) -> None:
    table = new_table("country", "category", "rate %", "currency", "net", "tax")
    for row in view.rows:
        table.add_row(
            *(row.country, row.category, row.rate_percent, row.currency, row.net, row.tax)
        )
    for total in view.totals:
        table.add_section()
        table.add_row("total", "", "", total.currency, total.net, total.tax, style="bold")
    if view.totals:
        print_table(table)
    for total in view.totals:
        if total.tax != total.ledger:
            wrong = f"NOT what the ledger says: {total.ledger} {total.currency}"
            out.print(Text(wrong, "red"))
    if view.equals_ledger:
        out.print("no tax" if not view.totals else "equals Tax payable")


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _write(file: Path, text: str) -> None:
    """Replace the file at once, so that readers see the old or the new text."""
    file = file.resolve()  # replace the target of a link
    if file.exists() and not file.is_file():
        raise typer.BadParameter(f"{file} is not a file")
    new = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        try:
            new.write_text(text, encoding="utf-8", newline="")
            new.replace(file)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error


def _print_accounts(rows: Sequence[AccountView]) -> None:
    table = new_table("account", "code", "title", "name")
    for row in rows:
        table.add_row(row.account, row.code, row.title, row.role)
    print_table(table)


def _print_balance(view: TrialBalance) -> None:
    table = new_table("account", "title", "currency", "debit", "credit")
    for row in view.accounts:
        table.add_row(row.account, row.title, row.currency, row.debit, row.credit)
    for total in view.currencies:
        table.add_section()
        table.add_row("", "total", total.currency, total.debit, total.credit, style="bold")
    print_table(table)
    when = f" at the end of {view.at}" if view.at else ""
    word = Text("balanced") if view.balanced else Text("NOT balanced", "red")
    out.print(word.append(when))


def _print_statement(view: Statement) -> None:
    period = " ".join(
        f"{word} {day}" for word, day in (("from", view.from_date), ("to", view.to_date)) if day
    )
    print_line(f"{view.account} {view.title} {period}".strip())
    if not view.currencies:
        out.print("nothing was posted")
    for currency in view.currencies:
        _print_currency(currency)


def _print_currency(view: CurrencyStatement) -> None:
    table = new_table("date", "entry", "order", "debit", "credit", "balance")
    table.title = view.currency
    table.add_row("", "opening balance", "", "", "", view.opening, style="bold")
    for line in view.lines:
        day = _dated(line.posting_date, line.tax_date)
        amounts = (_unless_zero(line.debit), _unless_zero(line.credit), line.balance)
        table.add_row(day, line.entry_id, line.order_id or "", *amounts)
    table.add_section()
    closing = ("", "closing balance", "", view.debit, view.credit, view.closing)
    table.add_row(*closing, style="bold")
    print_table(table)


def _print_journal(entries: Sequence[JournalEntryView]) -> None:
    rows = [(entry, posting) for entry in entries for posting in entry.postings]
    if not rows:
        out.print("nothing was posted")
        return
    number, title, debit, credit = (
        max(len(getattr(posting, field)) for _, posting in rows)
        for field in ("account", "title", "debit", "credit")
    )
    for entry in entries:
        day = _dated(entry.posting_date, entry.tax_date, ", ")
        order = f" ({entry.order_id})" if entry.order_id else ""
        out.print(Text(f"{day} {entry.entry_id}{order}", "bold"), soft_wrap=True)
        for row in entry.postings:
            account = f"{row.account:<{number}} {row.title:<{title}}"
            amounts = f"{_unless_zero(row.debit):>{debit}}  {_unless_zero(row.credit):>{credit}}"
            line = f"    {account}  {amounts} {entry.currency}"
            print_line(line)


def _dated(posting_date: date, tax_date: date, between: str = "\n") -> str:
    """Format the posting date, and the tax date if it is another."""
    happened = "" if posting_date == tax_date else f"{between}of {tax_date}"
    return f"{posting_date}{happened}"


def _unless_zero(amount: str) -> str:
    return amount if amount.strip("0.") else ""


def _print_ageing(view: Ageing) -> None:
    invoices = new_table("customer", "order", "invoice", "due on", "late", "amount", "level")
    for row in view.invoices:
        names = (row.customer_id, row.order_id, row.invoice_number)
        amount = f"{row.amount} {row.currency}"
        late, level = str(row.days_overdue), str(row.dunning_level)
        invoices.add_row(*names, str(row.due), late, amount, level)
    sums = new_table("customer", "currency", *AgeingBucket, "total")
    for customer in view.customers:
        buckets = (customer.buckets[bucket] for bucket in AgeingBucket)
        sums.add_row(customer.customer_id, customer.currency, *buckets, customer.total)
    for total in view.totals:
        sums.add_section()
        buckets = (total.buckets[bucket] for bucket in AgeingBucket)
        sums.add_row("total", total.currency, *buckets, total.total, style="bold")
    if view.totals:
        print_table(invoices)
        print_table(sums)
    for total in view.totals:
        if total.total != total.ledger:
            wrong = f"NOT what the ledger says: {total.ledger} {total.currency}"
            out.print(Text(wrong, "red"))
    if view.equals_ledger:
        out.print("nothing is due" if not view.totals else "equals Accounts receivable")
