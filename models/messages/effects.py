"""Effects of a command: what it changes, as its dry run shows it."""

from collections.abc import Iterator

from models.base import Payload


class RowChange(Payload):
    """Rows of one table that a command inserts, changes or deletes. `ids`: those that are known."""

    table: str
    change: str
    rows: int
    ids: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The change in words: "orders: 1 changed (R-1001)"."""
        ids = f" ({', '.join(self.ids)})" if self.ids else ""
        return f"{self.table}: {self.rows} {self.change}{ids}"


class Effects(Payload):
    """What a command would do: to which rows, with which partners, and with what money."""

    history: tuple[str, ...] = ()
    """The rows of the audit trail."""
    money: tuple[str, ...] = ()
    """The entries of the ledger, and the refunds."""
    partners: tuple[str, ...] = ()
    """The calls to partners that follow."""
    notified: tuple[str, ...] = ()
    """The orders, returns and replenishments that go on with it."""
    rows: tuple[RowChange, ...] = ()

    def lines(self) -> Iterator[str]:
        """Yield the effects as lines of text."""
        yield from (f"history   {text}" for text in self.history)
        yield from (f"money     {text}" for text in self.money or ("none moves",))
        yield from (f"partners  {text}" for text in self.partners or ("none is called",))
        yield from (f"notified  {text}" for text in self.notified)
        yield from (f"rows      {change.words}" for change in self.rows)
