"""Phone numbers: checked by the numbering plan of their country, written as E.164.

An extension follows as in RFC 3966: +4930901820;ext=12.
"""

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat


def parse_phone(text: str, country: str | None = None) -> str:
    """Return a number as E.164 ("+4930901820"), with its extension, or raise ValueError with an
    example.

    `country` (ISO 3166 alpha-2) completes a number without a country code.
    """
    try:
        number = phonenumbers.parse(text, country)
    except NumberParseException:
        number = None
    if number is None or not phonenumbers.is_valid_number(number):
        raise ValueError(
            f"{text!r} is not a phone number{f' of {country}' if country else ''}: "
            f'give it with its country code, such as "{_example(country)}"'
        )
    extension = f";ext={number.extension}" if number.extension else ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) + extension


def tidy_phone(text: str, country: str) -> str:
    """Return a number as `parse_phone` writes it; any other text stays."""
    try:
        return parse_phone(text, country)
    except ValueError:
        return text


def without_extension(phone: str) -> str:
    """Return the number of a phone number as `parse_phone` writes it."""
    return phone.partition(";")[0]


def _example(country: str | None) -> str:
    example = phonenumbers.example_number(country) if country else None
    if example is None:
        return "+49 30 901820"
    return phonenumbers.format_number(example, PhoneNumberFormat.INTERNATIONAL)
