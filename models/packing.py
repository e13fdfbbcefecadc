"""Packing: what goes into which carton or onto which pallet."""

from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import permutations
from typing import Annotated, NamedTuple

from pydantic import ConfigDict, Field

from models.base import Payload, Text

MAX_PACKAGES = 2_000
"""No consignment is packed into more: sixty trucks, or a mistake."""

LOOK_AHEAD = 100
"""So many goods in a row that find no room end a container, though a later one might."""

FULL_PERCENT = 80
"""A container that one product fills so far, by volume or weight, is counted, not filled up."""

CARTON_WALL_MM = 5
"""Double-wall corrugated board, on every side."""

PALLET_DECK_MM = 144
"""A EUR pallet without goods (EN 13698-1)."""


class PackageKind(StrEnum):
    """What a package is: goods in a carton, goods on a pallet, or one unit as it is."""

    CARTON = "carton"
    PALLET = "pallet"
    PIECE = "piece"


class Piece(Payload):
    """`quantity` units of one product, each of this weight and size; a side of 0 mm wasn't
    measured and counts as 1 mm."""

    sku: str = ""
    quantity: int
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


Side = Annotated[int, Field(ge=1, le=100_000)]
"""Of a container, in mm."""


class Container(Payload):
    """A carton or pallet: the room for goods, the weight of goods it bears, and its own. Operators
    write it: a typing error isn't taken for a default."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    length_mm: Side
    width_mm: Side
    height_mm: Side
    max_weight_g: Annotated[int, Field(ge=1, le=100_000_000)]
    tare_g: Annotated[int, Field(ge=0, le=100_000_000)] = 0


class Content(Payload):
    """So many units of a SKU in one package."""

    sku: str
    quantity: int


class Package(Payload):
    """What a carrier takes in hand: size over all and gross weight. `container` is the name of
    the carton or pallet; a piece has none."""

    kind: PackageKind
    container: str
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    contents: tuple[Content, ...]

    @property
    def volume_mm3(self) -> int:
        """Of the cuboid around it."""
        return self.length_mm * self.width_mm * self.height_mm


def _carton(length_mm: int, width_mm: int, height_mm: int, tare_g: int) -> Container:
    return Container(
        name=f"{length_mm}x{width_mm}x{height_mm}",
        length_mm=length_mm,
        width_mm=width_mm,
        height_mm=height_mm,
        max_weight_g=30_000,
        tare_g=tare_g,
    )


CARTONS = (
    _carton(200, 150, 100, 120),
    _carton(300, 200, 150, 240),
    _carton(400, 300, 200, 480),
    _carton(600, 400, 200, 820),
    _carton(600, 400, 400, 1_150),
)
"""Sizes inside; 30 kg of goods each."""

PALLET = Container(
    name="EUR",
    length_mm=1_200,
    width_mm=800,
    height_mm=1_800 - PALLET_DECK_MM,
    max_weight_g=1_000_000,
    tare_g=25_000,
)
"""EUR pallet (EN 13698-1): 1,800 mm high over all, 1,000 kg of goods."""


class TooManyPackages(ValueError):
    """More packages would be needed than were allowed for."""


Sides = tuple[int, int, int]


class Good(NamedTuple):
    """One unit of a product; its sides in mm, the longest first."""

    sku: str
    weight_g: int
    sides: Sides

    @property
    def volume_mm3(self) -> int:
        """Of the cuboid around it."""
        return self.sides[0] * self.sides[1] * self.sides[2]


class Block(NamedTuple):
    """A solid grid of units of one good, all turned the same way: where its corner is in the
    container, and how far it reaches from there, both in mm along length, width and height."""

    good: Good
    quantity: int
    at: Sides
    size: Sides


class Load(NamedTuple):
    """What is in one container, and how many of them are filled in the same way."""

    container: Container | None
    """None: one unit, as it is."""
    blocks: tuple[Block, ...]
    times: int


def pack(
    pieces: Sequence[Piece],
    containers: Sequence[Container],
    kind: PackageKind,
    at_most: int = MAX_PACKAGES,
) -> tuple[Package, ...]:
    """Which package holds what, in the order in which they are packed; `containers` are of
    `kind`. See `load` for how, and for the limits of it.

    A carton's size over all is its own, whatever is in it; a pallet's height is that of its goods.

    Raises TooManyPackages, before any is made, when it takes more than `at_most`.
    """
    packages: list[Package] = []
    for filled in load(pieces, containers, at_most):
        packages += [_package(filled, kind)] * filled.times
    return tuple(packages)


def load(pieces: Sequence[Piece], containers: Sequence[Container], at_most: int) -> list[Load]:
    """Where every unit is: a way to pack that can be done, not the best one. Nothing overlaps,
    everything is inside, and every block stands on the floor or wholly on one other block.

    The largest goods go first (first fit decreasing), in blocks, each into the lowest free cuboid
    that holds at least one unit; what is left of the cuboid is cut in three (guillotine cuts):
    above, behind and beside the block. The largest container that holds the goods is filled again
    and again, then each is exchanged for the smallest that holds what is in it. A unit that no
    container holds is a load of its own. No order of the arguments changes the outcome.

    Not known here: which side is up, what bears what on top of it, what must not travel together.
    Containers that one product fills to FULL_PERCENT take no other, and after LOOK_AHEAD goods in
    a row that found no room a container is closed.

    Raises TooManyPackages when more than `at_most` loads are needed.
    """
    by_size = sorted(containers, key=lambda c: (_volume(_room(c)), c.name))
    goods = _goods(pieces)
    loads: list[Load] = []
    rest: dict[Good, int] = {}
    for good, quantity in goods:
        home = _largest(good, by_size)
        if home is None:
            loads.append(Load(None, (Block(good, 1, (0, 0, 0), good.sides),), quantity))
            continue
        blocks, left = _fill(home, {good: quantity})
        capacity = quantity - left.get(good, 0)
        times = (quantity - 1) // capacity
        if times and (len(goods) == 1 or _is_full(home, good, capacity)):
            loads.append(_downsized(home, blocks, by_size, times))
            quantity -= times * capacity
        rest[good] = quantity
    count = sum(filled.times for filled in loads)
    while rest and count < at_most:
        home = _largest(next(iter(rest)), by_size)
        assert home is not None
        blocks, rest = _fill(home, rest)
        loads.append(_downsized(home, blocks, by_size, 1))
        count += 1
    needed = count + bool(rest)
    if needed > at_most:
        raise TooManyPackages(
            f"at least {needed:,} packages would be needed; {at_most:,} is the limit"
        )
    return loads


def _goods(pieces: Sequence[Piece]) -> list[tuple[Good, int]]:
    """Equal ones together, the largest first."""
    quantities: dict[Good, int] = {}
    for piece in pieces:
        if piece.quantity > 0:
            shortest, middle, longest = sorted(
                max(1, side) for side in (piece.length_mm, piece.width_mm, piece.height_mm)
            )
            good = Good(piece.sku, piece.weight_g, (longest, middle, shortest))
            quantities[good] = quantities.get(good, 0) + piece.quantity
    return sorted(
        quantities.items(),
        key=lambda entry: (-entry[0].volume_mm3, [-side for side in entry[0].sides], entry[0]),
    )


def _room(container: Container) -> Sides:
    return container.length_mm, container.width_mm, container.height_mm


def _volume(sides: Sides) -> int:
    return sides[0] * sides[1] * sides[2]


def _largest(good: Good, by_size: Sequence[Container]) -> Container | None:
    """The largest container that holds one unit."""
    for container in reversed(by_size):
        longest, middle, shortest = sorted(_room(container), reverse=True)
        if (
            good.weight_g <= container.max_weight_g
            and good.sides[0] <= longest
            and good.sides[1] <= middle
            and good.sides[2] <= shortest
        ):
            return container
    return None


def _is_full(container: Container, good: Good, units: int) -> bool:
    """Of one product: whether it isn't worth looking for what else would go in."""
    return (
        100 * units * good.volume_mm3 >= FULL_PERCENT * _volume(_room(container))
        or 100 * units * good.weight_g >= FULL_PERCENT * container.max_weight_g
    )


