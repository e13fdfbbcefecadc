"""The audit trail of an order: entries that are chained by their hashes, and anchors over all.

Each entry contains the hash of the entry before it, so a changed, missing or inserted entry breaks
the chain. An anchor contains the hashes of all entries of a period, so that a chain can't be
replaced as a whole, or cut off at its end, without breaking the anchor.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

PIPELINE = "pipeline"
"""The actor and the source of what the pipeline does by itself."""
CUSTOMER = "customer"
"""The actor of an order that no employee took."""
OPERATOR = "operator"
"""The actor of commands and facts that name none."""
API, CLI, TEMPORAL = "api", "cli", "temporal"
"""The sources of commands: the API, the command line, and Temporal's own UI and command line."""
FIRST = ""
"""What stands in place of a previous hash before the first entry or anchor."""


class Origin(NamedTuple):
    """Who caused a change, why, and by which way it came in."""

    actor: str = PIPELINE
    source: str = PIPELINE
    """One of the constants above, the source of a fact (carriers), or the order's channel."""
    reason: str = ""


BY_ITSELF = Origin()
"""The origin of what the pipeline does by itself."""


def origin_of_fact(source: str) -> Origin:
    """Return the origin of what a fact causes: an operator who records it, or the partner."""
    return Origin(actor=OPERATOR if source in (API, CLI) else source, source=source)


class Tip(NamedTuple):
    """The end of an order's chain: the number and the hash of its last entry."""

    entry_no: int = 0
    hash: str = FIRST


class Entry(NamedTuple):
    """An entry of an audit trail."""

    order_id: str
    entry_no: int
    event: str
    detail: str
    actor: str
    source: str
    reason: str
    recorded_at: datetime


class ChainedEntry(NamedTuple):
    """An entry as recorded: its place in the table, and its hash."""

    audit_no: int
    entry: Entry
    hash: str


class Anchor(NamedTuple):
    """An anchor: the hash over all entries from one place in the table to another."""

    anchor_no: int
    from_no: int
    """The first `audit_no`; the number after the previous anchor's last."""
    to_no: int
    entries: int
    hash: str
    anchored_at: datetime


def entry_hash(entry: Entry, previous: str) -> str:
    """Return the SHA-256 of an entry and of the hash before it, as hexadecimal digits."""
    recorded_at = entry.recorded_at.astimezone(UTC).isoformat()
    return _digest([previous, *entry[:-1], recorded_at])


def anchor_hash(previous: str, from_no: int, to_no: int, hashes: Iterable[str]) -> str:
    """Return the SHA-256 over the previous anchor and the hashes of the entries of a period."""
    return _digest([previous, from_no, to_no, *hashes])


def broken_links(trail: Iterable[ChainedEntry]) -> Iterator[str]:
    """Compare the entries of one order, in their order, with their chain; describe what differs."""
    before = Tip()
    for _, entry, recorded_hash in trail:
        expected_no = before.entry_no + 1
        if entry.entry_no > expected_no:
            yield f"{_numbers(expected_no, entry.entry_no - 1)} missing"
        elif entry_hash(entry, before.hash) != recorded_hash:
            yield (
                f"entry {entry.entry_no} ({entry.event}) differs from its hash: it was changed or "
                "inserted, or the entry before it was"
            )
        before = Tip(entry.entry_no, recorded_hash)


def broken_anchor(anchor: Anchor, previous: Anchor | None, hashes: Sequence[str]) -> str | None:
    """Compare the entries of an anchor's period with it; describe the difference, None if none."""
    name = f"anchor {anchor.anchor_no} of {anchor.anchored_at:%Y-%m-%d %H:%M}"
    before, number, end = (
        (previous.hash, previous.anchor_no, previous.to_no) if previous else (FIRST, 0, 0)
    )
    if (anchor.anchor_no, anchor.from_no) != (number + 1, end + 1):
        return f"{name} doesn't follow the anchor before it: an anchor was changed or deleted"
    if len(hashes) != anchor.entries:
        return f"{name} was made over {anchor.entries} entries; there are {len(hashes)}"
    if anchor_hash(before, anchor.from_no, anchor.to_no, hashes) != anchor.hash:
        return f"{name} differs from its entries: one of them, or the anchor, was changed"
    return None


def _numbers(first: int, last: int) -> str:
    return f"entry {first} is" if first == last else f"entries {first} to {last} are"


def _digest(content: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
