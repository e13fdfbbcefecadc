"""The ledger over HTTP: balances, statements, journal, exports, and receivables."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from activities.database.company import day_of
from activities.database.engine import Database
from activities.database.unit_of_work import Clock
from activities.ledger import reading as ledger_reading
from models.imports import Day
from models.ledger_export import tax_csv
from models.views.ledger import (
    AccountView,
    Ageing,
    ExportFormat,
    JournalEntryView,
    Statement,
    TaxFormat,
    TaxReport,
    TrialBalance,
)

At = Annotated[Day | None, Query(description="At the end of this day; absent: now.")]
From = Annotated[Day | None, Query(alias="from", description="The first day; absent: all before.")]
To = Annotated[Day | None, Query(description="The last day; absent: all after.")]
Account = Annotated[
    str, Query(description="Number, code, title, or a name such as accounts_receivable.")
]
MEDIA_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.BEANCOUNT: "text/plain"}
CSV: dict[str, Any] = {"text/csv": {}}
TEXTS: dict[str, Any] = {"content": {"text/csv": {}, "text/plain": {}}}
"""`Any`: FastAPI's own type for descriptions of responses."""


def ledger_router(database: Database, clock: Clock) -> APIRouter:
    """Build the routes that show the ledger."""
    router = APIRouter(tags=["ledger"])

    @router.get("/ledger/trial-balance")
    async def trial_balance(at: At = None) -> TrialBalance:
        """Show the balance of every account, and whether the ledger balances."""
        return await database.read_async(lambda s: ledger_reading.trial_balance(s, at))

    @router.get("/ledger/accounts")
    async def accounts() -> list[AccountView]:
        """Show the chart of accounts."""
        return await database.read_async(ledger_reading.chart)

    @router.get("/ledger/statement")
    async def statement(account: Account, from_: From = None, to: To = None) -> Statement:
        """Show an account's postings of a period, with its balances."""
        return await database.read_async(lambda s: ledger_reading.statement(s, account, from_, to))

    @router.get("/ledger/journal")
    async def journal(from_: From = None, to: To = None) -> list[JournalEntryView]:
        """Show the entries of a period, by posting date."""
        return await database.read_async(lambda s: ledger_reading.journal(s, from_, to))

    @router.get("/ledger/export", response_class=Response, responses={200: TEXTS})
    async def export(
        format_: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.CSV,
    ) -> Response:
        """Export the whole ledger, for a spreadsheet or for beancount."""
        text = await database.read_async(lambda s: ledger_reading.export(s, format_))
        return Response(text, media_type=MEDIA_TYPES[format_])

    @router.get("/ledger/tax", response_model=TaxReport, responses={200: {"content": CSV}})
    async def tax(
        from_: From = None,
        to: To = None,
        format_: Annotated[TaxFormat, Query(alias="format")] = TaxFormat.JSON,
    ) -> TaxReport | Response:
        """Show the tax of a period by country, category and rate."""
        report = await database.read_async(lambda s: ledger_reading.tax(s, from_, to))
        if format_ is TaxFormat.CSV:
            return Response(tax_csv(report), media_type="text/csv")
        return report

    @router.get("/receivables/ageing")
    async def ageing(as_of: At = None) -> Ageing:
        """Show what customers owe or owed, by days overdue."""
        now = clock()
        return await database.read_async(lambda s: ledger_reading.ageing(s, day_of(s, now), as_of))

    return router
