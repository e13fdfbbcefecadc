"""The open amounts of an order's invoices: who pays what first."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.open_invoices import InvoiceClaim, open_amounts

FIRST = {"number": "INV-2026-000001", "due_on": date(2026, 8, 1), "total_minor": 400}
SECOND = {"number": "INV-2026-000002", "due_on": date(2026, 9, 1), "total_minor": 200}


@pytest.mark.parametrize(
    ("first", "second", "receivable", "amounts"),
    [
        ({}, {}, 600, (400, 200)),  # nothing is paid
        ({}, {}, 500, (300, 200)),  # what is due first is paid first
        ({}, {}, 200, (0, 200)),
        ({}, {}, 150, (0, 150)),
        ({}, {}, 0, (0, 0)),
        ({"credited_minor": 100}, {}, 500, (300, 200)),  # a credit note lowers its own invoice
        ({}, {"credited_minor": 50}, 550, (400, 150)),
        ({}, {"credited_minor": 50}, 450, (300, 150)),
        ({"credited_minor": 400}, {}, 100, (0, 100)),  # it was paid: the rest meets the other
        ({}, {"named_minor": 200}, 400, (400, 0)),  # a payment that names the second invoice
        ({}, {"named_minor": 200}, 300, (300, 0)),
        ({}, {"named_minor": 300}, 300, (300, 0)),
        ({"fees_minor": 15}, {}, 615, (415, 200)),
        ({"fees_minor": 15}, {}, 215, (15, 200)),  # fees are paid last
        ({"fees_minor": 15}, {"fees_minor": 5}, 20, (15, 5)),
        ({"fees_minor": 15}, {"fees_minor": 5}, 5, (0, 5)),
        ({}, {}, 630, (430, 200)),  # a refund that was reversed as well
    ],
)
def test_receivable_is_distributed_by_due_date(
    first: dict[str, int],
    second: dict[str, int],
    receivable: int,
    amounts: tuple[int, int],
) -> None:
    claims = [InvoiceClaim(**(SECOND | second)), InvoiceClaim(**(FIRST | first))]
    found = open_amounts(claims, receivable)
    assert (found["INV-2026-000001"], found["INV-2026-000002"]) == amounts


@given(
    amounts=st.lists(st.tuples(*[st.integers(0, 50)] * 4), min_size=1, max_size=4),
    receivable=st.integers(0, 300),
)
def test_open_amounts_add_up_to_the_receivable(
    amounts: list[tuple[int, int, int, int]], receivable: int
) -> None:
    claims = [
        InvoiceClaim(
            number=f"INV-2026-{number}",
            due_on=date(2026, 8, 1 + number % 3),
            total_minor=total,
            credited_minor=min(credited, total),
            named_minor=named,
            fees_minor=fees,
        )
        for number, (total, credited, named, fees) in enumerate(amounts)
    ]
    found = open_amounts(claims, receivable)
    assert sum(found.values()) == receivable
    assert min(found.values()) >= 0
