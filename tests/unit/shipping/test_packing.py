"""Packing: every unit is in exactly one package, and the packing is physically possible."""

from collections import Counter
from itertools import combinations, permutations
from math import prod
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.packing import (
    CARTONS,
    MAX_PACKAGES,
    PALLET,
    Block,
    Container,
    Package,
    PackageKind,
    Piece,
    TooManyPackages,
    load,
    pack,
)

CARTON, PALLETS, PIECE = PackageKind.CARTON, PackageKind.PALLET, PackageKind.PIECE

some_pieces = st.lists(
    st.builds(
        Piece,
        sku=st.sampled_from("ABCDEF"),
        quantity=st.one_of(st.integers(0, 12), st.integers(0, 400)),
        weight_g=st.one_of(st.integers(0, 1_000), st.integers(0, 40_000)),
        length_mm=st.integers(0, 700),
        width_mm=st.integers(0, 500),
        height_mm=st.integers(0, 300),
    ),
    max_size=8,
)
some_containers = st.sampled_from([(CARTONS, CARTON), ((PALLET,), PALLETS)])


def piece(quantity: int, size_mm: str, *, sku: str = "A", weight_g: int = 100) -> Piece:
    """Light goods of a size such as "300x200x100"."""
    length_mm, width_mm, height_mm = map(int, size_mm.split("x"))
    return Piece(
        sku=sku,
        quantity=quantity,
        weight_g=weight_g,
        length_mm=length_mm,
        width_mm=width_mm,
        height_mm=height_mm,
    )


def box(name: str, *size_mm: int, max_weight_g: int = 10**6) -> Container:
    """A container of this inner size."""
    length_mm, width_mm, height_mm = size_mm
    return Container(
        name=name,
        length_mm=length_mm,
        width_mm=width_mm,
        height_mm=height_mm,
        max_weight_g=max_weight_g,
    )


def names(packages: tuple[Package, ...]) -> list[str]:
    """The containers used, in order."""
    return [package.container for package in packages]


def units_of(pieces: list[Piece]) -> Counter[str]:
    """The units to pack by SKU, without zeros."""
    units: Counter[str] = Counter()
    for one in pieces:
        units[one.sku] += one.quantity
    return +units


def packed(packages: tuple[Package, ...]) -> Counter[str]:
    """The units in all packages by SKU."""
    units: Counter[str] = Counter()
    for package in packages:
        for content in package.contents:
            assert content.quantity > 0
            units[content.sku] += content.quantity
    return units


def apart(one: Block, other: Block) -> bool:
    """Whether two blocks don't overlap: along some axis, one ends before the other begins."""
    return any(
        one.at[axis] + one.size[axis] <= other.at[axis]
        or other.at[axis] + other.size[axis] <= one.at[axis]
        for axis in range(3)
    )


def stands(block: Block, blocks: tuple[Block, ...]) -> bool:
    """Whether a block stands on the floor, or wholly on one other block."""
    return block.at[2] == 0 or any(
        below.at[2] + below.size[2] == block.at[2]
        and all(
            below.at[axis] <= block.at[axis]
            and block.at[axis] + block.size[axis] <= below.at[axis] + below.size[axis]
            for axis in range(2)
        )
        for below in blocks
    )


