"""The changes of rows that a transaction makes, listened to on its connection."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Delete, Insert, Table, Update, event

VERBS: Mapping[type[object], str] = {Insert: "new", Update: "changed", Delete: "deleted"}


class Written(NamedTuple):
    """Rows that one statement wrote. `values`: those of each row, where the statement has them."""

    table: Table
    change: str
    rows: int
    values: tuple[Mapping[str, Any], ...]

    def ids(self) -> list[str]:
        """Return the primary keys of the rows, where they are known."""
        keys = [column.name for column in self.table.primary_key]
        found = []
        for row in self.values:
            named = [row.get(key, row.get(f"{self.table.name}_{key}")) for key in keys]
            if None not in named:
                found.append("/".join(map(str, named)))
        return found


@contextmanager
def listening(connection: Connection) -> Iterator[list[Written]]:
    """Collect the rows that are written on a connection meanwhile, in the order of statements."""
    written: list[Written] = []

    def listen(
        _connection: Connection,
        statement: Any,
        many: Any,
        one: Mapping[str, Any],
        _options: Mapping[str, Any],
        result: Any,
    ) -> None:
        """Note a statement; `Any`: the event hands over statements and results of all kinds."""
        change = next((verb for kind, verb in VERBS.items() if isinstance(statement, kind)), None)
        if change is None or not isinstance(statement.table, Table):
            return
        values = tuple(many or ([one] if one else []))
        known = change == "new" and not result.context.execution_options.get("preserve_rowcount")
        count = len(values) if known else result.rowcount
        if count:
            written.append(Written(statement.table, change, max(count, 0), values))

    event.listen(connection, "after_execute", listen)
    try:
        yield written
    finally:
        event.remove(connection, "after_execute", listen)
