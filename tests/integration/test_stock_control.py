"""Stock control, by command line and API: what changes stock, what is refused, what is shown."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, func, select

from activities.database.unit_of_work import UnitOfWork, utc_now
from activities.masterdata.importing import import_folder
from models.ledger import Account
from models.purchasing import Comparison, PurchaseOrderState, Reason, Requirement
from models.tables.ledger import JournalEntry, JournalPosting
from models.tables.operations import CommandRow, FactRow
from models.tables.purchasing import GoodsReceipt, PurchaseOrder, PurchaseOrderLine
from models.tables.stock import Stock, StockMovement
from tests.support.command_line import run, run_json
from tests.support.purchases import reorder_at
from tests.support.shop import Document, order, supplier_of, unique, write_csv
from tests.support.waiting import until
from tests.support.world import World

ELSEWHERE = "HALLE-2"
"""A second location: after BER by name, so that nothing goes there by itself."""
PATHS = {"adjust": "adjustments", "count": "counts", "transfer": "transfers"}
WORDS = {
    "adjust": ("location", "by"),
    "count": ("location", "counted"),
    "transfer": ("from_location", "to_location", "quantity"),
}
OPTIONS = {"reason": "--reason", "command_id": "--id", "unit_cost": "--unit-cost"}


@dataclass
class Answer:
    """What a door answered, the same for both: done, or a problem."""

    done: bool
    said: Document = field(default_factory=dict)

    @property
    def fields(self) -> list[str]:
        """What a refusal names."""
        return [error["field"] for error in self.said.get("errors", ())]


Door = Callable[[World, str, str, Document], Awaitable[Answer]]


async def by_command_line(world: World, kind: str, sku: str, said: Document) -> Answer:
    """`stock adjust SKU LOCATION BY --reason ...`."""
    words = [str(said[name]) for name in WORDS[kind]]
    for name, option in OPTIONS.items():
        words += [option, str(said[name])] if name in said else []
    status, out, err = await run(world, "stock", kind, sku, *words, "--json")
    assert status in (0, 1), err + out
    return Answer(status == 0, json.loads(out))


async def by_api(world: World, kind: str, sku: str, said: Document) -> Answer:
    """`POST /stock/{sku}/adjustments`."""
    response = await world.api.post(f"/stock/{sku}/{PATHS[kind]}", json=said)
    return Answer(response.status_code == 200, response.json())


DOORS = pytest.mark.parametrize("door", [by_command_line, by_api])


def command(**said: Any) -> Document:
    """A command's fields, at BER, with a new id and a reason."""
    return {"location": "BER", "reason": "stocktaking", "command_id": unique("c"), **said}


def transfer(**said: Any) -> Document:
    """A transfer's fields, from BER to the other location."""
    given = {"from_location": "BER", "to_location": ELSEWHERE, "command_id": unique("c")}
    return {**given, "reason": "stocktaking", **said}


def shop(world: World, on_hand: int = 10, **changes: Any) -> tuple[str, str]:
    """A shop with a second, empty location."""
    folder = world.folder / unique("elsewhere")
    folder.mkdir()
    place = {"location": ELSEWHERE, "name": "Zwei", "country": "DE", "postal_code": "80331"}
    write_csv(folder, "locations.csv", [place])
    import_folder(world.database, folder)
    return world.shop(on_hand, **changes)


def second_offer(world: World, sku: str, **changes: object) -> None:
    """Somebody else sells it too, for more."""
    folder = world.folder / unique("offer")
    folder.mkdir()
    supplier_id = f"ZETA-{sku}"
    supplier = {"supplier_id": supplier_id, "name": "Zeta", "email": "z@a.example", "country": "DE"}
    write_csv(folder, "suppliers.csv", [supplier])
    offer = {
        "supplier_id": supplier_id,
        "sku": sku,
        "unit_cost": "70.00",
        "currency": "EUR",
        "minimum_quantity": 1,
        "pack_size": 1,
        "lead_time_days": 3,
    }
    write_csv(folder, "offers.csv", [offer | changes])
    import_folder(world.database, folder)