def is_a_grid(block: Block) -> bool:
    """Whether the units of a block, all turned one way, fill exactly its cuboid."""
    return any(
        all(size % side == 0 for size, side in zip(block.size, turned, strict=True))
        and prod(size // side for size, side in zip(block.size, turned, strict=True))
        == block.quantity
        for turned in permutations(block.unit.sides)
    )


@settings(deadline=None)
@given(pieces=some_pieces, how=some_containers)
def test_every_unit_is_in_exactly_one_package(
    pieces: list[Piece], how: tuple[tuple[Container, ...], PackageKind]
) -> None:
    assert packed(pack(pieces, *how)) == units_of(pieces)


@settings(deadline=None)
@given(pieces=some_pieces, how=some_containers)
def test_package_weight_is_goods_plus_tare_within_the_container_limit(
    pieces: list[Piece], how: tuple[tuple[Container, ...], PackageKind]
) -> None:
    containers, kind = how
    known = {container.name: container for container in containers}
    packages = pack(pieces, containers, kind)
    boxed = [package for package in packages if package.kind is not PIECE]
    for package in boxed:
        container = known[package.container]
        assert package.weight_g - container.tare_g <= container.max_weight_g
    tare_g = sum(known[package.container].tare_g for package in boxed)
    goods_g = sum(one.quantity * one.weight_g for one in pieces)
    assert sum(package.weight_g for package in packages) == goods_g + tare_g


@settings(max_examples=200, deadline=None)
@given(pieces=some_pieces, how=some_containers)
def test_blocks_are_solid_inside_disjoint_and_supported(
    pieces: list[Piece], how: tuple[tuple[Container, ...], PackageKind]
) -> None:
    for filled in load(pieces, how[0], MAX_PACKAGES):
        assert all(is_a_grid(block) for block in filled.blocks)
        assert all(stands(block, filled.blocks) for block in filled.blocks)
        assert all(apart(*pair) for pair in combinations(filled.blocks, 2))
        if filled.container is not None:
            container = filled.container
            inside = (container.length_mm, container.width_mm, container.height_mm)
            for block in filled.blocks:
                ends = [at + size for at, size in zip(block.at, block.size, strict=True)]
                assert all(at >= 0 for at in block.at)
                assert all(end <= side for end, side in zip(ends, inside, strict=True))


@settings(deadline=None)
@given(pieces=some_pieces, how=some_containers, random=st.randoms(use_true_random=False))
def test_packing_depends_on_no_order_of_pieces_or_containers(
    pieces: list[Piece], how: tuple[tuple[Container, ...], PackageKind], random: Random
) -> None:
    containers, kind = how
    shuffled = random.sample(pieces, len(pieces))
    again = random.sample(containers, len(containers))
    assert pack(shuffled, again, kind) == pack(pieces, containers, kind)


@settings(deadline=None)
@given(pieces=some_pieces, how=some_containers)
def test_unit_is_its_own_package_only_if_no_container_holds_it(
    pieces: list[Piece], how: tuple[tuple[Container, ...], PackageKind]
) -> None:
    containers, kind = how

    def holds(container: Container, one: Piece) -> bool:
        inside = sorted((container.length_mm, container.width_mm, container.height_mm))
        sides = sorted((one.length_mm, one.width_mm, one.height_mm))
        fits = all(side <= most for side, most in zip(sides, inside, strict=True))
        return fits and one.weight_g <= container.max_weight_g

    alone = sum(one.quantity for one in pieces if not any(holds(c, one) for c in containers))
    assert sum(package.kind is PIECE for package in pack(pieces, containers, kind)) == alone


@settings(max_examples=200, deadline=None)
@given(
    sides=st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 7)),
    weight_g=st.integers(0, 5),
    quantity=st.integers(1, 200),
)
def test_all_containers_of_one_product_but_the_last_hold_equally_many(
    sides: tuple[int, int, int], weight_g: int, quantity: int
) -> None:
    """Counting full containers gives the same result as filling them one by one."""
    room = box("room", 12, 9, 7, max_weight_g=60)
    goods = piece(quantity, "x".join(map(str, sides)), weight_g=weight_g)
    units = [p.contents[0].quantity for p in pack([goods], (room,), CARTON)]
    assert sum(units) == quantity
    assert len(set(units[:-1])) <= 1
    assert units[-1] <= units[0]


