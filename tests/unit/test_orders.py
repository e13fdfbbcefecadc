"""Orders: what a document may say, what it comes to, and where an order is."""

import json
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.billing import Balance
from models.customers import TaxTreatment
from models.errors import InvalidInput
from models.messages.parsing import parse_order
from models.money import MAX_AMOUNT_MINOR, round_half_up
from models.orders import MAX_LINES, MAX_QUANTITY, OrderDocument, OrderLine, Terms, digest
from models.pricing import PricedLine, ProductPrice, price_line, total
from models.progress import Cancellation, Progress, ShipmentProgress, ShipmentState, Stage, stage
from models.shipping import FreightMode

ABSENT = object()
"""As a value: the field is left out."""

ADDRESS = {
    "name": "Ada Lovelace",
    "street": "Unter den Linden 1",
    "city": "Berlin",
    "postal_code": "10117",
    "country": "DE",
}
CUSTOMER = {"customer_id": "C-1", "name": "Ada", "email": "ada@example.com", "country": "DE"}


def sent(path: str = "", value: Any = None) -> dict[str, Any]:
    """A valid document as sent; `path`, such as `lines.0.quantity`, replaces one field."""
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
        *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
        place: Any = document
        for part in way:
            place = place[part]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
    return document


def refused(document: Any) -> dict[str, str]:
    """Reasons by field, of a document that is refused."""
    with pytest.raises(InvalidInput) as refusal:
        parse_order(document)
    assert refusal.value.code == "invalid_input"
    fields = {error.field: error.reason for error in refusal.value.fields}
    assert len(fields) == len(refusal.value.fields)
    assert all(fields.values())
    return fields


def priced(
    net_minor: int = 0, *, rate_ppm: int = 190_000, quantity: int = 1, **changes: Any
) -> PricedLine:
    """A line of this net amount, without discount."""
    product = ProductPrice(sku="A", name="A", unit_price_minor=net_minor, tax_rate_ppm=rate_ppm)
    line = OrderLine(sku="A", quantity=quantity, **changes)
    return price_line(1, line, product, "EUR", TaxTreatment.STANDARD)


def progress(**changes: Any) -> Progress:
    """A prepaid order of ten units at 100.00, recorded and nothing more."""
    amounts = {"total_minor": 10_000, "paid_minor": 0} | changes
    due = Balance(tax_minor=0, total_minor=amounts["total_minor"], paid_minor=amounts["paid_minor"])
    known = {"order_id": "O-1", "version": 1, "terms": Terms.PREPAID, "currency": "EUR"}
    return Progress(**known | {"ordered": 10, "due_minor": due.due_minor} | amounts)


# --- what a document may say -------------------------------------------------------------------


def test_a_full_document_is_taken_as_sent() -> None:
    order = parse_order(sent())
    assert order.model_dump(mode="json", exclude_unset=True) == sent()
    assert order.customer_id == "C-1"


def test_what_may_be_left_out_has_its_default() -> None:
    document = sent("customer", "C-1")
    for name in ("bill_to", "delivery", "requested_delivery_date"):
        del document[name]
    document["lines"] = [{"sku": "DRILL", "quantity": 1}]
    order = parse_order(document)
    assert (order.customer_id, order.bill_to, order.requested_delivery_date) == ("C-1", None, None)
    assert order.delivery == "complete"
    assert (order.lines[0].unit_price, order.lines[0].discount_percent) == (None, None)


def test_a_document_travels_between_our_parts_unchanged() -> None:
    order = parse_order(sent())
    assert OrderDocument.model_validate_json(order.model_dump_json()) == order


UNKNOWN = ("surprise", "ship_to.surprise", "bill_to.id", "customer.id", "lines.0.whole", "id")


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_field_is_refused_by_its_path(path: str) -> None:
    """Also where it is called as a branch of ours might be."""
    assert refused(sent(path, "x")) == {path: "Extra inputs are not permitted"}


REQUIRED = (
    *("order_id", "channel", "customer", "ship_to", "currency", "terms", "lines"),
    *("lines.0.sku", "lines.0.quantity", "customer.customer_id", "customer.name"),
    *("customer.email", "customer.country", *(f"ship_to.{name}" for name in ADDRESS)),
)


@pytest.mark.parametrize("path", REQUIRED)
def test_a_missing_field_is_named(path: str) -> None:
    assert refused(sent(path, ABSENT)) == {path: "Field required"}


