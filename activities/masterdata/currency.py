"""The currency of an import: the company's, and one error for prices in another."""

from collections.abc import Iterator, Mapping

from sqlmodel import select

from activities.masterdata.content import Content
from activities.masterdata.import_files import DEFAULT_COMPANY, has_amounts
from activities.masterdata.planning import Context
from models.import_problems import Problem
from models.money import is_currency
from models.tables.masterdata import Company

USUAL = "legal_entity, name, street, city, postal_code, country, currency"
"""The columns that company.csv needs in most countries."""


def settle_currency(context: Context, contents: Mapping[str, Content]) -> list[Problem]:
    """Set the currency of the import, and return one error for all prices in another.

    If all prices are in one other currency, the rest is checked in that one, as probably only the
    company is wrong. Where the company is refused, amounts aren't checked.
    """
    if "company" in context.plans:
        if not (rows := context.plans["company"].rows):
            return []
        context.currency = rows[0].document.currency
    else:
        context.currency = context.stored_currency or DEFAULT_COMPANY.currency
    others = list(_others(contents, context.currency))
    used = {currency for _, _, currency in others}
    way_out = _way_out(context)
    problems = [
        Problem(
            file,
            line,
            "currency",
            f"prices are in {currency}, but the company's currency is {context.currency}: "
            + way_out.format(currency=currency),
            in_all_files=True,
        )
        for file, line, currency in others
    ]
    if len(used) == 1 and len(others) == _priced(contents):
        context.currency = used.pop()
    return problems


def _others(contents: Mapping[str, Content], currency: str) -> Iterator[tuple[str, int, str]]:
    """List file and line of the prices in another currency."""
    for name, content in contents.items():
        if name == "company":
            continue
        for row in content.rows:
            found = row.cells.get("currency", currency)
            if found != currency and is_currency(found):
                yield content.name, row.line, found


def _priced(contents: Mapping[str, Content]) -> int:
    """Count the rows with a currency."""
    return sum(
        "currency" in row.cells
        for name, content in contents.items()
        if name != "company"
        for row in content.rows
    )


def _way_out(context: Context) -> str:
    company = context.session.exec(select(Company)).one_or_none()
    if "company" in context.plans:
        return "change one of them"
    if company is not None and has_amounts(context.session):
        return f"give them in {context.currency}, as prices or customers in it exist already"
    return f"import company.csv with the currency {{currency}} too, with the columns {USUAL}"