@settings(max_examples=200, deadline=None)
@given(
    room=st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 6)),
    sides=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
)
def test_container_of_one_product_holds_at_least_the_best_grid(
    room: tuple[int, int, int], sides: tuple[int, int, int]
) -> None:
    """Compared with all orientations, and with the volume."""
    grid = max(
        prod(side // unit for side, unit in zip(room, turned, strict=True))
        for turned in permutations(sides)
    )
    if not grid:
        return
    goods = piece(prod(room) + 1, "x".join(map(str, sides)), weight_g=0)
    units = pack([goods], (box("room", *room),), CARTON)[0].contents[0].quantity
    assert grid <= units <= prod(room) // prod(sides)


@pytest.mark.parametrize(
    ("pieces", "used"),
    [
        ([], []),
        ([piece(0, "10x10x10")], []),
        ([piece(1, "200x150x100")], ["200x150x100"]),
        ([piece(1, "100x200x150")], ["200x150x100"]),
        ([piece(1, "201x150x100")], ["300x200x150"]),
        ([piece(2, "200x150x100")], ["300x200x150"]),
        ([piece(1, "150x100x100"), piece(1, "100x50x50", sku="B")], ["200x150x100"]),
        ([piece(32, "200x150x100")], ["600x400x400"]),
        ([piece(33, "200x150x100")], ["600x400x400", "200x150x100"]),
        ([piece(1, "600x400x400"), piece(1, "10x10x10", sku="B")], ["600x400x400", "200x150x100"]),
        ([piece(1, "601x10x10")], [""]),
        ([piece(1, "601x10x10"), piece(1, "0x0x0", sku="B")], ["", "200x150x100"]),
        ([piece(1_000, "0x0x0", weight_g=0)], ["200x150x100"]),
        ([piece(2, "50x50x50", weight_g=15_000)], ["200x150x100"]),
        ([piece(2, "50x50x50", weight_g=15_001)], ["200x150x100"] * 2),
        ([piece(1, "50x50x50", weight_g=30_001)], [""]),
    ],
)
def test_smallest_sufficient_carton_is_used(pieces: list[Piece], used: list[str]) -> None:
    assert names(pack(pieces, CARTONS, CARTON)) == used


def test_remaining_space_is_used_for_other_products() -> None:
    """A carton bears one heavy unit and fourteen more kilograms."""
    heavy = piece(4, "50x50x50", sku="HEAVY", weight_g=16_000)
    light = piece(2, "40x40x40", sku="LIGHT", weight_g=14_000)
    packages = pack([heavy, light], CARTONS, CARTON)
    assert [[content.sku for content in package.contents] for package in packages] == [
        *[["HEAVY", "LIGHT"]] * 2,
        *[["HEAVY"]] * 2,
    ]


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 10), min_size=1, max_size=6))
def test_one_dimensional_packing_needs_at_most_one_container_more_than_the_optimum(
    lengths: list[int],
) -> None:
    """The optimum is found by trying all distributions."""

    def fewest(left: list[int], free: tuple[int, ...]) -> int:
        if not left:
            return len(free)
        first, rest = left[0], left[1:]
        ways = [fewest(rest, (*free, 10 - first))]
        ways += [
            fewest(rest, (*free[:place], room - first, *free[place + 1 :]))
            for place, room in enumerate(free)
            if room >= first
        ]
        return min(ways)

    goods = [piece(1, f"{length}x1x1", sku=str(n)) for n, length in enumerate(lengths)]
    used = len(pack(goods, (box("tube", 10, 1, 1),), CARTON))
    best = fewest(lengths, ())
    assert best <= used <= best + 1


def test_pieces_of_one_sku_are_one_content() -> None:
    """Order lines of the same SKU, or a SKU with two sizes."""
    (package,) = pack([piece(1, "50x50x50"), piece(2, "50x50x60")], CARTONS, CARTON)
    assert [(content.sku, content.quantity) for content in package.contents] == [("A", 3)]


def test_carton_size_includes_its_walls_and_its_weight_the_tare() -> None:
    (package,) = pack([piece(1, "10x10x10")], CARTONS, CARTON)
    assert (package.length_mm, package.width_mm, package.height_mm) == (210, 160, 110)
    assert (package.kind, package.weight_g) == (CARTON, 220)


