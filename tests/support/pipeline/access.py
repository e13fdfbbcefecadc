"""The token with which tests call the API."""

from activities.database.engine import Database
from activities.operations.tokens import ensure_token, note_use
from models.access import Scope, hash_of

NAME = "operator"
SECRET = "the-token-of-the-tests-has-at-least-forty-characters"
AUTHORIZATION = {"Authorization": f"Bearer {SECRET}"}


def store_token(database: Database) -> None:
    """Store the token, as used today: so that requests write nothing about it."""
    database.transaction(lambda work: ensure_token(work, NAME, [Scope.ADMIN], SECRET))
    database.transaction(lambda work: note_use(work, hash_of(SECRET)))
