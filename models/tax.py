"""Value added tax: the case of a supply, by directive 2006/112/EC.

The case follows from what is sold, from where to where, and to whom. It decides whether tax is
charged, and the rate of which country.
"""

from enum import StrEnum

from models.base import Payload
from models.customers import TaxTreatment

EU = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)
"""The member states (ISO 3166)."""
NORTHERN_IRELAND = "XI"
"""Goods there are in the EU's VAT area, services are not (Windsor Framework)."""
_GOODS_AREA = EU | {NORTHERN_IRELAND}
_UNIONS = (frozenset(("GB", NORTHERN_IRELAND, "IM")), frozenset(("CH", "LI")))
"""Areas outside the EU that levy one VAT: no export leads from one to the other."""
STANDARD_CLASS = "standard"
"""The tax class of products that name none."""
AS_GOODS = "as_goods"
"""The tax class of services that only accompany goods, such as shipping, and are taxed as these."""
_VAT_PREFIXES = {"EL": "GR"}
_OUTSIDE = {
    "DE": ("27498", "78266"),  # Heligoland, Büsingen
    "ES": ("35", "38", "51", "52"),  # Canary Islands, Ceuta, Melilla
    "FI": ("22",),  # Åland
    "FR": ("971", "972", "973", "974", "975", "976", "977", "978", "984", "986", "987", "988"),
    "GR": ("63086",),  # Mount Athos
    "IT": ("22061", "23041"),  # Campione d'Italia (since 2020 in the customs area only), Livigno
}
"""Postal codes of member states that are outside the EU's VAT area (art. 6).

Only codes of one place: those that it shares with places in the VAT area are taxed.
"""
_INSIDE = {"IM": "GB", "MC": "FR"}
"""Countries that count as another one: Monaco (art. 7), the Isle of Man for the United Kingdom."""


class ProductKind(StrEnum):
    """Whether a product is goods, or a service: billed, and never stocked, purchased or shipped."""

    GOODS = "goods"
    SERVICE = "service"


class TaxCase(StrEnum):
    """The tax case of an order.

    `domestic` is taxed where the supply begins, `distance_sale` where it ends. The others are
    without tax.
    """

    DOMESTIC = "domestic"
    DISTANCE_SALE = "distance_sale"
    INTRA_COMMUNITY = "intra_community"
    EXPORT = "export"
    REVERSE_CHARGE = "reverse_charge"
    EXEMPT = "exempt"
    OUTSIDE_SCOPE = "outside_scope"

    @property
    def is_taxed(self) -> bool:
        """Whether tax is charged, at the rate of a product."""
        return self in (TaxCase.DOMESTIC, TaxCase.DISTANCE_SALE)

    def category(self, rate_ppm: int) -> str:
        """Return the category of EN 16931 (UNTDID 5305)."""
        if self.is_taxed:
            return "S" if rate_ppm else "Z"
        return _CATEGORIES[self]


_CATEGORIES = {
    TaxCase.INTRA_COMMUNITY: "K",
    TaxCase.EXPORT: "G",
    TaxCase.REVERSE_CHARGE: "AE",
    TaxCase.EXEMPT: "E",
    TaxCase.OUTSIDE_SCOPE: "O",
}


class Supply(Payload):
    """What decides the tax of an order.

    `dispatched_from`, `delivered_to` and `customer_country`, the seat of the customer, are VAT
    areas (`vat_area`). `is_registered`: the seller has a VAT id. `oss`: it declares distance sales
    in the one-stop shop. `has_goods`: without goods, the supply is a service.
    """

    seller_country: str
    dispatched_from: str
    delivered_to: str
    customer_country: str
    treatment: TaxTreatment = TaxTreatment.STANDARD
    vat_id: str = ""
    has_goods: bool = True
    is_registered: bool = True
    oss: bool = False

    @property
    def vat_id_country(self) -> str | None:
        """The country that issued the customer's VAT id; None: it has none of the EU."""
        return vat_id_country(self.vat_id)

    @property
    def to_business(self) -> bool:
        """Whether the customer is a taxable person: by its VAT id, or because the shop says so."""
        return self.treatment is TaxTreatment.REVERSE_CHARGE or self.vat_id_country is not None