WRONG_TYPES = [
    *((path, wrong) for path in REQUIRED for wrong in (None, True, [], 5.5)),
    *((path, {}) for path in REQUIRED if path not in ("customer", "ship_to")),
    *(("lines", wrong) for wrong in ("DRILL", {"0": {"sku": "DRILL", "quantity": 1}})),
    *(("bill_to", wrong) for wrong in ("Berlin", [], True, 5)),
    *(("delivery", wrong) for wrong in (None, "PARTIAL", "", 1)),
    *(("channel", wrong) for wrong in ("web", "Online", "")),
    *(("terms", wrong) for wrong in ("net60", "")),
    *(("requested_delivery_date", wrong) for wrong in (0, 20260731, True, [], 1.5)),
    *(("lines.0.unit_price", wrong) for wrong in (18, 18.0, True, [], {})),
    *(("lines.0.discount_percent", wrong) for wrong in (5, 0.5, True)),
    *(("customer.credit_limit", wrong) for wrong in (100, 100.0, None)),
]


@pytest.mark.parametrize(("path", "wrong"), WRONG_TYPES)
def test_a_wrong_type_is_refused_by_its_path(path: str, wrong: object) -> None:
    assert list(refused(sent(path, wrong))) == [path]


@pytest.mark.parametrize(
    "quantity",
    [0, -1, MAX_QUANTITY + 1, 10**30, True, False, "1", "", 1.0, 1.5, float("inf")],
    ids=str,
)
def test_a_quantity_is_a_whole_number_within_its_limits(quantity: object) -> None:
    assert list(refused(sent("lines.0.quantity", quantity))) == ["lines.0.quantity"]


@pytest.mark.parametrize("quantity", [1, MAX_QUANTITY])
def test_the_smallest_and_the_largest_quantity_are_taken(quantity: int) -> None:
    assert parse_order(sent("lines.0.quantity", quantity)).lines[0].quantity == quantity


@pytest.mark.parametrize("count", [0, MAX_LINES + 1, 10_000])
@pytest.mark.parametrize("quantity", [1, 0])
def test_too_few_or_too_many_lines_are_one_error(count: int, quantity: int) -> None:
    """However many of them are wrong as well."""
    fields = refused(sent("lines", [{"sku": "DRILL", "quantity": quantity}] * count))
    assert fields == {"lines": f"has {count} lines; an order has 1 to {MAX_LINES}"}


def test_a_thousand_lines_are_taken() -> None:
    lines = [{"sku": "DRILL", "quantity": 1}] * MAX_LINES
    assert len(parse_order(sent("lines", lines)).lines) == MAX_LINES


@pytest.mark.parametrize("currency", ["", "eur", "EURO", "XXX", "XAU", "EUR ", "€", "ABC: x"])
def test_a_currency_nobody_pays_in_is_refused(currency: str) -> None:
    reason = f"{currency!r} is not an ISO 4217 currency (such as EUR)"
    assert refused(sent("currency", currency)) == {"currency": reason}


COUNTRIES = ("", "de", "DEU", "D", "XX", "ZZ", "Deutschland", "DE ", "X: Y", "276")


@pytest.mark.parametrize("country", COUNTRIES)
@pytest.mark.parametrize("path", ["ship_to.country", "bill_to.country", "customer.country"])
def test_what_is_no_country_is_refused(path: str, country: str) -> None:
    reason = f"{country!r} is not an ISO 3166 alpha-2 country code (such as DE)"
    assert refused(sent(path, country)) == {path: reason}


TEXTS = ("lines.0.sku", "customer.name", "ship_to.name", "ship_to.city", "bill_to.region")


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize(
    "text", ["", " ", "\t\n", "a\x00b", "a\nb", "a\x1bb", "a\x7fb", "a\x85b", "a" * 201], ids=ascii
)
def test_a_text_is_one_line_of_at_most_200_printable_characters(path: str, text: str) -> None:
    assert list(refused(sent(path, text))) == [path]


@pytest.mark.parametrize("path", TEXTS)
@pytest.mark.parametrize("text", ["a", "a" * 200, "Łódź", "東京", 'O\'Brien & "Söhne" <x>'])
def test_a_text_may_be_in_any_script(path: str, text: str) -> None:
    assert parse_order(sent(path, text))


BAD_IDS = ("", " ", "a b", "-a", ".a", "a/b", "a:b", "ä", "a\n", "a\x00", "../x", "a" * 65)


