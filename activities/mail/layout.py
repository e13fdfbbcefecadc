"""The form of a mail: headers, then greeting, tables, paragraphs and signature in text and HTML."""

from collections.abc import Sequence
from email.utils import parseaddr
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from activities.documents.notation import Notation
from activities.gateways.smtp import OutgoingMail
from activities.mail.mime import (
    Attachment,
    encoded,
    encoded_mailbox,
    mime_message,
    with_ascii_domain,
)
from models.base import Payload

Table = Sequence[tuple[str, str]]
"""Rows of a label and a value."""

_GREETINGS = {"en": "Hello {name},", "de": "Guten Tag {name},"}
_CLOSINGS = {"en": "Kind regards", "de": "Mit freundlichen Grüßen"}


class MailedLine(Payload):
    """`quantity` units of a SKU, as a mail lists them."""

    sku: str
    name: str
    quantity: int


class Envelope(Payload):
    """The addresses of a mail and its Message-ID."""

    sender: str
    recipient: str
    message_id: str


class Addressee(Payload):
    """The customer that a mail greets; `seller`: the company that signs it."""

    name: str
    language: str
    """Two letters: en or de; others get English."""
    currency: str
    """ISO 4217."""
    seller: str

    @property
    def notation(self) -> Notation:
        """Numbers and dates in the language of the mail."""
        return Notation(self.language if self.language in _GREETINGS else "en", self.currency)


class MailText(NamedTuple):
    """The text of a mail, without greeting and signature."""

    subject: str
    intro: str
    tables: Sequence[Table]
    outro: Sequence[str]
    """Paragraphs."""


def message_id(kind: str, key: str, sender: str) -> str:
    """Make the Message-ID `<kind.key@domain>`, with the domain of `sender`.

    The same kind and key always give the same ID, others another. Characters that RFC 5322 does
    not allow are percent-encoded. Raises ValueError if `sender` has no domain.
    """
    local, _, domain = parseaddr(sender)[1].rpartition("@")
    if not local or not domain:
        raise ValueError(f"{sender!r} is not a mail address")
    return f"<{_atom(kind)}.{_atom(key)}@{domain.encode('idna').decode()}>"


def _atom(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")


def goods(lines: Sequence[MailedLine]) -> Table:
    """List quantity, SKU and name of each line."""
    return [(f"{line.quantity}\N{MULTIPLICATION SIGN} {line.sku}", line.name) for line in lines]


def compose(
    text: MailText, addressee: Addressee, envelope: Envelope, attachment: Attachment | None = None
) -> OutgoingMail:
    """Compose headers, text and HTML of a mail.

    Raises ValueError for a line break in an address or the Message-ID.
    """
    language = addressee.notation.language
    greeting = _GREETINGS[language].format(name=addressee.name)
    signature = (_CLOSINGS[language], addressee.seller)
    headers = {
        "From": encoded_mailbox(envelope.sender),
        "To": with_ascii_domain(envelope.recipient),
        "Subject": encoded(_one_line(text.subject)),
        "Message-ID": envelope.message_id,
        "Auto-Submitted": "auto-generated",
        "Content-Language": language,
    }
    plain = _plain(text, greeting, signature)
    html = _html(text, greeting, signature, language)
    return OutgoingMail(
        sender=with_ascii_domain(parseaddr(envelope.sender)[1]),
        recipient=with_ascii_domain(envelope.recipient),
        content=mime_message(headers, plain, html, attachment),
    )


def attached(number: str, pdf: bytes) -> Attachment:
    """Name a document `<number>.pdf`."""
    return Attachment(f"{_one_line(number)}.pdf", pdf)


def _one_line(text: str) -> str:
    """Replace line breaks and control characters by spaces: safe in a header."""
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())


def _plain(text: MailText, greeting: str, signature: Sequence[str]) -> str:
    blocks = [
        _one_line(greeting),
        _one_line(text.intro),
        *map(_plain_table, text.tables),
        *map(_one_line, text.outro),
        "\n".join(map(_one_line, signature)),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _plain_table(table: Table) -> str:
    width = max((len(_one_line(label)) for label, _ in table), default=0)
    return "\n".join(f"  {_one_line(label):<{width}}  {_one_line(value)}" for label, value in table)


_PAGE = (
    '<!DOCTYPE html>\n<html lang="{language}">\n<body style="margin:0;background:#eef3f6">\n'
    '<div style="max-width:34em;margin:0 auto;padding:2em;background:#fff;color:#212529;'
    'font:16px/1.5 system-ui,sans-serif">\n{content}\n</div>\n</body>\n</html>\n'
)
_LABEL_STYLE = (
    "padding:.25em 1.5em .25em 0;color:#6c757d;text-align:left;vertical-align:top;"
    "font-weight:normal"
)


def _html(text: MailText, greeting: str, signature: Sequence[str], language: str) -> str:
    content = [
        f"<p>{_escaped(greeting)}</p>",
        f"<p>{_escaped(text.intro)}</p>",
        *map(_html_table, text.tables),
        *(f"<p>{_escaped(paragraph)}</p>" for paragraph in text.outro),
        f"<p>{'<br>'.join(map(_escaped, signature))}</p>",
    ]
    return _PAGE.format(language=language, content="\n".join(content))


def _html_table(table: Table) -> str:
    rows = "\n".join(
        f'<tr><th scope="row" style="{_LABEL_STYLE}">{_escaped(label)}</th>'
        f"<td>{_escaped(value)}</td></tr>"
        for label, value in table
    )
    return f'<table style="border-collapse:collapse;margin:1em 0">\n{rows}\n</table>'


def _escaped(text: str) -> str:
    return escape(_one_line(text))
