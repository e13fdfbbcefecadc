"""The rows of all tables that mention an order or a SKU, to compare them.

The version of an order is left out, as notifications raise it: every change of an order by a
command has a row in its audit trail. So are mails, which are sent by steps of their own.
"""

from sqlalchemy import select
from sqlmodel import Session, SQLModel

from activities.database.engine import Database
from models.tables.operations import Mail

UNCOMPARED = ("version", "updated_at")


def rows_about(database: Database, *ids: str) -> dict[str, list[str]]:
    """Read the rows of all tables that contain one of `ids`, as texts, by table."""

    def read(session: Session) -> dict[str, list[str]]:
        found = {}
        for table in SQLModel.metadata.sorted_tables:
            if table.name == Mail.__tablename__:
                continue
            columns = [column for column in table.columns if column.name not in UNCOMPARED]
            rows = [str(tuple(row)) for row in session.execute(select(*columns))]
            found[table.name] = sorted(
                row for row in rows if any(one in row for one in ids) and "'mailed'" not in row
            )
        return found

    return database.read(read)
