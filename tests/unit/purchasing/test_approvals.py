"""Approval of purchases: what waits for an operator, and what the decisions do."""

import asyncio
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import delete, select

from activities.database.unit_of_work import UnitOfWork
from activities.operations.commands import execute_command
from activities.purchasing import reading as purchasing_reading
from activities.purchasing.steps import plan_purchases
from activities.purchasing.stock_review import StockReview
from models.approvals import ApprovalRules, ProposalState, whole_minor, why_approval
from models.messages.commands.registry import CommandStep
from models.messages.commands.results import CommandResult
from models.messages.nightly import ReviewStep
from models.messages.steps import PlanStep, PurchasePlan, StockKey
from models.offers import ComparedOffer, Requirement
from models.stock import ShortageState
from models.tables.masterdata import Product, SupplierOffer
from models.tables.purchasing import PurchaseOrderLine
from models.tables.stock import Shortage, StockPolicy
from tests.support.purchasing.supply import BERLIN_C, place, policy
from tests.support.stock.machine import Warehouse


def purchase(quantity: int, landed_minor: int) -> ComparedOffer:
    """Make a compared offer for some units at a landed cost in EUR."""
    return ComparedOffer(
        supplier_id="S",
        sku="A",
        currency="EUR",
        quantity=quantity,
        unit_cost_minor=landed_minor // quantity,
        goods_minor=landed_minor,
        freight_minor=0,
        duty_minor=0,
        landed_minor=landed_minor,
        expected_lead_time_days=3,
        expected_date=date(2026, 3, 5),
        on_time=True,
        fill_rate_ppm=1_000_000,
        why_not=None,
    )


@pytest.mark.parametrize(
    ("short", "restock", "quantity", "landed_minor", "first", "reason"),
    [
        (3, 0, 3, 300_00, True, None),  # exactly what orders are short of
        (3, 0, 3, 1_200_00, True, "above 1000.00 EUR"),
        (3, 0, 12, 900_00, True, "the first purchase of more than the 3 that are short"),
        (
            *(2, 0, 30_000, 1_500_000_00, True),  # a minimum, a pack or a price break
            "the first purchase of more than the 2 that are short; above 1000.00 EUR; "
            "more than 6 months of demand",
        ),
        (2, 0, 200, 900_00, False, "more than 6 months of demand"),
        (1, 31, 32, 999_00, True, "the first purchase of more than the 1 that are short"),
        (0, 32, 32, 999_00, True, "the first purchase"),
        (0, 32, 32, 999_00, False, None),
        (0, 32, 32, 1_000_00, False, None),  # the limit itself needs no approval
        (0, 32, 32, 1_000_01, False, "above 1000.00 EUR"),
        (0, 182, 182, 500_00, False, None),  # a unit a day for six months
        (0, 183, 183, 500_00, False, "more than 6 months of demand"),
        (5, 183, 188, 500_00, False, "more than 6 months of demand"),
        (5, 180, 188, 500_00, False, "more than 6 months of demand"),  # the pack counts
    ],
)
def test_purchase_waits_for_approval_where_it_risks_money(
    short: int, restock: int, quantity: int, landed_minor: int, first: bool, reason: str | None
) -> None:
    rules = ApprovalRules(value=Decimal("1000.00"), cover_months=6)
    requirement = Requirement(sku="A", short=short, restock=restock, needed_by=None)
    chosen = purchase(quantity, landed_minor)
    found = why_approval(rules, requirement, chosen, is_first=first, demand_a_day=1.0)
    assert found == reason


def test_months_of_demand_are_not_judged_before_the_first_stock_review() -> None:
    requirement = Requirement(sku="A", short=2, restock=0, needed_by=None)
    found = why_approval(
        ApprovalRules(), requirement, purchase(500, 500), is_first=False, demand_a_day=None
    )
    assert found is None


