"""Hypothesis's machines: each example works in a copy of one furnished database, which is quick."""

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.conftest import new_database
from tests.support import postgres
from tests.support.shop import unique


def copies(
    kind: str, request: pytest.FixtureRequest, folder: Path, furnish: Callable[[str, Path], None]
) -> Callable[[], str]:
    """What makes copies of a database of `kind`, migrated and furnished; each call a URL."""
    url = new_database(kind, request, folder)
    furnish(url, folder / "csv")
    if kind == "sqlite":
        numbers = itertools.count()

        def file() -> str:
            copy = folder / f"{next(numbers)}.db"
            shutil.copy(folder / "orders.db", copy)
            return f"sqlite:///{copy}"

        return file
    server, name = request.getfixturevalue("postgresql_server"), url.rpartition("/")[2]
    return lambda: postgres.create_database(server, unique("machine"), template=name)


def sized(full: bool, *, examples: int, steps: int) -> settings:
    """So many examples of so many steps. The small size is the same for everybody, so that it
    reaches what it must; the full one isn't."""
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=not full,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
