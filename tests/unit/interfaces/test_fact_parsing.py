"""Parsing of facts: an invalid fact is refused, naming its field."""

from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.webhooks import PARTNER_TYPES
from intake.facts import SIGNALS
from models.errors import InvalidInput
from models.messages.facts import (
    FACT_TYPES,
    GoodsReceived,
    PaymentReceived,
    PaymentRefunded,
    PaymentReversed,
    PayoutPaid,
    RefundFailed,
    SupplierAcknowledged,
    business_id,
    type_of,
)
from models.messages.parsing import REQUIRED, parse_fact

WITHOUT_SIGNAL = {PayoutPaid, PaymentRefunded, RefundFailed}
"""The facts that FactWorkflow always applies."""
VALID: dict[str, dict[str, Any]] = {
    "payment.received": {
        "payment_id": "P-1",
        "order_id": "O-1",
        "amount": "18.00",
        "currency": "EUR",
        "method": "card",
        "received_at": "2026-07-06T12:00:00Z",
    },
    "payment.authorised": {
        "authorisation_id": "A-1",
        "order_id": "O-1",
        "amount": "18.00",
        "currency": "EUR",
        "expires_at": "2026-07-13T12:00:00Z",
    },
    "payment.reversed": {
        "reversal_id": "RV-1",
        "payment_id": "P-1",
        "amount": "18.00",
        "currency": "EUR",
        "fee": "5.00",
    },
    "payment.refunded": {
        "refund_id": "RF-1",
        "payment_id": "P-1",
        "amount": "18.00",
        "currency": "EUR",
    },
    "payment.refund_failed": {"refund_id": "RF-1", "payment_id": "P-1"},
    "payout.paid": {"payout_id": "PO-1", "amount": "17.50", "fee": "0.50", "currency": "EUR"},
    "shipment.dispatched": {"event_id": "E-1", "order_id": "O-1", "shipment_id": "S-1"},
    "shipment.delivered": {"event_id": "E-2", "order_id": "O-1", "shipment_id": "S-1"},
    "shipment.tracked": {
        "event_id": "E-3",
        "order_id": "O-1",
        "shipment_id": "S-1",
        "status": "in_transit",
    },
    "purchase_order.acknowledged": {
        "acknowledgement_id": "A-1",
        "po_id": "PO-1",
        "expected_date": "2026-07-31",
    },
    "purchase_order.shipped": {
        "notice_id": "N-1",
        "po_id": "PO-1",
        "expected_date": "2026-07-31",
    },
    "purchase_order.invoiced": {
        "invoice_id": "I-1",
        "po_id": "PO-1",
        "currency": "EUR",
        "lines": [{"sku": "DRILL", "quantity": 5, "unit_cost": "55.00"}],
    },
    "goods.received": {"receipt_id": "R-1", "po_id": "PO-1", "sku": "DRILL", "quantity": 5},
}
REQUIRED_FIELDS = [(type_, field) for type_, kind in FACT_TYPES.items() for field in REQUIRED[kind]]
OWN_IDS = {
    "payment.received": "payment_id",
    "payment.authorised": "authorisation_id",
    "payment.reversed": "reversal_id",
    "payment.refunded": "refund_id",
    "payment.refund_failed": "refund_id",
    "payout.paid": "payout_id",
    "shipment.dispatched": "event_id",
    "shipment.delivered": "event_id",
    "shipment.tracked": "event_id",
    "purchase_order.acknowledged": "acknowledgement_id",
    "purchase_order.shipped": "notice_id",
    "purchase_order.invoiced": "invoice_id",
    "goods.received": "receipt_id",
}


def refused(type_: str, data: Any) -> list[str]:
    """Parse a fact that is refused; returns its invalid fields."""
    with pytest.raises(InvalidInput) as refusal:
        parse_fact(type_, data)
    assert all(error.reason for error in refusal.value.fields)
    return [error.field for error in refusal.value.fields]


def payment(**changes: Any) -> dict[str, Any]:
    """Build the data of a payment."""
    return VALID["payment.received"] | changes


def receipt(**changes: Any) -> dict[str, Any]:
    """Build the data of a goods receipt."""
    return VALID["goods.received"] | changes


def test_every_type_has_message_signal_and_required_fields() -> None:
    assert set(FACT_TYPES) == set(VALID)
    assert set(FACT_TYPES.values()) == set(REQUIRED) == set(SIGNALS) | WITHOUT_SIGNAL


def test_every_type_has_one_partner() -> None:
    assert sorted(FACT_TYPES) == sorted(chain.from_iterable(PARTNER_TYPES.values()))


@pytest.mark.parametrize("type_", VALID)
def test_complete_fact_is_accepted(type_: str) -> None:
    fact = parse_fact(type_, VALID[type_])
    assert type_of(fact) == type_
    assert business_id(fact) == VALID[type_][OWN_IDS[type_]]
    assert FACT_TYPES[type_].model_validate(fact.model_dump(mode="json")) == fact


