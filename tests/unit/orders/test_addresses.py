"""Addresses by country: what is refused, what is a warning, and the printed lines."""

from typing import Any

import pycountry
import pytest

from models.addresses import comparable_postal_code, country_of, printed_lines
from models.customers import Address
from models.errors import InvalidInput
from models.messages.parsing import parse_order
from models.papers import PaperAddress

ORDER = {
    "order_id": "O-1",
    "channel": "online",
    "customer": "C-1",
    "currency": "EUR",
    "terms": "prepaid",
    "lines": [{"sku": "DRILL", "quantity": 1}],
}
CASES: list[tuple[str, str, str, str, str, list[str]]] = [
    # country, street, city, region, postal code; the printed lines of the address
    ("DE", "Unter den Linden 1", "Berlin", "", "10117", ["Unter den Linden 1", "10117 Berlin"]),
    ("DE", "Am Markt 1", "Dresden", "Sachsen", "D-01067", ["Am Markt 1", "01067 Dresden"]),
    ("DE", "Am Markt 1", "Dresden", "", "DE 01067", ["Am Markt 1", "01067 Dresden"]),
    ("AT", "Am Hof 1", "Wien", "", "A-1010", ["Am Hof 1", "1010 Wien"]),
    ("CH", "Limmatquai 1", "Zürich", "", "CH-8001", ["Limmatquai 1", "CH-8001 Zürich"]),
    ("CH", "Limmatquai 1", "Zürich", "", "8001", ["Limmatquai 1", "CH-8001 Zürich"]),
    ("FR", "1 rue de Rivoli", "Paris", "", "F-75001", ["1 rue de Rivoli", "75001 Paris"]),
    ("PL", "ul. Złota 1", "Warszawa", "", "00950", ["ul. Złota 1", "00-950 Warszawa"]),
    ("PT", "Rua Augusta 1", "Lisboa", "", "1100053", ["Rua Augusta 1", "1100-053 Lisboa"]),
    ("GB", "1 High Street", "London", "Kent", "sw1a1aa", ["1 High Street", "London", "SW1A1AA"]),
    ("US", "1 Main St", "Austin", "TX", "78701", ["1 Main St", "Austin, TX 78701"]),
    ("CA", "1 Bay St", "Toronto", "ON", "m5v 3l9", ["1 Bay St", "Toronto ON M5V 3L9"]),
    ("AU", "1 Pitt St", "Sydney", "NSW", "2000", ["1 Pitt St", "Sydney NSW 2000"]),
    ("BR", "Rua A 1", "São Paulo", "SP", "01310100", ["Rua A 1", "São Paulo-SP", "01310100"]),
    ("US", "1 Main St", "Madison", "Wisconsin", "53703", ["1 Main St", "Madison, WI 53703"]),
    ("US", "1 Main St", "Madison", "us-wi", "53703", ["1 Main St", "Madison, WI 53703"]),
    ("US", "1 Penn Ave", "Washington", "D.C.", "20500", ["1 Penn Ave", "Washington, DC 20500"]),
    (
        *("US", "PSC 2 Box 14697", "APO", "Armed Forces Europe", "09012-0147"),
        ["PSC 2 Box 14697", "APO, AE 09012-0147"],
    ),
    ("AE", "Street 4", "Deira", "AE-DU", "", ["Street 4", "Deira", "Dubai"]),
    ("IE", "1 Main Street", "Naas", "KE", "", ["1 Main Street", "Naas", "Co. Kildare"]),
    ("MX", "Calle 1", "México", "DF", "06000", ["Calle 1", "06000 México, CDMX"]),
    ("UY", "Calle 1", "Ciudad", "MO", "11000", ["Calle 1", "11000 Ciudad Montevideo"]),
    (
        *("JP", "1-2-3 Kitazawa", "Setagaya-ku", "JP-13", "155-0031"),
        ["1-2-3 Kitazawa", "Setagaya-ku, Tokyo 155-0031"],
    ),
    (
        *("JP", "北沢1-2-3", "世田谷区", "JP13", "155-0031"),
        ["〒155-0031", "東京都世田谷区", "北沢1-2-3"],
    ),
    ("CA", "1 rue A", "Montréal", "Quebec", "H2X 1Y4", ["1 rue A", "Montréal QC H2X 1Y4"]),
    ("CA", "1 rue A", "Montréal", "Québec", "H2X 1Y4", ["1 rue A", "Montréal QC H2X 1Y4"]),
    ("ES", "Calle A 1", "Madrid", "Madrid", "28013", ["Calle A 1", "28013 Madrid"]),
    ("ES", "Calle A 1", "Alcalá", "M", "28801", ["Calle A 1", "28801 Alcalá Madrid"]),
    ("IT", "Via A 1", "Palermo", "Palermo", "90121", ["Via A 1", "90121 Palermo PA"]),
    ("GB", "1 High Street", "London", "-", "SW1A 1AA", ["1 High Street", "London", "SW1A 1AA"]),
    ("LV", "Iela 1", "Rīga", "", "1050", ["Iela 1", "Rīga, LV-1050"]),
    ("LV", "Iela 1", "Rīga", "", "LV1050", ["Iela 1", "Rīga, LV-1050"]),
    ("AD", "Carrer A 1", "Canillo", "", "100", ["Carrer A 1", "AD100 Canillo"]),
    ("BB", "A Road 1", "Bridgetown", "", "11000", ["A Road 1", "Bridgetown BB11000"]),
    ("AZ", "Street 1", "Baku", "", "AZ1000", ["Street 1", "AZ 1000 Baku"]),
    ("DE", "Am Markt 1", "Dresden", "", "D01067", ["Am Markt 1", "01067 Dresden"]),
    ("XK", "Rruga A 1", "Prishtina", "", "10000", ["Rruga A 1", "10000 Prishtina"]),
    ("de", "Am Markt 1", "Dresden", "", "01067", ["Am Markt 1", "01067 Dresden"]),
    (
        *("KY", "A Road 1", "George Town", "grand cayman", "1-1100"),
        ["A Road 1", "George Town", "Grand Cayman KY1-1100"],
    ),
    ("IE", "1 Main Street", "Cork", "", "", ["1 Main Street", "Cork"]),
    ("IE", "1 Main Street", "Cork", "", "N/A", ["1 Main Street", "Cork"]),
    ("IE", "1 Main Street", "Dublin", "", "d02 x285", ["1 Main Street", "Dublin", "D02 X285"]),
    ("HK", "1 Nathan Road", "Mong Kok", "Kowloon", "", ["1 Nathan Road", "Mong Kok", "Kowloon"]),
    ("HK", "1 Nathan Road", "Kowloon", "", "000000", ["1 Nathan Road", "Kowloon"]),
    ("AE", "Sheikh Zayed Road 1", "Dubai", "", "", ["Sheikh Zayed Road 1", "Dubai"]),
    ("AE", "Sheikh Zayed Road 1", "Dubai", "Dubai", "00000", ["Sheikh Zayed Road 1", "Dubai"]),
    ("AE", "Street 4", "Al Ain", "Abu Dhabi", "", ["Street 4", "Al Ain", "Abu Dhabi"]),
    ("PA", "Calle 50", "Panamá", "", "", ["Calle 50", "Panamá"]),
    ("SG", "1 Raffles Place", "", "", "048616", ["1 Raffles Place", "SINGAPORE 048616"]),
    ("SG", "1 Raffles Place", "Singapore", "", "048616", ["1 Raffles Place", "SINGAPORE 048616"]),
    (
        *("JP", "1-2-3 Kitazawa", "Setagaya-ku", "Tokyo", "155-0031"),
        ["1-2-3 Kitazawa", "Setagaya-ku, Tokyo 155-0031"],
    ),
    (
        *("JP", "北沢1-2-3", "世田谷区", "東京都", "〒１５５－００３１"),  # noqa: RUF001
        ["〒155-0031", "東京都世田谷区", "北沢1-2-3"],
    ),
    ("CN", "建国路1号", "朝阳区", "北京市", "100020", ["100020", "北京市朝阳区", "建国路1号"]),
    (
        "KR",
        "세종대로 1",
        "종로구",
        "서울특별시",
        "03051",
        ["서울특별시 종로구", "세종대로 1", "03051"],
    ),
]


