"""Conditions that select orders for a bulk."""

import pytest

from models.errors import InvalidInput
from models.selection import Condition, Field, parse_where


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("stage = awaiting_stock", [(Field.STAGE, "in", "awaiting_stock")]),
        ("stage=awaiting_stock", [(Field.STAGE, "in", "awaiting_stock")]),
        (
            "stage = awaiting_stock and attention = no_supply",
            [(Field.STAGE, "in", "awaiting_stock"), (Field.ATTENTION, "in", "no_supply")],
        ),
        (
            "attention in (no_supply, 'credit_limit_exceeded') AND channel != online",
            [
                (Field.ATTENTION, "in", "no_supply credit_limit_exceeded"),
                (Field.CHANNEL, "not in", "online"),
            ],
        ),
        ("customer not in (C-1,C-2)", [(Field.CUSTOMER, "not in", "C-1 C-2")]),
        ("placed >= 2026-10-31", [(Field.PLACED, ">=", "2026-10-31")]),
        (
            "entered < 2026-11-01 and terms = net30",
            [
                (Field.ENTERED, "<", "2026-11-01"),
                (Field.TERMS, "in", "net30"),
            ],
        ),
        ('customer = "and"', [(Field.CUSTOMER, "in", "and")]),
    ],
)
def test_conditions_are_joined_by_and(text: str, conditions: list[tuple[Field, str, str]]) -> None:
    """With or without spaces, quotes and lists."""
    assert parse_where(text) == tuple(
        Condition(field=field, operator=operator, values=tuple(values.split()))
        for field, operator, values in conditions
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("   ", "is empty"),
        ("colour = red", "'colour' is not a field: use stage, attention"),
        ("stage = lost", "'lost' is not a stage: use received"),
        ("stage", "an operator is missing"),
        ("stage =", "a value is missing"),
        ("stage is received", "'is' is not an operator"),
        ("stage < received", "stage has no order"),
        ("stage = received attention = x", "joined by `and`"),
        ("stage = received or attention = x", "joined by `and`"),
        ("stage = received and", "ends with `and`"),
        ("attention in no_supply", "a list in parentheses"),
        ("attention in (a b)", "separated by commas"),
        ("attention in (a", "`)` is missing"),
        ("attention not a", "not an operator"),
        ("placed = tomorrow", "is not a day such as 2026-10-31"),
        ("placed <= 9999-12-31", "is not a day such as 2026-10-31"),
        ("customer = 'C-1", "can't be read from"),
        ("stage = received; drop table orders", "is not a stage"),
    ],
)
def test_wrong_conditions_are_refused_in_words(text: str, reason: str) -> None:
    """With the field, and the way out."""
    with pytest.raises(InvalidInput) as refused:
        parse_where(text)
    [error] = refused.value.fields
    assert error.field == "where"
    assert reason in error.reason
