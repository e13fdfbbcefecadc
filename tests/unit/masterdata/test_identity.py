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
