"""Show stored mail as web pages; all message content is escaped."""

from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from functools import cache
from html import escape
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from simulators.mail import MailDirectory, attachments_of, text_of

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #ddd;
         vertical-align: top; overflow-wrap: anywhere }
pre { white-space: pre-wrap; background: #f6f6f4; padding: 1rem; border-radius: .4rem }
"""
HEADERS = ("Date", "From", "To", "Cc", "Subject", "Message-ID")
# Mail content is untrusted: no page may run, load or embed anything.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


class StoredMail(BaseModel):
    """A stored message in the list; `attachments` are file names."""

    file: str
    message_id: str
    to: str
    subject: str
    attachments: list[str]


def mail_routes(directory: MailDirectory) -> APIRouter:
    """Route GET /mail, /mail/{name}, /mail/{name}/{n} and /control/mail."""
    router = APIRouter()

    def find_message(name: str) -> EmailMessage:
        if (message := directory.read(name)) is None:
            raise HTTPException(404, "no such message")
        return message

    @cache
    def summary(name: str) -> StoredMail:
        return _summary(name, find_message(name))

    @router.get("/control/mail")
    def summaries() -> list[StoredMail]:
        """List all stored messages, oldest first; messages never change, so cache them."""
        return [summary(name) for name in directory.names()]

    @router.get("/mail")
    def index() -> HTMLResponse:
        """Show the list of messages, newest first."""
        rows = [_row(name, find_message(name)) for name in reversed(directory.names())]
        head = "<tr><th>Time<th>To<th>Subject</tr>"
        table = f"<table>{head}{''.join(rows)}</table>" if rows else "<p>No mail yet.</p>"
        return _page("Mail", table)

    @router.get("/mail/{name}")
    def page(name: str) -> HTMLResponse:
        """Show one message."""
        message = find_message(name)
        return _page(_header(message, "Subject") or "(no subject)", _message(name, message))

    @router.get("/mail/{name}/{n}")
    def attachment(name: str, n: int) -> Response:
        """Download the n-th attachment, counted from 1."""
        attachments = attachments_of(find_message(name))
        if not 1 <= n <= len(attachments):
            raise HTTPException(404, "no such attachment")
        part = attachments[n - 1]
        display = "inline" if part.is_pdf else "attachment"
        disposition = f"{display}; filename*=UTF-8''{quote(part.name, safe='')}"
        headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff"}
        media_type = "application/pdf" if part.is_pdf else "application/octet-stream"
        return Response(part.content, media_type=media_type, headers=headers)

    return router


def _summary(name: str, message: EmailMessage) -> StoredMail:
    return StoredMail(
        file=name,
        message_id=_header(message, "Message-ID").strip(),
        to=_header(message, "To"),
        subject=_header(message, "Subject"),
        attachments=[part.name for part in attachments_of(message)],
    )


def _header(message: EmailMessage, name: str) -> str:
    return str(message.get(name, ""))


def _time(message: EmailMessage) -> str:
    try:
        return f"{parsedate_to_datetime(_header(message, 'Date')):%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return ""


def _row(name: str, message: EmailMessage) -> str:
    subject = escape(_header(message, "Subject") or "(no subject)")
    link = f'<a href="/mail/{escape(quote(name))}">{subject}</a>'
    return f"<tr><td>{_time(message)}<td>{escape(_header(message, 'To'))}<td>{link}</tr>"


def _message(name: str, message: EmailMessage) -> str:
    headers = "".join(
        f"<tr><th>{header}<td>{escape(_header(message, header))}</tr>"
        for header in HEADERS
        if header in message
    )
    links = "".join(
        f'<li><a href="/mail/{escape(quote(name))}/{n}">{escape(part.name)}</a>'
        f" ({len(part.content)} bytes)</li>"
        for n, part in enumerate(attachments_of(message), start=1)
    )
    attachments = f"<h2>Attachments</h2><ul>{links}</ul>" if links else ""
    text = escape(text_of(message))
    return (
        f'<p><a href="/mail">All mail</a></p><table>{headers}</table><pre>{text}</pre>{attachments}'
    )


def _page(title: str, content: str) -> HTMLResponse:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>{content}</html>",
        headers=SECURITY_HEADERS,
    )
