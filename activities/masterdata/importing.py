"""Importing master data from CSV files: all of it in one transaction, or nothing."""

import csv
import io
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlmodel import Session, SQLModel, col, select

from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.stock.backorders import fill_shortages
from activities.stock.counters import Change, lock_stock, move
from activities.stock.notifications import orders_served
from models import imports, ledger
from models.base import Document, at_field
from models.customers import CustomerDocument
from models.errors import FieldError, InvalidInput, invalid_input
from models.messages.steps import StockKey
from models.money import MAX_AMOUNT_MINOR, parse_amount, parse_percent
from models.stock import MovementKind
from models.tables.ledger import AccountRow
from models.tables.masterdata import (
    Company,
    Customer,
    Distance,
    Location,
    Product,
    Supplier,
    SupplierOffer,
)
from models.tables.operations import NumberSeries
from models.tables.stock import Stock, StockMovement

DEFAULT_COMPANY = imports.CompanyRow(
    legal_entity="DEFAULT",
    name="Our company",
    street="Street 1",
    city="City",
    postal_code="00000",
    country="DE",
    currency="EUR",
)
MAX_ERRORS = 50


@dataclass(frozen=True)
class Imported:
    """How many rows of each file were taken, and which waiting orders got stock by it."""

    rows: dict[str, int]
    served: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A valid row and the line of the file where it ends."""

    line: int
    document: Any
    """The row's own model: each file has another."""


@dataclass(frozen=True)
class CsvFile:
    """A file's name, its rows' model, and how a row gets into the tables."""

    name: str
    model: type[Document]
    apply: Callable[[UnitOfWork, Any, "Context"], None]
    """Raises ValueError, with the column in front, for what the tables don't allow; Undecided."""
    table: type[SQLModel]


@dataclass(frozen=True)
class Read:
    """What a file says: its valid rows, and what is wrong with the others."""

    rows: Sequence[Row] = ()
    errors: Sequence[FieldError] = ()
    broken: Set[tuple[str, str]] | None = frozenset()
    """Columns and cells of these others; None: unknown, the file can't be read to its end."""

    def may_bring(self, column: str, value: str) -> bool:
        """Whether a row that isn't valid could be the one with this id."""
        return self.broken is None or (column, value) in self.broken


@dataclass
class Context:
    """What rows need to know of each other."""

    read: dict[type[SQLModel], Read]
    currency: str
    causes: list[str]
    numbered: set[ledger.Account] = field(default_factory=set)
    """The accounts that rows so far have given a number."""

    @cached_property
    def renumbered(self) -> set[ledger.Account]:
        """The accounts that valid rows name."""
        named = (ledger.account_named(row.document.account) for row in self.read[AccountRow].rows)
        return {account for account in named if account}


class Undecided(Exception):
    """A row refers to one that is itself refused: nothing can be said about it yet."""


def import_folder(database: Database, folder: Path) -> Imported:
    """Take every file of `folder` that we know. Rows are updated by their id; opening balances
    are applied once.

    Raises InvalidInput with file, line, column and reason of each bad row; nothing is kept then.
    """
    if not folder.is_dir():
        raise InvalidInput([FieldError(str(folder), "is not a folder")])
    read = {file.table: _read(folder / file.name, file.model) for file in FILES}
    if not any(found.rows or found.errors for found in read.values()):
        names = ", ".join(file.name for file in FILES)
        raise InvalidInput([FieldError(str(folder), f"has none of {names}, or they are empty")])
    if read[Company].errors:  # without the currency, nothing can be said about the other rows
        raise _refused([error for found in read.values() for error in found.errors])
    return database.transaction(lambda work: _apply(work, read))


def _apply(
    work: UnitOfWork,
    read: dict[type[SQLModel], Read],
) -> Imported:
    """The valid rows are tried even where others aren't, for what the tables say about them."""
    errors: list[FieldError] = []
    context = Context(read=read, currency="", causes=[])
    for file in FILES:
        if file.table is not Company and not context.currency:
            context.currency = _currency(work)
        errors += read[file.table].errors
        for row in read[file.table].rows:
            try:
                file.apply(work, row.document, context)
            except ValueError as error:
                column, _, reason = str(error).partition(": ")
                errors.append(FieldError(f"{file.name} line {row.line}, {column}", reason))
            except Undecided:
                continue
        work.session.flush()
    if errors:
        raise _refused(errors)
    served = [order for cause in context.causes for order in orders_served(work, cause)]
    rows = {file.name: len(found.rows) for file in FILES if (found := read[file.table]).rows}
    return Imported(rows=rows, served=tuple(dict.fromkeys(served)))


def _refused(errors: Sequence[FieldError]) -> InvalidInput:
    return InvalidInput(errors[:MAX_ERRORS], "import_refused")


