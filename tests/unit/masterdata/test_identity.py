"""Keys of contact data: equal for one person, different for others."""

import pytest

from models.identity import address_key, mail_key, phone_key, vat_key


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("ada@example.com", "Ada@Example.COM", True),
        ("ada@example.com", "ada+shop@example.com", True),
        ("müller@bücher.example", "Müller@xn--bcher-kva.example", True),
        ("ada.king@gmail.com", "adaking@googlemail.com", True),
        ("ada.king@example.com", "adaking@example.com", False),
        ("ada@example.com", "ada@example.org", False),
        ("+a@example.com", "+b@example.com", False),
        ("ada@example.com", "ada@example.com.", True),
        ("ada@example.com", "a\u200bda@exam\u00adple.com", True),
        ("ada@example.com", "\u0430d\u0430@ex\u0430mple.com", True),  # Cyrillic letters
        ("ismail@example.com", "\u0130SMAIL@example.com", True),
        ("ada@stra\u00dfe.example", "ada@strasse.example", True),
        (
            "\u043f\u043e\u0447\u0442\u0430@\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
            "\u043f\u043e\u0447\u0442\u0430@xn--e1afmkfd.xn--p1ai",
            True,
        ),
    ],
)
def test_mail_addresses_of_one_mailbox_are_equal(one: str, other: str, are_equal: bool) -> None:
    assert (mail_key(one) == mail_key(other)) is are_equal


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        ("DE 136 695 976", "de136695976", True),
        ("GR094259216", "EL094259216", True),
        ("CHE-123.456.788", "CHE 123 456 788", True),
        ("DE136695976", "DE136695977", False),
    ],
)
def test_vat_ids_are_compared_without_separators(one: str, other: str, are_equal: bool) -> None:
    assert (vat_key(one) == vat_key(other)) is are_equal


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (("030 901820", "DE"), ("+49 (30) 90-1820", "FR"), True),
        (("0049 30 901820", "DE"), ("+4930901820", ""), True),
        (("030 901820", "DE"), ("030 901820 ext. 12", "DE"), True),
        (("030 901820", "DE"), ("030 901821", "DE"), False),
    ],
)
def test_phone_numbers_are_compared_as_e164(
    one: tuple[str, str], other: tuple[str, str], are_equal: bool
) -> None:
    assert (phone_key(*one) == phone_key(*other)) is are_equal


@pytest.mark.parametrize(
    ("one", "other", "are_equal"),
    [
        (("Ada Lovelace", "Hauptstraße 5"), ("LOVELACE, Ada", "hauptstr. 5"), True),
        (("Müller", "Haupt Str. 5"), ("Muller", "Hauptstrasse 5"), True),
        (("Müller", "Weg 5"), ("MUELLER", "Weg 5"), True),
        (("Jørgen Łąck", "Weg 5"), ("Joergen Lack", "Weg 5"), True),
        (("Åse Groß", "Ågade 5"), ("Aase Gross", "Aagade 5"), True),
        (("Ada Lovelace", "Weg 5"), ("Frau Prof. Dr. Ada Lovelace", "Weg 5"), True),
        (("Ada Lovelace", "Weg 5"), ("Dr.Ada Lovelace", "Weg 5"), True),
        (("Ada Lovelace", "Weg 5"), ("Ada Lovelace c/o Babbage", "Weg 5"), True),
        (("Ada Lovelace", "Weg 5"), ("c/o Ada Lovelace", "Weg 5"), True),
        (("Ada Lovelace", "Weg 5"), ("Ada Lovelace \u2105 Babbage", "Weg 5"), True),
        (("Ada Lovelace", "Weg 5"), ("Ada Lovelace", "c/o Babbage, Weg 5"), True),
        (("Ada Lovelace", "Weg 5"), ("Ada Lovelace", "Weg 5, C / O Babbage"), True),
        (("Ada Lovelace", "Weg 5"), ("A\u200bda L\u043evelace", "Weg\u3164 5"), True),
        (("Frau", "Weg 5"), ("Frau", "Weg 5"), True),
        (("Ada Lovelace c/o Babbage", "Weg 5"), ("Eve Babbage", "Weg 5"), False),
        (("Ada Lovelace", "Hauptstraße 5"), ("Ada Lovelace", "Hauptstraße 6"), False),
        (("Ada Lovelace", "Hauptstraße 5"), ("Eve Lovelace", "Hauptstraße 5"), False),
    ],
)
def test_names_at_addresses_are_compared_by_their_letters(
    one: tuple[str, str], other: tuple[str, str], are_equal: bool
) -> None:
    keys = [
        address_key(*names, "Berlin", code, "DE")
        for names, code in ((one, "10117"), (other, "D-10117"))
    ]
    assert (keys[0] == keys[1]) is are_equal


def test_missing_data_have_no_key() -> None:
    """So that two customers without a phone number are not the same."""
    assert (mail_key(""), mail_key("ada"), vat_key(""), vat_key(" - ")) == (None,) * 4
    assert (phone_key("", "DE"), phone_key("+49 30 1", "DE"), phone_key("none", "DE")) == (
        None,
    ) * 3
    for parts in (
        ("", "A 1", "Cork", "", "IE"),
        ("Ada", "", "Cork", "", "IE"),
        ("Ada", "A 1", "", "", "IE"),
    ):
        assert address_key(*parts) is None
