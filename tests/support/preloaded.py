"""What the programs that tests start have at hand: modules that make nothing of the environment and
of what is a terminal when they are loaded, the tables' mappers, the fonts, and the hash of all code
by which the SDK names a worker's build."""

import gc

import psycopg
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite
import typer.rich_utils
from sqlalchemy.orm import configure_mappers
from temporalio.worker._worker import load_default_build_id

import intake
import worker
from activities.documents.fonts import usual_cut
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
usual_cut()
gc.collect()
gc.freeze()  # a copy that looks for garbage here would copy all of it
