"""A progress that is updated in memory is the one that the tables have."""

import pytest
from sqlmodel import Session

from activities.order_record import progress as progress_module
from activities.order_record.progress import read_progress
from models.progress import Progress
from models.tables.orders import Order
from tests.support.orders.ways import WAYS
from tests.support.pipeline.world import World


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compare each progress that is updated in memory with the tables; returns the orders' ids."""
    update, order_ids = progress_module._update, list[str]()

    def update_and_compare(session: Session, order: Order, known: Progress) -> Progress:
        updated = update(session, order, known)
        session.flush()
        kept = session.info.pop("kept")  # what was read once is read anew
        assert updated == read_progress(session, order)
        session.info["kept"] = kept
        order_ids.append(order.order_id)
        return updated

    monkeypatch.setattr(progress_module, "_update", update_and_compare)
    return order_ids


@pytest.mark.parametrize(
    "way", ["prepaid", "cash", "collected", "net30", "shortage", "partial", "ltl", "charged_back"]
)
async def test_known_progress_equals_the_tables(
    pipeline: World, compared: list[str], way: str
) -> None:
    """A difference fails the step, so that the order doesn't go on."""
    await WAYS[way](pipeline)
    assert compared
