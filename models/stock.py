"""Stock: which location serves what, and what a unit costs."""

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
    LOST = "lost"
    """It left and won't arrive; the customer is served anew."""
    FORGONE = "forgone"
    """It won't arrive, whether it had left or was cancelled before; the customer was refunded."""


RESERVED = (ReservationState.HELD, ReservationState.PICKED)
"""The states of reservations whose units the counter `reserved` includes."""
SERVING = (*RESERVED, ReservationState.SHIPPED, ReservationState.FORGONE)
"""The states of reservations that fulfil (or have settled) a part of an order line."""


class ShortageState(StrEnum):
    """The life of a shortage."""

    OPEN = "open"
    FILLED = "filled"
    WITHDRAWN = "withdrawn"


class MovementKind(StrEnum):
    """Why a counter changed."""

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
    """What one order line still wants."""

    line_no: int
    sku: str
    quantity: int


class Assignment(Payload):
    """So much of a line at one location: a reservation, or a shortage to be bought there."""

    line_no: int
    sku: str
    location: str
    quantity: int

    @property
    def key(self) -> StockKey:
        """The SKU and location of the units."""
        return StockKey(sku=self.sku, location=self.location)


class Origin(Payload):
    """A location that goods may leave from.

    `distance`: how far from the customer, in whatever unit the configuration uses throughout;
    `cost_minor`: what handling one consignment there costs.
    """

    location: str
    distance: int
    cost_minor: int


class Allocation(Payload):
    """The outcome of `allocate`: together, reservations and shortages are exactly the needs."""

    reservations: tuple[Assignment, ...]
    shortages: tuple[Assignment, ...]


SEARCH_WORK = 200_000
"""Units of work (sets of locations tried, times SKUs) within which `allocate` is exact."""


def allocate(
    needs: Sequence[Need],
    available: Mapping[StockKey, int],
    places: Sequence[Origin],
    split: bool,
) -> Allocation:
    """Which of `places` serves which line.

    `available` is in units; below zero counts as none. No order of the arguments
    changes the outcome, and nothing is reserved that isn't available.

    Without `split` (delivery complete) all lines of a SKU stay together at one location; what it
    lacks there is short there. Best is, in this order: fewest SKUs short, fewest consignments
    (locations with reservations or shortages), fewest units short, smallest sum of distances,
    smallest sum of handling costs, first by name.

    With `split` (delivery partial) even a line may come from several locations. Best is: fewest
    units short, fewest consignments (locations with reservations), distances, costs, names.
    Nearer locations are emptied first. What is short is short at the nearest location used, or,
    where none is, at the nearest of all.

    Both are set covering, which is NP-hard: sets of locations are tried by growing size, exactly,
    as long as all sets up to that size, times the SKUs, are within SEARCH_WORK (5 locations:
    6,000 SKUs; 15 locations: 6), and single locations always. Beyond it the location that serves
    most of what is left (SKUs whole, or units when split) is added until nothing is left, and
    those that turn out superfluous are dropped, the farthest first: no more SKUs (units when
    split) are short than in the exact answer, but consignments may be more.

    Raises ValueError for needs without places, and for a location named twice.
    """
    lines = sorted((n for n in needs if n.quantity > 0), key=lambda n: (n.line_no, n.sku))
    if not lines:
        return Allocation(reservations=(), shortages=())
    if not places:
        raise ValueError("places: at least one is needed")
    if len({p.location for p in places}) < len(places):
        raise ValueError("places: a location is named twice")
    origins = sorted(places, key=lambda p: (p.distance, p.cost_minor, p.location))
    wanted = _wanted(lines)
    held = [_held(wanted, available, origin) for origin in origins]
    if split:
        used = _split(wanted, held, origins)
        names = [origins[i].location for i in used]
        sources = dict.fromkeys(wanted, names)
        homes = dict.fromkeys(wanted, names[0] if names else origins[0].location)
    else:
        used = _whole(wanted, held, origins)
        homes = {
            sku: origins[max(used, key=lambda i: held[i][column])].location
            for column, sku in enumerate(wanted)
        }
        sources = {sku: [home] for sku, home in homes.items()}
    return _serve(lines, available, sources, homes)


def _wanted(lines: Sequence[Need]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for line in lines:
        wanted[line.sku] = wanted.get(line.sku, 0) + line.quantity
    return wanted


Row = tuple[int, ...]
"""What one location has, one number per SKU, in the order of the wanted SKUs."""


def _held(wanted: Mapping[str, int], available: Mapping[StockKey, int], origin: Origin) -> Row:
    """No more than is wanted: more is of no use."""
    stock = (
        max(0, available.get(StockKey(sku=sku, location=origin.location), 0)) for sku in wanted
    )
    return tuple(map(min, wanted.values(), stock))


def _split(wanted: Mapping[str, int], held: Sequence[Row], origins: Sequence[Origin]) -> list[int]:
    """The locations to use where lines may be split: together they have all that anybody has."""
    reach = tuple(map(min, wanted.values(), map(sum, zip(*held, strict=True))))
    return _choose(held, reach, origins, 0, lambda chosen: 0)


def _whole(wanted: Mapping[str, int], held: Sequence[Row], origins: Sequence[Origin]) -> list[int]:
    """The locations to use where SKUs stay whole: each SKU that one has whole, one of them has."""
    units = tuple(wanted.values())
    whole = [tuple(int(h == w) for h, w in zip(row, units, strict=True)) for row in held]
    reach = tuple(map(max, zip(*whole, strict=True)))
    lacking = [column for column, reachable in enumerate(reach) if not reachable]
    lacked = [tuple(row[column] for column in lacking) for row in held]

    def served(chosen: Chosen) -> int:
        return sum(map(max, zip(*(lacked[i] for i in chosen), strict=True)))

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
    """The smallest set of locations whose rows add up to `reach`; then the least `short`, the
    nearest, the cheapest, the first by name."""

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
    """What a location adds only shrinks as others are chosen, so that the first whose figure is
    still true is the best (the lazy greedy of Minoux, 1978)."""
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


def _serve(
    lines: Sequence[Need],
    available: Mapping[StockKey, int],
    sources: Mapping[str, Sequence[str]],
    homes: Mapping[str, str],
) -> Allocation:
    """Give each line in turn what its SKU's sources have; the rest is short at its SKU's home."""
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
    """Moving average cost of `quantity` of `on_hand` units; the last unit takes the rest."""
    return round_half_up(value_minor * quantity, on_hand)
