"""Access to the API: scopes, tokens and their form."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from secrets import token_urlsafe

from models.base import Payload
from models.errors import Conflict, NotFound, PipelineError

SECRET_BYTES = 32
PREFIX = "opt_"
"""Begins every new secret, so that scanners of sources and logs find it."""


class Scope(StrEnum):
    """What a token may do: docs/security.md lists the endpoints."""

    SHOP = "shop"
    PARTNER = "partner"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Unauthorised(PipelineError):
    """A request without a valid token."""

    def __init__(self) -> None:
        super().__init__(
            "token_invalid",
            "send a valid token as `Authorization: Bearer ...`: it is missing, unknown, expired or "
            "revoked. `starter.py tokens create` makes one",
        )


class Forbidden(PipelineError):
    """A token without a scope of the endpoint."""

    def __init__(self, name: str, needed: Sequence[Scope]) -> None:
        scopes = " or ".join((*needed, Scope.ADMIN))
        super().__init__("scope_missing", f"the token {name!r} needs the scope {scopes}")


class TokenView(Payload):
    """A token as listed: never its secret."""

    name: str
    scopes: tuple[Scope, ...]
    made_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None

    def is_valid(self, now: datetime) -> bool:
        """Return whether it gives access: not revoked, and not expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class NewTokenView(Payload):
    """A new token with its secret, which isn't stored and is shown once."""

    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    secret: str


def new_secret() -> str:
    """Make a secret of 256 random bits."""
    return PREFIX + token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """Return what is stored of a secret: its SHA-256. A random secret needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def scopes_text(scopes: Sequence[Scope]) -> str:
    """Write scopes as they are stored: each once, separated by spaces."""
    return " ".join(dict.fromkeys(scopes))


def name_taken(name: str) -> Conflict:
    """Build the error for the name of a valid token."""
    message = f"a valid token is named {name!r}: rotate or revoke it, or choose another name"
    return Conflict("token_name_taken", message)


def unknown_token(name: str) -> NotFound:
    """Build the error for a name that no valid token has."""
    return NotFound("token_unknown", f"no valid token is named {name!r}: `starter.py tokens list`")
