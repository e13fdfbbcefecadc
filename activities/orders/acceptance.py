"""Acceptance of an order: what it requires of the master data, and what it costs."""

from collections.abc import Mapping

from sqlalchemy import String, bindparam
from sqlmodel import Session, col, select

from models.acceptance import Acceptance
from models.customers import CustomerStatus, TaxTreatment
from models.errors import FieldError, Refused
from models.money import parse_amount
from models.orders import OrderDocument
from models.pricing import ProductPrice, price_lines, total
from models.tables.masterdata import Company, Customer, Location, Product

_SELLER_AND_BUYER = select(Company, Customer).outerjoin(
    Customer, col(Customer.customer_id) == bindparam("customer_id", type_=String)
)
_PRODUCTS = select(Product).where(col(Product.sku).in_(bindparam("skus", expanding=True)))


def check_order(
    session: Session, document: OrderDocument
) -> tuple[list[FieldError], Acceptance | None]:
    """Check an order against the master data.

    Returns the errors field by field, and what is agreed; None where there are errors.
    """
    products = _products(session, document)
    company, customer = _seller_and_buyer(session, document.customer_id)
    errors = [
        *_check_customer(customer, document),
        *_check_company(session, company, document),
        *(
            FieldError(f"lines.{number}.sku", f"there is no SKU {line.sku!r}")
            for number, line in enumerate(document.lines)
            if line.sku not in products
        ),
    ]
    if errors:
        return errors, None
    accepted = _priced(customer, document, products)
    try:
        total(accepted.lines)
    except ValueError as error:
        return [FieldError("lines", str(error))], None
    return [], accepted


def price_order(session: Session, document: OrderDocument) -> Acceptance:
    """Price an order that a workflow or an operator started, without acceptance by API or CLI.

    Raises Refused for SKUs that are not in the price list.
    """
    products = _products(session, document)
    if missing := sorted({line.sku for line in document.lines} - products.keys()):
        raise Refused("sku_unknown", f"there is no SKU {', '.join(missing)}: import it, then retry")
    return _priced(session.get(Customer, document.customer_id), document, products)


def _priced(
    customer: Customer | None, document: OrderDocument, products: Mapping[str, ProductPrice]
) -> Acceptance:
    """Price an order by the price list and the tax treatment of its customer."""
    treatment = customer.tax_treatment if customer is not None else TaxTreatment.STANDARD
    lines = price_lines(document, products, treatment)
    return Acceptance(tax_treatment=treatment, lines=tuple(lines))


def _seller_and_buyer(session: Session, customer_id: str) -> tuple[Company | None, Customer | None]:
    """Read the company, and the customer if that is known."""
    found = session.exec(_SELLER_AND_BUYER, params={"customer_id": customer_id}).one_or_none()
    return found or (None, None)


def _check_company(
    session: Session, company: Company | None, document: OrderDocument
) -> list[FieldError]:
    """Check the order against the company: its currency, and the location for handing over."""
    errors, currency = [], company.currency if company else None
    if currency is None:
        errors.append(FieldError("lines", "there are no products: import some first"))
    elif document.currency != currency:
        errors.append(FieldError("currency", f"we trade in {currency}, not {document.currency}"))
    if document.location is not None and session.get(Location, document.location) is None:
        errors.append(FieldError("location", f"there is no location {document.location!r}"))
    return errors


def _check_customer(recorded: Customer | None, document: OrderDocument) -> list[FieldError]:
    sent = document.customer
    if recorded is not None:
        status = recorded.status
    elif isinstance(sent, str):
        reason = f"there is no customer {sent!r}: import it, or send the whole customer"
        return [FieldError("customer", reason)]
    else:
        status = sent.status
        try:
            if parse_amount(sent.credit_limit, document.currency) < 0:
                return [FieldError("customer.credit_limit", "is below zero")]
        except ValueError as error:
            return [FieldError("customer.credit_limit", str(error))]
    if status is CustomerStatus.BLOCKED:
        return [FieldError("customer", f"customer {document.customer_id!r} is blocked")]
    return []


def _products(session: Session, document: OrderDocument) -> dict[str, ProductPrice]:
    rows = session.exec(_PRODUCTS, params={"skus": list({line.sku for line in document.lines})})
    return {row.sku: ProductPrice.model_validate(row.model_dump()) for row in rows}
