"""An empty database, and a folder of files to import."""

from pathlib import Path

import pytest

from activities.database.engine import Database
from tests.support.masterdata.imports import empty_database, write_rows


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A migrated database without business data."""
    return empty_database(request, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """CSV files with one valid row each."""
    return write_rows(tmp_path / "shop")
