"""Load modules and mappers for the programs of tests, and the hash that names their build.

The modules don't read the environment or the terminal when they are loaded.
"""

import gc

import psycopg
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite
import typer.rich_utils
from sqlalchemy.orm import configure_mappers
from temporalio.worker._worker import load_default_build_id

import intake
import worker
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
gc.collect()
gc.freeze()  # a garbage collection in a fork would copy all of it
