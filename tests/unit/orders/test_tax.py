"""Test the tax case of a supply: each case with the article of 2006/112/EC that it rests on."""

from typing import Any

import pytest

from models.customers import TaxTreatment
from models.tax import (
    EU,
    Supply,
    Taxation,
    TaxCase,
    tax_warnings,
    taxation,
    vat_area,
    vat_id_country,
)

DE_ID, AT_ID, FR_ID, XI_ID, GB_ID = (
    *("DE136695976", "ATU99980002", "FR40303265045", "XI980780684", "GB980780684"),
)
Changes = dict[str, Any]
OSS: Changes = {"oss": True}
SERVICE: Changes = {"has_goods": False}
SMALL: Changes = {"is_registered": False}
EXEMPT: Changes = {"treatment": TaxTreatment.EXEMPT}
BUSINESS: Changes = {"treatment": TaxTreatment.REVERSE_CHARGE}


def supply(ends: str, vat_id: str = "", **changes: Any) -> Supply:
    """Build a supply of a German seller that ends in a VAT area."""
    fields = {
        "seller_country": "DE",
        "dispatched_from": "DE",
        "delivered_to": ends,
        "customer_country": ends.removesuffix("*"),
        "vat_id": vat_id,
    }
    return Supply.model_validate(fields | changes)


def supply_from(begins: str, ends: str, vat_id: str = "", **changes: Any) -> Supply:
    """Build a supply of a seller in the VAT area where it begins."""
    return supply(ends, vat_id, seller_country=begins, dispatched_from=begins, **changes)


