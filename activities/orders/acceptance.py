"""Reading: what the doors ask before they let something in, and what is kept beside the orders."""

from collections.abc import Collection

from sqlmodel import Session, col, select

from models.customers import CustomerStatus, TaxTreatment
from models.errors import FieldError
from models.money import parse_amount
from models.orders import OrderDocument
from models.pricing import ProductPrice, price_lines, total
from models.progress import Stage
from models.tables.masterdata import Company, Customer, Location, Product
from models.tables.orders import Order


def company_currency(session: Session) -> str | None:
    """The currency of ledger and stock; None before anything was imported."""
    return session.exec(select(Company.currency)).one_or_none()


def digest_and_stage(session: Session, order_id: str) -> tuple[str, Stage] | None:
    """What was recorded under an order id, if anything."""
    row = session.get(Order, order_id)
    return (row.digest, row.stage) if row else None


def recorded(session: Session, order_ids: Collection[str]) -> set[str]:
    """Those of the ids under which an order is recorded."""
    return set(session.exec(select(Order.order_id).where(col(Order.order_id).in_(order_ids))))


def check_order(session: Session, document: OrderDocument) -> tuple[list[FieldError], int]:
    """What the tables have against an order (field by field), and its total in minor units."""
    errors = _check_customer(session, document)
    currency = company_currency(session)
    if currency is None:
        errors.append(FieldError("lines", "there are no products: import some first"))
    elif document.currency != currency:
        errors.append(FieldError("currency", f"we trade in {currency}, not {document.currency}"))
    if document.location is not None and session.get(Location, document.location) is None:
        errors.append(FieldError("location", f"there is no location {document.location!r}"))
    products = _prices(session, document)
    for number, line in enumerate(document.lines):
        if line.sku not in products:
            errors.append(FieldError(f"lines.{number}.sku", f"there is no SKU {line.sku!r}"))
    if errors:
        return errors, 0
    try:
        priced = price_lines(document, products, _treatment(session, document))
        return [], total(priced).total_minor
    except ValueError as error:
        return [FieldError("lines", str(error))], 0


def order_terms(session: Session, order_id: str) -> tuple[str, str] | None:
    """Currency and terms of an order."""
    row = session.get(Order, order_id)
    return (row.currency, row.terms.value) if row else None


def _check_customer(session: Session, document: OrderDocument) -> list[FieldError]:
    known = session.get(Customer, document.customer_id)
    if known is None and isinstance(document.customer, str):
        reason = (
            f"there is no customer {document.customer!r}: import it, or send the whole customer"
        )
        return [FieldError("customer", reason)]
    status = known.status if known else None
    if known is None and not isinstance(document.customer, str):
        status = document.customer.status
        try:
            if parse_amount(document.customer.credit_limit, document.currency) < 0:
                return [FieldError("customer.credit_limit", "is below zero")]
        except ValueError as error:
            return [FieldError("customer.credit_limit", str(error))]
    if status is CustomerStatus.BLOCKED:
        return [FieldError("customer", f"customer {document.customer_id!r} is blocked")]
    return []


def _treatment(session: Session, document: OrderDocument) -> TaxTreatment:
    known = session.get(Customer, document.customer_id)
    return known.tax_treatment if known is not None else TaxTreatment.STANDARD


def _prices(session: Session, document: OrderDocument) -> dict[str, ProductPrice]:
    rows = session.exec(
        select(Product).where(col(Product.sku).in_({line.sku for line in document.lines}))
    )
    return {row.sku: ProductPrice.model_validate(row.model_dump()) for row in rows}
