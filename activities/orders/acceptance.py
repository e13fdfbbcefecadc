"""Acceptance of an order: what it requires of the master data, and what it costs."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import String, bindparam, func
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from activities.database.company import get_company
from models.acceptance import Acceptance
from models.billing import InvoiceAt
from models.customers import CustomerStatus, TaxTreatment
from models.errors import FieldError, Refused
from models.money import parse_amount
from models.orders import Fulfilment, OrderDocument
from models.pricing import PriceTerms, ProductPrice, price_lines, total
from models.progress import Cancellation
from models.tables.masterdata import Company, Customer, Location, Product, TaxRate
from models.tables.orders import Order
from models.tables.stock import Stock
from models.tax import AS_GOODS, ProductKind, Supply, levy_one_vat, taxation, vat_area


class _Parties(NamedTuple):
    """Seller and buyer, and the location that hands the goods over."""

    company: Company
    customer: Customer | None
    location: Location | None


class _PriceList(NamedTuple):
    """The products of an order by SKU, and how they are taxed."""

    products: dict[str, ProductPrice]
    terms: PriceTerms
    vat_id: str
    """The customer's VAT id."""


_CUSTOMER_ID = bindparam("customer_id", type_=String)
_SENT = aliased(Customer)
_MERGED_INTO = select(_SENT.merged_into).where(col(_SENT.customer_id) == _CUSTOMER_ID)
_SELLER_AND_BUYER = select(Company, Customer).outerjoin(
    Customer,
    col(Customer.customer_id) == func.coalesce(_MERGED_INTO.scalar_subquery(), _CUSTOMER_ID),
)
_PRODUCTS = (
    select(Product, TaxRate)
    .outerjoin(
        TaxRate,
        (col(TaxRate.tax_class) == col(Product.tax_class))
        & (col(TaxRate.country) == bindparam("country", type_=String)),
    )
    .where(col(Product.sku).in_(bindparam("skus", expanding=True)))
)


def check_order(
    session: Session, document: OrderDocument, invoice_at: InvoiceAt
) -> tuple[list[FieldError], Acceptance | None]:
    """Check an order against the master data. `invoice_at`: when it is invoiced, if on credit.

    Returns the errors field by field, and what is agreed; None where there are errors.
    """
    company, customer = _seller_and_buyer(session, document.customer_id)
    location = session.get(Location, document.location) if document.location else None
    errors = [
        *_check_customer(customer, document),
        *_check_company(company, document),
        *_check_location(location, document),
    ]
    if company is None:
        return errors, None
    price_list = _read_prices(session, document, _Parties(company, customer, location))
    errors += _check_products(document, price_list)
    errors += _check_stock(session, document, price_list.products)
    if errors:
        return errors, None
    accepted = _priced(document, price_list, invoice_at)
    try:
        total(accepted.lines)
    except ValueError as error:
        return [FieldError("lines", str(error))], None
    others = _same_reference(session, document, customer)
    return [], accepted.model_copy(update={"same_reference": others}) if others else accepted


def price_order(
    session: Session, document: OrderDocument, customer: Customer, invoice_at: InvoiceAt
) -> Acceptance:
    """Price an order that a workflow or an operator started, without acceptance by API or CLI.

    Raises Refused for SKUs without price or tax rate.
    """
    location = session.get(Location, document.location) if document.location else None
    parties = _Parties(get_company(session), customer, location)
    price_list = _read_prices(session, document, parties)
    if missing := sorted({line.sku for line in document.lines} - price_list.products.keys()):
        raise Refused("sku_unknown", f"there is no SKU {', '.join(missing)}: import it, then retry")
    if errors := _check_products(document, price_list):
        sold = all(product.is_sold for product in price_list.products.values())
        reason = f"{errors[0].reason}, then retry"
        raise Refused("tax_rate_unknown" if sold else "not_sold", reason)
    return _priced(document, price_list, invoice_at)


def _priced(document: OrderDocument, price_list: _PriceList, invoice_at: InvoiceAt) -> Acceptance:
    """Price an order by the price list and its tax case."""
    terms = price_list.terms
    return Acceptance(
        tax_case=terms.case,
        prices_include_tax=terms.includes_tax,
        vat_id=price_list.vat_id,
        invoice_at=invoice_at if document.terms.on_credit else InvoiceAt.GOODS_ISSUE,
        lines=tuple(price_lines(document, price_list.products, terms)),
    )


def _seller_and_buyer(session: Session, customer_id: str) -> tuple[Company | None, Customer | None]:
    """Read the company, and the customer if that is known; a merged one is the other."""
    found = session.exec(_SELLER_AND_BUYER, params={"customer_id": customer_id}).one_or_none()
    return found or (None, None)


def _check_company(company: Company | None, document: OrderDocument) -> list[FieldError]:
    """Check the order's currency."""
    if company is None:
        return [FieldError("lines", "there are no products: import some first")]
    if document.currency == company.currency:
        return []
    return [FieldError("currency", f"we trade in {company.currency}, not {document.currency}")]


def _check_location(location: Location | None, document: OrderDocument) -> list[FieldError]:
    if document.location is None or location is not None:
        return []
    return [FieldError("location", f"there is no location {document.location!r}")]


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
    return _check_email(recorded, document)


def _check_email(recorded: Customer | None, document: OrderDocument) -> list[FieldError]:
    """Check that a customer can be mailed, unless the sale is paid at the counter."""
    sent = document.customer
    known = recorded is not None and recorded.email
    if known or (not isinstance(sent, str) and sent.email):
        return []
    if document.fulfilment is Fulfilment.COUNTER and not document.terms.on_credit:
        return []
    field = "customer" if isinstance(sent, str) else "customer.email"
    reason = 'has no email address, such as "ada@example.com": only a sale paid at a counter does '
    return [FieldError(field, f"{reason}without")]


