"""E-invoices by EN 16931: the tax category of an amount, and whether a bill can have one."""

from models.billing import Bill
from models.money import decimals
from models.tax import EU, TaxCase, vat_area

_MOST_DECIMALS = 2
_NEEDS_VAT_ID = {TaxCase.INTRA_COMMUNITY, TaxCase.EXPORT}
_REASON_CODES = {
    "K": "VATEX-EU-IC",
    "G": "VATEX-EU-G",
    "AE": "VATEX-EU-AE",
    "O": "VATEX-EU-O",
}


def is_unregistered(bill: Bill) -> bool:
    """Return whether the seller has no number of a tax office, and charges no tax."""
    seller = bill.seller
    return not (seller.vat_id or seller.tax_number or bill.tax_minor)


def tax_category(bill: Bill, rate_ppm: int) -> str:
    """Return the category of EN 16931 (UNTDID 5305) of an amount at a rate.

    The supplies of a seller that is not registered for tax are outside its scope.
    """
    return "O" if is_unregistered(bill) else bill.tax_case.category(rate_ppm)


def exemption_code(bill: Bill, category: str) -> str:
    """Return the code of the reason for no tax (VATEX); empty: it has none, as for a seller outside
    the EU."""
    seller = bill.seller
    is_eu = vat_area(seller.country, seller.postal_code) in EU
    return _REASON_CODES.get(category, "") if is_eu or category == "O" else ""


def why_no_einvoice(bill: Bill) -> str:
    """Return why a bill has no e-invoice that conforms to EN 16931; empty: it has one."""
    seller = bill.seller
    if decimals(bill.currency) > _MOST_DECIMALS:
        return f"{bill.currency} has more than two decimals, the most of EN 16931 (BR-DEC)"
    if bill.tax_minor and not (seller.vat_id or seller.tax_number):
        return (
            "tax is charged, but the company has neither vat_id nor tax_number (BR-S-02): "
            "import company.csv with one"
        )
    if bill.tax_case in _NEEDS_VAT_ID and not seller.vat_id and not is_unregistered(bill):
        return f"{bill.tax_case} requires the company's vat_id: import company.csv with one"
    return ""