@pytest.mark.parametrize("path", ["order_id", "customer", "customer.customer_id"])
@pytest.mark.parametrize("bad", BAD_IDS, ids=ascii)
def test_a_bad_id_is_refused(path: str, bad: str) -> None:
    assert list(refused(sent(path, bad))) == [path]


@pytest.mark.parametrize("good", ["a", "0", "A.b_c-9", "a" * 64])
def test_a_good_id_is_taken_wherever_an_id_stands(good: str) -> None:
    assert parse_order(sent("order_id", good)).order_id == good
    assert parse_order(sent("customer", good)).customer_id == good
    assert parse_order(sent("customer.customer_id", good)).customer_id == good


@pytest.mark.parametrize(
    "email", ["", "ada", "@", "ada@", "@example.com", "a@b@c", "a b@c", "a@b\nBcc: c@d", "<a@b>"]
)
def test_what_is_no_mail_address_is_refused(email: str) -> None:
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
def test_a_whole_customer_is_checked_field_by_field(path: str, wrong: str) -> None:
    assert list(refused(sent(path, wrong))) == [path]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        *(("lines.0.unit_price", wrong) for wrong in ("", "1.000", "-0.01", "NaN", "1e2", "1,5")),
        ("lines.0.unit_price", "10000000000000.01"),
        *(("lines.0.discount_percent", wrong) for wrong in ("", "-1", "100.1", "5%", "0.00001")),
    ],
)
def test_a_price_or_discount_that_is_no_amount_is_refused(path: str, wrong: str) -> None:
    assert list(refused(sent(path, wrong))) == [path]


@pytest.mark.parametrize(
    "wrong", ["2026-02-30", "31.07.2026", "2026-07-31T00:00:00", "1753920000", "", "20260731"]
)
def test_a_date_is_written_as_iso_8601_writes_it(wrong: str) -> None:
    field = "requested_delivery_date"
    assert list(refused(sent(field, wrong))) == [field]


def test_everything_wrong_is_said_at_once() -> None:
    document = sent("lines.0.quantity", 0) | {"order_id": "", "surprise": 1}
    document["ship_to"]["country"] = "XX"
    assert set(refused(document)) == {
        "lines.0.quantity",
        "order_id",
        "surprise",
        "ship_to.country",
    }


@pytest.mark.parametrize("document", [None, [], "order", 5, True, [{"order_id": "O-1"}]])
def test_what_is_no_object_is_no_order(document: object) -> None:
    assert list(refused(document)) == ["document"]


# --- what it comes to --------------------------------------------------------------------------


@given(
    quantity=st.integers(1, MAX_QUANTITY),
    price_minor=st.integers(0, 10**9),
    discount=st.integers(0, 10_000),
)
def test_a_line_is_rounded_once_after_its_discount(
    quantity: int, price_minor: int, discount: int
) -> None:
    percent = f"{discount // 100}.{discount % 100:02d}"
    line = priced(price_minor, quantity=quantity, discount_percent=percent)
    exact = Fraction(quantity * price_minor) * (1 - Fraction(discount, 10_000))
    assert line.net_minor == round_half_up(exact.numerator, exact.denominator)


def test_three_discounted_units_are_not_rounded_three_times() -> None:
    """3 x 0.33 less 50 % is 0.495; each unit rounded, it would be 3 x 0.17."""
    assert priced(33, quantity=3, discount_percent="50").net_minor == 50


def test_a_price_of_the_document_goes_before_the_list_price() -> None:
    line = priced(10_000, unit_price="80.00")
    assert (line.list_price_minor, line.unit_price_minor, line.net_minor) == (10_000, 8_000, 8_000)


def test_a_price_of_nothing_is_a_price() -> None:
    assert priced(10_000, unit_price="0").net_minor == 0
    assert priced(10_000, discount_percent="100").net_minor == 0


def test_tax_is_computed_once_per_rate() -> None:
    """Three lines of 0.03 at 19 %: 0.0171 of tax together, and nothing had each been rounded."""
    totals = total([priced(3), priced(3), priced(3), priced(10, rate_ppm=70_000)])
    assert [(t.rate_ppm, t.taxable_minor, t.tax_minor) for t in totals.taxes] == [
        (70_000, 10, 1),
        (190_000, 9, 2),
    ]
    assert (totals.net_minor, totals.tax_minor, totals.total_minor) == (19, 3, 22)


