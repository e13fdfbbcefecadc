"""Commands on stock by CLI and API: adjust, count and transfer, and their refusals."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlmodel import Session, select

from models.ledger import Account
from models.tables.ledger import JournalPosting
from models.tables.stock import Stock, StockMovement
from tests.support.masterdata.shop import Document, order, unique
from tests.support.pipeline.command_line import run
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.purchases import reorder_at
from tests.support.stock.two_locations import ELSEWHERE, counters, everything, shop, stock

PATHS = {"adjust": "adjustments", "count": "counts", "transfer": "transfers"}
WORDS = {
    "adjust": ("location", "by"),
    "count": ("location", "counted"),
    "transfer": ("from_location", "to_location", "quantity"),
}
OPTIONS = {"reason": "--reason", "command_id": "--id", "unit_cost": "--unit-cost"}


@dataclass
class Answer:
    """The answer of CLI or API: the command was executed, or refused."""

    done: bool
    body: Document = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """The fields that a refusal names."""
        return [error["field"] for error in self.body.get("errors", ())]


Interface = Callable[[World, str, str, Document], Awaitable[Answer]]


async def by_cli(world: World, kind: str, sku: str, fields: Document) -> Answer:
    """Execute a command by `stock adjust SKU LOCATION BY --reason ...`."""
    words = [str(fields[name]) for name in WORDS[kind]]
    for name, option in OPTIONS.items():
        words += [option, str(fields[name])] if name in fields else []
    status, out, err = await run(world, "stock", kind, sku, *words, "--json")
    assert status in (0, 1), err + out
    return Answer(status == 0, json.loads(out))


async def by_api(world: World, kind: str, sku: str, fields: Document) -> Answer:
    """Execute a command by `POST /stock/{sku}/adjustments`."""
    response = await world.api.post(f"/stock/{sku}/{PATHS[kind]}", json=fields)
    return Answer(response.status_code == 200, response.json())


BY_CLI_AND_API = pytest.mark.parametrize("execute", [by_cli, by_api])


def command(**fields: Any) -> Document:
    """Make the fields of a command at BER, with a new id and a reason."""
    return {"location": "BER", "reason": "stocktaking", "command_id": unique("c"), **fields}


def transfer(**fields: Any) -> Document:
    """Make the fields of a transfer from BER to the other location."""
    given = {"from_location": "BER", "to_location": ELSEWHERE, "command_id": unique("c")}
    return {**given, "reason": "stocktaking", **fields}


def entry(world: World, entry_id: str) -> dict[str, int]:
    """Return the amounts in cents of a journal entry by account."""

    def work(session: Session) -> dict[str, int]:
        rows = session.exec(select(JournalPosting).where(JournalPosting.entry_id == entry_id))
        return {Account(row.account).name: row.amount_minor for row in rows}

    return world.database.read(work)


async def until_stock(world: World, sku: str, reached: Callable[[Document], bool]) -> Document:
    """Wait until the stock of a SKU satisfies `reached`."""
    return await until(lambda: stock(world, sku), reached)


# Commands.


@BY_CLI_AND_API
async def test_adjustment_changes_stock_and_ledger_by_average_cost(
    pipeline: World, execute: Interface
) -> None:
    """Its movement shows reason and actor."""
    sku, _ = shop(pipeline)
    lost = command(by=-3, reason="broken in the yard")
    answer = await execute(pipeline, "adjust", sku, lost)
    assert answer.done, answer
    assert counters(pipeline, sku) == {"BER": (7, 0, 42_000)}
    movement = f"adjust:{lost['command_id']}"
    assert entry(pipeline, movement) == {"INVENTORY_LOSS": 18_000, "INVENTORY": -18_000}
    found = command(by=1)
    assert (await execute(pipeline, "adjust", sku, found)).done
    assert counters(pipeline, sku) == {"BER": (8, 0, 48_000)}
    gained = entry(pipeline, f"adjust:{found['command_id']}")
    assert gained == {"INVENTORY": 6_000, "INVENTORY_GAIN": -6_000}
    [row] = [m for m in (await stock(pipeline, sku))["movements"] if m["movement_id"] == movement]
    assert (row["on_hand"], row["value"]) == (-3, "-180.00")
    assert (row["reason"], row["actor"]) == ("broken in the yard", "operator")


@BY_CLI_AND_API
async def test_repeated_command_is_executed_once(pipeline: World, execute: Interface) -> None:
    """With the same answer; its id with other content, or for another kind, is a conflict."""
    sku, _ = shop(pipeline)
    given = command(by=-3)
    first = await execute(pipeline, "adjust", sku, given)
    assert await execute(pipeline, "adjust", sku, given) == first
    assert counters(pipeline, sku) == {"BER": (7, 0, 42_000)}
    before = everything(pipeline, sku)
    others = [
        ("adjust", given | {"by": -2}),
        ("adjust", given | {"reason": "another"}),
        ("count", command(counted=7, command_id=given["command_id"])),
    ]
    for kind, other in others:
        answer = await execute(pipeline, kind, sku, other)
        assert (answer.done, answer.body["code"]) == (False, "command_id_taken")
    assert everything(pipeline, sku) == before


async def test_concurrent_repeated_command_is_executed_once(pipeline: World) -> None:
    """All callers receive the same answer."""
    sku, _ = shop(pipeline)
    given = command(by=-3)
    answers = await asyncio.gather(*(by_api(pipeline, "adjust", sku, given) for _ in range(8)))
    assert all(answer == answers[0] and answer.done for answer in answers)
    assert counters(pipeline, sku) == {"BER": (7, 0, 42_000)}


async def test_concurrent_commands_are_all_executed(pipeline: World) -> None:
    """Gains and losses of one SKU."""
    sku, _ = shop(pipeline, on_hand=20)
    changes = [1, -1, 2, -2, 3, -3, 4, -4, 5, -5]
    answers = await asyncio.gather(
        *(by_api(pipeline, "adjust", sku, command(by=by)) for by in changes)
    )
    assert all(answer.done for answer in answers)
    assert counters(pipeline, sku) == {"BER": (20, 0, 120_000)}


@BY_CLI_AND_API
async def test_gain_without_stock_needs_a_unit_cost(pipeline: World, execute: Interface) -> None:
    """There is no average cost."""
    for kind, fields in (("adjust", {"by": 2}), ("count", {"counted": 2})):
        sku, _ = shop(pipeline, on_hand=0)
        before = everything(pipeline, sku)
        refused = await execute(pipeline, kind, sku, command(**fields))
        assert (refused.done, refused.fields) == (False, ["unit_cost"])
        assert everything(pipeline, sku) == before
        assert (await execute(pipeline, kind, sku, command(**fields, unit_cost="12.34"))).done
        assert counters(pipeline, sku) == {"BER": (2, 0, 2_468)}


@BY_CLI_AND_API
async def test_unused_unit_cost_is_validated_and_reported(
    pipeline: World, execute: Interface
) -> None:
    """There is an average cost; an invalid amount is refused nevertheless."""
    sku, _ = shop(pipeline)
    for kind, fields in (
        ("adjust", {"by": 5}),
        ("count", {"counted": 20}),
        ("count", {"counted": 9}),
    ):
        before = everything(pipeline, sku)
        refused = await execute(pipeline, kind, sku, command(**fields, unit_cost="1.999"))
        assert (refused.done, refused.fields) == (False, ["unit_cost"])
        assert everything(pipeline, sku) == before
        done = await execute(pipeline, kind, sku, command(**fields, unit_cost="1.99"))
        assert "the unit cost was ignored" in done.body["message"]
    assert counters(pipeline, sku) == {"BER": (9, 0, 9 * 6_000)}


@BY_CLI_AND_API
async def test_count_corrects_counters_and_value(pipeline: World, execute: Interface) -> None:
    """A lower count is a loss, a higher one a gain; an equal one is recorded too."""
    sku, _ = shop(pipeline)
    for counted, value_minor in ((8, 48_000), (9, 54_000), (9, 54_000), (0, 0)):
        given = command(counted=counted)
        assert (await execute(pipeline, "count", sku, given)).done
        assert counters(pipeline, sku).get("BER", (0, 0, 0)) == (counted, 0, value_minor)
        shown = await stock(pipeline, sku)
        assert shown["movements"][0]["movement_id"] == f"count:{given['command_id']}"


@BY_CLI_AND_API
async def test_transfer_moves_units_with_their_value(pipeline: World, execute: Interface) -> None:
    """It posts nothing: the inventory keeps its value."""
    sku, _ = shop(pipeline)
    entries = everything(pipeline, sku)[1][2]
    given = transfer(quantity=4)
    assert (await execute(pipeline, "transfer", sku, given)).done
    assert (await execute(pipeline, "transfer", sku, given)).done
    assert counters(pipeline, sku) == {"BER": (6, 0, 36_000), ELSEWHERE: (4, 0, 24_000)}
    assert everything(pipeline, sku)[1][2] == entries
    moved = [m["movement_id"] for m in (await stock(pipeline, sku))["movements"][:2]]
    assert sorted(moved) == [f"transfer:{given['command_id']}:{way}" for way in ("in", "out")]


async def test_gain_and_transfer_fill_backorders(pipeline: World) -> None:
    sku, customer = shop(pipeline, on_hand=0, offers=False)
    document = order(sku, customer, quantity=3)
    await pipeline.place(document)
    await pipeline.until(document["order_id"], "awaiting_stock")
    elsewhere = command(location=ELSEWHERE, by=2, unit_cost="60.00")
    assert (await by_api(pipeline, "adjust", sku, elsewhere)).done
    back = transfer(from_location=ELSEWHERE, to_location="BER", quantity=2)
    assert (await by_api(pipeline, "transfer", sku, back)).done
    assert counters(pipeline, sku) == {"BER": (2, 2, 12_000)}
    assert (await by_api(pipeline, "adjust", sku, command(by=1))).done
    await pipeline.until_order(
        document["order_id"],
        lambda o: o["stage"] == "awaiting_payment" and o["attention"] is None,
    )
    assert counters(pipeline, sku) == {"BER": (3, 3, 18_000)}


async def test_loss_down_to_the_reorder_point_causes_a_purchase(pipeline: World) -> None:
    sku, _ = shop(pipeline)
    reorder_at(pipeline, sku, reorder_point=5, order_quantity=20)
    assert (await by_api(pipeline, "adjust", sku, command(by=-4))).done
    assert (await by_api(pipeline, "adjust", sku, command(by=-1))).done
    shown = await until_stock(pipeline, sku, lambda s: s["locations"][0]["on_order"])
    [at] = shown["locations"]
    assert (at["on_order"], at["reorder_point"], at["order_quantity"]) == (20, 5, 20)
    assert (at["safety_stock"], at["demand_a_day"]) == (2, 2.0)


# Refusals.

REFUSED: dict[str, tuple[str, Document, str]] = {
    "unknown location": ("adjust", command(location="NOWHERE", by=1), "location"),
    "unknown location to count": ("count", command(location="NOWHERE", counted=1), "location"),
    "transfer from an unknown location": (
        "transfer", transfer(from_location="NOWHERE", quantity=1), "from_location",
    ),
    "transfer to an unknown location": (
        "transfer", transfer(to_location="NOWHERE", quantity=1), "to_location",
    ),
    "transfer to its own location": ("transfer", transfer(to_location="BER", quantity=1), "to_location"),
    "transfer of nothing": ("transfer", transfer(quantity=0), "quantity"),
    "negative transfer": ("transfer", transfer(quantity=-1), "quantity"),
    "transfer of what is reserved": ("transfer", transfer(quantity=7), "quantity"),
    "huge transfer": ("transfer", transfer(quantity=10**30), "quantity"),
    "a count below what is reserved": ("count", command(counted=3), "counted"),
    "negative count": ("count", command(counted=-1), "counted"),
    "huge count": ("count", command(counted=10**12), "counted"),
    "count beyond the largest value": (
        "count", command(counted=10**9, location=ELSEWHERE, unit_cost="99999999.00"), "counted",
    ),
    "adjusted below what is reserved": ("adjust", command(by=-7), "by"),
    "adjusted below zero": ("adjust", command(by=-11), "by"),
    "adjusted by nothing": ("adjust", command(by=0), "by"),
    "adjusted by far too much": ("adjust", command(by=-(10**20)), "by"),
    "a loss with a cost": ("adjust", command(by=-1, unit_cost="1.00"), "unit_cost"),
    "a cost of parts of cents": (
        "adjust", command(by=1, location=ELSEWHERE, unit_cost="1.005"), "unit_cost",
    ),
    "a cost below zero": (
        "adjust", command(by=1, location=ELSEWHERE, unit_cost="-1.00"), "unit_cost",
    ),
    "without a reason": ("adjust", command(by=1, reason=" "), "reason"),
    "a reason of many lines": ("adjust", command(by=1, reason="a\nb"), "reason"),
    "an invalid id": ("adjust", command(by=1, command_id="a b"), "command_id"),
}  # fmt: skip

TRIED_BY_CLI = {
    *("unknown location", "negative transfer", "transfer of what is reserved", "huge count"),
    *("a count below what is reserved", "negative count", "adjusted below zero", "huge transfer"),
}
"""The refusals tried by CLI too: each starts a process."""


@BY_CLI_AND_API
async def test_refusal_names_the_field_and_changes_nothing(
    pipeline: World, execute: Interface
) -> None:
    """Ten are on hand at BER, four of them reserved."""
    sku, customer = shop(pipeline)
    document = order(sku, customer, quantity=4)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "payment_requested")
    before = everything(pipeline, sku)
    names = [name for name in REFUSED if execute is by_api or name in TRIED_BY_CLI]
    answers = {}
    for name in names:
        kind, fields, refused_field = REFUSED[name]
        answers[name] = answer = await execute(pipeline, kind, sku, fields)
        assert (answer.done, answer.fields) == (False, [refused_field]), (name, answer)
        assert answer.body["errors"][0]["reason"], name
    below = answers["a count below what is reserved"].body["detail"]
    assert document["order_id"] in below
    assert everything(pipeline, sku) == before


@BY_CLI_AND_API
async def test_unknown_sku_is_refused(pipeline: World, execute: Interface) -> None:
    shop(pipeline)
    cases = {
        "adjust": command(by=1),
        "count": command(counted=1),
        "transfer": transfer(quantity=1),
    }
    for kind, fields in cases.items():
        answer = await execute(pipeline, kind, "NOPE", fields)
        assert (answer.done, answer.body["code"]) == (False, "sku_unknown")


@pytest.mark.parametrize(
    ("changes", "refused_field"),
    [
        ({"by": "3"}, "by"),
        ({"by": 1.5}, "by"),
        ({"by": True}, "by"),
        ({"by": None}, "by"),
        ({"by": 10**400}, "by"),
        ({"reason": None}, "reason"),
        ({"colour": "red"}, "colour"),
        ({"sku": "OTHER"}, "sku"),
        ({"kind": "count"}, "kind"),
        ({"unit_cost": 5}, "unit_cost"),
    ],
)
async def test_invalid_body_is_refused_and_changes_nothing(
    pipeline: World, changes: Document, refused_field: str
) -> None:
    sku, _ = shop(pipeline)
    before = everything(pipeline, sku)
    answer = await by_api(pipeline, "adjust", sku, command(by=1) | changes)
    assert (answer.done, answer.fields) == (False, [refused_field])
    assert everything(pipeline, sku) == before


async def test_body_without_an_object_is_refused(pipeline: World) -> None:
    paths = [f"/stock/X/{path}" for path in PATHS.values()]
    paths += [f"/purchase-orders/X/{path}" for path in ("acknowledgements", "receipts", "close")]
    for path in [*paths, "/replenishments"]:
        for body in (b"", b"[]", b"{", b'"x"', b"{}"):
            response = await pipeline.api.post(path, content=body)
            assert response.status_code == 422, (path, body, response.text)


def test_counters_equal_the_sums_of_movements(shared_world: World) -> None:
    """After all tests of this file."""

    def work(session: Session) -> None:
        sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        for moved in session.exec(select(StockMovement)):
            changes = (moved.on_hand_change, moved.reserved_change, moved.value_change_minor)
            for number, change in enumerate(changes):
                sums[moved.sku, moved.location][number] += change
        for place, changed in sums.items():
            row = session.get_one(Stock, place)
            assert [row.on_hand, row.reserved, row.value_minor] == changed

    shared_world.database.read(work)
