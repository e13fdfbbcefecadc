"""The code that a bank's app reads to fill in a transfer: the EPC's quick response code."""

import re
from decimal import Decimal

import segno
from segno.helpers import make_epc_qr

from activities.documents.wording import AnyBill
from models.billing import Invoice

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}", re.ASCII)
_LARGEST_MINOR = 99_999_999_999
"""999,999,999.99 euros."""
_NAME_CHARACTERS, _NAME_BYTES, _TEXT_CHARACTERS = 70, 200, 140
"""What the guideline allows; the bytes keep the whole within its largest code (version 13)."""


def takes_transfer(bill: AnyBill) -> bool:
    """Whether what is due can be asked for by code: in euros, to an IBAN, within bounds."""
    return (
        isinstance(bill, Invoice)
        and bill.currency == "EUR"
        and 1 <= bill.due_minor <= _LARGEST_MINOR
        and _IBAN.fullmatch(_compact(bill.seller.iban)) is not None
    )


def transfer_code(invoice: Invoice) -> segno.QRCode:
    """Asks for what is due, with the invoice's number as text (EPC069-12, version 002, UTF-8).

    Raises ValueError where it can't: see `takes_transfer`.
    """
    if not takes_transfer(invoice):
        raise ValueError(f"{invoice.number} can't be paid by SEPA credit transfer")
    name = " ".join(invoice.seller.name.split())[:_NAME_CHARACTERS]
    return make_epc_qr(
        name=name.encode()[:_NAME_BYTES].decode(errors="ignore"),
        iban=_compact(invoice.seller.iban),
        amount=Decimal(invoice.due_minor).scaleb(-2),
        text=" ".join(invoice.number.split())[:_TEXT_CHARACTERS],
        encoding="utf-8",
    )


def _compact(iban: str) -> str:
    return "".join(iban.split())