@pytest.mark.parametrize("type_", VALID)
def test_unknown_field_is_ignored(type_: str) -> None:
    assert parse_fact(type_, VALID[type_] | {"new": {}}) == parse_fact(type_, VALID[type_])


@pytest.mark.parametrize(("type_", "field"), REQUIRED_FIELDS)
def test_missing_required_field_is_named(type_: str, field: str) -> None:
    data = {name: value for name, value in VALID[type_].items() if name != field}
    assert refused(type_, data) == [field]
    assert refused(type_, data | {field: None}) == [field]


@pytest.mark.parametrize(("type_", "field"), REQUIRED_FIELDS)
@pytest.mark.parametrize("wrong", [[], {}, True, 1.5])
def test_field_of_wrong_type_is_named(type_: str, field: str, wrong: object) -> None:
    assert refused(type_, VALID[type_] | {field: wrong}) == [field]


@pytest.mark.parametrize("type_", VALID)
def test_all_missing_fields_are_named_at_once(type_: str) -> None:
    own, *others = REQUIRED[FACT_TYPES[type_]]
    assert refused(type_, {own: "X-1"}) == others


@pytest.mark.parametrize("type_", ["", "payment", "payment.Received", "order.placed", "__class__"])
def test_unknown_type_is_refused(type_: str) -> None:
    assert refused(type_, VALID["payment.received"]) == ["type"]


@pytest.mark.parametrize("type_", VALID)
@pytest.mark.parametrize("data", [None, [], "x", 5, True, [{}]])
def test_data_other_than_object_is_refused(type_: str, data: object) -> None:
    assert refused(type_, data) == ["document"]


@pytest.mark.parametrize(
    "amount",
    [
        *("0", "0.00", "-0.00", "-1", "-0.01", "0.001", "18.001", "NaN", "Infinity", "1e3", ""),
        *("10000000000000.01", "9" * 18, "9" * 40, " 1", "1\n", "1,00", "+1", "١٢", "ISO"),
        *(18, 18.0, True, None),
    ],
    ids=ascii,
)
def test_invalid_amount_is_refused(amount: object) -> None:
    assert refused("payment.received", payment(amount=amount)) == ["amount"]


@pytest.mark.parametrize(
    ("amount", "currency"), [("1.5", "JPY"), ("1.0001", "KWD"), ("0", "JPY"), ("1.001", "EUR")]
)
def test_amount_has_decimals_of_its_currency(amount: str, currency: str) -> None:
    assert refused("payment.received", payment(amount=amount, currency=currency)) == ["amount"]


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("0.01", "EUR"), ("10000000000000", "EUR"), ("1", "JPY"), ("0.001", "KWD")],
)
def test_smallest_and_largest_amount_are_accepted(amount: str, currency: str) -> None:
    fact = parse_fact("payment.received", payment(amount=amount, currency=currency))
    assert isinstance(fact, PaymentReceived)
    assert (fact.amount, fact.currency) == (amount, currency)


@pytest.mark.parametrize("type_", [type_ for type_ in VALID if "amount" in VALID[type_]])
def test_facts_with_equal_amounts_are_equal(type_: str) -> None:
    """A provider may repeat an event with other decimals: "18" for "18.00"."""
    sent = VALID[type_]
    amounts = [name for name in ("amount", "fee") if name in sent]
    zeros = {name: f"{sent[name]}000" for name in amounts}
    assert parse_fact(type_, sent | zeros) == parse_fact(type_, sent)


def test_invoices_with_equal_costs_are_equal() -> None:
    sent = VALID["purchase_order.invoiced"]
    line = sent["lines"][0]
    repeated = sent | {"lines": [line | {"unit_cost": "55.0"}]}
    assert parse_fact("purchase_order.invoiced", repeated) == parse_fact(
        "purchase_order.invoiced", sent
    )


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XXX", "XAU", "ABC", 978])
def test_unknown_currency_is_refused(currency: object) -> None:
    assert refused("payment.received", payment(currency=currency)) == ["currency"]


@pytest.mark.parametrize(
    "quantity", [0, -1, 1_000_000_001, 10**30, True, "5", "", 5.0, 5.5, None], ids=str
)
def test_quantity_is_whole_number_within_limits(quantity: object) -> None:
    assert refused("goods.received", receipt(quantity=quantity)) == ["quantity"]


@given(quantity=st.integers(1, 1_000_000_000))
def test_quantity_is_unchanged(quantity: int) -> None:
    fact = parse_fact("goods.received", receipt(quantity=quantity))
    assert isinstance(fact, GoodsReceived)
    assert fact.quantity == quantity


@pytest.mark.parametrize("type_", VALID)
@pytest.mark.parametrize("bad", ["", "a b", "-a", "ä", "a:b", "a\n", "a\x00", "a" * 65, 5])
def test_own_id_of_fact_is_identifier(type_: str, bad: object) -> None:
    own = OWN_IDS[type_]
    assert refused(type_, VALID[type_] | {own: bad}) == [own]


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        *((type_, "order_id") for type_ in VALID if "order_id" in VALID[type_]),
        *((type_, "shipment_id") for type_ in VALID if "shipment_id" in VALID[type_]),
        *((type_, "po_id") for type_ in VALID if "po_id" in VALID[type_]),
    ],
)
@pytest.mark.parametrize("bad", ["a\x00b", "a\nb", "a\u2028b", "x" * 201], ids=ascii)
def test_reference_is_printable_and_limited_in_length(type_: str, field: str, bad: str) -> None:
    assert refused(type_, VALID[type_] | {field: bad}) == [field]


