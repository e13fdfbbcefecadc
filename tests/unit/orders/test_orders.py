"""Test the validation of order documents, and their digest."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidInput
from models.messages.parsing import parse_order
from models.orders import MAX_LINES, MAX_QUANTITY, OrderDocument, digest

ABSENT = object()
"""The value of a field that is not sent."""

ADDRESS = {
    "name": "Ada Lovelace",
    "street": "Unter den Linden 1",
    "city": "Berlin",
    "postal_code": "10117",
    "country": "DE",
}
CUSTOMER = {"customer_id": "C-1", "name": "Ada", "email": "ada@example.com", "country": "DE"}


def sent(path: str = "", value: Any = None) -> dict[str, Any]:
    """Build a valid document; replace the field at `path`, such as `lines.0.quantity`."""
    document: dict[str, Any] = {
        "order_id": "O-1",
        "channel": "online",
        "customer": dict(CUSTOMER),
        "ship_to": dict(ADDRESS),
        "bill_to": dict(ADDRESS),
        "currency": "EUR",
        "terms": "prepaid",
        "delivery": "partial",
        "requested_delivery_date": "2026-07-31",
        "lines": [{"sku": "DRILL", "quantity": 2, "unit_price": "18.00", "discount_percent": "5"}],
    }
    if path:
        *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
        parent: Any = document
        for part in parents:
            parent = parent[part]
        if value is ABSENT:
            del parent[last]
        else:
            parent[last] = value
    return document


def refused(document: Any) -> dict[str, str]:
    """Parse an invalid document; return the reasons by field."""
    with pytest.raises(InvalidInput) as refusal:
        parse_order(document)
    assert refusal.value.code == "invalid_input"
    fields = {error.field: error.reason for error in refusal.value.fields}
    assert len(fields) == len(refusal.value.fields)
    assert all(fields.values())
    return fields


def test_full_document_is_accepted_unchanged() -> None:
    order = parse_order(sent())
    assert order.model_dump(mode="json", exclude_unset=True) == sent()
    assert order.customer_id == "C-1"


def test_phone_number_is_one_of_the_country_of_delivery() -> None:
    assert parse_order(sent("phone", "030 901820")).phone == "+4930901820"
    assert "+49" in refused(sent("phone", "12"))["phone"]


def test_optional_fields_have_defaults() -> None:
    document = sent("customer", "C-1")
    for name in ("bill_to", "delivery", "requested_delivery_date"):
        del document[name]
    document["lines"] = [{"sku": "DRILL", "quantity": 1}]
    order = parse_order(document)
    assert (order.customer_id, order.bill_to, order.requested_delivery_date) == ("C-1", None, None)
    assert order.delivery == "complete"
    assert (order.lines[0].unit_price, order.lines[0].discount_percent) == (None, None)


def test_document_survives_json() -> None:
    order = parse_order(sent())
    assert OrderDocument.model_validate_json(order.model_dump_json()) == order


UNKNOWN = ("surprise", "ship_to.surprise", "bill_to.id", "customer.id", "lines.0.whole", "id")


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_field_is_refused_with_its_path(path: str) -> None:
    """Also a field with the name of an internal branch."""
    assert refused(sent(path, "x")) == {
        path: "is not a known field: correct its name, or leave it out"
    }


REQUIRED = (
    *("order_id", "channel", "customer", "ship_to", "currency", "terms", "lines"),
    *("lines.0.sku", "lines.0.quantity", "customer.customer_id", "customer.name"),
    *("customer.email", "customer.country"),
    *("ship_to.name", "ship_to.street", "ship_to.country"),
)


@pytest.mark.parametrize("path", [p for p in REQUIRED if p not in ("ship_to", "customer.email")])
def test_missing_field_is_refused_with_its_path(path: str) -> None:
    assert refused(sent(path, ABSENT)) == {path: "is missing, and required"}


AT_THE_COUNTER = {
    **{"channel": "store", "fulfilment": "counter", "location": "BER", "terms": "cash"},
    **{"delivery": "complete", "ship_to": None, "bill_to": None, "customer": "WALK-IN"},
}


def test_sale_paid_at_the_counter_needs_no_address() -> None:
    order = parse_order(sent() | AT_THE_COUNTER)
    assert (order.ship_to, order.bill_to) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"terms": "net30"}, "bill_to"),
        ({"fulfilment": "pick_up"}, "ship_to"),
        ({"fulfilment": "carrier", "location": None}, "ship_to"),
        ({"fulfilment": "carrier", "location": None, "bill_to": ADDRESS}, "ship_to"),
    ],
)
def test_other_orders_without_address_are_refused(changes: dict[str, Any], field: str) -> None:
    reasons = refused(sent() | AT_THE_COUNTER | changes)
    assert (list(reasons), "is missing" in reasons[field]) == ([field], True)


EMPTY: list[str] = []
NOTHING: dict[str, str] = {}
WRONG_TYPES: list[tuple[str, object]] = [
    *((path, wrong) for path in REQUIRED for wrong in (None, True, EMPTY, 5.5)),
    *((path, NOTHING) for path in REQUIRED if path not in ("customer", "ship_to")),
    *(("lines", wrong) for wrong in ("DRILL", {"0": {"sku": "DRILL", "quantity": 1}})),
    *(("bill_to", wrong) for wrong in ("Berlin", EMPTY, True, 5)),
    *(("delivery", wrong) for wrong in (None, "PARTIAL", "", 1)),
    *(("channel", wrong) for wrong in ("web", "Online", "")),
    *(("terms", wrong) for wrong in ("net60", "")),
    *(("requested_delivery_date", wrong) for wrong in (0, 20260731, True, EMPTY, 1.5)),
    *(("lines.0.unit_price", wrong) for wrong in (18, 18.0, True, EMPTY, NOTHING)),
    *(("lines.0.discount_percent", wrong) for wrong in (5, 0.5, True)),
    *(("customer.credit_limit", wrong) for wrong in (100, 100.0, None)),
]


@pytest.mark.parametrize(("path", "wrong"), WRONG_TYPES)
def test_wrong_type_is_refused_with_its_path(path: str, wrong: object) -> None:
    assert list(refused(sent(path, wrong))) == [path]


@pytest.mark.parametrize(
    "quantity",
    [0, -1, MAX_QUANTITY + 1, 10**30, True, False, "1", "", 1.0, 1.5, float("inf")],
    ids=str,
)
def test_quantity_outside_limits_or_not_whole_is_refused(quantity: object) -> None:
    assert list(refused(sent("lines.0.quantity", quantity))) == ["lines.0.quantity"]


@pytest.mark.parametrize("quantity", [1, MAX_QUANTITY])
def test_smallest_and_largest_quantity_are_accepted(quantity: int) -> None:
    assert parse_order(sent("lines.0.quantity", quantity)).lines[0].quantity == quantity


@pytest.mark.parametrize("count", [0, MAX_LINES + 1, 10_000])
@pytest.mark.parametrize("quantity", [1, 0])
def test_wrong_number_of_lines_is_one_error(count: int, quantity: int) -> None:
    """Also if the lines are invalid too."""
    fields = refused(sent("lines", [{"sku": "DRILL", "quantity": quantity}] * count))
    assert fields == {"lines": f"has {count} lines; an order has 1 to {MAX_LINES}"}


def test_a_thousand_lines_are_accepted() -> None:
    lines = [{"sku": "DRILL", "quantity": 1}] * MAX_LINES
    assert len(parse_order(sent("lines", lines)).lines) == MAX_LINES


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XXX", "XAU", "EUR ", "€", "ABC: x"])
def test_unknown_currency_is_refused(currency: str) -> None:
    reason = f"{currency!r} is not an ISO 4217 currency (such as EUR)"
    assert refused(sent("currency", currency)) == {"currency": reason}


COUNTRIES = ("", "D", "XX", "ZZ", "Deutschland", "X: Y", "EU")


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("path", ["ship_to.country", "bill_to.country", "customer.country"])
def test_unknown_country_is_refused(path: str, country: str) -> None:
    reason = f"{country!r} is not an ISO 3166 alpha-2 country code (such as DE)"
    assert refused(sent(path, country)) == {path: reason}


TEXTS = ("lines.0.sku", "customer.name", "ship_to.name", "ship_to.city")


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize(
    "text", ["", " ", "\t\n", "a\x00b", "a\nb", "a\x1bb", "a\x7fb", "a\x85b", "a" * 201], ids=ascii
)
def test_text_with_control_characters_or_wrong_length_is_refused(path: str, text: str) -> None:
    assert list(refused(sent(path, text))) == [path]


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize("text", ["a", "a" * 200, "Łódź", "東京", 'O\'Brien & "Söhne" <x>'])
def test_text_in_any_script_is_accepted(path: str, text: str) -> None:
    assert parse_order(sent(path, text))


BAD_IDS = ("", " ", "a b", "-a", ".a", "a/b", "a:b", "ä", "a\n", "a\x00", "../x", "a" * 65)


@pytest.mark.parametrize("path", ["order_id", "customer", "customer.customer_id"])
@pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
def test_invalid_id_is_refused(path: str, bad: str) -> None:
    assert list(refused(sent(path, bad))) == [path]


@pytest.mark.parametrize("good", ["a", "0", "A.b_c-9", "a" * 64])
def test_valid_id_is_accepted_in_every_field(good: str) -> None:
    assert parse_order(sent("order_id", good)).order_id == good
    assert parse_order(sent("customer", good)).customer_id == good
    assert parse_order(sent("customer.customer_id", good)).customer_id == good


@pytest.mark.parametrize(
    "email", ["ada", "@", "ada@", "@example.com", "a@b@c", "a b@c", "a@b\nBcc: c@d", "<a@b>"]
)
def test_invalid_mail_address_is_refused(email: str) -> None:
    assert list(refused(sent("customer.email", email))) == ["customer.email"]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("customer.payment_preference", "cheque"),
        ("customer.status", "gone"),
        ("customer.tax_treatment", "none"),
        ("customer.language", "german"),
    ],
)
def test_whole_customer_is_checked_by_field(path: str, wrong: str) -> None:
    assert list(refused(sent(path, wrong))) == [path]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        *(("lines.0.unit_price", wrong) for wrong in ("", "1.001", "-0.01", "NaN", "1e2", "1,5")),
        ("lines.0.unit_price", "10000000000000.01"),
        *(("lines.0.discount_percent", wrong) for wrong in ("", "-1", "100.1", "5%", "0.00001")),
    ],
)
def test_invalid_price_or_discount_is_refused(path: str, wrong: str) -> None:
    assert list(refused(sent(path, wrong))) == [path]


@pytest.mark.parametrize(
    "wrong", ["2026-02-30", "31.07.2026", "2026-07-31T00:00:00", "1753920000", "", "20260731"]
)
def test_date_in_another_format_than_iso_8601_is_refused(wrong: str) -> None:
    field = "requested_delivery_date"
    assert list(refused(sent(field, wrong))) == [field]


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"])
def test_date_without_a_calendar_is_refused(day: str) -> None:
    """Its promise has no last day, and no timer reaches it."""
    field = "requested_delivery_date"
    assert refused(sent(field, day)) == {field: f"{day} is not between 1970-01-01 and 2199-12-31"}


def test_all_errors_are_reported_at_once() -> None:
    document = sent("lines.0.quantity", 0) | {"order_id": "", "surprise": 1}
    document["ship_to"]["country"] = "XX"
    assert set(refused(document)) == {
        "lines.0.quantity",
        "order_id",
        "surprise",
        "ship_to.country",
    }


@pytest.mark.parametrize("document", [None, [], "order", 5, True, [{"order_id": "O-1"}]])
def test_document_that_is_no_object_is_refused(document: object) -> None:
    assert list(refused(document)) == ["document"]


# --- the digest ---------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def reordered(value: Any) -> Any:
    """Reverse the keys of every object."""
    if isinstance(value, dict):
        return {key: reordered(inner) for key, inner in reversed(value.items())}
    return [reordered(inner) for inner in value] if isinstance(value, list) else value


@given(document=st.dictionaries(st.text(), values, max_size=4))
def test_digest_is_independent_of_key_order(document: dict[str, Any]) -> None:
    assert digest(reordered(document)) == digest(document)


@given(one=values, other=values)
def test_different_content_has_different_digest(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) is same


@pytest.mark.parametrize(
    ("path", "value"), [("lines.0.quantity", 3), ("order_id", "O-2"), ("bill_to", ABSENT)]
)
def test_small_change_of_document_changes_digest(path: str, value: object) -> None:
    assert digest(sent(path, value)) != digest(sent())


@pytest.mark.parametrize(
    ("path", "text", "equal"),
    [("discount_percent", "5.0", "5"), ("lines.0.unit_price", "18.00", "18.0")],
)
def test_equal_decimals_have_the_same_digest(path: str, text: str, equal: str) -> None:
    """The same order sent again with other zeros is the same order."""
    assert digest(sent(path, text)) == digest(sent(path, equal))
    assert digest(sent(path, text)) != digest(sent(path, "7"))
