"""Packing: which units go into which carton or onto which pallet."""

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import permutations
from typing import Annotated, NamedTuple

from pydantic import ConfigDict, Field

from models.base import Payload, Text

MAX_PACKAGES = 2_000
"""The most packages of a consignment: sixty trucks, or a mistake."""

MAX_MISSES = 100
"""Consecutive products that don't fit, after which a container is closed."""

FULL_PERCENT = 80
"""Volume or weight from which a container of one product takes no other product."""

CARTON_WALL_MM = 5
"""Double-wall corrugated board, on every side."""

PALLET_DECK_MM = 144
"""Height of an empty EUR pallet (EN 13698-1)."""


class PackageKind(StrEnum):
    """A carton, a pallet, or one unit without packaging."""

    CARTON = "carton"
    PALLET = "pallet"
    PIECE = "piece"


class Piece(Payload):
    """Units of one product, with the weight and size of each; a side of 0 mm (not measured)
    counts as 1 mm."""

    sku: str = ""
    quantity: int
    weight_g: int
    length_mm: int
    width_mm: int
    height_mm: int


Side = Annotated[int, Field(ge=1, le=100_000)]
"""A side of a container, in mm."""


class Container(Payload):
    """A carton or pallet: inner size, the weight of goods that it bears, and its own weight."""

    model_config = ConfigDict(extra="forbid")  # configured by hand: report misspelt fields

    name: Text
    length_mm: Side
    width_mm: Side
    height_mm: Side
    max_weight_g: Annotated[int, Field(ge=1, le=100_000_000)]
    tare_g: Annotated[int, Field(ge=0, le=100_000_000)] = 0


class Content(Payload):
    """The units of one SKU in a package."""

    sku: str
    quantity: int


class Package(Payload):
    """A package as a carrier handles it: outer size and gross weight. `container` is the name of
    the carton or pallet; empty for a piece."""

    kind: PackageKind
    container: str
    length_mm: int
    width_mm: int
    height_mm: int
    weight_g: int
    contents: tuple[Content, ...]

    @property
    def volume_mm3(self) -> int:
        """Volume of the bounding box."""
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
"""Inner sizes; 30 kg of goods each."""

PALLET = Container(
    name="EUR",
    length_mm=1_200,
    width_mm=800,
    height_mm=1_800 - PALLET_DECK_MM,
    max_weight_g=1_000_000,
    tare_g=25_000,
)
"""EUR pallet (EN 13698-1): 1,800 mm high with its goods, 1,000 kg of goods."""


class TooManyPackages(ValueError):
    """More packages are needed than the limit allows."""


Sides = tuple[int, int, int]


class Unit(NamedTuple):
    """One unit of a product; its sides in mm, the longest first."""

    sku: str
    weight_g: int
    sides: Sides

    @property
    def volume_mm3(self) -> int:
        """Volume of the bounding box."""
        return _volume(self.sides)


class Block(NamedTuple):
    """A solid grid of equal units, all turned the same way. `at` is its corner in the container and
    `size` its extent, both in mm along length, width and height."""

    unit: Unit
    quantity: int
    at: Sides
    size: Sides


class Load(NamedTuple):
    """The contents of one container, and the number of containers filled in the same way."""

    container: Container | None
    """None: one unit without packaging."""
    blocks: tuple[Block, ...]
    times: int


def pack(
    pieces: Sequence[Piece],
    containers: Sequence[Container],
    kind: PackageKind,
    limit: int = MAX_PACKAGES,
) -> tuple[Package, ...]:
    """Pack pieces into containers of one kind; the packages in the order in which they are packed.

    See `load` for the method and its limits. A carton keeps its outer size, however full; a
    pallet's height is that of its goods. Raises TooManyPackages, before any is made, when more than
    `limit` are needed.
    """
    packages: list[Package] = []
    for filled in load(pieces, containers, limit):
        packages += [_package(filled, kind)] * filled.times
    return tuple(packages)


