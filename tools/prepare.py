"""Prepare the database and Temporal: tables, namespace, search attributes and schedules.

`python -m tools.prepare` can be repeated. `python -m tools.prepare --check` changes nothing; it
checks that the migrations create exactly the tables of `models/tables/`.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import OperationalError

import engine
from activities.database.company import timezone_of_company
from activities.database.engine import Database, create_folder, with_driver
from activities.operations.tokens import ensure_token
from exits import exit_on_error, exit_process
from models.access import Scope
from models.errors import DatabaseUnavailable
from models.settings import Settings

ROOT = Path(__file__).parent.parent


def alembic_config(url: str) -> Config:
    """Configure Alembic for the project's migrations and the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str) -> None:
    """Apply all pending migrations to the database at `url`."""
    create_folder(url)
    command.upgrade(alembic_config(with_driver(url)), "head")


def check_migrations() -> None:
    """Raise CommandError unless the migrations create exactly the tables of `models/tables/`."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/check.db"
        migrate(url)
        command.check(alembic_config(url))


async def prepare() -> None:
    """Prepare the database, then Temporal; raises DatabaseUnavailable or EngineUnavailable."""
    settings = Settings.read()
    try:
        migrate(settings.database)
    except OperationalError as error:
        raise DatabaseUnavailable(f"the database is not usable: {error.orig}") from error
    client = await engine.connect(os.environ, settings.temporal_port)
    await engine.prepare(client)
    database = Database(settings.database, settings.rules)
    timezone = database.read(timezone_of_company)
    if token := settings.api_token:
        database.transaction(lambda work: ensure_token(work, "admin", [Scope.ADMIN], token))
    database.close()
    await engine.prepare_schedules(
        client, settings.stock_review_at, settings.reconcile_at, timezone
    )


def main() -> int:
    """Run the command; return exit status 1 if migrations and tables differ, else 0."""
    if sys.argv[1:] != ["--check"]:
        asyncio.run(prepare())
        return 0
    try:
        check_migrations()
    except CommandError as error:
        print(f"migrations/ and models/tables/ differ: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with exit_on_error():
        exit_process(main())
