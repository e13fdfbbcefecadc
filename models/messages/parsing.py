"""What is sent to the doors, read strictly: each error names the field and what is wrong."""

from datetime import datetime, timedelta

from pydantic import JsonValue, ValidationError

from models.billing import not_an_amount
from models.errors import FieldError, InvalidInput, invalid_input
from models.messages.commands import Command
from models.messages.facts import (
    FACT_TYPES,
    Fact,
    GoodsReceived,
    GoodsShipped,
    PaymentAuthorised,
    PaymentReceived,
    PaymentReversed,
    PayoutPaid,
    ShipmentDelivered,
    ShipmentDispatched,
    ShipmentFact,
    ShipmentTracked,
    SupplierAcknowledged,
    SupplierInvoiced,
)
from models.money import parse_amount
from models.orders import OrderDocument

CLOCKS_DIFFER = timedelta(minutes=5)
"""What is said to have happened so much later than now is taken all the same."""
REQUIRED = {
    PaymentReceived: ("payment_id", "order_id", "amount", "currency"),
    PaymentAuthorised: ("authorisation_id", "order_id", "amount", "currency"),
    PaymentReversed: ("reversal_id", "payment_id"),
    PayoutPaid: ("payout_id", "amount", "currency"),
    ShipmentDispatched: ("event_id", "order_id", "shipment_id"),
    ShipmentDelivered: ("event_id", "order_id", "shipment_id"),
    ShipmentTracked: ("event_id", "order_id", "shipment_id", "status"),
    SupplierAcknowledged: ("acknowledgement_id", "po_id"),
    GoodsShipped: ("notice_id", "po_id"),
    SupplierInvoiced: ("invoice_id", "po_id", "currency", "lines"),
    GoodsReceived: ("receipt_id", "po_id", "sku", "quantity"),
}
"""What a fact must say at the door. From the Temporal UI a person may leave out more."""


def parse_order(sent: JsonValue) -> OrderDocument:
    """Validate a document as sent, as strictly as a door does. Raises InvalidInput."""
    try:
        return OrderDocument.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def parse_command(kind: type[Command], sent: JsonValue) -> Command:
    """A command as sent, as strictly as a door reads it. Raises InvalidInput."""
    try:
        return kind.model_validate(sent, extra="forbid")
    except ValidationError as error:
        raise invalid_input(error) from error


def parse_fact(type_: str, data: JsonValue) -> Fact:
    """A webhook's type and data as the fact they mean. Raises InvalidInput."""
    kind = FACT_TYPES.get(type_)
    if kind is None:
        known = ", ".join(FACT_TYPES)
        raise InvalidInput([FieldError("type", f"{type_!r} is none of {known}")])
    try:
        fact = kind.model_validate(data)
    except ValidationError as error:
        raise invalid_input(error) from error
    missing = [name for name in REQUIRED[kind] if getattr(fact, name) in (None, ())]
    errors = [FieldError(name, "missing") for name in missing] or _check_values(fact)
    if errors:
        raise InvalidInput(errors)
    return fact


def _check_values(fact: Fact) -> list[FieldError]:
    errors = []
    for name in ("order_id", "po_id", "shipment_id", "sku", "method"):
        value = getattr(fact, name, None)
        if value is not None and not (0 < len(value) <= 200 and value.isprintable()):
            errors.append(FieldError(name, "is not 1 to 200 printable characters"))
    if isinstance(fact, PaymentReceived | PaymentAuthorised):
        errors += _check_amount(fact.amount or "", fact.currency or "")
    if isinstance(fact, PaymentReversed) and (fact.amount, fact.fee) != (None, "0"):
        amount = {} if fact.amount is None else {"amount": (fact.amount, 1)}
        errors += _check_amounts(fact.currency, **amount, fee=(fact.fee, 0))
    if isinstance(fact, PayoutPaid):
        errors += _check_amounts(fact.currency, amount=(fact.amount, None), fee=(fact.fee, 0))
    if isinstance(fact, GoodsReceived) and not 0 < (fact.quantity or 0) <= 1_000_000_000:
        errors.append(FieldError("quantity", "is not between 1 and 1,000,000,000"))
    return errors


def check_past(fact: ShipmentFact, now: datetime) -> None:
    """Raises InvalidInput for what hasn't happened yet. A partner says it again, and then it may
    have: no clock is right to the second."""
    if fact.occurred_at is not None and fact.occurred_at > now + CLOCKS_DIFFER:
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
    """`amounts`: by field, the text and the least it may be, in minor units; None: anything."""
    problems = (
        not_an_amount(text, currency, field, least=least)
        for field, (text, least) in amounts.items()
    )
    parts = (problem.partition(": ") for problem in problems if problem)
    return [FieldError(field, reason) for field, _, reason in parts]