def counters(world: World, sku: str) -> dict[str, tuple[int, int, int]]:
    """Location -> on hand, reserved, value in cents; places without anything left out."""
    rows = world.database.read(lambda s: s.exec(select(Stock).where(Stock.sku == sku)).all())
    found = {row.location: (row.on_hand, row.reserved, row.value_minor) for row in rows}
    return {place: counted for place, counted in found.items() if any(counted)}


def entry(world: World, entry_id: str) -> dict[str, int]:
    """Account -> amount in cents of a journal entry."""

    def work(session: Session) -> dict[str, int]:
        rows = session.exec(select(JournalPosting).where(JournalPosting.entry_id == entry_id))
        return {Account(row.account).name: row.amount_minor for row in rows}

    return world.database.read(work)


def everything(world: World, sku: str) -> tuple[object, ...]:
    """What a refusal must leave as it is."""

    def count(session: Session, table: Any) -> int:
        return session.exec(select(func.count()).select_from(table)).one()

    tables = (CommandRow, StockMovement, JournalEntry, FactRow, GoodsReceipt)
    counts = world.database.read(lambda s: tuple(count(s, table) for table in tables))
    return counters(world, sku), counts


async def stock(world: World, sku: str) -> Document:
    """The SKU's stock as shown."""
    response = await world.api.get(f"/stock/{sku}")
    assert response.status_code == 200, response.text
    return response.json()


async def until_stock(world: World, sku: str, reached: Callable[[Document], bool]) -> Document:
    """Wait until what is shown of a SKU satisfies `reached`."""
    return await until(lambda: stock(world, sku), reached)


async def bought(world: World, sku: str, customer: str, quantity: int) -> tuple[str, str]:
    """An order that is short; returns its id and the purchase order that was sent."""
    document = order(sku, customer, quantity=quantity)
    await world.place(document)
    shown = await world.until_event(document["order_id"], "bought")
    return document["order_id"], shown["backorders"][0]["po_id"]


def bought_elsewhere(po_id: str) -> Callable[[Document], bool]:
    """Whether an order now waits for the other supplier."""
    other = "PO-ZETA-" if po_id.startswith("PO-ACME-") else "PO-ACME-"
    return lambda shown: (shown["backorders"][0]["po_id"] or "").startswith(other)


# --- commands ------------------------------------------------------------------------------------


@DOORS
async def test_an_adjustment_changes_stock_and_ledger_by_the_average_cost(
    pipeline: World, door: Door
) -> None:
    """Its movement says why and by whom."""
    sku, _ = shop(pipeline)
    lost = command(by=-3, reason="broken in the yard")
    answer = await door(pipeline, "adjust", sku, lost)
    assert answer.done, answer
    assert counters(pipeline, sku) == {"BER": (7, 0, 42_000)}
    movement = f"adjust:{lost['command_id']}"
    assert entry(pipeline, movement) == {"INVENTORY_LOSS": 18_000, "INVENTORY": -18_000}
    found = command(by=1)
    assert (await door(pipeline, "adjust", sku, found)).done
    assert counters(pipeline, sku) == {"BER": (8, 0, 48_000)}
    gained = entry(pipeline, f"adjust:{found['command_id']}")
    assert gained == {"INVENTORY": 6_000, "INVENTORY_GAIN": -6_000}
    [row] = [m for m in (await stock(pipeline, sku))["movements"] if m["movement_id"] == movement]
    assert (row["on_hand"], row["value"]) == (-3, "-180.00")
    assert (row["reason"], row["actor"]) == ("broken in the yard", "operator")


@DOORS
async def test_the_same_command_again_is_done_once(pipeline: World, door: Door) -> None:
    """With the same answer; the id with other content, or for another kind, is a conflict."""
    sku, _ = shop(pipeline)
    given = command(by=-3)
    first = await door(pipeline, "adjust", sku, given)
    assert await door(pipeline, "adjust", sku, given) == first
    assert counters(pipeline, sku) == {"BER": (7, 0, 42_000)}
    before = everything(pipeline, sku)
    others = [
        ("adjust", given | {"by": -2}),
        ("adjust", given | {"reason": "another"}),
        ("count", command(counted=7, command_id=given["command_id"])),
    ]
    for kind, other in others:
        answer = await door(pipeline, kind, sku, other)
        assert (answer.done, answer.said["code"]) == (False, "command_id_taken")
    assert everything(pipeline, sku) == before


