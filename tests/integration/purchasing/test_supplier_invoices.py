"""Supplier invoices: price differences, invoices before their goods, and invalid ones."""

from models.purchasing import PurchaseOrderState as State
from tests.support.masterdata.shop import Document, unique
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World
from tests.support.purchasing.market import CHEAP_MINOR, Market
from tests.support.purchasing.purchases import (
    bought,
    purchase_ledger,
    rejection_reasons,
    send_supplier_invoice,
    stock_at,
    until_purchases,
)


async def test_price_difference_is_split_between_inventory_and_cost(pipeline: World) -> None:
    """Two of four units are dispatched when 10 % more is invoiced: half of it is inventory."""
    market = Market(pipeline)
    order_id = await market.place(2, terms="net30", channel="phone")
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id = only.order.po_id
    other = await market.place(2)
    await pipeline.until_event(other, "bought")
    _, second = bought(pipeline.database, market.sku)
    await pipeline.receive(po_id, market.sku, 2)
    await pipeline.until_event(order_id, "booked")
    await pipeline.ship(order_id, "dispatched")
    await pipeline.until(order_id, "in_transit")
    await pipeline.receive(second.order.po_id, market.sku, 2)
    await pipeline.until(other, "awaiting_payment")
    await send_supplier_invoice(
        pipeline, po_id, [(market.sku, 1, "55.00"), (market.sku, 1, "55.00")]
    )
    await until_purchases(
        pipeline, market.sku, lambda found: found[0].order.state is State.INVOICED
    )
    # Two units of the SKU are on hand, of either order.
    assert purchase_ledger(pipeline, po_id) == {"INVENTORY": 11_000, "ACCOUNTS_PAYABLE": -11_000}
    await pipeline.pay(other, "238.00")
    await pipeline.until_event(other, "booked")
    await pipeline.ship(other, "dispatched")
    await pipeline.until(other, "in_transit")
    await send_supplier_invoice(pipeline, second.order.po_id, [(market.sku, 2, "45.00")])
    await until_purchases(
        pipeline, market.sku, lambda found: found[1].order.state is State.INVOICED
    )
    assert purchase_ledger(pipeline, second.order.po_id) == {
        "INVENTORY": 10_000,
        "COST_OF_GOODS_SOLD": -1_000,
        "ACCOUNTS_PAYABLE": -9_000,
    }
    assert stock_at(pipeline, market.sku) == (0, 0, 0)


async def test_invoice_before_its_goods_is_posted_when_they_are_received(pipeline: World) -> None:
    """The goods arrive in parts; the invoice twice. A second one for the same goods is rejected."""
    market = Market(pipeline)
    order_id = await market.place(4)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id, invoice_id = only.order.po_id, unique("si")
    for _ in range(2):
        await send_supplier_invoice(pipeline, po_id, [(market.sku, 4, "50.00")], invoice_id)
    await send_supplier_invoice(pipeline, po_id, [(market.sku, 4, "50.00")])
    await send_supplier_invoice(pipeline, po_id, [(market.sku, 3, "50.00")], invoice_id)
    await pipeline.receive(po_id, market.sku, 3)
    await pipeline.until_order(order_id, lambda o: o["lines"][0]["reserved"] == 3)
    assert purchase_ledger(pipeline, po_id) == {
        "INVENTORY": 3 * CHEAP_MINOR,
        "GOODS_RECEIVED_NOT_INVOICED": -3 * CHEAP_MINOR,
    }
    await pipeline.receive(po_id, market.sku, 1)
    await market.until_states(State.INVOICED)
    market.assert_payable(po_id, 4 * CHEAP_MINOR)
    other_content, too_many = sorted(rejection_reasons(pipeline, po_id))
    assert other_content == "invoice_id: known with other content"
    assert too_many.startswith("quantity: 4 x ")


INVALID_INVOICES: dict[str, tuple[Document, str]] = {
    "another currency": ({"currency": "USD"}, "currency"),
    "a SKU that wasn't ordered": ({"sku": "NOBODY"}, "lines"),
    "more than was ordered": ({"quantity": 6}, "quantity"),
    "no amount": ({"unit_cost": "5,00"}, "unit_cost"),
    "a negative amount": ({"unit_cost": "-1.00"}, "unit_cost"),
    "out of range": ({"unit_cost": "9999999999999.00"}, "unit_cost"),
}
"""Changed fields, and the field that the rejection names."""


async def test_invalid_invoice_is_rejected_without_a_posting(pipeline: World) -> None:
    market = Market(pipeline)
    order_id = await market.place(5)
    await pipeline.until_event(order_id, "bought")
    [only] = bought(pipeline.database, market.sku)
    po_id = only.order.po_id
    await pipeline.receive(po_id, market.sku, 5)
    await pipeline.until(order_id, "awaiting_payment")
    for change, _ in INVALID_INVOICES.values():
        line = {"sku": market.sku, "quantity": 5, "unit_cost": "50.00"}
        currency = change.get("currency", "EUR")
        line |= {k: v for k, v in change.items() if k != "currency"}
        data = {"invoice_id": unique("si"), "po_id": po_id, "currency": currency, "lines": [line]}
        assert (await pipeline.send_fact("purchase_order.invoiced", data)).status_code == 204
    reasons = await until(
        lambda: rejection_reasons(pipeline, po_id),
        lambda found: len(found) == len(INVALID_INVOICES),
    )
    fields = sorted(reason.partition(":")[0] for reason in reasons)
    assert fields == sorted(field for _, field in INVALID_INVOICES.values())
    assert purchase_ledger(pipeline, po_id) == {
        "INVENTORY": 5 * CHEAP_MINOR,
        "GOODS_RECEIVED_NOT_INVOICED": -5 * CHEAP_MINOR,
    }
    assert purchase_ledger(pipeline, po_id)["INVENTORY"] == stock_at(pipeline, market.sku)[2]
    await send_supplier_invoice(pipeline, po_id, [(market.sku, 5, "50.00")])
    await market.until_states(State.INVOICED)
