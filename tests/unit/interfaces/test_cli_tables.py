"""Tables of the command line fit into a terminal of 80 columns."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest
import typer
from pydantic import BaseModel

from command_line import purchasing, stock, tables
from command_line.tables import CliTable, Screen, all_columns, new_table, out, print_table
from models.views.purchasing import (
    ComparedView,
    OffersView,
    OfferView,
    PurchaseLineView,
    PurchaseOrderDetails,
    ReasonView,
    TrackRecordView,
)
from models.views.stock import MovementView, StockAtLocation, StockView
from starter import app

NOW = datetime(2026, 11, 25, 16, 40, tzinfo=UTC)
DAY = date(2026, 12, 4)
STOCK = StockView(
    sku="BOHR-18V",
    name="Drill",
    currency="EUR",
    on_hand=1_238,
    reserved=1_100,
    available=138,
    locations=(
        StockAtLocation(
            location="MUENCHEN",
            on_hand=1_238,
            reserved=1_100,
            available=138,
            on_order=2_000,
            backordered=1_500,
            value="101516.00",
            reorder_point=1_200,
            safety_stock=150,
            order_quantity=2_000,
            demand_a_day=151.27,
            lead_time_days=7.25,
            reviewed_at=NOW,
        ),
    ),
    available_to_promise=(),
    waiting=(),
    movements=(
        MovementView(
            recorded_at=NOW,
            movement_id="adjust:1",
            kind="transfer",
            location="MUENCHEN",
            on_hand=-1_200,
            reserved=1_100,
            value="-82000.00",
            order_id="D-1001",
            reason=None,
            actor=None,
        ),
    ),
)
OFFERS = OffersView(
    sku="BOHR-18V",
    name="Drill",
    currency="EUR",
    offers=(
        OfferView(
            supplier_id="S-ALPEN",
            supplier="Alpentool",
            from_quantity=1,
            unit_cost="1079.90",
            break_quantity=100,
            break_unit_cost="1075.00",
            freight_cost="125.00",
            duty_percent="12.5",
            minimum_quantity=20,
            pack_size=4,
            lead_time_days=9,
            valid_until=DAY,
            smallest_purchase=20,
            landed_cost="21723.00",
            landed_unit_cost="1086.15",
            why_not=None,
            track_record=TrackRecordView(
                purchase_orders=12, mean_lead_time_days=9.5, fill_rate_percent="97.5"
            ),
        ),
    ),
)
PURCHASE = PurchaseOrderDetails(
    po_id="PO-S-ALPEN-MUENCHEN-12",
    supplier_id="S-ALPEN",
    location="MUENCHEN",
    state="acknowledged",
    currency="EUR",
    goods="21598.00",
    freight="125.00",
    expected_date=DAY,
    created_at=NOW,
    lines=(
        PurchaseLineView(
            sku="BOHR-18V",
            quantity=20,
            unit_cost="1079.90",
            due=12,
            received=8,
            damaged=1,
            invoiced=0,
            expected_date=DAY,
        ),
    ),
    reference="R",
    collects_until=NOW,
    acknowledge_by=None,
    sent_at=NOW,
    ended_at=None,
    ended_reason=None,
    reasons=(
        ReasonView(
            sku="BOHR-18V",
            in_words="20 short for D-1001",
            orders=("D-1001",),
            short=20,
            restock=0,
            position=-20,
            reorder_point=None,
            demand_a_day=None,
            lead_time_days=None,
            offers=(
                ComparedView(
                    supplier_id="S-ALPEN",
                    from_quantity=1,
                    quantity=20,
                    unit_cost="1079.90",
                    landed_cost="21723.00",
                    expected_date=DAY,
                    on_time=True,
                    fill_rate_percent="97.5",
                    chosen=True,
                    why_not=None,
                ),
            ),
        ),
    ),
    waiting=(),
    receipts=(),
    invoices=(),
    odd_facts=(),
)
ROWS: list[tuple[Callable[..., None], BaseModel, list[str]]] = [
    (
        stock.print_stock,
        STOCK,
        [
            "location on hand reserved available on order short value",
            "MUENCHEN 1238 1100 138 2000 1500 101516.00",
            "location reorder point safety EOQ a day lead days reviewed",
            "MUENCHEN 1200 150 2000 151.27 7.25 2026-11-25",
            "when kind location on hand reserved why",
            "2026-11-25 16:40 transfer MUENCHEN -1200 +1100 D-1001",
        ],
    ),
    (
        purchasing.print_offers,
        OFFERS,
        [
            "supplier unit cost break freight duty minimum pack",
            "S-ALPEN 1079.90 1075.00 from 100 125.00 12.5 % 20 4",
            "supplier smallest landed a unit days until",
            "S-ALPEN 20 21723.00 1086.15 9 2026-12-04",
            "S-ALPEN so far: 12 orders, 9.5 days, 97.5 % received",
        ],
    ),
    (
        purchasing.print_purchase_order,
        PURCHASE,
        [
            "SKU ordered due received damaged invoiced expected",
            "BOHR-18V 20 at 1079.90 12 8 1 0 2026-12-04",
            "offer quantity unit cost landed expected fill rate",
            "S-ALPEN 20 1079.90 21723.00 2026-12-04 97.5 % chosen",
        ],
    ),
]


@dataclass
class Terminal(Screen):
    """A terminal of a given width; None: a pipe."""

    columns: int | None = 80

    @property
    def width(self) -> int | None:
        """The columns of the terminal, unless all are shown."""
        return None if self.wide else self.columns


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns."""
    terminal = Terminal()
    monkeypatch.setattr(tables, "screen", terminal)
    return terminal


