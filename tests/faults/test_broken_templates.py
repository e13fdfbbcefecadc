"""Broken templates and missing characters reach an operator, and no invoice is lost."""

from pathlib import Path

from tests.support.masterdata.shop import SHIP_TO, Document, unique
from tests.support.orders.stages import (
    dispatch_and_deliver,
    pay_and_book,
    pay_when_requested,
    place_order,
)
from tests.support.pipeline.command_line import reconciled, run, run_json
from tests.support.pipeline.waiting import until
from tests.support.pipeline.world import World


def new_folder(world: World) -> Path:
    """Make an empty folder of templates."""
    folder: Path = world.folder / unique("documents")
    folder.mkdir()
    return folder


def invoice_is_mailed(order: Document) -> bool:
    """Check for the mail with the order's invoice."""
    return any(row["detail"].startswith("invoice to ") for row in order["history"])


async def finding(world: World, finding_id: str) -> str:
    """Reconcile, and read the message of an open finding."""
    await run(world, "reconcile")
    rows = await run_json(world, "findings")
    return {str(row["finding_id"]): str(row["message"]) for row in rows}[finding_id]


async def test_broken_template_is_shown_and_a_retry_after_the_mend_mails_the_invoice(
    idle_world: World,
) -> None:
    """The invoice is issued before, and can be read meanwhile."""
    folder = new_folder(idle_world)
    (folder / "bill.typ").write_text("\n#unknown()")
    async with idle_world.worker(documents_dir=folder):
        order_id = (await place_order(idle_world)).order_id
        await pay_when_requested(idle_world, order_id)
        shown = await idle_world.until_order(order_id, lambda order: order["attention"] is not None)
        assert shown["attention"]["code"] == "template_broken"
        assert shown["attention"]["message"] == "bill.typ, line 2: unknown variable: unknown"
        number = shown["invoice_number"]
        assert (await idle_world.api.get(f"/invoices/{number}")).json()["mails"] == []
        (folder / "bill.typ").unlink()
        await run(idle_world, "retry", order_id)
        await pay_and_book(idle_world, order_id)
        await dispatch_and_deliver(idle_world, order_id)
        await idle_world.until(order_id, "completed")
        await idle_world.ended(order_id)
    bill = (await idle_world.api.get(f"/invoices/{number}")).json()
    assert len(bill["mails"]) == 1
    assert (await idle_world.order(order_id))["attention"] is None


async def test_character_that_no_font_has_is_a_finding_until_a_font_has_it(
    idle_world: World,
) -> None:
    """Where marks are printed: it names document and character, and the document is mailed."""
    async with idle_world.worker(documents_fonts="manimgx_fonts", documents_unprintable="mark"):
        order_id = (await place_order(idle_world, ship_to=SHIP_TO | {"name": "東京"})).order_id
        await pay_and_book(idle_world, order_id)
        shown = await idle_world.until_order(order_id, invoice_is_mailed)
        number = shown["invoice_number"]
        message = await finding(idle_world, f"unprintable:{number}")
        for expected in (number, "東 (U+6771)", "京 (U+4EAC)", "DOCUMENTS_FONTS"):
            assert expected in message
    async with idle_world.worker():
        assert f"unprintable:{number}" not in await reconciled(idle_world)
        await dispatch_and_deliver(idle_world, order_id)
        await idle_world.until(order_id, "completed")
        await idle_world.ended(order_id)


async def test_order_with_a_character_that_no_font_has_waits_for_a_font(idle_world: World) -> None:
    """Neither is its invoice mailed nor a carrier booked; a retry with the font does both."""
    async with idle_world.worker(documents_fonts="manimgx_fonts"):
        order_id = (await place_order(idle_world, ship_to=SHIP_TO | {"name": "東京"})).order_id
        await pay_when_requested(idle_world, order_id)
        shown = await idle_world.until_event(order_id, "consigned")
        shown = await idle_world.until_order(order_id, lambda order: order["attention"] is not None)
        assert shown["attention"]["code"] == "unprintable_characters"
        assert "東 (U+6771)" in shown["attention"]["message"]
        assert await idle_world.requests("carriers", "booking", order_id) == []
        assert not invoice_is_mailed(shown)
        handle = idle_world.order_workflow(order_id)
        await until(lambda: handle.query("status"), lambda status: len(status["attentions"]) == 2)
    async with idle_world.worker():
        await run(idle_world, "retry", order_id)
        await idle_world.until_order(order_id, invoice_is_mailed)
        await dispatch_and_deliver(idle_world, order_id)
        await idle_world.until(order_id, "completed")
        await idle_world.ended(order_id)
