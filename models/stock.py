"""Stock: which location serves what, and what a unit costs."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from models.base import Payload
from models.money import round_half_up


class ReservationState(StrEnum):
    """The life of a reservation."""

    HELD = "held"
    PICKED = "picked"
    SHIPPED = "shipped"
    RELEASED = "released"


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


class Allocation(Payload):
    """The outcome of `allocate`: together, reservations and shortages are exactly the needs."""

    reservations: tuple[Assignment, ...]
    shortages: tuple[Assignment, ...]


def allocate(
    needs: Sequence[Need], available: Mapping[tuple[str, str], int], locations: Sequence[str]
) -> Allocation:
    """Serve `needs` from as few locations as a greedy choice finds.

    `available` is units by (location, sku); `locations`, in order of preference, may not be empty.
    The location that can serve most units goes first, then the one that serves most of the rest;
    one that serves everything is therefore always alone. What nobody has is short at the first
    location used, so that it leaves in one consignment with the rest.
    """
    stock = dict(available)
    open_needs = list(needs)
    reservations: list[Assignment] = []
    candidates = list(locations)
    home = locations[0]
    while open_needs and candidates:
        best = max(candidates, key=lambda place: _servable(open_needs, stock, place))
        if not _servable(open_needs, stock, best):
            break
        if not reservations:
            home = best
        taken, open_needs = _take(open_needs, stock, best)
        reservations += taken
        candidates.remove(best)
    shortages = [
        Assignment(line_no=n.line_no, sku=n.sku, location=home, quantity=n.quantity)
        for n in open_needs
    ]
    return Allocation(reservations=tuple(reservations), shortages=tuple(shortages))


def _servable(needs: Sequence[Need], stock: Mapping[tuple[str, str], int], location: str) -> int:
    wanted: dict[str, int] = {}
    for need in needs:
        wanted[need.sku] = wanted.get(need.sku, 0) + need.quantity
    return sum(min(q, max(0, stock.get((location, sku), 0))) for sku, q in wanted.items())


def _take(
    needs: Sequence[Need], stock: dict[tuple[str, str], int], location: str
) -> tuple[list[Assignment], list[Need]]:
    taken: list[Assignment] = []
    rest: list[Need] = []
    for need in needs:
        units = min(need.quantity, max(0, stock.get((location, need.sku), 0)))
        if units:
            stock[location, need.sku] -= units
            taken.append(
                Assignment(line_no=need.line_no, sku=need.sku, location=location, quantity=units)
            )
        if units < need.quantity:
            rest.append(need.model_copy(update={"quantity": need.quantity - units}))
    return taken, rest


def issue_cost(value_minor: int, on_hand: int, quantity: int) -> int:
    """Moving average cost of `quantity` of `on_hand` units; the last unit takes the rest."""
    return round_half_up(value_minor * quantity, on_hand)