def _check_products(document: OrderDocument, price_list: _PriceList) -> list[FieldError]:
    """Check that each SKU is known, and has a tax rate where it is taxed."""
    errors, (products, terms, _) = [], price_list
    for number, line in enumerate(document.lines):
        product = products.get(line.sku)
        if product is None:
            errors.append(FieldError(f"lines.{number}.sku", f"there is no SKU {line.sku!r}"))
            continue
        if not product.is_sold:
            errors.append(FieldError(f"lines.{number}.sku", f"{line.sku} is no longer sold"))
        if problem := _other_case(product, terms):
            errors.append(FieldError(f"lines.{number}.sku", problem))
        try:
            terms.rate_of(product)
        except ValueError as error:
            errors.append(FieldError(f"lines.{number}.sku", str(error)))
    return errors


def _other_case(product: ProductPrice, terms: PriceTerms) -> str | None:
    """Return why a service can't be in one order with the goods: an invoice states one tax case,
    unless both are taxed."""
    case = terms.service_case
    if case is None or product.kind is ProductKind.GOODS or product.is_incidental:
        return None
    if case is terms.case or (case.is_taxed and terms.case.is_taxed):
        return None
    return (
        f"the tax case of the service {product.sku} is {case}, that of the goods {terms.case}: "
        f"order it by itself, or import it with tax_class {AS_GOODS} if it only accompanies goods"
    )


def _same_reference(
    session: Session, document: OrderDocument, customer: Customer | None
) -> tuple[str, ...]:
    """Find other orders of the customer with the same reference, the first ones."""
    if document.customer_reference is None or customer is None:
        return ()
    query = (
        select(Order.order_id)
        .where(
            Order.customer_reference == document.customer_reference,
            Order.customer_id == customer.customer_id,
            Order.order_id != document.order_id,
            Order.cancellation == Cancellation.NONE,
        )
        .order_by(col(Order.order_id))
        .limit(_MAX_NAMED)
    )
    return tuple(session.exec(query).all())


_MAX_NAMED = 3
"""The number of orders with the same reference that a warning names."""
_NONE_LEFT = "none are left: remove the line"


def _check_stock(
    session: Session, document: OrderDocument, products: Mapping[str, ProductPrice]
) -> list[FieldError]:
    """Check that what is no longer bought is available: nothing else will arrive for it."""
    limited = {
        sku
        for sku, product in products.items()
        if not product.is_bought and product.kind is ProductKind.GOODS
    }
    if not limited:
        return []
    free = select(Stock.sku, func.sum(col(Stock.on_hand) - col(Stock.reserved)))
    in_stock = free.where(col(Stock.sku).in_(limited)).group_by(col(Stock.sku))
    available = dict(session.exec(in_stock).all())
    ordered = Counter[str]()
    for line in document.lines:
        ordered[line.sku] += line.quantity
    errors = []
    for number, line in enumerate(document.lines):
        units = available.get(line.sku, 0)
        if line.sku in limited and ordered[line.sku] > units:
            left = f"{units} are left: order at most {units}" if units > 0 else _NONE_LEFT
            reason = f"{line.sku} is no longer bought, and {left}"
            errors.append(FieldError(f"lines.{number}.quantity", reason))
    return errors


def _read_prices(session: Session, document: OrderDocument, parties: _Parties) -> _PriceList:
    """Read the products of an order, with the rates of the country where it is delivered, and
    decide its tax case."""
    company, customer, location = parties
    seller_area = vat_area(company.country, company.postal_code)
    begins = ends = seller_area
    if location is not None:
        begins = ends = vat_area(location.country, location.postal_code)
    elif document.ship_to is not None:
        ends = vat_area(document.ship_to.country, document.ship_to.postal_code or "")
    skus = list({line.sku for line in document.lines})
    rows = session.exec(_PRODUCTS, params={"skus": skus, "country": ends}).all()
    sent = None if isinstance(document.customer, str) else document.customer
    buyer = sent or customer
    vat_id = (sent and sent.vat_id) or (customer.vat_id if customer else "")
    kinds = {product.kind for product, _ in rows}
    supply = Supply(
        seller_country=seller_area,
        dispatched_from=begins,
        delivered_to=ends,
        customer_country=vat_area(buyer.country, buyer.postal_code) if buyer else ends,
        treatment=customer.tax_treatment if customer else TaxTreatment.STANDARD,
        vat_id=vat_id,
        has_goods=ProductKind.GOODS in kinds,
        is_registered=bool(company.vat_id),
        oss=company.oss,
    )
    decided = taxation(supply)
    services = supply.model_copy(update={"has_goods": False})
    taxed_in = decided.country
    if taxed_in and levy_one_vat(taxed_in, seller_area):
        taxed_in = None  # at the rates of the products
    includes_tax = document.prices_include_tax
    terms = PriceTerms(
        case=decided.case,
        taxed_in=taxed_in,
        includes_tax=company.prices_include_tax if includes_tax is None else includes_tax,
        list_includes_tax=company.prices_include_tax,
        service_case=taxation(services).case if len(kinds) > 1 else None,
    )
    products = {product.sku: _price(product, rate) for product, rate in rows}
    return _PriceList(products, terms, vat_id)


def _price(product: Product, foreign: TaxRate | None) -> ProductPrice:
    fields = product.model_dump(include=set(ProductPrice.model_fields))
    return ProductPrice(**fields, foreign_rate_ppm=foreign.rate_ppm if foreign else None)
