"""Identity of customers: contact data in a form in which the same person's are equal.

Keys are compared and never shown: mail, invoices and labels use what was given.
"""

import re
from typing import NamedTuple

from models.addresses import comparable_postal_code, tidy_postal_code
from models.phones import parse_phone, without_extension
from models.texts import folded, lookalike

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
_TITLES = frozenset(
    {"frau", "herr", "herrn", "familie", "fam", "mr", "mrs", "ms", "miss", "sir", "madame"}
    | {"mme", "mlle", "monsieur", "sr", "sra", "dr", "prof"}
)
"""Words before a name, folded."""
_CARE_OF = re.compile(r"\bc\s*/\s*o\b\.?")
"""In whose home somebody lives."""
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
    """Return the key of a mail address: without regard to case, and to what follows a plus.

    Letters that look like Latin ones count as these.
    """
    name, at, domain = lookalike(email).strip().rpartition("@")
    if not at:
        return None
    domain = lookalike(_whole_domain(domain.rstrip(".")))
    domain = _ALIASES.get(domain, domain)
    name = name.partition("+")[0] or name
    return f"{name.replace('.', '') if domain in _NO_DOTS else name}@{domain}"


def _whole_domain(domain: str) -> str:
    """Return an internationalised domain in its own letters."""
    try:
        return domain.encode("idna").decode("idna")
    except UnicodeError:
        return domain


def vat_key(vat_id: str) -> str | None:
    """Return the key of a VAT id: letters and digits; Greece is EL."""
    key = re.sub(r"[\W_]", "", vat_id).upper()
    return re.sub("^GR", "EL", key) or None


def phone_key(phone: str, country: str) -> str | None:
    """Return the key of a phone number: E.164 without extension; None for other text."""
    try:
        return without_extension(parse_phone(phone, country)) if phone else None
    except ValueError:
        return None


def address_key(
    name: str, street: str, city: str | None, postal_code: str | None, country: str
) -> str | None:
    """Return the key of a name at an address, in any order of the name's words and any spelling.

    None without a street, or without postal code and city.
    """
    place = comparable_postal_code(tidy_postal_code(country, postal_code)) or _plain(city or "")
    words = _plain_words(name)
    number = _plain(_STREET.sub("st", " ".join(_without_care_of(folded(street)).split())))
    if not (words and number and place):
        return None
    return " ".join((*words, number, place, country))


def _plain_words(name: str) -> list[str]:
    """Return the words of a name, folded and sorted, without titles and "c/o"."""
    words = re.split(r"[\s,;.]+", _without_care_of(folded(name)))
    plain = sorted(filter(None, map(_plain, words)))
    return [word for word in plain if word not in _TITLES] or plain


def _without_care_of(text: str) -> str:
    """Leave out "c/o" and what follows it up to a comma, or what precedes it if that is all."""
    before, *others = _CARE_OF.split(text, maxsplit=1)
    if not others:
        return text
    home, _, after = others[0].partition(",")
    return f"{before} {after}" if _plain(before + after) else home


def _plain(text: str) -> str:
    return "".join(c for c in folded(text) if c.isalnum())