async def test_the_same_command_by_many_at_once_is_done_once(pipeline: World) -> None:
    """All of them hear the same."""
    sku, _ = shop(pipeline)
    given = command(by=-3)
    answers = await asyncio.gather(*(by_api(pipeline, "adjust", sku, given) for _ in range(8)))
    assert all(answer == answers[0] and answer.done for answer in answers)
    assert counters(pipeline, sku) == {"BER": (7, 0, 42_000)}


async def test_many_commands_at_once_lose_nothing(pipeline: World) -> None:
    """Gains and losses of one SKU, each its own."""
    sku, _ = shop(pipeline, on_hand=20)
    changes = [1, -1, 2, -2, 3, -3, 4, -4, 5, -5]
    answers = await asyncio.gather(
        *(by_api(pipeline, "adjust", sku, command(by=by)) for by in changes)
    )
    assert all(answer.done for answer in answers)
    assert counters(pipeline, sku) == {"BER": (20, 0, 120_000)}


@DOORS
async def test_a_gain_of_nothing_there_needs_its_cost(pipeline: World, door: Door) -> None:
    """There is no average to value it by."""
    for kind, says in (("adjust", {"by": 2}), ("count", {"counted": 2})):
        sku, _ = shop(pipeline, on_hand=0)
        before = everything(pipeline, sku)
        refused = await door(pipeline, kind, sku, command(**says))
        assert (refused.done, refused.fields) == (False, ["unit_cost"])
        assert everything(pipeline, sku) == before
        assert (await door(pipeline, kind, sku, command(**says, unit_cost="12.34"))).done
        assert counters(pipeline, sku) == {"BER": (2, 0, 2_468)}


@DOORS
async def test_a_cost_that_is_not_used_is_checked_and_said(pipeline: World, door: Door) -> None:
    """There is an average to value it by; what is no amount is refused all the same."""
    sku, _ = shop(pipeline)
    for kind, says in (
        ("adjust", {"by": 5}),
        ("count", {"counted": 20}),
        ("count", {"counted": 9}),
    ):
        before = everything(pipeline, sku)
        refused = await door(pipeline, kind, sku, command(**says, unit_cost="1.999"))
        assert (refused.done, refused.fields) == (False, ["unit_cost"])
        assert everything(pipeline, sku) == before
        done = await door(pipeline, kind, sku, command(**says, unit_cost="1.99"))
        assert "its unit cost isn't used" in done.said["message"]
    assert counters(pipeline, sku) == {"BER": (9, 0, 9 * 6_000)}


@DOORS
async def test_a_count_puts_the_books_right(pipeline: World, door: Door) -> None:
    """Less is a loss, more a gain, and a count that agrees is on record too."""
    sku, _ = shop(pipeline)
    for counted, value_minor in ((8, 48_000), (9, 54_000), (9, 54_000), (0, 0)):
        given = command(counted=counted)
        assert (await door(pipeline, "count", sku, given)).done
        assert counters(pipeline, sku).get("BER", (0, 0, 0)) == (counted, 0, value_minor)
        shown = await stock(pipeline, sku)
        assert shown["movements"][0]["movement_id"] == f"count:{given['command_id']}"


@DOORS
async def test_a_transfer_moves_units_with_their_value(pipeline: World, door: Door) -> None:
    """And posts nothing: the inventory is worth what it was."""
    sku, _ = shop(pipeline)
    entries = everything(pipeline, sku)[1][2]
    given = transfer(quantity=4)
    assert (await door(pipeline, "transfer", sku, given)).done
    assert (await door(pipeline, "transfer", sku, given)).done
    assert counters(pipeline, sku) == {"BER": (6, 0, 36_000), ELSEWHERE: (4, 0, 24_000)}
    assert everything(pipeline, sku)[1][2] == entries
    moved = [m["movement_id"] for m in (await stock(pipeline, sku))["movements"][:2]]
    assert sorted(moved) == [f"transfer:{given['command_id']}:{way}" for way in ("in", "out")]


