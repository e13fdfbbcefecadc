"""Tokens of the API: made, listed, rotated, revoked, and found by their secret."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlmodel import Session, col, select

from activities.database.unit_of_work import UnitOfWork
from models.access import (
    NewTokenView,
    Scope,
    TokenView,
    hash_of,
    name_taken,
    new_secret,
    scopes_text,
    unknown_token,
)
from models.tables.access import ApiToken


def create_token(
    work: UnitOfWork, name: str, scopes: Sequence[Scope], days: int | None
) -> NewTokenView:
    """Create a token. Raises Conflict if a valid one has its name."""
    if _valid(work, name):
        raise name_taken(name)
    expires_at = work.now + timedelta(days=days) if days is not None else None
    return _insert(work, name, scopes, expires_at, new_secret())


def ensure_token(work: UnitOfWork, name: str, scopes: Sequence[Scope], secret: str) -> None:
    """Store a token whose secret is given, once. A revoked one stays revoked."""
    if work.session.get(ApiToken, hash_of(secret)) is None:
        _insert(work, name, scopes, None, secret)


def rotate_token(work: UnitOfWork, name: str, keep: timedelta) -> NewTokenView:
    """Give a token a new secret; the old one is valid for the time `keep`. Raises NotFound.

    The new one expires as the old one would have.
    """
    valid = _valid(work, name)
    if not valid:
        raise unknown_token(name)
    newest = max(valid, key=lambda row: row.made_at)
    lasts, end = newest.expires_at, work.now + keep
    for row in valid:
        row.expires_at = min(row.expires_at, end) if row.expires_at is not None else end
    scopes = [Scope(scope) for scope in newest.scopes.split()]
    return _insert(work, name, scopes, lasts, new_secret())


def revoke_token(work: UnitOfWork, name: str) -> int:
    """Revoke all valid secrets of a token; returns their number. Raises NotFound."""
    valid = _valid(work, name)
    if not valid:
        raise unknown_token(name)
    for row in valid:
        row.revoked_at = work.now
    return len(valid)


def list_tokens(session: Session) -> list[TokenView]:
    """List tokens by name, the newest first, also those that are no longer valid."""
    rows = session.exec(select(ApiToken).order_by(ApiToken.name, col(ApiToken.made_at).desc()))
    return [_view(row) for row in rows]


def find_token(session: Session, secret_hash: str) -> TokenView | None:
    """Find a token by the hash of its secret: one read by primary key."""
    row = session.get(ApiToken, secret_hash)
    return _view(row) if row is not None else None


def note_use(work: UnitOfWork, secret_hash: str) -> None:
    """Record the day of a token's use."""
    day = work.now.date()
    used = update(ApiToken).where(col(ApiToken.secret_hash) == secret_hash)
    work.session.connection().execute(used.values(last_used_on=day))


def _insert(
    work: UnitOfWork, name: str, scopes: Sequence[Scope], expires_at: datetime | None, secret: str
) -> NewTokenView:
    work.session.add(
        ApiToken(
            secret_hash=hash_of(secret),
            name=name,
            scopes=scopes_text(scopes),
            made_at=work.now,
            expires_at=expires_at,
        )
    )
    return NewTokenView(name=name, scopes=tuple(scopes), expires_at=expires_at, secret=secret)


def _valid(work: UnitOfWork, name: str) -> list[ApiToken]:
    rows = work.session.exec(select(ApiToken).where(ApiToken.name == name))
    return [row for row in rows if _view(row).is_valid(work.now)]


def _view(row: ApiToken) -> TokenView:
    return TokenView(
        **row.model_dump(include={"name", "made_at", "expires_at", "revoked_at", "last_used_on"}),
        scopes=tuple(Scope(scope) for scope in row.scopes.split()),
    )