def test_payment_may_name_unknown_order_in_free_text() -> None:
    fact = parse_fact("payment.received", payment(order_id="Rechnung 17, danke!"))
    assert fact.model_dump()["order_id"] == "Rechnung 17, danke!"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-07-06T12:00:00Z", 12),
        ("2026-07-06T14:00:00+02:00", 12),
        ("2026-07-06t12:00z", 12),
        ("2026-07-06T07:00:00-05:00", 12),
    ],
)
def test_time_is_converted_to_utc(written: str, meant: int) -> None:
    fact = parse_fact("payment.received", payment(received_at=written))
    assert isinstance(fact, PaymentReceived)
    assert fact.received_at == datetime(2026, 7, 6, meant, tzinfo=UTC)
    assert fact.received_at.tzinfo is UTC


@pytest.mark.parametrize(
    "wrong",
    [
        *("yesterday", "", [], "2026-13-01T00:00:00Z"),
        *(1764500000, "1764500000", 46380, 0, True),
        *("2026-12-01", "2026-12-01T10:00", "2026-12-01 10:00:00"),
    ],
)
@pytest.mark.parametrize(
    ("type_", "field"), [("payment.received", "received_at"), ("goods.received", "occurred_at")]
)
def test_invalid_time_is_refused(type_: str, field: str, wrong: object) -> None:
    assert refused(type_, VALID[type_] | {field: wrong}) == [field]


@pytest.mark.parametrize(
    "unknown",
    [
        *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z"),
        *("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "2200-01-01T00:00:00Z"),
    ],
)
@pytest.mark.parametrize(
    ("type_", "field"), [("payment.received", "received_at"), ("goods.received", "occurred_at")]
)
def test_time_that_stands_for_an_unknown_one_counts_as_none(
    type_: str, field: str, unknown: str
) -> None:
    """No calendar of a time zone has all of these days; the sender would repeat a refused fact."""
    assert getattr(parse_fact(type_, VALID[type_] | {field: unknown}), field) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        *(("9999-12-31", None), ("0001-01-01", None), ("2200-01-01", None)),
        ("2199-12-31", date(2199, 12, 31)),
    ],
)
def test_expected_date_that_stands_for_an_unknown_one_counts_as_none(
    sent: str, expected: date | None
) -> None:
    data: dict[str, Any] = {
        "acknowledgement_id": "A",
        "po_id": "P",
        "expected_date": sent,
        "lines": [{"sku": "S", "quantity": 1, "expected_date": sent}],
    }
    fact = parse_fact("purchase_order.acknowledged", data)
    assert isinstance(fact, SupplierAcknowledged)
    assert fact.lines is not None
    assert {fact.expected_date, fact.lines[0].expected_date} == {expected}


def test_sku_twice_in_one_acknowledgement_is_refused() -> None:
    """The last line must not win without a word."""
    type_ = "purchase_order.acknowledged"
    lines = [{"sku": sku, "quantity": n} for n, sku in enumerate(("S", "T", "S"))]
    assert refused(type_, VALID[type_] | {"lines": lines}) == ["lines.2.sku"]


def test_invalid_date_is_refused() -> None:
    type_ = "purchase_order.acknowledged"
    assert refused(type_, VALID[type_] | {"expected_date": "soon"}) == ["expected_date"]


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"fee": "NaN"}, ["fee"]),
        ({"fee": "-1.00"}, ["fee"]),
        ({"amount": "0"}, ["amount"]),
        ({"amount": None, "fee": "NaN"}, ["fee"]),
        ({"currency": None, "fee": "NaN"}, ["fee"]),
        ({"currency": None, "fee": "-1.00", "amount": "-1"}, ["amount", "fee"]),
        ({"currency": None, "fee": "1.00001"}, ["fee"]),
        ({"currency": "EURO", "fee": "1.00"}, ["amount", "fee"]),
    ],
)
def test_amount_and_fee_of_reversal_are_money(changes: dict[str, Any], fields: list[str]) -> None:
    """Also without an amount, for a full reversal."""
    found = refused("payment.reversed", VALID["payment.reversed"] | changes)
    assert found == fields


@pytest.mark.parametrize(
    "fields", [{}, {"fee": "15.00"}, {"amount": "18.00"}, {"amount": "1.125", "fee": "0.105"}]
)
def test_reversal_needs_no_currency(fields: dict[str, str]) -> None:
    """It is its payment's, in which amount and fee are checked."""
    fact = parse_fact("payment.reversed", {"reversal_id": "RV-1", "payment_id": "P-1", **fields})
    assert isinstance(fact, PaymentReversed)
    assert (fact.currency, fact.amount is None) == (None, "amount" not in fields)
