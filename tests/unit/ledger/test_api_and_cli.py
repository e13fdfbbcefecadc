"""Reports of the ledger through API and CLI."""

import json
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

import starter
from activities.database.engine import Database
from activities.ledger import reading as ledger_reading
from api import problems
from api.ledger import ledger_router
from models.ledger import Account
from models.money import parse_amount
from models.views.ledger import ExportFormat
from tests.support.ledger.journal import (
    NOW,
    RECEIVABLE,
    REVENUE,
    book,
    copy_database,
    import_customers,
    owe,
    sales,
)


@pytest.fixture
def database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A migrated database for one test."""
    opened = copy_database(migrated_file, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def customers(database: Database, tmp_path: Path) -> Database:
    """The database with two customers."""
    import_customers(database, tmp_path)
    return database


@pytest.fixture
async def api(customers: Database) -> AsyncIterator[httpx.AsyncClient]:
    """The ledger's routes alone."""
    app = FastAPI()
    problems.install(app)
    app.include_router(ledger_router(customers, lambda: NOW))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def test_api_shows_reports(api: httpx.AsyncClient, customers: Database) -> None:
    sales(customers)
    at = (await api.get("/ledger/trial-balance", params={"at": "2026-04-30"})).json()
    assert (at["balanced"], at["currencies"][0]["debit"]) == (True, "100.00")
    june = {"account": "accounts_receivable", "from": "2026-06-01", "to": "2026-06-30"}
    shown = (await api.get("/ledger/statement", params=june)).json()
    assert shown["currencies"][0]["closing"] == "23.00"
    journal = (await api.get("/ledger/journal", params={"to": "2026-04-30"})).json()
    assert [row["entry_id"] for row in journal] == ["invoice:1"]
    assert len((await api.get("/ledger/accounts")).json()) == len(Account)
    text = await api.get("/ledger/export")
    assert text.headers["content-type"].startswith("text/csv")
    assert text.text == customers.read(ledger_reading.export_csv)
    plain = await api.get("/ledger/export", params={"format": "beancount"})
    assert plain.headers["content-type"].startswith("text/plain")
    assert "Assets:AccountsReceivable" in plain.text
    assert (await api.get("/receivables/ageing")).json()["equals_ledger"] is False
    assert (await api.get("/ledger/tax")).json()["equals_ledger"] is True
    table = await api.get("/ledger/tax", params={"format": "csv", "from": "2026-04-01"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text == "from,to,country,category,rate_percent,currency,net,tax\n"
    past = (await api.get("/receivables/ageing", params={"as_of": "2026-04-29"})).json()
    assert (past["today"], past["equals_ledger"], past["totals"]) == ("2026-04-29", True, [])


@pytest.mark.parametrize(
    ("path", "field", "reason"),
    [
        ("/ledger/trial-balance?at=soon", "at", "'soon' is not a date such as 2026-12-31"),
        ("/ledger/trial-balance?at=1893456000", "at", "is not a date such as"),
        (
            "/ledger/statement?account=bank&from=2026-02-30",
            "from",
            "'2026-02-30' is not a day such as 2026-10-31",
        ),
        ("/ledger/journal?from=2026-02-02&to=2026-02-01", "from", "is after 2026-02-01"),
        ("/ledger/export?format=xls", "format", "'csv' or 'beancount'"),
        ("/ledger/statement", "account", "required"),
        (
            "/receivables/ageing?as_of=2036-01-01",
            "as_of",
            "2036-01-01 hasn't come yet: today is 20",
        ),
    ],
)
async def test_api_rejects_invalid_parameters(
    api: httpx.AsyncClient, path: str, field: str, reason: str
) -> None:
    answer = await api.get(path)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == field
    assert reason in error["reason"]
    assert not error["reason"].startswith("Value error")


async def test_unknown_account_is_404(api: httpx.AsyncClient) -> None:
    answer = await api.get("/ledger/statement", params={"account": "nowhere"})
    assert (answer.status_code, answer.json()["code"]) == (404, "account_unknown")


@pytest.fixture
def run(
    customers: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> "Run":
    """The CLI on this database."""
    monkeypatch.setenv("DATABASE_URL", customers.url)
    return Run(monkeypatch, capsys)


class Run:
    """Calls `starter.py` and returns exit status, standard output and standard error."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["starter.py", *words])
        self._capsys.readouterr()
        status = starter.main()
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err


def test_cli_shows_reports(run: Run, customers: Database) -> None:
    sales(customers)
    status, text, _ = run("ledger", "trial-balance", "--at", "2026-05-31")
    assert (status, "balanced at the end of 2026-05-31" in text) == (0, True)
    status, text, _ = run("ledger", "statement", "1200", "--from", "2026-05-01")
    assert status == 0
    assert "opening balance" in text
    assert "23.00" in text
    status, text, _ = run("ledger", "statement", "--to", "2026-04-30")
    assert text.splitlines() == [
        "2026-04-30 invoice:1 (O-1)",
        "    1200 Accounts receivable  100.00         EUR",
        "    4000 Revenue                      100.00 EUR",
    ]
    status, text, _ = run("ledger", "statement", "--json")
    assert len(json.loads(text)) == 4
    status, text, _ = run("ledger", "accounts")
    assert "accounts_receivable" in text


def test_export_replaces_file_completely(run: Run, customers: Database, tmp_path: Path) -> None:
    """Without a file it is printed; no other file remains."""
    sales(customers)
    expected = customers.read(lambda s: ledger_reading.export(s, ExportFormat.BEANCOUNT))
    assert run("ledger", "export", "--format", "beancount")[1] == expected
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "books").write_text("old")
    status, text, _ = run(
        "ledger", "export", "--format", "beancount", "--out", str(folder / "books")
    )
    assert (status, text) == (0, f"beancount written to {folder / 'books'}\n")
    assert (folder / "books").read_text() == expected
    assert [path.name for path in folder.iterdir()] == ["books"]
    for nowhere in (folder, folder / "no" / "file"):
        assert run("ledger", "export", "--out", str(nowhere))[0] == 2


def test_tax_report_is_written_as_csv(run: Run, customers: Database, tmp_path: Path) -> None:
    """And exits with 1 if it differs from the ledger."""
    file = tmp_path / "tax.csv"
    assert run("ledger", "tax", "--out", str(file))[:2] == (0, "no tax\n")
    assert file.read_text().startswith("from,to,country,category")
    book(customers, "x", Account.BANK, Account.TAX_PAYABLE, 190, date(2026, 5, 31))
    status, text, _ = run("ledger", "tax", "--from", "2026-05-01")
    assert (status, "NOT what the ledger says: 1.90 EUR" in text) == (1, True)
    assert run("ledger", "tax", "--to", "2026-05-01")[0] == 0


def test_ageing_exits_with_1_if_it_differs_from_ledger(run: Run, customers: Database) -> None:
    assert run("receivables", "ageing")[:2] == (0, "nothing is due\n")
    owe(customers, "O-1", date(2026, 5, 31), posted=False)
    status, text, _ = run("receivables", "ageing")
    assert status == 1
    assert "NOT what the ledger says: 0.00 EUR" in text
    book(customers, "invoice:O-1", RECEIVABLE, REVENUE, 10_000)
    status, text, _ = run("receivables", "ageing", "--json")
    assert (status, json.loads(text)["equals_ledger"]) == (0, True)
    assert parse_amount(json.loads(text)["totals"][0]["total"], "EUR") == 10_000
    status, text, _ = run("receivables", "ageing", "--as-of", "2026-04-30")
    assert (status, text) == (0, "nothing is due\n")


@pytest.mark.parametrize(
    ("words", "status", "reason"),
    [
        (("trial-balance", "--at", "soon"), 2, "soon"),
        (("statement", "--from", "2026-13-01"), 2, "2026-13-01"),
        (("statement", "--from", "2026-02-02", "--to", "2026-02-01"), 1, "is after 2026-02-01"),
        (("statement", "nowhere"), 1, "ledger accounts"),
        (("export", "--format", "xls"), 2, "xls"),
    ],
)
def test_cli_rejects_invalid_arguments(
    run: Run, words: tuple[str, ...], status: int, reason: str
) -> None:
    exit_status, text, _ = run("ledger", *words, "--json")
    assert exit_status == status
    assert reason in json.loads(text)["detail"]