async def test_what_is_found_goes_to_who_waits(pipeline: World) -> None:
    """By a gain as by a transfer."""
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


async def test_what_drops_to_its_reorder_point_is_bought(pipeline: World) -> None:
    """A loss is no less a reason than a sale."""
    sku, _ = shop(pipeline)
    reorder_at(pipeline, sku, reorder_point=5, order_quantity=20)
    assert (await by_api(pipeline, "adjust", sku, command(by=-4))).done
    assert (await by_api(pipeline, "adjust", sku, command(by=-1))).done
    shown = await until_stock(pipeline, sku, lambda s: s["locations"][0]["on_order"])
    [at] = shown["locations"]
    assert (at["on_order"], at["reorder_point"], at["order_quantity"]) == (20, 5, 20)
    assert (at["safety_stock"], at["demand_a_day"]) == (2, 2.0)


# --- refusals ------------------------------------------------------------------------------------

BAD: dict[str, tuple[str, Document, str]] = {
    "unknown location": ("adjust", command(location="NOWHERE", by=1), "location"),
    "unknown location to count": ("count", command(location="NOWHERE", counted=1), "location"),
    "transfer from an unknown location": (
        "transfer", transfer(from_location="NOWHERE", quantity=1), "from_location",
    ),
    "transfer to an unknown location": (
        "transfer", transfer(to_location="NOWHERE", quantity=1), "to_location",
    ),
    "transfer to where it is": ("transfer", transfer(to_location="BER", quantity=1), "to_location"),
    "transfer of nothing": ("transfer", transfer(quantity=0), "quantity"),
    "negative transfer": ("transfer", transfer(quantity=-1), "quantity"),
    "transfer of what is reserved": ("transfer", transfer(quantity=7), "quantity"),
    "huge transfer": ("transfer", transfer(quantity=10**30), "quantity"),
    "a count below what is reserved": ("count", command(counted=3), "counted"),
    "negative count": ("count", command(counted=-1), "counted"),
    "huge count": ("count", command(counted=10**12), "counted"),
    "count of more than money can say": (
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
    "an id that can't be one": ("adjust", command(by=1, command_id="a b"), "command_id"),
}  # fmt: skip

BY_WORDS = {
    *("unknown location", "negative transfer", "transfer of what is reserved", "huge count"),
    *("a count below what is reserved", "negative count", "adjusted below zero", "huge transfer"),
}
"""Those that are tried by command line too: each is a process."""


@DOORS
async def test_what_can_not_be_is_refused_naming_the_field_and_changes_nothing(
    pipeline: World, door: Door
) -> None:
    """Ten are on hand at BER, four of them reserved."""
    sku, customer = shop(pipeline)
    document = order(sku, customer, quantity=4)
    await pipeline.place(document)
    await pipeline.until_event(document["order_id"], "payment_requested")
    before = everything(pipeline, sku)
    names = [name for name in BAD if door is by_api or name in BY_WORDS]
    answers = {}
    for name in names:
        kind, said, wrong = BAD[name]
        answers[name] = answer = await door(pipeline, kind, sku, said)
        assert (answer.done, answer.fields) == (False, [wrong]), (name, answer)
        assert answer.said["errors"][0]["reason"], name
    below = answers["a count below what is reserved"].said["detail"]
    assert document["order_id"] in below
    assert everything(pipeline, sku) == before


@DOORS
async def test_an_unknown_sku_is_refused(pipeline: World, door: Door) -> None:
    """By each command."""
    shop(pipeline)
    cases = {
        "adjust": command(by=1),
        "count": command(counted=1),
        "transfer": transfer(quantity=1),
    }
    for kind, said in cases.items():
        answer = await door(pipeline, kind, "NOPE", said)
        assert (answer.done, answer.said["code"]) == (False, "sku_unknown")


@pytest.mark.parametrize(
    ("changes", "wrong"),
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
async def test_a_body_that_is_no_command_is_refused(
    pipeline: World, changes: Document, wrong: str
) -> None:
    """422, and nothing changes."""
    sku, _ = shop(pipeline)
    before = everything(pipeline, sku)
    answer = await by_api(pipeline, "adjust", sku, command(by=1) | changes)
    assert (answer.done, answer.fields) == (False, [wrong])
    assert everything(pipeline, sku) == before


async def test_what_is_no_object_is_refused(pipeline: World) -> None:
    """Of each call that takes one."""
    paths = [f"/stock/X/{path}" for path in PATHS.values()]
    paths += [f"/purchase-orders/X/{path}" for path in ("acknowledgements", "receipts", "close")]
    for path in [*paths, "/replenishments"]:
        for body in (b"", b"[]", b"{", b'"x"', b"{}"):
            response = await pipeline.api.post(path, content=body)
            assert response.status_code == 422, (path, body, response.text)


async def test_what_is_not_there_is_refused_by_command_line(pipeline: World) -> None:
    """A first word that is no command is a SKU."""
    cases = (
        ["stock", "none"],
        ["offers", "none"],
        ["replenish", "none"],
        ["po", "show", "none"],
        ["po", "ack", "none"],
        ["po", "receive", "none", "none", "1"],
        ["po", "close", "none", "--reason", "x"],
    )
    for words in cases:
        status, out, err = await run(pipeline, *words, "--json")
        assert status == 1, (words, err, out)
        assert "none" in json.loads(out)["detail"], (words, out)


# --- purchase orders -----------------------------------------------------------------------------


async def test_a_closed_purchase_order_is_bought_elsewhere(pipeline: World) -> None:
    """What hasn't come isn't expected any more, and the other supplier brings it."""
    sku, customer = shop(pipeline, on_hand=1)
    second_offer(pipeline, sku)
    order_id, po_id = await bought(pipeline, sku, customer, quantity=3)
    shown = await run_json(pipeline, "po", "show", po_id)
    assert shown["state"] == "sent"
    [reason] = shown["reasons"]
    assert (reason["orders"], reason["short"]) == ([order_id], 2)
    chosen = {row["supplier_id"] for row in reason["offers"] if row["chosen"]}
    assert len(reason["offers"]) == 2
    assert chosen == {shown["supplier_id"]}
    assert [row["order_id"] for row in shown["waiting"]] == [order_id]

    words = ("po", "close", po_id, "--reason", "they lost it", "--id", unique("close"))
    done = await run_json(pipeline, *words)
    assert "2 x" in done["message"]
    assert await run_json(pipeline, *words) == done
    waiting = await pipeline.until_order(order_id, bought_elsewhere(po_id))
    assert waiting["backorders"][0]["quantity"] == 2
    closed = (await pipeline.api.get(f"/purchase-orders/{po_id}")).json()
    assert (closed["state"], closed["lines"][0]["due"]) == ("closed", 0)
    assert closed["ended_reason"] == "closed by operator: they lost it"
    listed = await run_json(pipeline, "purchase-orders", "--state", "closed", "--limit", "0")
    assert po_id in [row["po_id"] for row in listed]
    newest = (await pipeline.api.get("/purchase-orders?limit=1")).json()
    assert newest[0]["po_id"] == waiting["backorders"][0]["po_id"]

    body = {"command_id": unique("close"), "reason": "again"}
    again = await pipeline.api.post(f"/purchase-orders/{po_id}/close", json=body)
    assert (again.status_code, again.json()["code"]) == (422, "stock_refused")
    assert "over already" in again.json()["detail"]
    for words in (["po", "show", po_id], ["purchase-orders"], ["stock", sku], ["offers", sku]):
        status, out, err = await run(pipeline, *words)
        assert (status, bool(out.strip())) == (0, True), err


async def test_without_another_supplier_a_person_asks_again(pipeline: World) -> None:
    """Who let us down isn't asked by itself, but by `replenish`."""
    sku, customer = shop(pipeline, on_hand=0)
    order_id, po_id = await bought(pipeline, sku, customer, quantity=1)
    body = {"command_id": unique("close"), "reason": "they say so"}
    assert (await pipeline.api.post(f"/purchase-orders/{po_id}/close", json=body)).is_success
    shown = await pipeline.until_order(order_id, lambda o: o["attention"] is not None)
    assert shown["attention"]["code"] == "no_supply"
    assert po_id in shown["attention"]["message"]
    told = await run_json(pipeline, "replenish", sku)
    assert told == {"workflow_ids": [f"replenish-BER-{sku}"]}
    shown = await pipeline.until_order(
        order_id, lambda o: o["backorders"][0]["po_id"] not in (None, po_id)
    )
    assert shown["backorders"][0]["po_id"].startswith(f"PO-{supplier_of(sku)}-BER-")


async def test_replenish_says_where_it_can_not_look(pipeline: World) -> None:
    """Unknown SKU, unknown location, and a SKU that no location keeps."""
    sku, _ = shop(pipeline, on_hand=0)
    cases = [
        ({"sku": "NOPE"}, 404),
        ({"sku": sku, "location": "NOWHERE"}, 422),
        ({"sku": sku}, 422),
    ]
    for body, status in cases:
        response = await pipeline.api.post("/replenishments", json=body)
        assert response.status_code == status, response.text
    named = await pipeline.api.post("/replenishments", json={"sku": sku, "location": ELSEWHERE})
    assert named.json() == {"workflow_ids": [f"replenish-HALLE--2-{sku}"]}


@pytest.mark.parametrize("words", [True, False], ids=["command line", "API"])
async def test_an_acknowledgement_gives_a_date_and_the_rest_to_others(
    pipeline: World, words: bool
) -> None:
    """By a person as by webhook."""
    sku, customer = shop(pipeline, on_hand=0)
    second_offer(pipeline, sku)
    order_id, po_id = await bought(pipeline, sku, customer, quantity=3)
    day = (datetime.now(UTC).date() + timedelta(days=5)).isoformat()
    if words:
        await run_json(pipeline, "po", "ack", po_id, "--date", day, "--line", f"{sku}=1")
    else:
        body = {
            "acknowledgement_id": unique("ack"),
            "expected_date": day,
            "lines": [{"sku": sku, "quantity": 1}],
        }
        url = f"/purchase-orders/{po_id}/acknowledgements"
        assert (await pipeline.api.post(url, json=body)).status_code == 202
    await pipeline.until_order(order_id, bought_elsewhere(po_id))
    shown = (await pipeline.api.get(f"/purchase-orders/{po_id}")).json()
    assert (shown["state"], shown["expected_date"]) == ("acknowledged", day)
    assert shown["lines"][0]["due"] == 1


BAD_ACKNOWLEDGEMENTS: list[tuple[Document, str]] = [
    ({"lines": [{"sku": "OTHER", "quantity": 1}]}, "lines.0.sku"),
    ({"lines": [{"sku": "S", "quantity": 4}]}, "lines.0.quantity"),
    ({"lines": [{"sku": "S", "quantity": -1}]}, "lines.0.quantity"),
    ({"expected_date": "soon"}, "expected_date"),
    ({"expected_date": "2020-01-01"}, "expected_date"),
    (
        {"lines": [{"sku": "S", "quantity": 1, "expected_date": "2020-01-01"}]},
        "lines.0.expected_date",
    ),
    ({"expected": "2030-01-01"}, "expected"),
    ({"acknowledgement_id": None}, "acknowledgement_id"),
]


async def test_an_acknowledgement_that_can_not_be_is_refused(pipeline: World) -> None:
    """From a person, who can mend it at once; nothing is kept."""
    sku, customer = shop(pipeline, on_hand=0)
    _, po_id = await bought(pipeline, sku, customer, quantity=3)
    before = everything(pipeline, sku)
    for changes, wrong in BAD_ACKNOWLEDGEMENTS:
        body = json.dumps({"acknowledgement_id": unique("ack"), **changes}).replace(
            '"S"', f'"{sku}"'
        )
        response = await pipeline.api.post(
            f"/purchase-orders/{po_id}/acknowledgements", content=body
        )
        assert response.status_code == 422, response.text
        assert [error["field"] for error in response.json()["errors"]] == [wrong]
    assert everything(pipeline, sku) == before


async def test_receiving_beyond_the_tolerance_is_refused_where_a_person_asks(
    pipeline: World,
) -> None:
    """Ten were ordered: eleven may come, twelve may not; a receipt that was taken stays taken."""
    sku, customer = shop(pipeline, on_hand=0)
    order_id, po_id = await bought(pipeline, sku, customer, quantity=10)
    before = everything(pipeline, sku)
    too_many = {"receipt_id": unique("rc"), "sku": sku, "quantity": 12}
    words = ("receive", po_id, sku, "12", "--json")
    for start in ((), ("po",)):
        status, out, _ = await run(pipeline, *start, *words)
        problem = json.loads(out)
        assert (status, problem["code"]) == (1, "fact_refused")
        assert problem["errors"][0]["field"] == "quantity"
        assert "11 more can be taken" in problem["detail"]
    receipts = f"/purchase-orders/{po_id}/receipts"
    answers = [
        await pipeline.api.post(receipts, json=too_many),
        await pipeline.api.post(receipts, json=too_many | {"quantity": -1}),
        await pipeline.api.post(receipts, json=too_many | {"quantity": 10**15}),
        await pipeline.api.post(receipts, json=too_many | {"quantity": 1, "damaged": 2}),
        await pipeline.api.post(receipts, json=too_many | {"quantity": 1, "sku": "NOPE"}),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 404]
    negative = await run(pipeline, "po", "receive", po_id, sku, "-3", "--json")
    assert (negative[0], json.loads(negative[1])["errors"][0]["field"]) == (1, "quantity")
    assert everything(pipeline, sku) == before

    receipt = unique("rc")
    taken = ("po", "receive", po_id, sku, "11", "--damaged", "1", "--receipt-id", receipt)
    await run_json(pipeline, *taken)
    await pipeline.until(order_id, "awaiting_payment")
    await run_json(pipeline, *taken)
    again = {"receipt_id": receipt, "po_id": po_id, "sku": sku, "quantity": 11, "damaged": 1}
    assert (await pipeline.tell("goods.received", again)).status_code == 204
    assert counters(pipeline, sku) == {"BER": (10, 10, 55_000)}
    shown = await run_json(pipeline, "po", "show", po_id)
    assert [(r["quantity"], r["damaged"]) for r in shown["receipts"]] == [(11, 1)]
    assert shown["odd_facts"] == []


async def test_nothing_is_received_for_what_was_not_sent_yet(pipeline: World) -> None:
    """Nor confirmed."""
    sku, _ = shop(pipeline, on_hand=0)
    po_id = unique("PO-ACME-BER")

    def plan(work: UnitOfWork) -> None:
        work.session.add(
            PurchaseOrder(
                po_id=po_id,
                supplier_id=supplier_of(sku),
                location=ELSEWHERE,
                currency="EUR",
                state=PurchaseOrderState.PLANNED,
                reason="",
                created_at=utc_now(),
                collects_until=utc_now(),
            )
        )
        work.session.flush()
        requirement = Requirement(sku=sku, short=0, restock=5, needed_by=None)
        reason = Reason(
            orders=(),
            short=0,
            restock=5,
            position=0,
            reorder_point=5,
            demand_a_day=None,
            lead_time_days=None,
            comparison=Comparison(requirement=requirement, rows=(), chosen=None, reason=""),
        )
        work.session.add(
            PurchaseOrderLine(
                po_id=po_id,
                sku=sku,
                quantity=5,
                unit_cost_minor=5_500,
                reason=reason.model_dump(mode="json"),
            )
        )

    pipeline.database.transaction(plan)
    before = everything(pipeline, sku)
    cases: list[tuple[str, Document]] = [
        ("receipts", {"receipt_id": unique("rc"), "sku": sku, "quantity": 1}),
        ("acknowledgements", {"acknowledgement_id": unique("ack")}),
        ("close", {"command_id": unique("close"), "reason": "x"}),
    ]
    for path, body in cases:
        response = await pipeline.api.post(f"/purchase-orders/{po_id}/{path}", json=body)
        assert response.status_code == 422, response.text
        assert [error["field"] for error in response.json()["errors"]] == ["po_id"]
        assert "sent yet" in response.json()["detail"]
    assert everything(pipeline, sku) == before


# --- views ---------------------------------------------------------------------------------------


async def test_stock_shows_who_waits_what_comes_and_what_may_be_promised(pipeline: World) -> None:
    """At each location, and from each date on."""
    sku, customer = shop(pipeline, on_hand=4)
    order_id, po_id = await bought(pipeline, sku, customer, quantity=6)
    day = (datetime.now(UTC).date() + timedelta(days=5)).isoformat()
    await run_json(pipeline, "po", "ack", po_id, "--date", day)
    await pipeline.until_order(order_id, lambda o: o["backorders"][0]["expected_date"] == day)
    shown = await run_json(pipeline, "stock", sku)
    assert shown == await stock(pipeline, sku)
    assert shown == await run_json(pipeline, "stock", "show", sku)
    [at] = shown["locations"]
    counted = ("on_hand", "reserved", "available", "on_order", "backordered", "value")
    assert [at[name] for name in counted] == [4, 4, 0, 2, 2, "240.00"]
    assert (at["reorder_point"], at["reviewed_at"]) == (None, None)
    [waiting] = shown["waiting"]
    assert (waiting["order_id"], waiting["quantity"]) == (order_id, 2)
    assert (waiting["po_id"], waiting["expected_date"]) == (po_id, day)
    assert [row["units"] for row in shown["available_to_promise"]] == [0]
    second = order(sku, customer, quantity=1)
    await pipeline.place(second)
    await pipeline.until(second["order_id"], "awaiting_stock")
    shown = await stock(pipeline, sku)
    assert [row["order_id"] for row in shown["waiting"]] == [order_id, second["order_id"]]


async def test_offers_show_landed_cost_price_break_and_record(pipeline: World) -> None:
    """By API as by command line."""
    sku, _ = shop(pipeline)
    second_offer(
        pipeline,
        sku,
        unit_cost="40.00",
        minimum_quantity=5,
        break_quantity=50,
        break_unit_cost="35.00",
        freight_cost="10.00",
        duty_percent="5",
        valid_until="2020-12-31",
    )
    shown = await run_json(pipeline, "offers", sku)
    assert shown == (await pipeline.api.get(f"/offers/{sku}")).json()
    acme, zeta = sorted(shown["offers"], key=lambda row: row["supplier_id"])
    assert (zeta["break_quantity"], zeta["break_unit_cost"]) == (50, "35.00")
    assert (zeta["smallest_purchase"], zeta["landed_cost"]) == (5, "220.00")
    assert (zeta["landed_unit_cost"], zeta["duty_percent"]) == ("44.00", "5")
    assert zeta["why_not"] == "expired on 2020-12-31"
    assert (acme["landed_unit_cost"], acme["why_not"]) == ("55.00", None)


def test_every_kind_of_movement_of_a_command_is_counted_once(shared_world: World) -> None:
    """Counters are what movements add up to, whatever the tests of this file did."""

    def work(session: Session) -> None:
        sums = session.exec(
            select(
                StockMovement.sku,
                StockMovement.location,
                func.sum(col(StockMovement.on_hand_change)),
                func.sum(col(StockMovement.reserved_change)),
                func.sum(col(StockMovement.value_change_minor)),
            ).group_by(col(StockMovement.sku), col(StockMovement.location))
        )
        for sku, location, *changed in sums:
            row = session.get_one(Stock, (sku, location))
            assert [row.on_hand, row.reserved, row.value_minor] == [int(c) for c in changed]

    shared_world.database.read(work)