def printed(table: CliTable) -> str:
    """Print a table, without spaces at the ends of lines."""
    with out.capture() as captured:
        print_table(table)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("show", "view", "rows"), ROWS)
def test_header_and_rows_are_one_line_each(
    show: Callable[..., None], view: BaseModel, rows: list[str]
) -> None:
    """No cell is folded or cut off."""
    with out.capture() as captured:
        show(view)
    lines = [" ".join(line.split()) for line in captured.get().splitlines()]
    assert [row for row in rows if row not in lines] == [], captured.get()


ORDER = "O-2026-" + "7" * 40
LISTED = ("order", "stage", "customer", "total", "paid", "attention or invoice")


def orders_of(order_id: str = ORDER) -> CliTable:
    """Make a list of one order with a long id."""
    table = new_table(*LISTED)
    table.add_row(order_id, "awaiting_payment", "C-SCHAEFER", "1000.00", "60.00", "R-2026-000001")
    return table


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140, 200])
def test_ids_and_amounts_are_never_folded_or_cut(terminal: Terminal, columns: int) -> None:
    terminal.columns = columns
    lines = printed(orders_of()).splitlines()
    row = next(line for line in lines if line.startswith(" " + ORDER))
    for header, cell in zip(
        LISTED,
        (ORDER, "awaiting_payment", "C-SCHAEFER", "1000.00", "60.00", "R-2026-000001"),
        strict=True,
    ):
        left_out = any(line.startswith("without ") and header in line for line in lines)
        assert left_out != (cell in row)
    assert max(map(len, lines[:-1])) <= max(columns, len(ORDER) + 2)


def test_columns_that_do_not_fit_are_named(terminal: Terminal) -> None:
    text = printed(orders_of())
    assert "without " in text
    assert text.endswith(": --wide shows all columns")
    with all_columns(wide=True):
        wide = printed(orders_of())
    terminal.columns = None
    assert printed(orders_of()) == wide
    assert "without" not in wide
    assert all(header in wide.splitlines()[1] for header in LISTED)


def test_least_important_columns_are_left_out_first(terminal: Terminal) -> None:
    terminal.columns = 110
    assert "without paid: --wide" in printed(orders_of())
    terminal.columns = 100
    assert "without customer, paid: --wide" in printed(orders_of())


def test_texts_are_folded_at_spaces_before_columns_are_left_out(terminal: Terminal) -> None:
    table = new_table("SKU", "why", "amount")
    table.add_row("SAW-165", f"waits for goods of {ORDER[:30]} which are late", "1000.00")
    terminal.columns = 60
    text = printed(table)
    assert "without" not in text
    assert ORDER[:30] in text
    assert len([line for line in text.splitlines() if line.strip()]) > 3
    terminal.columns = 40
    assert "without amount: --wide" in printed(table) or "without why: --wide" in printed(table)


def test_long_headers_are_broken_before_columns_are_left_out(terminal: Terminal) -> None:
    table = new_table("location", "reorder point", "lead days")
    table.add_row("BERLIN", "1", "2")
    terminal.columns = 30
    text = printed(table)
    assert "reorder" in text
    assert "reorder point" not in text
    assert "without" not in text


def test_rows_end_with_totals_of_their_section(terminal: Terminal) -> None:
    table = new_table("account", "debit")
    table.add_row("1000", "5.00")
    table.add_section()
    table.add_row("total", "5.00", style="bold")
    lines = printed(table).splitlines()
    assert lines[-1].split() == ["total", "5.00"]
    assert not lines[-2].strip("─ ")


def test_every_list_takes_wide() -> None:
    """Commands that print tables, with all their columns on request."""
    wide = [name for name, command in commands() if "--wide" in options(command)]
    lists = [
        "list",
        "shipments",
        "purchase-orders",
        "claims",
        "offers",
        "findings",
        "odd-facts",
        "customer",
        "status",
    ]
    assert set(lists) <= set(wide)
    assert len(wide) >= 20


def commands(group: object = None, path: str = "") -> Iterator[tuple[str, object]]:
    """List the commands with their names."""
    group = group or typer.main.get_command(app)
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            yield from commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def options(command: object) -> set[str]:
    """Return the options of a command."""
    return {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
