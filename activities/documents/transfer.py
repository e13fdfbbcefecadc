"""The EPC QR code, from which banking apps fill in a SEPA credit transfer."""

import re
from decimal import Decimal

import segno

from activities.documents.wording import AnyBill
from models.billing import Invoice

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", re.ASCII)
_LARGEST_MINOR = 99_999_999_999
"""999,999,999.99 euros."""
_NAME_CHARACTERS, _NAME_BYTES, _TEXT_CHARACTERS = 70, 200, 140
"""Limits of EPC069-12; the limit in bytes keeps within its largest code (version 13)."""

_MASK = 3
"""One of the eight patterns of ISO 18004. Scanners read all; choosing the best takes 6 ms."""


def takes_transfer(bill: AnyBill) -> bool:
    """Check for an amount due in euros, within the limits, and an IBAN of the seller."""
    return (
        isinstance(bill, Invoice)
        and bill.currency == "EUR"
        and 1 <= bill.due_minor <= _LARGEST_MINOR
        and _IBAN.fullmatch(_compact(bill.seller.iban)) is not None
    )


def transfer_code(invoice: Invoice) -> segno.QRCode:
    """Make the code for the amount due, with the invoice's number as text.

    EPC069-12, version 002, UTF-8. Raises ValueError unless `takes_transfer`.
    """
    if not takes_transfer(invoice):
        raise ValueError(f"{invoice.number} can't be paid by SEPA credit transfer")
    name = " ".join(invoice.seller.name.split())[:_NAME_CHARACTERS]
    lines = (
        *("BCD", "002", "1", "SCT", ""),
        name.encode()[:_NAME_BYTES].decode(errors="ignore"),
        _compact(invoice.seller.iban),
        f"EUR{Decimal(invoice.due_minor).scaleb(-2)}",
        *("", ""),  # neither a purpose nor a structured reference
        " ".join(invoice.number.split())[:_TEXT_CHARACTERS],
    )
    return segno.make(
        "\n".join(lines), error="m", boost_error=False, encoding="utf-8", micro=False, mask=_MASK
    )


def _compact(iban: str) -> str:
    return "".join(iban.split())