CASES: list[tuple[str, Supply, TaxCase, str | None, str]] = [
    ("goods at home", supply("DE"), TaxCase.DOMESTIC, "DE", "32"),
    ("goods at home to a business", supply("DE", DE_ID), TaxCase.DOMESTIC, "DE", "32"),
    ("goods at home to a foreign business", supply("DE", AT_ID), TaxCase.DOMESTIC, "DE", "32"),
    ("the same, confirmed", supply("DE", AT_ID, **BUSINESS), TaxCase.DOMESTIC, "DE", "32"),
    ("goods at home, with OSS", supply("DE", **OSS), TaxCase.DOMESTIC, "DE", "32"),
    ("goods at home to an exempt", supply("DE", **EXEMPT), TaxCase.EXEMPT, None, "151"),
    ("goods to a business in Vienna", supply("AT", AT_ID), TaxCase.INTRA_COMMUNITY, None, "138"),
    ("with OSS", supply("AT", AT_ID, **OSS), TaxCase.INTRA_COMMUNITY, None, "138"),
    ("id of a third state", supply("AT", FR_ID), TaxCase.INTRA_COMMUNITY, None, "138"),
    ("id of the seller's state", supply("AT", DE_ID, **OSS), TaxCase.DOMESTIC, "DE", "138"),
    ("business without an id", supply("AT", "X1", **BUSINESS), TaxCase.DOMESTIC, "DE", "138"),
    ("exempt business", supply("AT", AT_ID, **EXEMPT), TaxCase.INTRA_COMMUNITY, None, "138"),
    ("small enterprise", supply("AT", AT_ID, **SMALL), TaxCase.DOMESTIC, "DE", "139 (1)"),
    ("consumer abroad, below 10,000 EUR", supply("AT"), TaxCase.DOMESTIC, "DE", "59c"),
    ("consumer abroad, OSS", supply("AT", **OSS), TaxCase.DISTANCE_SALE, "AT", "33 (a)"),
    ("id of another country", supply("AT", "CHE1", **OSS), TaxCase.DISTANCE_SALE, "AT", "33 (a)"),
    ("exempt abroad, OSS", supply("AT", **OSS, **EXEMPT), TaxCase.EXEMPT, None, "151"),
    ("Northern Ireland", supply("XI", XI_ID), TaxCase.INTRA_COMMUNITY, None, "138"),
    ("consumer in Northern Ireland", supply("XI", **OSS), TaxCase.DISTANCE_SALE, "XI", "33 (a)"),
    ("Switzerland", supply("CH"), TaxCase.EXPORT, None, "146 (1) (a)"),
    ("business in Switzerland", supply("CH", **BUSINESS), TaxCase.EXPORT, None, "146 (1) (a)"),
    ("exempt in Switzerland", supply("CH", **EXEMPT), TaxCase.EXPORT, None, "146 (1) (a)"),
    ("EU business, sent to Switzerland", supply("CH", AT_ID), TaxCase.EXPORT, None, "146 (1) (a)"),
    ("Great Britain", supply("GB", GB_ID, **OSS), TaxCase.EXPORT, None, "146 (1) (a)"),
    ("Canary Islands", supply("ES*", **OSS), TaxCase.EXPORT, None, "6, 146 (1) (a)"),
    ("Heligoland", supply("DE*"), TaxCase.EXPORT, None, "6, 146 (1) (a)"),
    (
        "counter in Vienna",
        supply("AT", dispatched_from="AT"),
        *(TaxCase.DOMESTIC, "AT", "31"),
    ),
    (
        "seller in Switzerland, at home",
        supply("CH", seller_country="CH", dispatched_from="CH"),
        *(TaxCase.DOMESTIC, "CH", ""),
    ),
    (
        "seller in Switzerland, to Germany",
        supply("DE", DE_ID, seller_country="CH", dispatched_from="CH"),
        *(TaxCase.EXPORT, None, ""),
    ),
    ("London to Belfast", supply_from("GB", "XI"), TaxCase.DOMESTIC, "GB", ""),
    ("to a business there", supply_from("GB", "XI", XI_ID), TaxCase.DOMESTIC, "GB", ""),
    ("London to Douglas", supply_from("GB", "IM"), TaxCase.DOMESTIC, "GB", ""),
    ("Belfast to London", supply_from("XI", "GB", GB_ID), TaxCase.DOMESTIC, "XI", ""),
    ("Belfast to Douglas", supply_from("XI", "IM"), TaxCase.DOMESTIC, "XI", ""),
    ("Belfast to Vienna", supply_from("XI", "AT", AT_ID), TaxCase.INTRA_COMMUNITY, None, "138"),
    ("consumer", supply_from("XI", "AT", **OSS), TaxCase.DISTANCE_SALE, "AT", "33 (a)"),
    ("London to Vienna", supply_from("GB", "AT", AT_ID), TaxCase.EXPORT, None, ""),
    ("Belfast to Zurich", supply_from("XI", "CH"), TaxCase.EXPORT, None, "146 (1) (a)"),
    ("London to Jersey", supply_from("GB", "JE"), TaxCase.EXPORT, None, ""),
    ("Zurich to Vaduz", supply_from("CH", "LI"), TaxCase.DOMESTIC, "CH", ""),
    ("Vaduz to Zurich", supply_from("LI", "CH", "CHE1"), TaxCase.DOMESTIC, "LI", ""),
    ("Zurich to London", supply_from("CH", "GB"), TaxCase.EXPORT, None, ""),
    (
        "service of London to a business in Belfast",
        supply_from("GB", "XI", GB_ID, **SERVICE, **BUSINESS),
        *(TaxCase.DOMESTIC, "GB", ""),
    ),
    (
        "service of Belfast to a business in London",
        supply_from("XI", "GB", GB_ID, **SERVICE, **BUSINESS),
        *(TaxCase.DOMESTIC, "XI", ""),
    ),
    ("service to a consumer", supply("AT", **SERVICE, **OSS), TaxCase.DOMESTIC, "DE", "45"),
    ("service to a Swiss consumer", supply("CH", **SERVICE), TaxCase.DOMESTIC, "DE", "45"),
    ("service at home", supply("DE", DE_ID, **SERVICE), TaxCase.DOMESTIC, "DE", "44"),
    (
        "service to a business in Vienna",
        supply("AT", AT_ID, **SERVICE),
        *(TaxCase.REVERSE_CHARGE, None, "44, 196"),
    ),
    (
        "the same, at home",
        supply("DE", AT_ID, customer_country="AT", **SERVICE),
        *(TaxCase.REVERSE_CHARGE, None, "44, 196"),
    ),
    (
        "service of a small enterprise",
        supply("AT", AT_ID, **SERVICE, **SMALL),
        *(TaxCase.DOMESTIC, "DE", "196"),
    ),
    (
        "service to a Swiss business",
        supply("CH", "CHE1", **SERVICE, **BUSINESS),
        *(TaxCase.OUTSIDE_SCOPE, None, "44"),
    ),
    (
        "service to a business on the Canary Islands",
        supply("ES*", "ESB58378431", customer_country="ES*", **SERVICE),
        *(TaxCase.OUTSIDE_SCOPE, None, "6, 44"),
    ),
    (
        "service to a business in Madrid, for Tenerife",
        supply("ES*", "ESB58378431", **SERVICE),
        *(TaxCase.REVERSE_CHARGE, None, "44, 196"),
    ),
    (
        "service to Northern Ireland",
        supply("XI", XI_ID, customer_country="GB", **SERVICE),
        *(TaxCase.OUTSIDE_SCOPE, None, "44"),
    ),
    (
        "service to an EU business without an id",
        supply("AT", "X1", **SERVICE, **BUSINESS),
        *(TaxCase.DOMESTIC, "DE", "196"),
    ),
    (
        "service of a Swiss seller",
        supply("AT", AT_ID, seller_country="CH", **SERVICE),
        *(TaxCase.OUTSIDE_SCOPE, None, "44"),
    ),
    ("exempt service", supply("DE", **SERVICE, **EXEMPT), TaxCase.EXEMPT, None, "132"),
]
"""Name, supply, tax case, country of the rate, article."""


