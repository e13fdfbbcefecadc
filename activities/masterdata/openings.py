"""Opening balances: each is applied once, with its stock movement and journal entry."""

from sqlmodel import col, select

from activities.database.chunks import chunks
from activities.database.duplicates import repeats
from activities.database.unit_of_work import UnitOfWork
from activities.ledger.posting import post
from activities.masterdata.planning import Context, Plan, PlannedRow, drop
from activities.masterdata.services import drop_services
from activities.stock.backorders import fill_shortages, open_shortages
from activities.stock.counters import Change, lock_stock, move
from activities.stock.notifications import orders_filled_by
from models import ledger
from models.messages.steps import StockKey
from models.money import MAX_AMOUNT_MINOR
from models.stock import MovementKind
from models.tables.stock import StockMovement


def check_openings(context: Context, plan: Plan) -> None:
    """Find the balances that were applied before, and refuse others for the same stock."""
    drop_services(context, plan, "stocked")
    recorded: dict[str, StockMovement] = {}
    for some in chunks([_cause(row) for row in plan.rows]):
        query = select(StockMovement).where(col(StockMovement.movement_id).in_(some))
        recorded |= {movement.movement_id: movement for movement in context.session.exec(query)}
    for row in plan.rows:
        before = recorded.get(_cause(row))
        on_hand, value_minor = row.after["on_hand"], _value_minor(row)
        if value_minor > MAX_AMOUNT_MINOR:
            drop(plan, row, "unit_cost", "the stock's value is out of range")
        elif before is None or not context.currency:
            continue
        elif repeats(before, on_hand_change=on_hand, value_change_minor=value_minor):
            row.is_done = True
        else:
            place = f"{row.document.sku} at {row.document.location}"
            reason = f"{place} has an opening balance already, of another quantity or cost"
            drop(plan, row, "on_hand", f"{reason}: use `stock count` or `stock adjust`")


def write_openings(work: UnitOfWork, plan: Plan) -> tuple[str, ...]:
    """Record the opening balances, and allocate them to open shortages; return their orders."""
    rows = [row for row in plan.rows if row.is_new]
    keys = [StockKey(sku=row.document.sku, location=row.document.location) for row in rows]
    lock_stock(work, [], keys)
    move(work, [_change(row) for row in rows])
    for row in rows:
        at = (row.document.location, row.document.sku)
        post(work, ledger.opening_entry(*at, plan.currency, _value_minor(row)))
    short = {
        shortage.sku
        for some in chunks(sorted({key.sku for key in keys}))
        for shortage in open_shortages(work.session, some)
    }
    served: dict[str, None] = {}
    for row in rows:
        if row.document.sku in short:
            work.session.flush()
            fill_shortages(work, [row.document.sku], _cause(row))
            served |= dict.fromkeys(orders_filled_by(work, _cause(row)))
    return tuple(served)


def _cause(row: PlannedRow) -> str:
    return f"opening:{row.document.location}:{row.document.sku}"


def _value_minor(row: PlannedRow) -> int:
    unit_cost_minor: int = row.after["unit_cost_minor"] or 0
    on_hand: int = row.document.on_hand
    return unit_cost_minor * on_hand


def _change(row: PlannedRow) -> Change:
    return Change(
        movement_id=_cause(row),
        cause=_cause(row),
        kind=MovementKind.OPENING,
        sku=row.document.sku,
        location=row.document.location,
        on_hand=row.document.on_hand,
        value_minor=_value_minor(row),
    )
