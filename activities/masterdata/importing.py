"""Import of master data from CSV files, all of it in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from activities.database.duplicates import repeats
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.masterdata.csv_files import CsvContent, read_csv
from activities.stock.backorders import fill_shortages
from activities.stock.counters import Change, lock_stock, move
from activities.stock.notifications import orders_filled_by
from models import imports, ledger
from models.addresses import tidy_postal_code
from models.base import Document, at_field
from models.customers import CustomerDocument
from models.errors import FieldError, InvalidInput
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
"""The company of an import without company.csv."""
MAX_ERRORS = 50
"""The number of errors that a refused import reports at most."""


@dataclass(frozen=True)
class Imported:
    """The number of rows by file, and the ids of waiting orders that were allocated stock."""

    rows: dict[str, int]
    served: tuple[str, ...]


@dataclass(frozen=True)
class CsvFile:
    """A file's name, the model of its rows, and the function that writes a row."""

    name: str
    model: type[Document]
    apply: Callable[[UnitOfWork, Any, "Context"], None]
    """Raises ValueError ("column: reason") for a row that contradicts the tables, or Undecided."""
    table: type[SQLModel]


@dataclass
class Context:
    """The state of an import, with all its rows."""

    contents: dict[type[SQLModel], CsvContent]
    currency: str
    causes: list[str]
    """Causes of opening balances, which may have filled shortages."""
    numbered: set[ledger.Account] = field(default_factory=set)
    """The accounts that have got a number so far."""

    @cached_property
    def renumbered(self) -> set[ledger.Account]:
        """The accounts that valid rows name."""
        rows = self.contents[AccountRow].rows
        named = (ledger.account_named(row.document.account) for row in rows)
        return {account for account in named if account}


class Undecided(Exception):
    """A row refers to an invalid row, so that nothing is known about it yet."""


def import_folder(database: Database, folder: Path) -> Imported:
    """Import the known files of `folder` in one transaction.

    Rows are updated by their id; opening balances are applied once.
    Raises InvalidInput with file, line, column and reason of each invalid row.
    """
    if not folder.is_dir():
        raise InvalidInput([FieldError(str(folder), "is not a folder")])
    contents = {file.table: read_csv(folder / file.name, file.model) for file in FILES}
    if not any(content.rows or content.errors for content in contents.values()):
        names = ", ".join(file.name for file in FILES)
        raise InvalidInput([FieldError(str(folder), f"has none of {names}, or they are empty")])
    if contents[Company].errors:  # other rows can't be checked without the currency
        raise _refused([error for content in contents.values() for error in content.errors])
    return database.transaction(lambda work: _apply(work, contents))


def _apply(work: UnitOfWork, contents: dict[type[SQLModel], CsvContent]) -> Imported:
    """Apply the valid rows, also where others are invalid, to find all errors."""
    errors: list[FieldError] = []
    context = Context(contents=contents, currency="", causes=[])
    for file in FILES:
        if file.table is not Company and not context.currency:
            context.currency = _currency(work)
        errors += contents[file.table].errors
        for row in contents[file.table].rows:
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
    served = [order for cause in context.causes for order in orders_filled_by(work, cause)]
    counts = {file.name: len(contents[file.table].rows) for file in FILES}
    return Imported(
        rows={name: count for name, count in counts.items() if count},
        served=tuple(dict.fromkeys(served)),
    )


def _refused(errors: Sequence[FieldError]) -> InvalidInput:
    return InvalidInput(errors[:MAX_ERRORS], "import_refused")


def _currency(work: UnitOfWork) -> str:
    """Read the company's currency; insert a default company where there is none."""
    company = work.session.exec(select(Company)).one_or_none()
    if company is None:
        company = Company(**DEFAULT_COMPANY.model_dump())
        work.session.add(company)
        work.session.flush()
    return company.currency


def _company(work: UnitOfWork, row: imports.CompanyRow, context: Context) -> None:
    company = work.session.exec(select(Company)).one_or_none()
    if company is not None and company.legal_entity not in (row.legal_entity, "DEFAULT"):
        raise ValueError(f"legal_entity: the company is {company.legal_entity!r} already")
    priced = (
        work.session.exec(select(Product.sku)).first()
        or work.session.exec(select(Customer.customer_id)).first()
    )
    if company is not None and company.currency != row.currency and priced:
        raise ValueError(f"currency: prices and credit limits are in {company.currency} already")
    if context.currency:
        raise ValueError("legal_entity: there can be one company only")
    if company is not None and company.legal_entity != row.legal_entity:
        _rename_series(work.session, company.legal_entity, row.legal_entity)
        work.session.delete(company)
        work.session.flush()
    postal_code = tidy_postal_code(row.country, row.postal_code)
    work.session.merge(Company(**row.model_dump() | {"postal_code": postal_code}))
    work.session.flush()
    context.currency = row.currency