def load(pieces: Sequence[Piece], containers: Sequence[Container], limit: int) -> list[Load]:
    """Place every unit in a container: feasible, not optimal.

    Nothing overlaps, everything is inside, and every block stands on the floor or wholly on one
    other block. Products are packed by decreasing size (first fit decreasing), in blocks, each
    block into the lowest free cuboid that holds at least one unit; the rest of the cuboid is cut in
    three (guillotine cuts): above, behind and beside the block. The largest container that holds
    the product is filled repeatedly, then each is exchanged for the smallest that holds its
    contents. A unit that no container holds is a load of its own. The result doesn't depend on the
    order of the arguments.

    Not considered: which side is up, how much weight goods bear, what must not travel together. A
    container that one product fills to FULL_PERCENT takes no other product; after MAX_MISSES
    consecutive products without space a container is closed.

    Raises TooManyPackages when more than `limit` loads are needed.
    """
    by_size = sorted(containers, key=lambda c: (_volume(_inner_size(c)), c.name))
    products = _products(pieces)
    loads: list[Load] = []
    rest: dict[Unit, int] = {}
    for unit, quantity in products:
        container = _largest_for(unit, by_size)
        if container is None:
            loads.append(Load(None, (Block(unit, 1, (0, 0, 0), unit.sides),), quantity))
            continue
        blocks, left = _fill(container, {unit: quantity})
        capacity = quantity - left.get(unit, 0)
        times = (quantity - 1) // capacity
        if times and (len(products) == 1 or _is_full(container, unit, capacity)):
            loads.append(_downsized(container, blocks, by_size, times))
            quantity -= times * capacity
        rest[unit] = quantity
    count = sum(filled.times for filled in loads)
    while rest and count < limit:
        container = _largest_for(next(iter(rest)), by_size)
        assert container is not None
        blocks, rest = _fill(container, rest)
        loads.append(_downsized(container, blocks, by_size, 1))
        count += 1
    needed = count + bool(rest)
    if needed > limit:
        raise TooManyPackages(f"at least {needed:,} packages are needed; {limit:,} is the limit")
    return loads


def _products(pieces: Sequence[Piece]) -> list[tuple[Unit, int]]:
    """Add up equal units; return them with the largest first."""
    quantities = Counter[Unit]()
    for piece in pieces:
        if piece.quantity > 0:
            shortest, middle, longest = sorted(
                max(1, side) for side in (piece.length_mm, piece.width_mm, piece.height_mm)
            )
            unit = Unit(piece.sku, piece.weight_g, (longest, middle, shortest))
            quantities[unit] += piece.quantity
    return sorted(
        quantities.items(),
        key=lambda entry: (-entry[0].volume_mm3, [-side for side in entry[0].sides], entry[0]),
    )


def _inner_size(container: Container) -> Sides:
    return container.length_mm, container.width_mm, container.height_mm


def _volume(sides: Sides) -> int:
    return sides[0] * sides[1] * sides[2]


def _largest_for(unit: Unit, by_size: Sequence[Container]) -> Container | None:
    """Return the largest container that holds one unit."""
    for container in reversed(by_size):
        longest, middle, shortest = sorted(_inner_size(container), reverse=True)
        if (
            unit.weight_g <= container.max_weight_g
            and unit.sides[0] <= longest
            and unit.sides[1] <= middle
            and unit.sides[2] <= shortest
        ):
            return container
    return None


def _is_full(container: Container, unit: Unit, quantity: int) -> bool:
    return (
        100 * quantity * unit.volume_mm3 >= FULL_PERCENT * _volume(_inner_size(container))
        or 100 * quantity * unit.weight_g >= FULL_PERCENT * container.max_weight_g
    )


def _downsized(
    container: Container, blocks: Sequence[Block], by_size: Sequence[Container], times: int
) -> Load:
    """Move the contents to the smallest container that holds them."""
    contents = Counter[Unit]()
    for block in blocks:
        contents[block.unit] += block.quantity
    volume_mm3 = sum(unit.volume_mm3 * quantity for unit, quantity in contents.items())
    for smaller in by_size[: by_size.index(container)]:
        if volume_mm3 <= _volume(_inner_size(smaller)):
            moved, left = _fill(smaller, contents)
            if not left:
                return Load(smaller, tuple(moved), times)
    return Load(container, tuple(blocks), times)