@pytest.mark.parametrize(
    ("sold", "case", "country"),
    [(sold, case, country) for _, sold, case, country, _ in CASES],
    ids=[f"{name} (art. {article})" for name, *_, article in CASES],
)
def test_tax_case_follows_from_goods_places_and_customer(
    sold: Supply, case: TaxCase, country: str | None
) -> None:
    assert taxation(sold) == Taxation(case=case, country=country)


@pytest.mark.parametrize("country", sorted(EU - {"DE"}))
def test_every_member_state_is_treated_alike(country: str) -> None:
    prefix = "EL" if country == "GR" else country
    assert taxation(supply(country, f"{prefix}1")).case is TaxCase.INTRA_COMMUNITY
    assert taxation(supply(country, **OSS)) == Taxation(case=TaxCase.DISTANCE_SALE, country=country)


@pytest.mark.parametrize(
    ("country", "postal_code", "area"),
    [
        *(("DE", "10115", "DE"), ("DE", "27498", "DE*"), ("DE", "D-78266", "DE*")),
        *(("DE", "DE-27498", "DE*"), ("DE", "", "DE")),
        *(("ES", "28001", "ES"), ("ES", "35001", "ES*"), ("ES", "52 001", "ES*")),
        *(("FI", "22100", "FI*"), ("FI", "00100", "FI"), ("GR", "63086", "GR*")),
        *(("FR", "97110", "FR*"), ("FR", "75001", "FR"), ("FR", "98000", "FR")),
        *(("IT", "23041", "IT*"), ("IT", "22061", "IT*"), ("IT", "20121", "IT")),
        *(("IT", "22060", "IT"), ("IT", "23030", "IT")),  # shared with places in the VAT area
        *(("IM", "IM1 1AA", "GB"), ("JE", "JE2 3AB", "JE"), ("GG", "GY1 1AA", "GG")),
        *(("MC", "98000", "FR"), ("GB", "BT1 1AA", "XI"), ("GB", "EC1A 1BB", "GB")),
        *(("CH", "8001", "CH"), ("RE", "97400", "RE"), ("PT", "9000-001", "PT")),
    ],
)
def test_vat_area_is_that_of_art_6_and_7(country: str, postal_code: str, area: str) -> None:
    """Territories outside the VAT area have postal codes of their member state."""
    assert vat_area(country, postal_code) == area


@pytest.mark.parametrize(
    ("vat_id", "country"),
    [
        *((DE_ID, "DE"), (AT_ID, "AT"), ("EL094259216", "GR"), (XI_ID, "XI")),
        *((GB_ID, None), ("CHE-123.456.788", None), ("", None), ("123", None)),
    ],
)
def test_vat_id_names_its_member_state(vat_id: str, country: str | None) -> None:
    assert vat_id_country(vat_id) == country


@pytest.mark.parametrize(
    ("case", "rate_ppm", "category"),
    [
        *((TaxCase.DOMESTIC, 190_000, "S"), (TaxCase.DOMESTIC, 0, "Z")),
        *((TaxCase.DISTANCE_SALE, 200_000, "S"), (TaxCase.DISTANCE_SALE, 0, "Z")),
        *((TaxCase.INTRA_COMMUNITY, 0, "K"), (TaxCase.EXPORT, 0, "G")),
        *((TaxCase.REVERSE_CHARGE, 0, "AE"), (TaxCase.EXEMPT, 0, "E")),
        (TaxCase.OUTSIDE_SCOPE, 0, "O"),
    ],
)
def test_each_case_has_its_category(case: TaxCase, rate_ppm: int, category: str) -> None:
    assert case.category(rate_ppm) == category


@pytest.mark.parametrize(
    ("case", "vat_id", "count"),
    [
        (TaxCase.INTRA_COMMUNITY, "ATU12345675", 1),
        (TaxCase.REVERSE_CHARGE, "ATU12345675", 1),
        (TaxCase.REVERSE_CHARGE, "", 0),
        (TaxCase.DOMESTIC, "ATU12345675", 0),
        (TaxCase.EXPORT, "", 0),
    ],
)
def test_vat_id_that_a_case_rests_on_is_to_be_verified(
    case: TaxCase, vat_id: str, count: int
) -> None:
    assert len(tax_warnings(case, vat_id)) == count
    assert all(
        warning.startswith(f"vat_id: {vat_id} is not verified")
        for warning in tax_warnings(case, vat_id)
    )