def _rename_series(session: Session, before: str, now: str) -> None:
    """Continue the number series of the default company under the company's own name."""
    rows = select(NumberSeries).where(col(NumberSeries.series).startswith(f"{before}:"))
    for series in session.exec(rows):
        series.series = f"{now}:{series.series.removeprefix(f'{before}:')}"


def _account(work: UnitOfWork, row: imports.AccountNumberRow, context: Context) -> None:
    """Update number and title; accounts may exchange their numbers within one file."""
    account = ledger.account_named(row.account)
    if account is None:
        hint = "`starter.py ledger accounts` lists them"
        raise ValueError(f"account: there is no account {row.account!r}: {hint}")
    if account in context.numbered:
        raise ValueError(f"account: {row.account} appears twice")
    numbered = select(AccountRow).where(AccountRow.number == row.number)
    holder = work.session.exec(numbered.where(AccountRow.code != account.value)).one_or_none()
    if holder is not None:
        _free_number(holder, context)
        work.session.flush()
    account_row = work.session.get_one(AccountRow, account.value)
    account_row.number, account_row.title = row.number, row.title
    work.session.flush()
    context.numbered.add(account)


def _free_number(holder: AccountRow, context: Context) -> None:
    """Take the number from its holder, if a later row of the file gives it another one."""
    account, content = ledger.Account(holder.code), context.contents[AccountRow]
    names = (account, account.role, account.label)
    if account in context.renumbered - context.numbered:
        holder.number = f"(was {holder.number})"  # not a valid number, so that no row has it
    elif any(content.may_define("account", name) for name in names):
        raise Undecided
    else:
        raise ValueError(f"number: {holder.number} is the number of {account.role}")


def _location(work: UnitOfWork, row: imports.LocationRow, context: Context) -> None:
    cost_minor = _amount("handling_cost", row.handling_cost, context)
    fields = row.model_dump(exclude={"handling_cost"})
    fields["postal_code"] = tidy_postal_code(row.country, row.postal_code)
    work.session.merge(Location(**fields, handling_cost_minor=cost_minor))


def _distance(work: UnitOfWork, row: imports.DistanceRow, context: Context) -> None:
    _exists(work.session, Location, "location", row.location, context)
    work.session.merge(Distance(**row.model_dump()))


def _product(work: UnitOfWork, row: imports.ProductRow, context: Context) -> None:
    _same_currency(row.currency, context)
    fields = row.model_dump(exclude={"unit_price", "tax_rate_percent"})
    price_minor = parse_amount(row.unit_price, row.currency)
    tax_ppm = parse_percent(row.tax_rate_percent)
    work.session.merge(Product(**fields, unit_price_minor=price_minor, tax_rate_ppm=tax_ppm))


def _supplier(work: UnitOfWork, row: imports.SupplierRow, _context: Context) -> None:
    work.session.merge(Supplier(**row.model_dump()))


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
    work.session.merge(offer)


def _customer(work: UnitOfWork, row: CustomerDocument, context: Context) -> None:
    limit_minor = _amount("credit_limit", row.credit_limit, context)
    fields = row.as_new.model_dump(exclude={"credit_limit"})
    work.session.merge(Customer(**fields, credit_limit_minor=limit_minor))


def _stock(work: UnitOfWork, row: imports.StockRow, context: Context) -> None:
    """Record an opening balance once, with its stock movement and journal entry."""
    _exists(work.session, Location, "location", row.location, context)
    _exists(work.session, Product, "sku", row.sku, context)
    with at_field("unit_cost"):
        cost_minor = parse_amount(row.unit_cost, context.currency)
    value_minor = cost_minor * row.on_hand
    if cost_minor < 0 or value_minor > MAX_AMOUNT_MINOR:
        raise ValueError("unit_cost: the stock's value is out of range")
    cause = f"opening:{row.location}:{row.sku}"
    recorded = work.session.get(StockMovement, cause)
    if recorded is not None:
        if not repeats(recorded, on_hand_change=row.on_hand, value_change_minor=value_minor):
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


def _amount(column: str, text: str, context: Context) -> int:
    """Parse an amount in the company's currency, not below zero, into minor units."""
    with at_field(column):
        amount_minor = parse_amount(text, context.currency)
        if amount_minor < 0:
            raise ValueError("is below zero")
    return amount_minor


def _same_currency(currency: str, context: Context) -> None:
    if currency != context.currency:
        raise ValueError(f"currency: the company's currency is {context.currency}")


def _exists(
    session: Session, table: type[SQLModel], column: str, value: str, context: Context
) -> None:
    if session.get(table, value) is not None:
        return
    if context.contents[table].may_define(column, value):
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
"""The known files; rows refer to rows of earlier files only."""
