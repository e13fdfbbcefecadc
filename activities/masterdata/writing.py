"""Writing of planned rows: new ones are inserted, and changed columns updated."""

from collections import defaultdict
from typing import Any

from sqlalchemy import bindparam, insert, update

from activities.database.unit_of_work import UnitOfWork, table_of
from activities.masterdata.planning import Plan


def write_rows(work: UnitOfWork, plan: Plan) -> None:
    """Insert the new rows of a file, and update the changed columns of the others."""
    table = table_of(plan.file.table)
    fields = plan.file.table.model_fields
    defaults = {name: field.default for name, field in fields.items() if not field.is_required()}
    connection = work.session.connection()
    if new := [{**defaults, **row.after} for row in plan.rows if row.is_new]:
        connection.execute(insert(table), new)
    names = [plan.file.attribute(column) for column in plan.file.key]
    matches = [table.c[name] == bindparam(f"key_{name}") for name in names]
    changes: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(plan.rows, key=lambda row: row.key):
        columns = tuple(plan.file.attribute(column) for column in row.changed)
        if columns:
            key = {f"key_{name}": row.after[name] for name in names}
            changes[columns].append({**key, **{f"new_{c}": row.after[c] for c in columns}})
    for columns, rows in changes.items():
        values: dict[str, Any] = {column: bindparam(f"new_{column}") for column in columns}
        connection.execute(update(table).where(*matches).values(values), rows)
