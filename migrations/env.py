"""Run the migrations on the database whose URL `tools/prepare.py` passes."""

from alembic import context
from sqlalchemy import NullPool, create_engine
from sqlmodel import SQLModel

import models.tables  # noqa: F401

url = context.config.get_main_option("sqlalchemy.url")
if not url:
    raise SystemExit("Run `python -m tools.prepare`: it passes the database URL.")

with create_engine(url, poolclass=NullPool).connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