@pytest.mark.parametrize("tax", [TaxTreatment.EXEMPT, TaxTreatment.REVERSE_CHARGE])
def test_who_is_exempt_or_charged_in_reverse_pays_no_tax(tax: TaxTreatment) -> None:
    product = ProductPrice(sku="A", name="A", unit_price_minor=10_000, tax_rate_ppm=190_000)
    line = price_line(1, OrderLine(sku="A", quantity=1), product, "EUR", tax)
    totals = total([line])
    assert (line.tax_rate_ppm, totals.tax_minor, totals.total_minor) == (0, 0, 10_000)


@given(
    nets=st.lists(
        st.tuples(st.integers(0, 10**6), st.sampled_from([0, 70_000, 190_000])), min_size=1
    )
)
def test_the_total_is_what_its_rates_come_to(nets: list[tuple[int, int]]) -> None:
    totals = total(priced(net, rate_ppm=rate) for net, rate in nets)
    assert totals.net_minor == sum(net for net, _ in nets)
    assert sum(t.taxable_minor for t in totals.taxes) == totals.net_minor
    assert totals.total_minor == totals.net_minor + totals.tax_minor
    for part in totals.taxes:
        assert part.tax_minor == round_half_up(part.taxable_minor * part.rate_ppm, 10**6)


def test_the_largest_total_is_taken() -> None:
    assert total([priced(MAX_AMOUNT_MINOR, rate_ppm=0)]).total_minor == MAX_AMOUNT_MINOR


@pytest.mark.parametrize(
    "lines",
    [
        [priced(MAX_AMOUNT_MINOR, rate_ppm=0), priced(1, rate_ppm=0)],
        [priced(MAX_AMOUNT_MINOR, rate_ppm=10_000)],
        [priced(MAX_AMOUNT_MINOR, quantity=MAX_QUANTITY)],
    ],
    ids=["lines", "tax", "quantity"],
)
def test_a_total_beyond_the_largest_amount_is_refused(lines: list[PricedLine]) -> None:
    with pytest.raises(ValueError, match="beyond the largest amount"):
        total(lines)


# --- the same order? ---------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def turned(value: Any) -> Any:
    """The same JSON with every object's keys the other way round."""
    if isinstance(value, dict):
        return {key: turned(inner) for key, inner in reversed(value.items())}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


@given(document=st.dictionaries(st.text(), values, max_size=4))
def test_the_digest_does_not_depend_on_the_order_of_keys(document: dict[str, Any]) -> None:
    assert digest(turned(document)) == digest(document)


@given(one=values, other=values)
def test_other_content_has_another_digest(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (digest(one) == digest(other)) is same


@pytest.mark.parametrize(
    ("path", "value"), [("lines.0.quantity", 3), ("order_id", "O-2"), ("bill_to", ABSENT)]
)
def test_the_smallest_change_of_an_order_changes_its_digest(path: str, value: object) -> None:
    assert digest(sent(path, value)) != digest(sent())


# --- where it is -------------------------------------------------------------------------------

DONE = {"allocated": True, "paid_minor": 10_000, "shipped": 10, "delivered": 10}
CREDIT = {"terms": Terms.NET30}

OBLIGATIONS = [
    ("to be allocated", {}, Stage.RECEIVED),
    ("paid before it is allocated", {"paid_minor": 10_000}, Stage.RECEIVED),
    ("short", {"allocated": True, "backordered": 1}, Stage.AWAITING_STOCK),
    ("short, on credit", {"allocated": True, "backordered": 1} | CREDIT, Stage.AWAITING_STOCK),
    (
        "short, part has left",
        {"allocated": True, "backordered": 1, "paid_minor": 10_000, "shipped": 9, "delivered": 9},
        Stage.AWAITING_STOCK,
    ),
    ("to be paid", {"allocated": True}, Stage.AWAITING_PAYMENT),
    ("to be paid in cash", {"allocated": True, "terms": Terms.CASH}, Stage.AWAITING_PAYMENT),
    ("a cent is due", {"allocated": True, "paid_minor": 9_999}, Stage.AWAITING_PAYMENT),
    ("paid", {"allocated": True, "paid_minor": 10_000}, Stage.DISPATCHING),
    ("paid more than is due", {"allocated": True, "paid_minor": 10_001}, Stage.DISPATCHING),
    ("on credit", {"allocated": True} | CREDIT, Stage.DISPATCHING),
    ("part has left", DONE | {"shipped": 9, "delivered": 9}, Stage.DISPATCHING),
    ("all has left", DONE | {"delivered": 0}, Stage.IN_TRANSIT),
    ("part has arrived", DONE | {"delivered": 9}, Stage.IN_TRANSIT),
    ("arrived, on credit", DONE | CREDIT | {"paid_minor": 0}, Stage.DELIVERED),
    ("all done", DONE, Stage.COMPLETED),
    ("all done, on credit", DONE | CREDIT, Stage.COMPLETED),
    ("being cancelled", {"cancellation": Cancellation.REQUESTED}, Stage.CANCELLING),
    ("done and cancelling", DONE | {"cancellation": Cancellation.REQUESTED}, Stage.CANCELLING),
    ("cancelled", {"cancellation": Cancellation.DONE}, Stage.CANCELLED),
    ("free", {"total_minor": 0, "allocated": True}, Stage.DISPATCHING),
]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [(changes, expected) for _, changes, expected in OBLIGATIONS],
    ids=[name for name, _, _ in OBLIGATIONS],
)
def test_a_stage_is_the_earliest_unfinished_obligation(
    changes: dict[str, Any], expected: Stage
) -> None:
    assert stage(progress(**changes)) is expected