@pytest.mark.parametrize(
    ("others_minor", "reason"),
    [
        ([], None),
        ([400_00], None),  # the limit itself needs no approval
        ([400_01], "above 1000.00 EUR with the other lines of its purchase order"),
        ([200_00, 200_01], "above 1000.00 EUR with the other lines of its purchase order"),
    ],
)
def test_whole_purchase_order_counts(others_minor: list[int], reason: str | None) -> None:
    requirement = Requirement(sku="A", short=3, restock=0, needed_by=None)
    others = [purchase(1, minor) for minor in others_minor]
    rules = ApprovalRules(value=Decimal("1000.00"))
    chosen = purchase(3, 600_00)
    found = why_approval(
        rules, requirement, chosen, is_first=False, demand_a_day=None, others=others
    )
    assert found == reason


def test_highest_freight_covers_a_purchase_order() -> None:
    lines = [
        purchase(1, 100_00).model_copy(update={"freight_minor": freight, "duty_minor": 5_00})
        for freight in (12_00, 30_00, 0)
    ]
    assert whole_minor(lines) == 3 * 105_00 + 30_00


@pytest.fixture
def careful(warehouse: Warehouse) -> Warehouse:
    """Order one C, of which there is none, with a policy that restocks ten; first purchases wait."""
    limited(warehouse, ApprovalRules(first=True, cover_months=1_200))
    warehouse.database.transaction(
        lambda work: work.session.add(policy("C", reorder_point=5, order_quantity=10))
    )
    place(warehouse, 1)
    return warehouse


def limited(warehouse: Warehouse, approvals: ApprovalRules) -> None:
    """Set the limits of purchases without approval."""
    warehouse.database.rules = replace(warehouse.database.rules, approvals=approvals)


def offer_only(warehouse: Warehouse, **terms: int) -> None:
    """Replace all offers by one of C, at 50.00 EUR where the terms don't name a cost."""
    offer: dict[str, Any] = {"unit_cost_minor": 5_000, "minimum_quantity": 1, "pack_size": 1}
    offer |= {"supplier_id": "X", "sku": "C", "currency": "EUR", "lead_time_days": 3}

    def replace_offers(work: UnitOfWork) -> None:
        work.session.execute(delete(SupplierOffer))
        work.session.add(SupplierOffer(**offer | terms))

    warehouse.database.transaction(replace_offers)


def plan(warehouse: Warehouse, *, again: bool = False) -> PurchasePlan:
    """Plan the purchases of C for Berlin."""
    return plan_purchases.run(warehouse.database, PlanStep(key=BERLIN_C, again=again))


def decide(warehouse: Warehouse, kind: str, **fields: Any) -> CommandResult:
    """Execute an operator's decision on C in Berlin."""
    command = {
        "kind": kind,
        "command_id": warehouse.next_id("D"),
        "sku": "C",
        "location": "BER",
        "reason": "because",
        "actor": "eve",
    }
    return execute_command.run(
        warehouse.database, CommandStep.model_validate({"command": command | fields})
    )


def adjust(warehouse: Warehouse, by: int) -> None:
    """Add units of C in Berlin; they fill the shortages."""
    done = decide(warehouse, "adjust", by=by, unit_cost="1.00")
    assert done.refusal is None, done.refusal


def planned_units(warehouse: Warehouse) -> list[int]:
    """Read the planned units of C."""
    lines = select(PurchaseOrderLine).where(PurchaseOrderLine.sku == "C")
    return [line.quantity for line in warehouse.read(lines)]


def test_first_purchase_for_stock_is_proposed_and_only_the_shortage_purchased(
    careful: Warehouse,
) -> None:
    planned = plan(careful)
    assert (planned.unmet, planned.awaits_approval) == (0, True)
    assert planned.problem is not None
    assert "wait for approval (the first purchase of more than the 1 that are short)" in (
        planned.problem
    )
    assert "`stock approve-purchase C BER --expect-units " in planned.problem
    [only_short] = planned_units(careful)
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert (proposal.state, only_short < proposal.quantity) == ("open", True)


