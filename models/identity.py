"""Identity of customers: contact data in a form in which the same person's are equal.

Keys are compared and never shown: mail, invoices and labels use what was given.
"""

import re
import unicodedata
from typing import NamedTuple

from models.addresses import comparable_postal_code, tidy_postal_code
from models.phones import parse_phone

KEYS = {
    "mail_key": "the mail address",
    "vat_key": "the VAT id",
    "phone_key": "the phone number",
    "address_key": "name and address",
}
"""What customers are compared by, in words."""
_ALIASES = {"googlemail.com": "gmail.com"}
_NO_DOTS = frozenset({"gmail.com"})
"""Mail services that ignore dots in a name."""
_STREET = re.compile(r"str(?:asse|eet)?(?=\d|\b)|stra(?:ss|ß)e(?=\d|\b)")


class ContactKeys(NamedTuple):
    """The keys of a customer's contact data; None for what is unknown."""

    mail_key: str | None
    vat_key: str | None
    phone_key: str | None


def contact_keys(email: str | None, vat_id: str, phone: str, country: str) -> ContactKeys:
    """Return the keys of contact data; `country` completes a phone number."""
    return ContactKeys(mail_key(email or ""), vat_key(vat_id), phone_key(phone, country))


def mail_key(email: str) -> str | None:
    """Return the key of a mail address: without regard to case, and to what follows a plus."""
    name, at, domain = unicodedata.normalize("NFKC", email).strip().casefold().rpartition("@")
    if not at:
        return None
    domain = _ascii_domain(domain)
    domain = _ALIASES.get(domain, domain)
    name = name.partition("+")[0] or name
    return f"{name.replace('.', '') if domain in _NO_DOTS else name}@{domain}"


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain


def vat_key(vat_id: str) -> str | None:
    """Return the key of a VAT id: letters and digits; Greece is EL."""
    key = re.sub(r"[\W_]", "", vat_id).upper()
    return re.sub("^GR", "EL", key) or None


def phone_key(phone: str, country: str) -> str | None:
    """Return the key of a phone number: E.164; None for text that is no number."""
    try:
        return parse_phone(phone, country) if phone else None
    except ValueError:
        return None


def address_key(
    name: str, street: str, city: str | None, postal_code: str | None, country: str
) -> str | None:
    """Return the key of a name at an address, in any order of the name's words and any spelling.

    None without a street, or without postal code and city.
    """
    place = comparable_postal_code(tidy_postal_code(country, postal_code)) or _plain(city or "")
    words = sorted(filter(None, map(_plain, name.split())))
    number = _plain(_STREET.sub("st", " ".join(_fold(street).split())))
    if not (words and number and place):
        return None
    return " ".join((*words, number, place, country))


def _plain(text: str) -> str:
    return "".join(c for c in _fold(text) if c.isalnum())


def _fold(text: str) -> str:
    """Return a text without accents and case."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
