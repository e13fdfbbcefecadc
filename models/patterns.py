"""Patterns of texts, and the words that describe them: errors show no pattern."""

NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"
IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SHORT_IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
CURRENCY = r"^[A-Z]{3}$"
GS1_PREFIX = r"^([0-9]{7,10})?$"
EMAIL = r"^[^@\s\x00-\x1f<>,;]+@[^@\s\x00-\x1f<>,;]+$"
LANGUAGE = r"^[a-z]{2}$"
TAX_CLASS = r"^[a-z0-9][a-z0-9._-]{0,31}$"
OPTIONAL_EMAIL = EMAIL.replace("^", "^(").replace("+$", "+)?$")

_ID = (
    "an id of 1 to {} letters (a to z), digits, dots, underscores or hyphens, "
    "with a letter or digit first"
)
IN_WORDS = {
    NO_CONTROL_CHARACTERS: "one line of text without control characters",
    IDENTIFIER: _ID.format(64),
    SHORT_IDENTIFIER: _ID.format(32),
    CURRENCY: "a currency code such as EUR",
    GS1_PREFIX: "7 to 10 digits",
    EMAIL: "a mail address such as ada@example.com",
    TAX_CLASS: "a class of 1 to 32 small letters (a to z), digits, dots, underscores or hyphens, "
    "with a letter or digit first",
    OPTIONAL_EMAIL: "a mail address such as office@example.com",
    LANGUAGE: "a language of two small letters such as en",
}
"""What a text that matches is."""


def mismatch(text: object, pattern: str) -> str:
    """Describe a text that doesn't match."""
    shown = repr(text if not isinstance(text, str) or len(text) <= 60 else f"{text[:60]}...")
    return f"{shown} is not {IN_WORDS.get(pattern, 'in the documented form')}"
