"""Strict parsing of input to API and CLI: each error names a field and a reason."""

from datetime import datetime, timedelta

from pydantic import JsonValue, ValidationError

from models.billing import amount_problem
from models.errors import FieldError, InvalidInput, invalid_input
from models.messages.bulk import BulkDocument
from models.messages.commands.base import CommandMessage
from models.messages.facts import (
    FACT_TYPES,
    Fact,
    GoodsReceived,
    GoodsShipped,
    PaymentAuthorised,
    PaymentReceived,
    PaymentRefunded,
    PaymentReversed,
    PayoutPaid,
    RefundFailed,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFact,
    ShipmentTracked,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.money import parse_amount
from models.orders import OrderDocument
from models.phones import parse_phone
from models.subscriptions import SubscriptionDocument
from models.validation import MISSING

ANY_CURRENCY = "CLF"
"""A currency with the most decimals, four: for amounts in a currency that isn't known yet."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far in the future the time of a fact may be: clocks differ."""
REQUIRED = {
    PaymentReceived: ("payment_id", "order_id", "amount", "currency"),
    PaymentAuthorised: ("authorisation_id", "order_id", "amount", "currency"),
    PaymentReversed: ("reversal_id", "payment_id"),
    PaymentRefunded: ("refund_id", "payment_id", "amount", "currency"),
    RefundFailed: ("refund_id", "payment_id"),
    PayoutPaid: ("payout_id", "amount", "currency"),
    ShipmentDispatched: ("event_id", "order_id", "shipment_id"),
    ShipmentDelivered: ("event_id", "order_id", "shipment_id"),
    ShipmentTracked: ("event_id", "order_id", "shipment_id", "status"),
    SupplierAcknowledged: ("acknowledgement_id", "po_id"),
    GoodsShipped: ("notice_id", "po_id"),
    SupplierInvoiced: ("invoice_id", "po_id", "currency", "lines"),
    GoodsReceived: ("receipt_id", "po_id", "sku", "quantity"),
}
"""The required fields of each fact, its id first. Signals from the Temporal UI need only the id."""


def parse_order(sent: JsonValue) -> OrderDocument:
    """Parse an order document with addresses that can be delivered. Raises InvalidInput.

    Phone numbers become E.164, postal codes and regions are written as in their countries.
    Numbering plans and address data change, so that an accepted document is not checked again.
    """
    try:
        document = OrderDocument.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error
    errors = [error for review in document.review_addresses() for error in review.errors]
    phone, customer = document.phone, document.customer
    try:
        country = document.ship_to.country if document.ship_to else None
        phone = phone and parse_phone(phone, country)
    except ValueError as error:
        errors.append(FieldError("phone", str(error)))
    if not isinstance(customer, str):
        try:
            _ = customer.phone and parse_phone(customer.phone, customer.country)
        except ValueError as error:
            errors.append(FieldError("customer.phone", str(error)))
        customer = customer.tidy
    if errors:
        raise InvalidInput(errors)
    addresses = {"ship_to": document.ship_to, "bill_to": document.bill_to}
    tidy = {name: address and address.tidy for name, address in addresses.items()}
    changes = {**tidy, "phone": phone, "customer": customer}
    given = {name: value for name, value in changes.items() if value is not None}
    return document.model_copy(update=given)


def parse_command(kind: type[CommandMessage], sent: JsonValue) -> CommandMessage:
    """Parse a command. Raises InvalidInput."""
    try:
        return kind.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def parse_bulk(sent: JsonValue) -> BulkDocument:
    """Parse a bulk. Raises InvalidInput."""
    try:
        return BulkDocument.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def parse_subscription(sent: JsonValue) -> SubscriptionDocument:
    """Parse a subscription. Raises InvalidInput."""
    try:
        return SubscriptionDocument.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def parse_fact(type_: str, data: JsonValue) -> Fact:
    """Parse a fact from its type and data, as in a webhook. Raises InvalidInput."""
    kind = FACT_TYPES.get(type_)
    if kind is None:
        allowed = ", ".join(FACT_TYPES)
        raise InvalidInput([FieldError("type", f"{type_!r} is none of {allowed}")])
    try:
        fact = kind.model_validate(data)
    except ValidationError as error:
        raise invalid_input(error) from error
    missing = [name for name in REQUIRED[kind] if getattr(fact, name) in (None, ())]
    errors = [FieldError(name, MISSING) for name in missing] or _check_values(fact)
    if errors:
        raise InvalidInput(errors)
    return fact


def _check_values(fact: Fact) -> list[FieldError]:
    errors = []
    for name in ("order_id", "po_id", "shipment_id", "sku", "method"):
        value = getattr(fact, name, None)
        if value is not None and not (0 < len(value) <= 200 and value.isprintable()):
            errors.append(FieldError(name, "is not 1 to 200 printable characters"))
    if isinstance(fact, PaymentReceived | PaymentAuthorised | PaymentRefunded):
        errors += _check_amount(fact.amount or "", fact.currency or "")
    if isinstance(fact, PaymentReversed) and (fact.amount, fact.fee) != (None, "0"):
        amount = {} if fact.amount is None else {"amount": (fact.amount, 1)}
        currency = fact.currency or ANY_CURRENCY  # absent: its payment's, checked with that
        errors += _check_amounts(currency, **amount, fee=(fact.fee, 0))
    if isinstance(fact, SupplierAcknowledged) and fact.repeated_line:
        field, _, reason = fact.repeated_line.partition(": ")
        errors.append(FieldError(field, reason))
    if isinstance(fact, PayoutPaid):
        errors += _check_amounts(fact.currency, amount=(fact.amount, None), fee=(fact.fee, 0))
    if isinstance(fact, GoodsReceived) and not 0 < (fact.quantity or 0) <= 1_000_000_000:
        errors.append(FieldError("quantity", "is not between 1 and 1,000,000,000"))
    return errors


def check_past(fact: ShipmentFact, now: datetime) -> None:
    """Check that a fact is not in the future, beyond CLOCK_TOLERANCE. Raises InvalidInput."""
    if fact.occurred_at is not None and fact.occurred_at > now + CLOCK_TOLERANCE:
        reason = f"{fact.occurred_at:%Y-%m-%d %H:%M:%S} UTC hasn't come yet"
        raise InvalidInput([FieldError("occurred_at", reason)])


def _check_amount(amount: str, currency: str) -> list[FieldError]:
    try:
        if parse_amount(amount, currency) <= 0:
            return [FieldError("amount", "is not above zero")]
    except ValueError as error:
        return [FieldError("currency" if "ISO 4217" in str(error) else "amount", str(error))]
    return []


def _check_amounts(
    currency: str | None, **amounts: tuple[str | None, int | None]
) -> list[FieldError]:
    """Check amounts by field: the text, and its minimum in minor units; None: no minimum."""
    problems = (
        amount_problem(text, currency, field, least=least)
        for field, (text, least) in amounts.items()
    )
    parts = (problem.partition(": ") for problem in problems if problem)
    return [FieldError(field, reason) for field, _, reason in parts]