def _read(path: Path, model: type[Document]) -> Read:
    if not path.exists():
        return Read()
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        wrong = FieldError(f"{path.name} line {line}", "is not UTF-8")
        return Read(errors=[wrong], broken=None)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    errors: list[FieldError] = []
    broken: set[tuple[str, str]] = set()
    try:
        if wrong_header := _check_header(path.name, reader.fieldnames or (), model):
            return Read(errors=wrong_header, broken=None)
        for given in reader:
            document = _validate(path.name, reader.line_num, given, model)
            if isinstance(document, list):
                errors += document
                broken.update(_filled(given).items())
            else:
                rows.append(Row(reader.line_num, document))
    except csv.Error as error:
        errors.append(FieldError(f"{path.name} line {reader.reader.line_num}", str(error)))
        return Read(rows, errors, broken=None)
    return Read(rows, errors, broken)


def _check_header(name: str, header: Sequence[str], model: type[Document]) -> list[FieldError]:
    known = model.model_fields
    missing = [f for f, field in known.items() if field.is_required() and f not in header]
    errors = [FieldError(f"{name} line 1, {column}", "the column is missing") for column in missing]
    twice = {column for column in header if list(header).count(column) > 1}
    errors += [FieldError(f"{name} line 1, {column}", "stands twice") for column in sorted(twice)]
    unknown = [column for column in header if column not in known]
    hint = f"is not a column we know: {', '.join(known)}"
    return errors + [FieldError(f"{name} line 1, {column}", hint) for column in unknown]


def _validate(
    name: str, line: int, given: dict[str | Any, Any], model: type[Document]
) -> Document | list[FieldError]:
    """The row's model, or what is wrong with it."""
    if None in given:
        return [FieldError(f"{name} line {line}", "has more cells than the header has columns")]
    try:
        return model.model_validate(_filled(given), extra="forbid")
    except ValidationError as error:
        fields = invalid_input(error).fields
        return [FieldError(f"{name} line {line}, {f.field}", f.reason) for f in fields]


def _filled(given: dict[str | Any, Any]) -> dict[str, str]:
    """An empty cell means that nothing is said."""
    return {
        column: cell.strip()
        for column, cell in given.items()
        if isinstance(cell, str) and cell.strip()
    }


def _currency(work: UnitOfWork) -> str:
    """The company's currency; without a company so far, a default one is made."""
    company = work.session.exec(select(Company)).one_or_none()
    if company is None:
        company = Company(**DEFAULT_COMPANY.model_dump())
        work.session.add(company)
        work.session.flush()
    return company.currency


def _upsert(work: UnitOfWork, row: SQLModel) -> None:
    work.session.merge(row)


def _company(work: UnitOfWork, row: imports.CompanyRow, context: Context) -> None:
    known = work.session.exec(select(Company)).one_or_none()
    if known is not None and known.legal_entity not in (row.legal_entity, "DEFAULT"):
        raise ValueError(f"legal_entity: we are {known.legal_entity!r} already")
    priced = (
        work.session.exec(select(Product.sku)).first()
        or work.session.exec(select(Customer.customer_id)).first()
    )
    if known is not None and known.currency != row.currency and priced:
        raise ValueError(f"currency: prices and credit limits are in {known.currency} already")
    if context.currency:
        raise ValueError("legal_entity: there can be one company only")
    if known is not None and known.legal_entity != row.legal_entity:
        _take_over_series(work.session, known.legal_entity, row.legal_entity)
        work.session.delete(known)
        work.session.flush()
    _upsert(work, Company(**row.model_dump()))
    work.session.flush()
    context.currency = row.currency


def _take_over_series(session: Session, before: str, now: str) -> None:
    """The numbers of bills go on where they were: we are the same company by another name."""
    rows = select(NumberSeries).where(col(NumberSeries.series).startswith(f"{before}:"))
    for series in session.exec(rows):
        series.series = f"{now}:{series.series.removeprefix(f'{before}:')}"


def _account(work: UnitOfWork, row: imports.AccountNumberRow, context: Context) -> None:
    """Number and title; two accounts may swap their numbers within one file."""
    account = ledger.account_named(row.account)
    if account is None:
        hint = "`starter.py ledger accounts` lists them"
        raise ValueError(f"account: there is no account {row.account!r}: {hint}")
    if account in context.numbered:
        raise ValueError(f"account: {row.account} stands twice")
    numbered = select(AccountRow).where(AccountRow.number == row.number)
    holder = work.session.exec(numbered.where(AccountRow.code != account.value)).one_or_none()
    if holder is not None:
        _make_way(holder, context)
        work.session.flush()
    known = work.session.get_one(AccountRow, account.value)
    known.number, known.title = row.number, row.title
    work.session.flush()
    context.numbered.add(account)


def _make_way(holder: AccountRow, context: Context) -> None:
    """Who holds a number gives it up, if a later row of the file gives it another."""
    account, read = ledger.Account(holder.code), context.read[AccountRow]
    if account in context.renumbered - context.numbered:
        holder.number = f"(was {holder.number})"  # no row can say that
    elif any(read.may_bring("account", name) for name in (account, account.role, account.label)):
        raise Undecided
    else:
        raise ValueError(f"number: {holder.number} is the number of {account.role}")


