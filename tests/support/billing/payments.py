"""Payments after the first one: chargebacks, and money that no order uses."""

from typing import Any

from tests.support.masterdata.shop import Document, unique
from tests.support.pipeline.world import World


async def charge_back(world: World, payment_id: str, **fields: Any) -> None:
    """Report that the payer's bank reversed a payment."""
    data = {"reversal_id": unique("rv"), "payment_id": payment_id, "reason": "fraud", **fields}
    response = await world.send_fact("payment.reversed", data)
    assert response.status_code == 204, response.text


async def unmatched_payments(world: World) -> list[Document]:
    """List the payments that no order uses in full."""
    response = await world.api.get("/payments/unmatched")
    assert response.status_code == 200, response.text
    rows: list[Document] = response.json()
    return rows
