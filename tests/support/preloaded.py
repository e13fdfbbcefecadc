"""Load what the programs of tests need: modules that don't read the environment or the terminal when
they are loaded, the tables' mappers, the fonts, and the code hash by which the SDK names a build."""

import gc

import psycopg
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite
import typer.rich_utils
from sqlalchemy.orm import configure_mappers
from temporalio.worker._worker import load_default_build_id

import intake
import worker
from activities.documents.fonts import usual_subset
from activities.masterdata import importing
from models import ledger_export, settings

__all__ = [
    "importing",
    "intake",
    "ledger_export",
    "psycopg",
    "settings",
    "sqlalchemy",
    "typer",
    "worker",
]

configure_mappers()
load_default_build_id()
usual_subset()
gc.collect()
gc.freeze()  # a garbage collection in a fork would copy all of it
