"""Stock: states of reservations and shortages, allocation to locations, moving average cost."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from heapq import heapify, heappop, heappush
from itertools import combinations
from math import comb
from operator import ge, sub

from models.base import Payload
from models.messages.steps import StockKey
from models.money import round_half_up


class ReservationState(StrEnum):
    """The life of a reservation."""

    HELD = "held"
    PICKED = "picked"
    SHIPPED = "shipped"
    RELEASED = "released"
    RESHIPPED = "reshipped"
    """Dispatched, not delivered, and sent again, whatever the reason."""
    WRITTEN_OFF = "written_off"
    """Refunded instead of delivered, before or after dispatch."""


RESERVED = (ReservationState.HELD, ReservationState.PICKED)
"""The states of reservations whose units the counter `reserved` includes."""
SERVING = (*RESERVED, ReservationState.SHIPPED, ReservationState.WRITTEN_OFF)
"""The states of reservations that fulfil (or have settled) a part of an order line."""


class ShortageState(StrEnum):
    """The life of a shortage."""

    OPEN = "open"
    FILLED = "filled"
    WITHDRAWN = "withdrawn"


class MovementKind(StrEnum):
    """The reasons for a change of a counter."""

    OPENING = "opening"
    RESERVE = "reserve"
    RELEASE = "release"
    ISSUE = "issue"
    RECEIPT = "receipt"
    REVALUE = "revalue"
    ADJUST = "adjust"
    COUNT = "count"
    TRANSFER = "transfer"
    RETURN = "return"


class Need(Payload):
    """Units that an order line still needs."""

    line_no: int
    sku: str
    quantity: int


class Assignment(Payload):
    """Units of an order line at one location: a reservation, or a shortage there."""

    line_no: int
    sku: str
    location: str
    quantity: int

    @property
    def key(self) -> StockKey:
        """The SKU and location of the units."""
        return StockKey(sku=self.sku, location=self.location)


class Origin(Payload):
    """A location that may serve an order.

    `distance` to the customer, in the unit of `distances.csv`; `cost_minor`: handling of one
    consignment, in minor units.
    """

    location: str
    distance: int
    cost_minor: int


class Allocation(Payload):
    """The result of `allocate`: reservations and shortages, together exactly the needs."""

    reservations: tuple[Assignment, ...]
    shortages: tuple[Assignment, ...]


SEARCH_WORK = 200_000
"""The limit of the exact search of `allocate`: sets of locations, times SKUs."""


def allocate(
    needs: Sequence[Need],
    available: Mapping[StockKey, int],
    origins: Sequence[Origin],
    split: bool,
) -> Allocation:
    """Choose which of `origins` serves which line.

    `available` is in units; below zero counts as none. The order of the arguments does not change
    the result, and no more is reserved than is available.

    Without `split` (complete delivery) all lines of a SKU stay together at one location, and the
    missing units are short there. The best result has, in this order: fewest SKUs short, fewest
    consignments (locations with reservations or shortages), fewest units short, smallest sum of
    distances, smallest sum of handling costs, first names.

    With `split` (partial delivery) a line may come from several locations. The best result has:
    fewest units short, fewest consignments (locations with reservations), then distances, costs
    and names as above. Nearer locations are emptied first. Missing units are short at the nearest
    location used, or at the nearest of all.

    Both are set covering, which is NP-hard. Sets of locations are tried by growing size while all
    sets up to that size, times the SKUs, are within SEARCH_WORK (5 locations: 6,000 SKUs;
    15 locations: 6); single locations always. Beyond it, the location that serves most of the rest
    (complete SKUs, or units with `split`) is added until all is served, and superfluous locations
    are removed, the farthest first. Then no more SKUs (units with `split`) are short than in the
    exact result, but consignments may be more.

    Raises ValueError for needs without origins, and for a location named twice.
    """
    lines = sorted((n for n in needs if n.quantity > 0), key=lambda n: (n.line_no, n.sku))
    if not lines:
        return Allocation(reservations=(), shortages=())
    if not origins:
        raise ValueError("origins: at least one is needed")
    if len({origin.location for origin in origins}) < len(origins):
        raise ValueError("origins: a location is named twice")
    origins = sorted(origins, key=lambda o: (o.distance, o.cost_minor, o.location))
    wanted = _wanted(lines)
    stock = [_usable(wanted, available, origin) for origin in origins]
    if split:
        used = _split(wanted, stock, origins)
        names = [origins[i].location for i in used]
        sources = dict.fromkeys(wanted, names)
        homes = dict.fromkeys(wanted, names[0] if names else origins[0].location)
    else:
        used = _whole(wanted, stock, origins)
        homes = {
            sku: origins[max(used, key=lambda i: stock[i][column])].location
            for column, sku in enumerate(wanted)
        }
        sources = {sku: [home] for sku, home in homes.items()}
    return _assign(lines, available, sources, homes)


def _wanted(lines: Sequence[Need]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    return wanted


Row = tuple[int, ...]
"""The units of one location: one number for each of the wanted SKUs, in their order."""


def _usable(wanted: Mapping[str, int], available: Mapping[StockKey, int], origin: Origin) -> Row:
    """Return the available units of an origin, up to the wanted ones."""
    stock = (
        max(0, available.get(StockKey(sku=sku, location=origin.location), 0)) for sku in wanted
    )
    return tuple(map(min, wanted.values(), stock))


def _split(wanted: Mapping[str, int], stock: Sequence[Row], origins: Sequence[Origin]) -> list[int]:
    """Choose origins for lines that may be split: together they have all reachable units."""
    reach = tuple(map(min, wanted.values(), map(sum, zip(*stock, strict=True))))
    return _choose(stock, reach, origins, 0, lambda chosen: 0)


def _whole(wanted: Mapping[str, int], stock: Sequence[Row], origins: Sequence[Origin]) -> list[int]:
    """Choose origins for SKUs that stay together: every SKU that an origin covers is covered."""
    units = tuple(wanted.values())
    whole = [tuple(int(h == w) for h, w in zip(row, units, strict=True)) for row in stock]
    reach = tuple(map(max, zip(*whole, strict=True)))
    uncovered = [column for column, reachable in enumerate(reach) if not reachable]
    partial = [tuple(row[column] for column in uncovered) for row in stock]

    def served(chosen: Chosen) -> int:
        return sum(map(max, zip(*(partial[i] for i in chosen), strict=True)))

    return _choose(whole, reach, origins, 1, lambda chosen: -served(chosen))


Chosen = tuple[int, ...]
"""Positions in the list of origins, the nearest first."""


def _choose(
    rows: Sequence[Row],
    reach: Row,
    origins: Sequence[Origin],
    at_least: int,
    short: Callable[[Chosen], int],
) -> list[int]:
    """Return the smallest set of origins whose rows add up to `reach`.

    Among equal sizes: the least `short`, the nearest, the cheapest, the first by name.
    """

    def rank(chosen: Chosen) -> tuple[int, int, int, list[str]]:
        return (
            short(chosen),
            sum(origins[i].distance for i in chosen),
            sum(origins[i].cost_minor for i in chosen),
            sorted(origins[i].location for i in chosen),
        )

    candidates = [i for i, row in enumerate(rows) if any(row) or not any(reach)]
    work = 0
    for size in range(at_least, len(candidates) + 1):
        work += comb(len(candidates), size) * len(reach)
        if size > 1 and work > SEARCH_WORK:
            break
        sets = combinations(candidates, size)
        best = min((s for s in sets if _covers(rows, reach, s)), key=rank, default=None)
        if best is not None:
            return list(best)
    return _greedy(rows, reach, candidates)


def _covers(rows: Sequence[Row], reach: Row, chosen: Chosen) -> bool:
    if not chosen:
        return not any(reach)
    together = map(sum, zip(*(rows[i] for i in chosen), strict=True))
    return all(map(ge, together, reach))


def _greedy(rows: Sequence[Row], reach: Row, candidates: Sequence[int]) -> list[int]:
    """Add the origin that covers most of the rest, until `reach` is covered.

    The lazy greedy algorithm (Minoux, 1978): an origin's gain only shrinks as others are chosen, so
    the first one in the queue whose gain is up to date is the best.
    """
    queue = [(-sum(map(min, rows[i], reach)), i) for i in candidates]
    heapify(queue)
    left, chosen = reach, list[int]()
    while any(left):
        _, nearest = heappop(queue)
        entry = (-sum(map(min, rows[nearest], left)), nearest)
        if queue and queue[0] < entry:
            heappush(queue, entry)
            continue
        chosen.append(nearest)
        left = tuple(max(0, units - more) for units, more in zip(left, rows[nearest], strict=True))
    return _without_superfluous(rows, reach, chosen)


def _without_superfluous(rows: Sequence[Row], reach: Row, chosen: Sequence[int]) -> list[int]:
    together = tuple(map(sum, zip(*(rows[i] for i in chosen), strict=True)))
    kept: list[int] = []
    for farthest in sorted(chosen, reverse=True):
        rest = tuple(map(sub, together, rows[farthest]))
        if all(map(ge, rest, reach)):
            together = rest
        else:
            kept.append(farthest)
    return sorted(kept)


def _assign(
    lines: Sequence[Need],
    available: Mapping[StockKey, int],
    sources: Mapping[str, Sequence[str]],
    homes: Mapping[str, str],
) -> Allocation:
    """Assign units of a SKU's sources to its lines in turn; the rest is short at its home."""
    taken: dict[StockKey, int] = {}
    reservations: list[Assignment] = []
    shortages: list[Assignment] = []

    def assign(to: list[Assignment], line: Need, location: str, units: int) -> None:
        if units > 0:
            to.append(
                Assignment(line_no=line.line_no, sku=line.sku, location=location, quantity=units)
            )

    for line in lines:
        rest = line.quantity
        for location in sources[line.sku]:
            key = StockKey(sku=line.sku, location=location)
            units = max(0, min(rest, available.get(key, 0) - taken.get(key, 0)))
            assign(reservations, line, location, units)
            taken[key] = taken.get(key, 0) + units
            rest -= units
        assign(shortages, line, homes[line.sku], rest)
    return Allocation(reservations=tuple(reservations), shortages=tuple(shortages))


def issue_cost(value_minor: int, on_hand: int, quantity: int) -> int:
    """Return the moving average cost of `quantity` of `on_hand` units, in minor units.

    The last units take the rest of the value.
    """
    return round_half_up(value_minor * quantity, on_hand)