def address_of(country: str, street: str, city: str, region: str, code: str) -> dict[str, str]:
    """Build an address as sent; empty parts are sent as empty."""
    given = {"street": street, "city": city, "region": region, "postal_code": code}
    return {"name": "Ada", "country": country, **given}


def sent(ship_to: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Build an order document to an address."""
    return {**ORDER, "ship_to": ship_to, **more}


def refusals(document: dict[str, Any]) -> dict[str, str]:
    """Return the reasons of a refused document by field."""
    with pytest.raises(InvalidInput) as refusal:
        parse_order(document)
    return {error.field: error.reason for error in refusal.value.fields}


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join((case[0], *case[2:5])))
def test_usual_address_prints_in_the_order_of_its_country(
    case: tuple[str, str, str, str, str, list[str]],
) -> None:
    """Accepted without a warning; the code is written as in its country."""
    *parts, expected = case
    order = parse_order(sent(address_of(*parts)))
    assert order.warnings == []
    assert order.ship_to is not None
    assert printed_lines(order.ship_to) == expected
    assert parse_order(order.model_dump(mode="json")) == order


@pytest.mark.parametrize(
    ("parts", "reasons"),
    [
        (("DE", "A 1", "Dresden", "", "1067"), {"postal_code": "'1067' is not a postal code of DE (Germany), such as 26133"}),
        (("DE", "A 1", "Dresden", "", "ABCDEFG"), {"postal_code": "'ABCDEFG' is not a postal code of DE (Germany), such as 26133"}),
        (("DE", "A 1", "Dresden", "", "1067 Dresden"), {"postal_code": "'1067 Dresden' is not a postal code of DE (Germany), such as 26133"}),
        (("DE", "A 1", "Berlin", "", "F-75001"), {"postal_code": "'F-75001' is not a postal code of DE (Germany), such as 26133"}),
        (("DE", "A 1", "Berlin", "", ""), {"postal_code": "is missing: DE (Germany) requires one, such as 26133"}),
        (("DE", "A 1", "", "", ""), {"postal_code": "is missing: DE (Germany) requires one, such as 26133", "city": "is missing: DE (Germany) requires one"}),
        (("IE", "A 1", "", "", ""), {"city": "is missing: IE (Ireland) requires one"}),
        (("US", "A 1", "Austin", "TX", "7870"), {"postal_code": "'7870' is not a postal code of US (United States), such as 95014"}),
        (("US", "A 1", "Austin", "", "78701"), {"region": "is missing: addresses of US (United States) have one, such as Alabama"}),
        (("HK", "A 1", "", "", ""), {"region": "is missing: addresses of HK (Hong Kong) have one, such as Kowloon"}),
        (("GB", "A 1", "London", "", "12345"), {"postal_code": "'12345' is not a postal code of GB (United Kingdom), such as EC1Y 8SY"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["ship_to", "bill_to"])
def test_undeliverable_address_is_refused_with_an_example(
    field: str, parts: tuple[str, str, str, str, str], reasons: dict[str, str]
) -> None:
    """Each field of either address."""
    home = address_of("IE", "1 Main Street", "Cork", "", "")
    document = sent(home) | {field: address_of(*parts)}
    assert refusals(document) == {f"{field}.{name}": reason for name, reason in reasons.items()}


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"name": "\u200b"}, {"name": "is empty: give at least one character"}),
        ({"name": "\u3164"}, {"name": "is empty: give at least one character"}),
        ({"name": "\u2800 \u200d"}, {"name": "is empty: give at least one character"}),
        ({"name": "-"}, {"name": "'-' has no letter and no digit"}),
        ({"street": "."}, {"street": "'.' has no letter and no digit"}),
        ({"street": "\u202e \ufeff"}, {"street": "is empty: give at least one character"}),
        ({"city": "\u200b"}, {"city": "is missing: DE (Germany) requires one"}),
        ({"city": "-"}, {"city": "is missing: DE (Germany) requires one"}),
    ],
)
def test_address_without_a_visible_word_is_refused(
    changes: dict[str, str], reasons: dict[str, str]
) -> None:
    """Name, street and city."""
    address = address_of("DE", "Am Markt 1", "Dresden", "", "01067") | changes
    found = refusals(sent(address))
    assert found == {f"ship_to.{name}": reason for name, reason in reasons.items()}


@pytest.mark.parametrize(
    ("country", "way_out"),
    [
        ("UK", ": write GB"),
        ("EL", ": write GR"),
        ("el", ": write GR"),
        ("DEU", ": write DE"),
        ("Germany", ": write DE"),
        ("ZZ", " (such as DE)"),
        ("", " (such as DE)"),
    ],
)
def test_other_country_code_is_refused_with_a_way_out(country: str, way_out: str) -> None:
    reason = f"{country!r} is not an ISO 3166 alpha-2 country code{way_out}"
    found = refusals(sent(address_of(country, "A 1", "Cork", "", "")))
    assert found == {"ship_to.country": reason}


@pytest.mark.parametrize(
    ("changes", "refused", "stored", "warnings"),
    [
        ({"phone": "030 901820"}, {}, {"phone": "+4930901820"}, []),
        ({"postal_code": "D-01067"}, {}, {"postal_code": "01067"}, []),
        ({"vat_id": "20-21345678-4", "country": "AR"}, {}, {"vat_id": "20-21345678-4"}, []),
        ({"vat_id": "27AAPFU0939F1ZV", "country": "IN"}, {}, {"vat_id": "27AAPFU0939F1ZV"}, []),
        (
            {"vat_id": "0477.472.701", "country": "BE"},
            {
                "customer.vat_id": "'0477.472.701' doesn't begin with its country: "
                "write BE0477472701"
            },
            {},
            [],
        ),
        ({"phone": "abc"}, {"customer.phone": "'abc' is not a phone number of DE"}, {}, []),
        ({"phone": "4.93E+11"}, {"customer.phone": "'4.93E+11' is not a phone number"}, {}, []),
        (
            {"postal_code": "1067"},
            {},
            {"postal_code": "1067"},
            [
                "customer.postal_code: '1067' is not a postal code of DE (Germany), such as 26133",
            ],
        ),
    ],
)
def test_contact_data_of_a_whole_customer_are_checked(
    changes: dict[str, str], refused: dict[str, str], stored: dict[str, str], warnings: list[str]
) -> None:
    """The phone number is refused as that of the order, a postal code is a warning.

    A tax number of a country outside the EU is kept as it is.
    """
    customer = {"customer_id": "C-1", "name": "Ada", "country": "DE", "email": "a@example.com"}
    document = sent(address_of("IE", "1 Main Street", "Cork", "", ""), customer=customer | changes)
    if refused:
        found = refusals(document)
        assert found.keys() == refused.keys()
        assert all(found[field].startswith(reason) for field, reason in refused.items())
        return
    order = parse_order(document)
    assert not isinstance(order.customer, str)
    assert order.customer.model_dump(include=set(stored)) == stored
    assert order.warnings == warnings


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Ada\u200bLovelace", "AdaLovelace"),
        ("\ufeffAda \u202eLovelace\u200d", "Ada Lovelace"),
        ("Ada\u3164Lovelace", "Ada Lovelace"),
        ("Ada\u2028Lovelace", "Ada Lovelace"),
        ("علی\u200cرضا", "علی\u200cرضا"),  # noqa: RUF001
        ("Zoë 王小明 😍", "Zoë 王小明 😍"),
    ],
)
def test_invisible_characters_of_a_name_are_left_out(name: str, kept: str) -> None:
    """But for joiners between letters that are written with them."""
    address = address_of("DE", "Am Markt 1", "Dresden", "", "01067") | {"name": name}
    order = parse_order(sent(address))
    assert order.ship_to is not None
    assert order.ship_to.name == kept


@pytest.mark.parametrize(
    ("parts", "warning"),
    [
        (("IE", "A 1", "Dublin", "", "Dublin 2"), "ship_to.postal_code: 'Dublin 2' is not a postal code of IE (Ireland), such as A65 F4E2"),
        (("HK", "A 1", "Kowloon", "", "999077"), "ship_to.postal_code: '999077', though HK (Hong Kong) has no postal codes"),
        (("HK", "A 1", "Central", "", ""), "ship_to.region: is missing: addresses of HK (Hong Kong) have one, such as Kowloon"),
        (("UY", "A 1", "Montevideo", "Alaska", "11000"), "ship_to.region: 'Alaska' is not a region of UY (Uruguay), such as Artigas"),
        (("IT", "A 1", "Tivoli", "", "00019"), "ship_to.region: is missing: addresses of IT (Italy) have one, such as Agrigento"),
        (("US", "A 1", "Austin", "CA", "78701"), "ship_to.postal_code: 78701 is not in CA, US (United States)"),
        (("US", "A 1", "Austin", "Texa", "78701"), "ship_to.region: 'Texa' is not a region of US (United States), such as Alabama"),
    ],
)  # fmt: skip
def test_unusual_address_is_accepted_with_a_warning(
    parts: tuple[str, str, str, str, str], warning: str
) -> None:
    """It can be delivered, and nothing of it is lost."""
    assert parse_order(sent(address_of(*parts))).warnings == [warning]


def test_address_of_every_country_prints_all_its_parts() -> None:
    """Also those that its usual format lacks."""
    for country in pycountry.countries:
        example = country_of(country.alpha_2).example
        address = Address(
            name="Ada",
            street="Street",
            line2="Floor 4",
            city="Town",
            postal_code=example or None,
            country=country.alpha_2,
        )
        lines = printed_lines(address, "Ada")
        assert "Ada" in lines
        assert all(part in " ".join(lines) for part in ("Street", "Floor 4", "Town", example))
        assert lines.index("Floor 4") == next(
            n for n, line in enumerate(lines, 1) if "Street" in line
        )


def test_name_stands_below_an_address_in_east_asian_script() -> None:
    """And above one in Latin letters."""
    local = Address.model_validate(address_of("JP", "北沢1-2-3", "世田谷区", "東京都", "155-0031"))
    latin = Address.model_validate(address_of("JP", "1 Kitazawa", "Setagaya", "Tokyo", "155-0031"))
    assert PaperAddress.of(local, "山田").all_lines[-1] == "山田"
    assert PaperAddress.of(latin, "Yamada").all_lines[0] == "Yamada"


def test_postal_codes_are_compared_without_separators() -> None:
    """As distances are given by the beginning of postal codes."""
    assert comparable_postal_code("sw1a 1aa").startswith(comparable_postal_code("SW1 A"))
    assert comparable_postal_code(None) == ""


COMPANIES = [
    (
        *("DE", "Hafenstr. 12", "Aufgang B", "Hamburg", "20457"),
        ["Acme GmbH", "Ada", "Hafenstr. 12", "Aufgang B", "20457 Hamburg"],
    ),
    (
        *("GB", "1 High Street", "Floor 4", "London", "EC1A 1BB"),
        ["Acme GmbH", "Ada", "1 High Street", "Floor 4", "London", "EC1A 1BB"],
    ),
    (
        *("CN", "建国路1号", "4层", "北京市", "100020"),
        ["100020", "北京市", "建国路1号", "4层", "Acme GmbH", "Ada"],
    ),
]


@pytest.mark.parametrize("case", COMPANIES, ids=lambda case: case[0])
def test_company_and_second_line_are_printed_in_the_order_of_the_country(
    case: tuple[str, str, str, str, str, list[str]],
) -> None:
    """On envelopes and labels."""
    country, street, line2, city, code, expected = case
    given = address_of(country, street, city, "", code) | {"line2": line2, "company": "Acme GmbH"}
    address = Address.model_validate(given)
    assert printed_lines(address, *address.names) == expected
    assert list(PaperAddress.of(address, *address.names).all_lines) == expected


@pytest.mark.parametrize("field", ["company", "line2"])
def test_company_and_second_line_are_optional_texts(field: str) -> None:
    """Blank ones count as none; too long ones are refused as other parts are."""
    given = address_of("DE", "A 1", "Berlin", "", "10117")
    plain = parse_order(sent(given)).ship_to
    for blank in ("", " - ", None):
        assert parse_order(sent({**given, field: blank})).ship_to == plain
    assert plain is not None
    assert field not in plain.model_dump()
    refused = refusals(sent({**given, field: "x" * 201}))
    assert refused == {f"ship_to.{field}": "is too long: it has 201 characters, and may have 200"}
