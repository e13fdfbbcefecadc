"""The bytes of a mail are what a mail reader turns back into the same mail."""

from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.mail.layout import Addressee, Envelope, MailText, compose
from activities.mail.mime import Attachment, mime_message
from simulators.mail import attachments_of, parse

LINE = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=200)
WORDS = LINE.map(str.split).map(" ".join)
TEXT = st.lists(LINE, max_size=5).map("\n".join)
HEADERS = {"Subject": "Invoice"}


def text_in(message: EmailMessage, kind: str) -> str:
    """Read the body of a kind, with the line ends of Python."""
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@given(TEXT, TEXT, WORDS.map("{}.pdf".format), st.binary(max_size=300))
def test_any_text_and_file_arrive_unchanged(text: str, html: str, name: str, pdf: bytes) -> None:
    """In lines of ASCII that every mail server accepts."""
    content = mime_message(HEADERS, text + "\n", html + "\n", Attachment(name, pdf))
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    message = parse(content)
    assert text_in(message, "plain") == text + "\n"
    assert text_in(message, "html") == html + "\n"
    [file] = attachments_of(message)
    assert (file.name, file.content, file.is_pdf) == (name, pdf, True)


def decoded(header: str) -> str:
    """Decode the words of a header."""
    return str(make_header(decode_header(header)))


@pytest.mark.parametrize(
    ("address", "sent_to"),
    [
        ("ada@example.com", "ada@example.com"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("jörg@bücher.example", "jörg@xn--bcher-kva.example"),
        ("ada@Bücher.example", "ada@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@straße.example"),  # strasse.example is another domain
    ],
)
def test_internationalised_domain_is_sent_as_ascii(address: str, sent_to: str) -> None:
    """Most servers accept no other."""
    text = MailText(subject="", intro="", tables=[], outro=[])
    addressee = Addressee(name="", language="en", currency="EUR", seller="")
    mail = compose(text, addressee, Envelope(sender=address, recipient=address, message_id="<1>"))
    assert mail[:2] == (sent_to, sent_to)
    assert f"To: {sent_to}\r\n".encode() in mail.content
    assert f"From: {sent_to}\r\n".encode() in mail.content


@given(WORDS, WORDS)
def test_any_subject_and_name_arrive_unchanged(subject: str, name: str) -> None:
    """They add no address."""
    text = MailText(subject=subject, intro="", tables=[], outro=[])
    addressee = Addressee(name="", language="en", currency="EUR", seller="")
    envelope = Envelope(
        sender=f'"{quote(name)}" <orders@shop.example>',
        recipient="buyer@acme.example",
        message_id="<1@shop.example>",
    )
    mail = compose(text, addressee, envelope)
    message = message_from_bytes(mail.content)
    sender, address = parseaddr(message["From"])
    assert (decoded(sender), address) == (name, "orders@shop.example")
    assert (decoded(message["Subject"]), message["To"]) == (subject, "buyer@acme.example")
    assert mail[:2] == ("orders@shop.example", "buyer@acme.example")