class Taxation(Payload):
    """The tax case of an order, and the country of the rate; None: no tax is charged."""

    case: TaxCase
    country: str | None = None


_BY_VAT_ID = {TaxCase.INTRA_COMMUNITY: "art. 138", TaxCase.REVERSE_CHARGE: "art. 196"}
"""The cases without tax because of the customer's VAT id, with their article."""


def vat_area(country: str, postal_code: str = "") -> str:
    """Return the VAT area of an address: a country, or a part of one with a code of its own.

    Parts of a member state outside the EU's VAT area are its code with an asterisk: "ES*".
    """
    compact = postal_code.replace(" ", "").upper()
    if compact[:1].isalpha() and country in _OUTSIDE:  # "D-27498", as on envelopes
        compact = compact.rpartition("-")[2]
    if country == "GB" and compact.startswith("BT"):
        return NORTHERN_IRELAND
    if compact.startswith(_OUTSIDE.get(country, ())):
        return f"{country}*"
    return _INSIDE.get(country, country)


def levy_one_vat(area: str, other: str) -> bool:
    """Return whether two VAT areas are the same, or parts of one territory outside the EU."""
    return area == other or any({area, other} <= union for union in _UNIONS)


def vat_id_country(vat_id: str) -> str | None:
    """Return the country that issued a VAT id of the EU or Northern Ireland; None: another id."""
    country = _VAT_PREFIXES.get(vat_id[:2], vat_id[:2])
    return country if country in _GOODS_AREA else None


def tax_warnings(case: TaxCase, vat_id: str) -> list[str]:
    """Return what the seller still has to do for a case: check the VAT id that it rests on."""
    article = _BY_VAT_ID.get(case)
    if not article or not vat_id:
        return []
    return [
        f"vat_id: {vat_id} is not verified: check it in VIES and keep the answer, as no tax is "
        f"charged because of it (2006/112/EC, {article})"
    ]


def taxation(supply: Supply) -> Taxation:
    """Decide the tax case of a supply."""
    decided = _goods(supply) if supply.has_goods else _services(supply)
    if decided.case.is_taxed and supply.treatment is TaxTreatment.EXEMPT:
        return Taxation(case=TaxCase.EXEMPT)  # art. 132, 151
    return decided


def _goods(supply: Supply) -> Taxation:
    """Decide the case of goods: by the places where their transport begins and ends."""
    begins, ends = supply.dispatched_from, supply.delivered_to
    if levy_one_vat(begins, ends):
        return Taxation(case=TaxCase.DOMESTIC, country=begins)  # art. 31, 32
    if begins not in _GOODS_AREA or ends not in _GOODS_AREA:
        return Taxation(case=TaxCase.EXPORT)  # art. 146 (1) (a)
    if supply.vat_id_country not in (None, begins) and supply.is_registered:
        return Taxation(case=TaxCase.INTRA_COMMUNITY)  # art. 138 (1), 139 (1)
    if supply.oss and not supply.to_business:
        return Taxation(case=TaxCase.DISTANCE_SALE, country=ends)  # art. 33 (a)
    return Taxation(case=TaxCase.DOMESTIC, country=begins)  # art. 32, 59c


def _services(supply: Supply) -> Taxation:
    """Decide the case of services: by the seat of a business, or else of the seller."""
    at_home = Taxation(case=TaxCase.DOMESTIC, country=supply.seller_country)
    if not supply.to_business:
        return at_home  # art. 45
    registered_in = supply.vat_id_country if supply.vat_id_country in EU else None
    if supply.customer_country == f"{registered_in}*":
        registered_in = None  # art. 6: established in a part of its state outside the VAT area
    if levy_one_vat(registered_in or supply.customer_country, supply.seller_country):
        return at_home  # art. 44
    if registered_in and supply.seller_country in EU:
        return Taxation(case=TaxCase.REVERSE_CHARGE) if supply.is_registered else at_home  # 196
    if not {supply.seller_country, registered_in or supply.customer_country} <= EU:
        return Taxation(case=TaxCase.OUTSIDE_SCOPE)  # art. 44
    return at_home
