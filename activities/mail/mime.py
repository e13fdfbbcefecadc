"""The bytes of a mail: headers, text and HTML, and an attached PDF (RFC 5322, 2045 and 2047).

All mails have the same form, so it is written down here. `email.message` parses each header that it
is given and encodes line by line, which takes fifteen times as long.
"""

import re
from binascii import b2a_base64, b2a_qp
from collections.abc import Mapping
from email.header import Header
from email.utils import parseaddr, quote
from typing import NamedTuple
from urllib.parse import quote as percent_encode

_HEADER_ENDS = re.compile(r"\r(?!\n)|(?<!\r)\n|\n(?! )")
"""A line break in a header that doesn't fold it."""
_PLAIN_NAME = re.compile(r"[\w .-]+", re.ASCII)
"""File names that need no encoding."""
_BASE64_CHARACTERS = 76
"""The longest line of base64."""


class Attachment(NamedTuple):
    """A PDF and its file name."""

    name: str
    pdf: bytes


def mime_message(
    headers: Mapping[str, str], text: str, html: str, attachment: Attachment | None = None
) -> bytes:
    """Build a mail with CRLF line ends. All of it but addresses is ASCII.

    Raises ValueError for a linefeed in a header.
    """
    for name, value in headers.items():
        if _HEADER_ENDS.search(value):
            raise ValueError(f"the header {name} contains a linefeed: {value!r}")
    body = _multipart("alternative", _text("plain", text), _text("html", html))
    if attachment is not None:
        body = _multipart("mixed", body, _pdf(attachment))
    lines = [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "MIME-Version: 1.0", ""]).encode() + body


def encoded_mailbox(mailbox: str) -> str:
    """Encode the name of `name <address>` for a header."""
    name, address = parseaddr(mailbox)
    address = with_ascii_domain(address)
    if not name:
        return address
    return f'"{quote(name)}" <{address}>' if name.isascii() else f"{encoded(name)} <{address}>"


def with_ascii_domain(address: str) -> str:
    """Encode an internationalised domain, so that the mail needs no SMTPUTF8.

    A domain that IDNA 2003 would change, such as one with an eszett, stays as it is.
    """
    local, at, domain = address.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode("ascii")
        is_same = ascii_domain.encode().decode("idna") == domain.lower()
    except UnicodeError:
        return address
    return f"{local}{at}{ascii_domain}" if is_same else address


def encoded(text: str) -> str:
    """Encode a text without line breaks for a header, folded where it is long."""
    return Header(text, header_name="Subject").encode(linesep="\r\n")


def _multipart(kind: str, *parts: bytes) -> bytes:
    """Join parts. The boundary can't occur in base64, nor in quoted-printable."""
    boundary = f"=_{kind}"
    delimiter = f"--{boundary}"
    opening = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n{delimiter}\r\n'
    between = f"\r\n{delimiter}\r\n".encode()
    return opening.encode() + between.join(parts) + f"\r\n{delimiter}--\r\n".encode()


def _text(kind: str, text: str) -> bytes:
    header = (
        f"Content-Type: text/{kind}; charset=utf-8\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return header.encode() + b2a_qp(text.replace("\n", "\r\n").encode())


def _pdf(attachment: Attachment) -> bytes:
    header = (
        "Content-Type: application/pdf\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; {_file_name(attachment.name)}\r\n\r\n"
    )
    encoded_pdf = b2a_base64(attachment.pdf, newline=False)
    starts = range(0, len(encoded_pdf), _BASE64_CHARACTERS)
    lines = [encoded_pdf[start : start + _BASE64_CHARACTERS] for start in starts]
    return header.encode() + b"\r\n".join(lines)


def _file_name(name: str) -> str:
    """Write the parameter of a file name, percent-encoded as RFC 2231 where needed."""
    if _PLAIN_NAME.fullmatch(name):
        return f'filename="{name}"'
    return f"filename*=utf-8''{percent_encode(name, safe='')}"