@pytest.mark.parametrize(
    ("quantity", "heights_mm"),
    [(1, [344]), (16, [344]), (17, [544]), (128, [1744]), (129, [1744, 344])],
)
def test_pallet_height_is_that_of_its_goods(quantity: int, heights_mm: list[int]) -> None:
    packages = pack([piece(quantity, "300x200x200")], (PALLET,), PALLETS)
    assert [package.height_mm for package in packages] == heights_mm
    assert {(package.length_mm, package.width_mm) for package in packages} == {(1_200, 800)}


@pytest.mark.parametrize(
    ("size_mm", "container", "height_mm"),
    [("1200x800x1656", "EUR", 1_800), ("1201x800x1656", "", 800), ("1657x800x800", "", 800)],
)
def test_pallet_holds_goods_of_exactly_its_inner_size(
    size_mm: str, container: str, height_mm: int
) -> None:
    (package,) = pack([piece(1, size_mm)], (PALLET,), PALLETS)
    assert (package.container, package.height_mm) == (container, height_mm)


def test_pallet_bears_a_thousand_kilograms_of_goods() -> None:
    def loads(weight_g: int) -> list[int]:
        goods = piece(2, "400x300x200", weight_g=weight_g)
        return [package.weight_g for package in pack([goods], (PALLET,), PALLETS)]

    assert loads(500_000) == [1_025_000]
    assert loads(500_001) == [525_001, 525_001]


def test_unpackaged_piece_has_its_own_size_and_weight() -> None:
    packages = pack([piece(3, "20x2740x0", weight_g=7)], CARTONS, CARTON)
    expected = Package.model_validate(
        {
            "kind": PIECE,
            "container": "",
            "length_mm": 2_740,
            "width_mm": 20,
            "height_mm": 1,
            "weight_g": 7,
            "contents": [{"sku": "A", "quantity": 1}],
        }
    )
    assert packages == (expected,) * 3


@pytest.mark.parametrize(
    ("pieces", "limit", "message"),
    [
        ([piece(1_000_000, "1200x800x1656")], MAX_PACKAGES, "1,000,000 packages"),
        ([piece(10**9, "3000x10x10")], MAX_PACKAGES, "1,000,000,000 packages"),
        ([piece(21, "1200x800x1600")], 20, "21 packages"),
        ([piece(1, "1200x800x1600", sku=str(n)) for n in range(99)], 20, "at least 21 packages"),
    ],
)
def test_more_packages_than_the_limit_are_rejected(
    pieces: list[Piece], limit: int, message: str
) -> None:
    with pytest.raises(TooManyPackages, match=message) as rejected:
        pack(pieces, (PALLET,), PALLETS, limit)
    assert f"{limit:,} is the limit" in str(rejected.value)


def test_exactly_the_limit_of_packages_is_allowed() -> None:
    goods = piece(MAX_PACKAGES, "1200x800x1600")
    assert len(pack([goods], (PALLET,), PALLETS)) == MAX_PACKAGES
    assert len(pack([piece(20, "1200x800x1600")], (PALLET,), PALLETS, 20)) == 20


def test_million_units_of_one_product_are_packed() -> None:
    packages = pack([piece(1_000_000, "50x30x20", weight_g=1)], (PALLET,), PALLETS)
    assert packed(packages) == {"A": 1_000_000}
    assert len(packages) == 19


def test_thousand_products_fill_cartons_to_two_thirds() -> None:
    random = Random(1)
    pieces = [
        piece(
            random.randint(1, 5),
            "x".join(str(random.randint(10, 150)) for _ in range(3)),
            sku=f"SKU-{number}",
            weight_g=random.randint(1, 500),
        )
        for number in range(1_000)
    ]
    packages = pack(pieces, CARTONS, CARTON)
    assert packed(packages) == units_of(pieces)
    assert len(packages) <= 30
