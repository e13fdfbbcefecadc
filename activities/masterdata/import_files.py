"""Kinds of files of an import, in the order in which they are imported."""

from sqlmodel import Session, col, select

from activities.database.company import find_company
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.customers import KEYED, keys_of, set_keys
from activities.masterdata.openings import check_openings, write_openings
from activities.masterdata.planning import Context, ImportFile, Plan, drop
from activities.masterdata.price_tiers import check_tiers
from activities.masterdata.services import check_kinds
from activities.masterdata.writing import write_rows
from models import imports, ledger
from models.addresses import tidy_postal_code
from models.customers import CustomerDocument, check_country
from models.days import only_timezone, timezone_of
from models.tables.ledger import AccountRow
from models.tables.masterdata import (
    Company,
    Customer,
    Distance,
    Location,
    Product,
    Supplier,
    SupplierOffer,
    TaxRate,
)
from models.tables.operations import NumberSeries
from models.tables.stock import Stock

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


def _check_company(context: Context, plan: Plan) -> None:
    """Refuse a second company, and another currency once there are prices."""
    company = context.session.exec(select(Company)).one_or_none()
    for row in plan.rows[1:]:
        drop(plan, row, "legal_entity", "there can be one company only")
    for row in plan.rows[:1]:
        document = row.document
        if company is None:
            continue
        if company.legal_entity not in (document.legal_entity, DEFAULT_COMPANY.legal_entity):
            reason = f"the company is {company.legal_entity!r} already"
            drop(plan, row, "legal_entity", reason)
        elif company.currency != document.currency and has_amounts(context.session):
            reason = f"prices and credit limits are in {company.currency} already"
            drop(plan, row, "currency", reason)


def has_amounts(session: Session) -> bool:
    """Return whether amounts in the company's currency are stored."""
    found = (
        session.exec(select(Product.sku)).first(),
        session.exec(select(Customer.customer_id)).first(),
    )
    return any(key is not None for key in found)


def _write_company(work: UnitOfWork, plan: Plan) -> tuple[str, ...]:
    """Insert or update the company; it replaces the default one and continues its numbers."""
    for row in plan.rows:
        company = work.session.exec(select(Company)).one_or_none()
        if company is not None and company.legal_entity != row.document.legal_entity:
            _rename_series(work.session, company.legal_entity, row.document.legal_entity)
            work.session.delete(company)
            work.session.flush()
        work.session.merge(Company(**row.after))
        work.session.flush()
    return ()


def _rename_series(session: Session, before: str, now: str) -> None:
    """Continue the number series of the default company under the company's own name."""
    rows = select(NumberSeries).where(col(NumberSeries.series).startswith(f"{before}:"))
    for series in session.exec(rows):
        series.series = f"{now}:{series.series.removeprefix(f'{before}:')}"


def _check_tax_rates(context: Context, plan: Plan) -> None:
    """Refuse rates of the company's country: those are columns of its products."""
    companies = [row.document for row in context.planned("company")]
    company = companies[0] if companies else context.session.exec(select(Company)).one_or_none()
    country = (company or DEFAULT_COMPANY).country
    reason = f"{country} is the company's: its rates are the tax_rate_percent of products.csv"
    for row in plan.rows:
        if row.document.country == country:
            drop(plan, row, "country", reason)


def _account_code(name: str) -> str:
    """Return the code of an account, named by code, label or role. Raises ValueError."""
    account = ledger.account_named(name)
    if account is None:
        hint = "`starter.py ledger accounts` lists them"
        raise ValueError(f"there is no account {name!r}: {hint}")
    return account.value


def _check_accounts(context: Context, plan: Plan) -> None:
    """Refuse the number of another account, unless this import gives that one another number."""
    stored = context.session.exec(select(AccountRow.code, AccountRow.number)).all()
    renumbered = {row.key[0] for row in plan.rows}
    holders = {number: code for code, number in stored if code not in renumbered}
    for row in plan.rows:
        code, number = row.key[0], row.document.number
        holder = holders.setdefault(number, code)
        if holder == code:
            continue
        account = ledger.Account(holder)
        names = (account.value, account.role, account.label)
        undecided = holder not in renumbered and any(
            plan.content.may_define("account", name) for name in names
        )
        reason = f"{number} is the number of {account.role}"
        drop(plan, row, "number", None if undecided else reason)


