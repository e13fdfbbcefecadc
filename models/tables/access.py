"""Tables of access to the API."""

from datetime import date, datetime

from sqlmodel import Field, SQLModel


class ApiToken(SQLModel, table=True):
    """A token of the API. A rotated token has two rows of one name until the older one expires."""

    __tablename__ = "api_tokens"

    secret_hash: str = Field(primary_key=True)
    """The SHA-256 of the secret."""
    name: str = Field(index=True)
    scopes: str
    made_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_on: date | None = None
