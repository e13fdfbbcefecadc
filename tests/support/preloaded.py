"""What the programs that tests start have at hand: modules that make nothing of the environment and
of what is a terminal when they are loaded, the tables' mappers, and the fonts."""

import gc

import psycopg
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite.pysqlite
import typer.rich_utils
from sqlalchemy.orm import configure_mappers

import intake
import worker
from activities.database import importing
from activities.documents.fonts import usual_cut
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
usual_cut()
gc.collect()
gc.freeze()  # a copy that looks for garbage here would copy all of it