def test_every_stage_is_reached() -> None:
    assert {expected for _, _, expected in OBLIGATIONS} == set(Stage)


FORWARD = [s for s in Stage if s not in (Stage.CANCELLING, Stage.CANCELLED)]
"""The stages in the order in which an order passes them."""


@st.composite
def steps_forward(draw: st.DrawFn) -> list[Progress]:
    """What the tables say of one order over time: counters rise, shortages are filled."""
    count = draw(st.integers(2, 6))
    ordered, total_minor = draw(st.integers(1, 10)), draw(st.integers(0, 1_000))

    def rising(top: int) -> list[int]:
        return sorted(draw(st.lists(st.integers(0, top), min_size=count, max_size=count)))

    shipped, paid = rising(ordered), rising(total_minor + 5)
    delivered = rising(ordered)
    short, allocated_at = rising(ordered)[::-1], draw(st.integers(0, count))
    terms = draw(st.sampled_from(Terms))
    return [
        progress(
            terms=terms,
            total_minor=total_minor,
            ordered=ordered,
            paid_minor=paid[n],
            shipped=shipped[n],
            delivered=min(delivered[n], shipped[n]),
            allocated=n >= allocated_at,
            backordered=short[n] if n >= allocated_at else 0,
        )
        for n in range(count)
    ]


@given(looks=steps_forward())
def test_facts_only_move_an_order_forward(looks: list[Progress]) -> None:
    ranks = [FORWARD.index(stage(look)) for look in looks]
    assert ranks == sorted(ranks)


@pytest.mark.parametrize(
    ("cancellation", "expected"),
    [
        (Cancellation.REQUESTED, Stage.CANCELLING),
        (Cancellation.DONE, Stage.CANCELLED),
    ],
)
@given(looks=steps_forward())
def test_no_fact_brings_a_cancelled_order_back(
    cancellation: Cancellation, expected: Stage, looks: list[Progress]
) -> None:
    stages = {stage(look.model_copy(update={"cancellation": cancellation})) for look in looks}
    assert stages == {expected}


@given(total_minor=st.integers(0, 1_000), paid_minor=st.integers(0, 1_000))
def test_what_is_due_is_never_below_zero(total_minor: int, paid_minor: int) -> None:
    look = progress(total_minor=total_minor, paid_minor=paid_minor)
    assert look.due_minor == max(0, total_minor - paid_minor)
    assert look.paid_in_full is (look.due_minor == 0)


def test_shipments_are_found_by_state() -> None:
    states = (ShipmentState.PLANNED, ShipmentState.DISPATCHED, ShipmentState.PLANNED)
    shipments = tuple(
        ShipmentProgress(
            shipment_id=f"S-{n}",
            state=state,
            planned_at=datetime(2026, 7, 6, tzinfo=UTC),
            mode=FreightMode.PARCEL,
            is_booked=False,
        )
        for n, state in enumerate(states)
    )
    look = progress(shipments=shipments)
    assert look.in_state(ShipmentState.PLANNED, ShipmentState.BOOKED) == ["S-0", "S-2"]
    left = [state for state in ShipmentState if state.has_left]
    assert left == ["dispatched", "delivered", "failed"]