@pytest.mark.parametrize(
    "offered",
    [
        {"minimum_quantity": 30_000},
        {"pack_size": 10_000},
        {"unit_cost_minor": 500, "break_quantity": 100_000, "break_unit_cost_minor": 0},
    ],
    ids=["minimum", "pack", "price break"],
)
@pytest.mark.parametrize("restocks", [False, True])
def test_units_that_an_offer_adds_to_the_shortage_wait_for_approval(
    careful: Warehouse, offered: dict[str, int], restocks: bool
) -> None:
    """No purchase of the short units alone evades the approval."""
    offer_only(careful, **offered)
    if not restocks:
        careful.database.transaction(lambda work: work.session.execute(delete(StockPolicy)))
    planned = plan(careful)
    assert (planned.send, planned.unmet, planned.awaits_approval) == ((), 1, True)
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert proposal.quantity >= 10_000
    [shortage] = careful.read(select(Shortage).where(Shortage.state == ShortageState.OPEN))
    assert shortage.problem == planned.problem
    decide(careful, "reject_purchase")
    assert "`replenish C` proposes it again" in str(plan(careful).problem)
    assert planned_units(careful) == []
    assert plan(careful, again=True).awaits_approval
    decide(careful, "approve_purchase")
    assert (plan(careful).unmet, planned_units(careful)) == (0, [proposal.quantity])


def test_short_units_above_the_limit_wait_for_approval(careful: Warehouse) -> None:
    """An order without payment may be short of a million units."""
    limited(careful, ApprovalRules())
    offer_only(careful, unit_cost_minor=9_600)
    place(careful, 1_000_000)
    assert (plan(careful).unmet, planned_units(careful)) == (1_000_001, [])


def test_approved_purchase_replaces_the_smaller_one(careful: Warehouse) -> None:
    plan(careful)
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    done = decide(careful, "approve_purchase")
    assert (done.refusal, done.notification.stock_keys) == (None, (BERLIN_C,))
    assert plan(careful).problem is None
    assert planned_units(careful) == [proposal.quantity]
    assert plan(careful).problem is None  # until it is sent, planning again changes nothing
    [decided] = careful.database.read(purchasing_reading.purchase_proposals)
    assert (decided.state, decided.decided_by, decided.reason) == ("approved", "eve", "because")


def test_rejected_purchase_is_proposed_again_on_request_only(careful: Warehouse) -> None:
    plan(careful)
    assert decide(careful, "reject_purchase").refusal is None
    assert plan(careful).problem is None
    assert len(planned_units(careful)) == 1  # what is short is purchased all the same
    assert plan(careful, again=True).awaits_approval
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert proposal.state == ProposalState.OPEN


@pytest.mark.parametrize("quantity", [0, 30])
def test_approval_holds_for_its_units_and_cost_only(careful: Warehouse, quantity: int) -> None:
    """The offer is imported at ten times the price, or thirty more units are ordered."""
    offer_only(careful)
    plan(careful)
    decide(careful, "approve_purchase")
    assert plan(careful).problem is None
    if quantity:
        place(careful, quantity)
    else:
        offer_only(careful, unit_cost_minor=50_000)
    planned = plan(careful)
    assert planned.awaits_approval
    assert planned_units(careful) == [1 + quantity]
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert (proposal.state, proposal.decided_by) == ("open", "")
    assert f"for {proposal.landed} EUR" in str(planned.problem)


@pytest.mark.parametrize(
    ("kind", "reviews"),
    [("approve_purchase", False), ("reject_purchase", False), ("reject_purchase", True)],
)
def test_decision_ends_when_no_units_are_missing(
    careful: Warehouse, kind: str, reviews: bool
) -> None:
    """The next shortage is proposed again, and no operator decides on an ended proposal."""
    offer_only(careful, minimum_quantity=500)
    plan(careful)
    decide(careful, kind)
    adjust(careful, 100)
    if reviews:
        review = StockReview(careful.database)
        asyncio.run(review.review_stock(ReviewStep(after="", batch_skus=10)))
    else:
        assert plan(careful).problem is None
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert (proposal.state, proposal.decided_by) == ("ended", "eve")
    refused = decide(careful, kind).refusal
    assert refused is not None
    assert refused.reason == "no purchase of C for BER is proposed"
    place(careful, 110)
    assert (plan(careful).awaits_approval, planned_units(careful)) == (True, [])


def test_rejection_does_not_hold_for_a_larger_purchase(careful: Warehouse) -> None:
    offer_only(careful, minimum_quantity=30_000)
    plan(careful)
    decide(careful, "reject_purchase")
    place(careful, 40_000)
    assert "40011 x C for BER" in str(plan(careful).problem)
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert (proposal.state, proposal.quantity) == ("open", 40_011)