def _downsized(
    container: Container, blocks: Sequence[Block], by_size: Sequence[Container], times: int
) -> Load:
    """The same goods in the smallest container that holds them."""
    goods: dict[Good, int] = {}
    for block in blocks:
        goods[block.good] = goods.get(block.good, 0) + block.quantity
    volume_mm3 = sum(good.volume_mm3 * units for good, units in goods.items())
    for smaller in by_size[: by_size.index(container)]:
        if volume_mm3 <= _volume(_room(smaller)):
            moved, left = _fill(smaller, goods)
            if not left:
                return Load(smaller, tuple(moved), times)
    return Load(container, tuple(blocks), times)


class _Space(NamedTuple):
    """A free cuboid, the lowest and then the tightest first when sorted."""

    bottom: int
    volume_mm3: int
    at: Sides
    size: Sides
    longest: int
    middle: int
    shortest: int


def _space(at: Sides, size: Sides) -> _Space:
    shortest, middle, longest = sorted(size)
    return _Space(at[2], _volume(size), at, size, longest, middle, shortest)


def _fill(container: Container, goods: Mapping[Good, int]) -> tuple[list[Block], dict[Good, int]]:
    """What of `goods`, in their order, goes into one container, and what is left.

    Of one good alone, as many as there are go in, up to a number that is the same whatever its
    quantity: so that many containers are counted, not filled.
    """
    spaces = [_space((0, 0, 0), _room(container))]
    thinnest = min(good.sides[2] for good in goods)
    bears_g = container.max_weight_g
    blocks: list[Block] = []
    left: dict[Good, int] = {}
    misses = 0
    for good, quantity in goods.items():
        if misses > LOOK_AHEAD:
            left[good] = quantity
            continue
        may = min(quantity, bears_g // good.weight_g) if good.weight_g else quantity
        todo = may
        while todo and (space := _first(spaces, good)):
            block = _block(good, todo, space)
            blocks.append(block)
            todo -= block.quantity
            spaces.remove(space)
            for part in _cut(space, block):
                if part.shortest >= thinnest:
                    insort(spaces, part)
        bears_g -= (may - todo) * good.weight_g
        misses = 0 if todo < may else misses + 1
        if quantity > may - todo:
            left[good] = quantity - may + todo
    return blocks, left


def _first(spaces: Sequence[_Space], good: Good) -> _Space | None:
    """The first that holds one unit, turned in some way."""
    long, mid, short = good.sides
    for space in spaces:
        if space.shortest >= short and space.middle >= mid and space.longest >= long:
            return space
    return None


def _block(good: Good, quantity: int, space: _Space) -> Block:
    """The largest grid up to `quantity`, of the six ways to turn a unit; of equal ones the lowest.

    Whole rows, then whole layers: what is missing to `quantity` has room in what is cut off.
    """
    length, width, height = space.size

    def grid(turned: Sides) -> tuple[int, Sides]:
        rows = (length // turned[0], width // turned[1], height // turned[2])
        units = min(quantity, _volume(rows))
        along = min(units, rows[0])
        across = min(units // along, rows[1]) if along else 0
        up = units // (along * across) if across else 0
        return units, (along * turned[0], across * turned[1], up * turned[2])

    grids = [grid(turned) for turned in sorted(set(permutations(good.sides, 3)))]
    _, size = max(grids, key=lambda found: (found[0], -found[1][2], found[1]))
    return Block(good, _volume(size) // good.volume_mm3, space.at, size)


def _cut(space: _Space, block: Block) -> Iterator[_Space]:
    """What is left of a space: above the block, and beside and behind it up to the top, cut so
    that one of these two is as large as can be."""
    (x, y, z), (length, width, height), (along, across, up) = space.at, space.size, block.size
    lengthwise = (length - along) * width >= length * (width - across)
    parts = (
        ((x, y, z + up), (along, across, height - up)),
        ((x + along, y, z), (length - along, width if lengthwise else across, height)),
        ((x, y + across, z), (along if lengthwise else length, width - across, height)),
    )
    return (_space(at, size) for at, size in parts if _volume(size))


def _package(filled: Load, kind: PackageKind) -> Package:
    container, blocks = filled.container, filled.blocks
    contents: dict[str, int] = {}
    for block in blocks:
        contents[block.good.sku] = contents.get(block.good.sku, 0) + block.quantity
    if container is None:
        kind, name, tare_g = PackageKind.PIECE, "", 0
        length_mm, width_mm, height_mm = blocks[0].size
    else:
        name, tare_g = container.name, container.tare_g
        length_mm, width_mm, height_mm = _over_all(container, blocks, kind)
    return Package(
        kind=kind,
        container=name,
        length_mm=length_mm,
        width_mm=width_mm,
        height_mm=height_mm,
        weight_g=tare_g + sum(block.quantity * block.good.weight_g for block in blocks),
        contents=tuple(Content(sku=sku, quantity=contents[sku]) for sku in sorted(contents)),
    )


def _over_all(container: Container, blocks: Sequence[Block], kind: PackageKind) -> Sides:
    length, width, height = _room(container)
    if kind is PackageKind.PALLET:
        goods_mm = max(block.at[2] + block.size[2] for block in blocks)
        return length, width, PALLET_DECK_MM + goods_mm
    walls = 2 * CARTON_WALL_MM
    return length + walls, width + walls, height + walls