def _location(work: UnitOfWork, row: imports.LocationRow, context: Context) -> None:
    with at_field("handling_cost"):
        cost_minor = parse_amount(row.handling_cost, context.currency)
    if cost_minor < 0:
        raise ValueError("handling_cost: is below zero")
    fields = row.model_dump(exclude={"handling_cost"})
    _upsert(work, Location(**fields, handling_cost_minor=cost_minor))


def _distance(work: UnitOfWork, row: imports.DistanceRow, context: Context) -> None:
    _exists(work.session, Location, "location", row.location, context)
    _upsert(work, Distance(**row.model_dump()))


def _product(work: UnitOfWork, row: imports.ProductRow, context: Context) -> None:
    _same_currency(row.currency, context)
    fields = row.model_dump(exclude={"unit_price", "tax_rate_percent"})
    price_minor = parse_amount(row.unit_price, row.currency)
    tax_ppm = parse_percent(row.tax_rate_percent)
    _upsert(work, Product(**fields, unit_price_minor=price_minor, tax_rate_ppm=tax_ppm))


def _supplier(work: UnitOfWork, row: imports.SupplierRow, _context: Context) -> None:
    _upsert(work, Supplier(**row.model_dump()))


def _offer(work: UnitOfWork, row: imports.OfferRow, context: Context) -> None:
    _same_currency(row.currency, context)
    _exists(work.session, Supplier, "supplier_id", row.supplier_id, context)
    _exists(work.session, Product, "sku", row.sku, context)
    fields = row.model_dump(
        exclude={"unit_cost", "break_unit_cost", "freight_cost", "duty_percent"}
    )
    break_cost = row.break_unit_cost
    offer = SupplierOffer(
        **fields,
        unit_cost_minor=parse_amount(row.unit_cost, row.currency),
        break_unit_cost_minor=parse_amount(break_cost, row.currency) if break_cost else None,
        freight_cost_minor=parse_amount(row.freight_cost, row.currency),
        duty_ppm=parse_percent(row.duty_percent),
    )
    _upsert(work, offer)


def _customer(work: UnitOfWork, row: CustomerDocument, context: Context) -> None:
    with at_field("credit_limit"):
        limit_minor = parse_amount(row.credit_limit, context.currency)
    if limit_minor < 0:
        raise ValueError("credit_limit: is below zero")
    fields = row.model_dump(exclude={"credit_limit"})
    _upsert(work, Customer(**fields, credit_limit_minor=limit_minor))


def _stock(work: UnitOfWork, row: imports.StockRow, context: Context) -> None:
    """An opening balance with movement and entry, once; the same again does nothing."""
    _exists(work.session, Location, "location", row.location, context)
    _exists(work.session, Product, "sku", row.sku, context)
    with at_field("unit_cost"):
        cost_minor = parse_amount(row.unit_cost, context.currency)
    value_minor = cost_minor * row.on_hand
    if cost_minor < 0 or value_minor > MAX_AMOUNT_MINOR:
        raise ValueError("unit_cost: the stock's value is out of range")
    cause = f"opening:{row.location}:{row.sku}"
    known = work.session.get(StockMovement, cause)
    if known is not None:
        if (known.on_hand_change, known.value_change_minor) != (row.on_hand, value_minor):
            reason = "has an opening balance already, of another quantity or cost"
            raise ValueError(f"on_hand: {row.sku} at {row.location} {reason}")
        return
    lock_stock(work, [row.sku], [StockKey(sku=row.sku, location=row.location)])
    change = Change(
        movement_id=cause,
        cause=cause,
        kind=MovementKind.OPENING,
        sku=row.sku,
        location=row.location,
        on_hand=row.on_hand,
        value_minor=value_minor,
    )
    move(work, [change])
    entry = ledger.opening_entry(row.location, row.sku, context.currency, value_minor)
    post(work, entry)
    work.session.flush()
    fill_shortages(work, [row.sku], cause)
    context.causes.append(cause)


def _same_currency(currency: str, context: Context) -> None:
    if currency != context.currency:
        raise ValueError(f"currency: the company's currency is {context.currency}")


def _exists(
    session: Session, table: type[SQLModel], column: str, value: str, context: Context
) -> None:
    if session.get(table, value) is not None:
        return
    if context.read[table].may_bring(column, value):
        raise Undecided
    raise ValueError(f"{column}: there is no {value!r}")


FILES = (
    CsvFile("company.csv", imports.CompanyRow, _company, Company),
    CsvFile("accounts.csv", imports.AccountNumberRow, _account, AccountRow),
    CsvFile("locations.csv", imports.LocationRow, _location, Location),
    CsvFile("distances.csv", imports.DistanceRow, _distance, Distance),
    CsvFile("products.csv", imports.ProductRow, _product, Product),
    CsvFile("suppliers.csv", imports.SupplierRow, _supplier, Supplier),
    CsvFile("offers.csv", imports.OfferRow, _offer, SupplierOffer),
    CsvFile("customers.csv", CustomerDocument, _customer, Customer),
    CsvFile("stock.csv", imports.StockRow, _stock, Stock),
)
"""In the order in which rows refer to each other."""
