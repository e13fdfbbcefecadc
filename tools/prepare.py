"""Make the database and the engine ready: tables, namespace, search attributes,
schedules.

`python -m tools.prepare` does it; again, it finds everything done. With `--check` it says whether
the migrations make exactly the tables of `models/tables.py`, and changes nothing.
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
from activities.database.engine import create_folder, normalised
from exits import leave, told
from models.errors import DatabaseUnavailable
from models.settings import Settings

ROOT = Path(__file__).parent.parent


def alembic_config(url: str) -> Config:
    """Alembic pointed at our migrations and the given database."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def migrate(url: str) -> None:
    """Bring the tables of the database at `url` up to date."""
    create_folder(url)
    command.upgrade(alembic_config(normalised(url)), "head")


def check_migrations() -> None:
    """Raise CommandError unless the migrations make exactly the tables of `models/tables.py`."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/check.db"
        migrate(url)
        command.check(alembic_config(url))


async def prepare() -> None:
    """Database first: it needs no server."""
    settings = Settings.read()
    try:
        migrate(settings.database)
    except OperationalError as error:
        raise DatabaseUnavailable(f"the database can't be used: {error.orig}") from error
    client = await engine.connect(os.environ, settings.temporal_port)
    await engine.prepare(client)
    await engine.prepare_schedules(client, settings.stock_review_at, settings.reconcile_at)


def main() -> int:
    """The command line: 0 done, 1 the tables and migrations differ."""
    if sys.argv[1:] != ["--check"]:
        asyncio.run(prepare())
        return 0
    try:
        check_migrations()
    except CommandError as error:
        print(f"migrations/ and models/tables.py differ: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    with told():
        leave(main())
