"""How a mail of ours looks: a greeting, tables and paragraphs, as text and as HTML."""

from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import parseaddr
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from models.base import Payload


class MailedLine(Payload):
    """What left, is short or was ordered: `quantity` units of one SKU."""

    sku: str
    name: str
    quantity: int


Table = Sequence[tuple[str, str]]
"""Rows of a label and a value."""


class Letter(NamedTuple):
    """A mail's content, before it is put as text or as HTML."""

    language: str
    subject: str
    greeting: str
    intro: str
    tables: Sequence[Table]
    outro: Sequence[str]
    """Paragraphs."""
    closing: str
    signature: str


def message_id(kind: str, key: str, sender: str) -> str:
    """`<kind.key@domain>`: one per fact, so that a mail sent twice is recognised as one.

    What RFC 5322 doesn't allow in an id is percent-encoded; different facts give different ids.
    Raises ValueError where `sender` has no domain.
    """
    local, _, domain = parseaddr(sender)[1].rpartition("@")
    if not local or not domain:
        raise ValueError(f"{sender!r} is not a mail address")
    return f"<{_atom(kind)}.{_atom(key)}@{domain.encode('idna').decode()}>"


def _atom(text: str) -> str:
    return quote(text, safe="").replace(".", "%2E")


def goods(lines: Sequence[MailedLine]) -> Table:
    """A row for each line."""
    return [(f"{line.quantity}\N{MULTIPLICATION SIGN} {line.sku}", line.name) for line in lines]


def message(letter: Letter, sender: str, recipient: str, message_id: str) -> EmailMessage:
    """Headers, text and HTML. Raises ValueError for a line break in an address or the id."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = one_line(letter.subject)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"
    mail["Content-Language"] = letter.language
    mail.set_content(_text(letter))
    mail.add_alternative(_html(letter), subtype="html")
    return mail


def one_line(text: str) -> str:
    """Without line breaks and control characters: safe in a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _text(letter: Letter) -> str:
    blocks = [
        one_line(letter.greeting),
        one_line(letter.intro),
        *map(_text_table, letter.tables),
        *map(one_line, letter.outro),
        "\n".join(filter(None, (letter.closing, one_line(letter.signature)))),
    ]
    return "\n\n".join(filter(None, blocks)) + "\n"


def _text_table(table: Table) -> str:
    width = max((len(one_line(label)) for label, _ in table), default=0)
    return "\n".join(f"  {one_line(label):<{width}}  {one_line(value)}" for label, value in table)


_PAGE = (
    '<!DOCTYPE html>\n<html lang="{language}">\n<body style="margin:0;background:#eef3f6">\n'
    '<div style="max-width:34em;margin:0 auto;padding:2em;background:#fff;color:#212529;'
    'font:16px/1.5 system-ui,sans-serif">\n{content}\n</div>\n</body>\n</html>\n'
)
_LABEL_STYLE = (
    "padding:.25em 1.5em .25em 0;color:#6c757d;text-align:left;vertical-align:top;"
    "font-weight:normal"
)


def _html(letter: Letter) -> str:
    closing = (_escaped(part) for part in (letter.closing, letter.signature))
    content = [
        f"<p>{_escaped(letter.greeting)}</p>",
        f"<p>{_escaped(letter.intro)}</p>",
        *map(_html_table, letter.tables),
        *(f"<p>{_escaped(paragraph)}</p>" for paragraph in letter.outro),
        f"<p>{'<br>'.join(filter(None, closing))}</p>",
    ]
    return _PAGE.format(language=letter.language, content="\n".join(filter(None, content)))


def _html_table(table: Table) -> str:
    rows = "\n".join(
        f'<tr><th scope="row" style="{_LABEL_STYLE}">{_escaped(label)}</th>'
        f"<td>{_escaped(value)}</td></tr>"
        for label, value in table
    )
    return f'<table style="border-collapse:collapse;margin:1em 0">\n{rows}\n</table>'


def _escaped(text: str) -> str:
    return escape(one_line(text))