def _write_accounts(work: UnitOfWork, plan: Plan) -> tuple[str, ...]:
    """Update numbers and titles; the numbers are freed first, as accounts may exchange them."""
    changed = [row for row in plan.rows if row.changed]
    accounts = {row.key: work.session.get_one(AccountRow, row.key[0]) for row in changed}
    for account in accounts.values():
        account.number = f"(was {account.number})"
    work.session.flush()
    for row in changed:
        account = accounts[row.key]
        account.number, account.title = row.document.number, row.document.title
    work.session.flush()
    return ()


def _check_customers(context: Context, plan: Plan) -> None:
    """Refuse customers that are merged into others, who have their orders."""
    for row in plan.rows:
        if row.before is not None and row.before["merged_into"] is not None:
            reason = f"is merged into {row.before['merged_into']}: import that one instead"
            drop(plan, row, "customer_id", reason)


def _write_customers(work: UnitOfWork, plan: Plan) -> tuple[str, ...]:
    """Write customers with the keys by which duplicates are found."""
    for row in plan.rows:
        if row.is_new:
            row.after = {**row.after, **keys_of(row.after)}
    write_rows(work, plan)
    for row in plan.rows:
        if not KEYED.isdisjoint(row.changed):
            customer = work.session.get_one(Customer, row.key[0], populate_existing=True)
            set_keys(customer)
    work.session.flush()
    return ()


def complete_company(row: imports.CompanyRow) -> imports.CompanyRow:
    """Write the postal code as the country writes it, and the time zone by its name."""
    changes = {
        "postal_code": tidy_postal_code(row.country, row.postal_code),
        "timezone": timezone_of(row.timezone, row.country),
    }
    return row.model_copy(update=changes)


def _complete_location(row: imports.LocationRow) -> imports.LocationRow:
    """As `complete_company`; where the country's clocks differ, there is no time zone yet."""
    changes = {
        "postal_code": tidy_postal_code(row.country, row.postal_code),
        "timezone": row.timezone or only_timezone(row.country) or "",
    }
    return row.model_copy(update=changes)


def _set_timezones(context: Context, plan: Plan) -> None:
    """Give the company's time zone to locations that have none."""
    planned = [row.document for row in context.planned("company")]
    company = next(
        iter(planned), find_company(context.session) or complete_company(DEFAULT_COMPANY)
    )
    for row in plan.rows:
        row.after = {**row.after, "timezone": row.after["timezone"] or company.timezone}


FILES: tuple[ImportFile, ...] = (
    ImportFile(
        "company",
        imports.CompanyRow,
        Company,
        key=("legal_entity",),
        complete=complete_company,
        check=_check_company,
        write=_write_company,
    ),
    ImportFile(
        "tax_rates",
        imports.TaxRateRow,
        TaxRate,
        key=("country", "tax_class"),
        normal_key={"country": imports.check_tax_country},
        check=_check_tax_rates,
    ),
    ImportFile(
        "accounts",
        imports.AccountNumberRow,
        AccountRow,
        key=("account",),
        attributes={"account": "code"},
        normal_key={"account": _account_code},
        check=_check_accounts,
        write=_write_accounts,
    ),
    ImportFile(
        "locations",
        imports.LocationRow,
        Location,
        key=("location",),
        complete=_complete_location,
        check=_set_timezones,
    ),
    ImportFile(
        "distances",
        imports.DistanceRow,
        Distance,
        key=("location", "country", "postal_prefix"),
        normal_key={"country": check_country},
        references={"location": "locations"},
    ),
    ImportFile("products", imports.ProductRow, Product, key=("sku",), check=check_kinds),
    ImportFile("suppliers", imports.SupplierRow, Supplier, key=("supplier_id",)),
    ImportFile(
        "offers",
        imports.OfferRow,
        SupplierOffer,
        key=("supplier_id", "sku", "from_quantity"),
        one_row="keep one line, or give a further price its own from_quantity",
        references={"supplier_id": "suppliers", "sku": "products"},
        check=check_tiers,
    ),
    ImportFile(
        "customers",
        CustomerDocument,
        Customer,
        key=("customer_id",),
        complete=lambda customer: customer.as_new.tidy,
        never_emptied=frozenset({"status"}),
        check=_check_customers,
        write=_write_customers,
    ),
    ImportFile(
        "stock",
        imports.StockRow,
        Stock,
        key=("location", "sku"),
        references={"location": "locations", "sku": "products"},
        read_existing=False,
        check=check_openings,
        write=write_openings,
    ),
)
"""Rows refer to rows of earlier files only."""
