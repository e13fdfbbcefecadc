"""Patterns of texts, and the words that describe them: errors show no pattern."""

BLANKS = r"\u115f\u1160\u2028\u2029\u2800\u3164\uffa0"
"""Characters that are seen as a space, and are none."""
INVISIBLE = (
    r"\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    r"\ufff0-\ufffb"
)
"""Characters that are not seen, such as a space of no width. Joiners (U+200C, U+200D) may be."""
NO_CONTROL_CHARACTERS = r"^[^\x00-\x1f\x7f-\x9f]*$"
IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
SHORT_IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
CURRENCY = r"^[A-Z]{3}$"
GS1_PREFIX = r"^([0-9]{7,10})?$"
_NOT_IN_MAIL = rf"@\s\x00-\x1f<>,;\u200c\u200d{BLANKS}{INVISIBLE}"
_MAIL = rf"[^{_NOT_IN_MAIL}]+@([^{_NOT_IN_MAIL}.\[\]]+\.)+[^{_NOT_IN_MAIL}.\[\]]+"
EMAIL = f"^{_MAIL}$"
LANGUAGE = r"^[a-z]{2}$"
TAX_CLASS = r"^[a-z0-9][a-z0-9._-]{0,31}$"
OPTIONAL_EMAIL = f"^({_MAIL})?$"

_ID = (
    "an id of 1 to {} letters (a to z), digits, dots, underscores or hyphens, "
    "with a letter or digit first"
)
_MAILBOX = (
    "a mail address such as ada@example.com, without invisible characters and with a whole domain"
)
IN_WORDS = {
    NO_CONTROL_CHARACTERS: "one line of text without control characters",
    IDENTIFIER: _ID.format(64),
    SHORT_IDENTIFIER: _ID.format(32),
    CURRENCY: "a currency code such as EUR",
    GS1_PREFIX: "7 to 10 digits",
    EMAIL: _MAILBOX,
    TAX_CLASS: "a class of 1 to 32 small letters (a to z), digits, dots, underscores or hyphens, "
    "with a letter or digit first",
    OPTIONAL_EMAIL: _MAILBOX,
    LANGUAGE: "a language of two small letters such as en",
}
"""What a text that matches is."""


def mismatch(text: object, pattern: str) -> str:
    """Describe a text that doesn't match."""
    shown = repr(text if not isinstance(text, str) or len(text) <= 60 else f"{text[:60]}...")
    return f"{shown} is not {IN_WORDS.get(pattern, 'in the documented form')}"
