"""Tokens of the API."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer

from activities.operations import tokens as stored
from command_line.context import OpenContext
from command_line.output import Json, Wide, or_dash, print_line, show, show_view
from command_line.tables import new_table, print_table
from models.access import NewTokenView, Scope, TokenView
from models.errors import FieldError, InvalidInput
from models.patterns import IDENTIFIER

Name = Annotated[str, typer.Argument(metavar="NAME", help="The token's name.")]


def add_tokens(app: typer.Typer, open_context: OpenContext) -> None:
    """Add the group `tokens`."""
    group = typer.Typer(no_args_is_help=True, help="Tokens that give access to the API.")
    app.add_typer(group, name="tokens")

    @group.command()
    def create(
        name: Name,
        scopes: Annotated[list[Scope], typer.Option("--scope", help="May be repeated.")],
        days: Annotated[
            int | None, typer.Option(min=1, max=36_500, help="Expires then; by default never.")
        ] = None,
        as_json: Json = False,
    ) -> None:
        """Create a token; shows its secret, once."""
        _check_name(name)
        database = open_context().database
        created = database.transaction(lambda w: stored.create_token(w, name, scopes, days))
        show_view(created, as_json, _print_secret)

    @group.command("list")
    def list_(as_json: Json = False, wide: Wide = False) -> None:
        """List tokens, also those no longer valid; never a secret."""
        show_view(open_context().read(stored.list_tokens), as_json, _print_tokens, wide)

    @group.command()
    def rotate(
        name: Name,
        keep_hours: Annotated[
            int, typer.Option(min=0, max=8_760, help="The old secret is valid for so long.")
        ] = 24,
        as_json: Json = False,
    ) -> None:
        """Give a token a new secret, shown once."""
        keep = timedelta(hours=keep_hours)
        database = open_context().database
        rotated = database.transaction(lambda work: stored.rotate_token(work, name, keep))
        show_view(rotated, as_json, _print_secret)

    @group.command()
    def revoke(name: Name, as_json: Json = False) -> None:
        """Revoke all secrets of a token: the API refuses them within seconds."""
        database = open_context().database
        count = database.transaction(lambda work: stored.revoke_token(work, name))
        show({"name": name, "revoked": count}, as_json, f"{name} is revoked")


def _check_name(name: str) -> None:
    """Check a name, which audit trails show. Raises InvalidInput."""
    if not re.fullmatch(IDENTIFIER, name):
        reason = "must be 1 to 64 letters, digits, dots, underscores or hyphens"
        raise InvalidInput([FieldError("name", reason)])


def _print_secret(token: NewTokenView) -> None:
    print_line(f"{token.name}: {', '.join(token.scopes)}")
    print_line(f"Secret, shown only now: {token.secret}")


def _print_tokens(rows: Sequence[TokenView]) -> None:
    table = new_table("name", "scopes", "made", "expires", "revoked", "last used")
    for row in rows:
        times = (row.made_at, row.expires_at, row.revoked_at)
        cells = (f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in times)
        table.add_row(row.name, ", ".join(row.scopes), *cells, or_dash(row.last_used_on))
    print_table(table)