class _Space(NamedTuple):
    """A free cuboid; sorts by lowest, then tightest."""

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


def _fill(
    container: Container, products: Mapping[Unit, int]
) -> tuple[list[Block], dict[Unit, int]]:
    """Fill one container with products in their order; returns its blocks and what is left.

    A container of one product holds the same number whatever its quantity, so that `load` counts
    full containers instead of filling each.
    """
    spaces = [_space((0, 0, 0), _inner_size(container))]
    thinnest = min(unit.sides[2] for unit in products)
    capacity_g = container.max_weight_g
    blocks: list[Block] = []
    left: dict[Unit, int] = {}
    misses = 0
    for unit, quantity in products.items():
        if misses > MAX_MISSES:
            left[unit] = quantity
            continue
        bearable = min(quantity, capacity_g // unit.weight_g) if unit.weight_g else quantity
        waiting = bearable
        while waiting and (space := _first_fit(spaces, unit)):
            block = _block(unit, waiting, space)
            blocks.append(block)
            waiting -= block.quantity
            spaces.remove(space)
            for part in _cut(space, block):
                if part.shortest >= thinnest:
                    insort(spaces, part)
        packed = bearable - waiting
        capacity_g -= packed * unit.weight_g
        misses = 0 if packed else misses + 1
        if quantity > packed:
            left[unit] = quantity - packed
    return blocks, left


def _first_fit(spaces: Sequence[_Space], unit: Unit) -> _Space | None:
    """Return the first space that holds one unit in some orientation."""
    longest, middle, shortest = unit.sides
    for space in spaces:
        if space.shortest >= shortest and space.middle >= middle and space.longest >= longest:
            return space
    return None


def _block(unit: Unit, quantity: int, space: _Space) -> Block:
    """Build the largest grid up to `quantity` over the six orientations; of equal ones the lowest.

    Whole rows, then whole layers: the units missing to `quantity` go into the spaces cut off.
    """
    length, width, height = space.size

    def grid(turned: Sides) -> tuple[int, Sides]:
        rows = (length // turned[0], width // turned[1], height // turned[2])
        units = min(quantity, _volume(rows))
        along = min(units, rows[0])
        across = min(units // along, rows[1]) if along else 0
        up = units // (along * across) if across else 0
        return units, (along * turned[0], across * turned[1], up * turned[2])

    grids = [grid(turned) for turned in sorted(set(permutations(unit.sides, 3)))]
    _, size = max(grids, key=lambda found: (found[0], -found[1][2], found[1]))
    return Block(unit, _volume(size) // unit.volume_mm3, space.at, size)


def _cut(space: _Space, block: Block) -> Iterator[_Space]:
    """Cut the rest of a space in three: above the block, behind it, and to its side up to the top.

    Either of the last two is as large as possible.
    """
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
    contents = Counter[str]()
    for block in blocks:
        contents[block.unit.sku] += block.quantity
    if container is None:
        kind, name, tare_g = PackageKind.PIECE, "", 0
        length_mm, width_mm, height_mm = blocks[0].size
    else:
        name, tare_g = container.name, container.tare_g
        length_mm, width_mm, height_mm = _outer_size(container, blocks, kind)
    return Package(
        kind=kind,
        container=name,
        length_mm=length_mm,
        width_mm=width_mm,
        height_mm=height_mm,
        weight_g=tare_g + sum(block.quantity * block.unit.weight_g for block in blocks),
        contents=tuple(Content(sku=sku, quantity=contents[sku]) for sku in sorted(contents)),
    )


def _outer_size(container: Container, blocks: Sequence[Block], kind: PackageKind) -> Sides:
    length, width, height = _inner_size(container)
    if kind is PackageKind.PALLET:
        goods_mm = max(block.at[2] + block.size[2] for block in blocks)
        return length, width, PALLET_DECK_MM + goods_mm
    walls = 2 * CARTON_WALL_MM
    return length + walls, width + walls, height + walls