def test_stock_review_keeps_the_proposal_of_a_shortage(careful: Warehouse) -> None:
    """A SKU without demand isn't low, and its order waits for the proposal."""
    offer_only(careful, minimum_quantity=500)
    plan(careful)
    review = StockReview(careful.database)
    asyncio.run(review.review_stock(ReviewStep(after="", batch_skus=10)))
    assert decide(careful, "approve_purchase").refusal is None


@pytest.mark.parametrize(
    ("expected", "field"),
    [
        ({"expect_units": 1}, "expect_units"),
        ({"expect_units": 11, "expect_cost": "549.99"}, "expect_cost"),
        ({"expect_units": 11, "expect_cost": "550.01"}, "expect_cost"),
        ({"expect_cost": "550.001"}, "expect_cost"),
        ({"expect_units": 11, "expect_cost": "550.00"}, None),
        ({"expect_cost": "550"}, None),
        ({}, None),
    ],
)
def test_approval_of_a_changed_purchase_is_refused_with_the_new_numbers(
    careful: Warehouse, expected: dict[str, Any], field: str | None
) -> None:
    offer_only(careful, minimum_quantity=11)
    plan(careful)
    refused = decide(careful, "approve_purchase", **expected).refusal
    assert (refused.field if refused else None) == field
    if refused and expected.get("expect_cost") != "550.001":
        assert refused.reason == (
            "the proposed purchase is now 11 x C from X for 550.00 EUR: `stock approve-purchase C "
            "BER --expect-units 11 --expect-cost 550.00`"
        )
    [proposal] = careful.database.read(purchasing_reading.purchase_proposals)
    assert proposal.state == ("open" if field else "approved")


def test_purchase_orders_of_many_lines_wait_for_approval(warehouse: Warehouse) -> None:
    """C for 750.00 is planned; A for 500.00 more waits. Once approved, neither waits again."""
    limited(warehouse, ApprovalRules(first=False, value=Decimal("1000.00")))
    offer_only(warehouse)
    offer = {"supplier_id": "X", "sku": "A", "unit_cost_minor": 5_000, "currency": "EUR"}
    terms = {"minimum_quantity": 1, "pack_size": 1, "lead_time_days": 3}
    warehouse.database.transaction(
        lambda work: work.session.add(SupplierOffer.model_validate(offer | terms))
    )
    key = StockKey(sku="A", location="BER")
    place(warehouse, 15)
    assert (plan(warehouse).awaits_approval, planned_units(warehouse)) == (False, [15])
    place(warehouse, 20, sku="A")  # of which ten are short in Berlin
    planned = plan_purchases.run(warehouse.database, PlanStep(key=key))
    assert "with the other lines of its purchase order" in str(planned.problem)
    assert decide(warehouse, "approve_purchase", sku="A").refusal is None
    planned = plan_purchases.run(warehouse.database, PlanStep(key=key))
    assert not planned.awaits_approval
    assert (plan(warehouse).awaits_approval, planned_units(warehouse)) == (False, [15])


def test_decision_without_open_proposal_is_refused(careful: Warehouse) -> None:
    refused = decide(careful, "approve_purchase").refusal
    assert refused is not None
    assert refused.reason == "no purchase of C for BER is proposed"
    plan(careful)
    decide(careful, "reject_purchase")
    refused = decide(careful, "approve_purchase").refusal
    assert refused is not None
    assert refused.reason == "the purchase of C for BER is rejected by eve: because"


def test_product_no_longer_bought_is_not_purchased(warehouse: Warehouse) -> None:
    """Its orders wait with the reason; what was sent continues."""
    place(warehouse, 2)

    def stop(work: UnitOfWork) -> None:
        work.session.get_one(Product, "C").is_bought = False

    warehouse.database.transaction(stop)
    planned = plan(warehouse)
    assert (planned.unmet, planned.awaits_approval) == (2, False)
    assert planned.problem == (
        "2 x C are short at BER and C is no longer bought: import the product with is_bought true "
        "and retry the order, or cancel the rest of the order"
    )
    assert planned_units(warehouse) == []
