"""Errors of values are in our words: none is a sentence of pydantic."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core._pydantic_core import list_all_errors

from models import customers, imports, orders
from models.base import Document, Payload
from models.errors import FieldError, invalid_input
from models.messages import facts
from models.messages.commands import registry
from models.messages.commands.base import CommandMessage

PYDANTICS = [
    re.compile(re.sub(r"\\{\w+\\}", ".*", re.escape(found["message_template_python"])))
    for found in list_all_errors()
]
BAD: list[Any] = [
    None, True, 12, -1, 0, 1.5, 10**30, float("nan"), "", " ", "x", "x" * 300, "a\nb", "\ud800", "1e5", "2026-13-01",
    [], {}, [[]], [None], [{}], {"x": 1}, ["x"],
]  # fmt: skip


def kinds(of: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for kind in of.__subclasses__():
        yield kind
        yield from kinds(kind)


PUBLIC = sorted(
    {
        kind
        for kind in kinds(Payload)
        if issubclass(kind, (Document, CommandMessage)) or kind.__module__ == facts.__name__
    },
    key=lambda kind: kind.__name__,
)
"""Documents, commands and facts, and the rows of imports."""


def errors(kind: type[BaseModel], sent: object) -> tuple[FieldError, ...]:
    try:
        kind.model_validate(sent, extra="forbid")
    except ValidationError as error:
        return invalid_input(error).fields
    return ()


def reasons(kind: type[BaseModel], sent: object) -> list[str]:
    return [error.reason for error in errors(kind, sent)]


def test_public_documents_are_found() -> None:
    assert {orders.OrderDocument, customers.CustomerDocument, imports.ProductRow} <= {*PUBLIC}
    assert {*facts.FACT_TYPES.values(), *registry.COMMANDS} <= {*PUBLIC}


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.__name__)
def test_no_error_is_a_sentence_of_pydantic(kind: type[BaseModel]) -> None:
    found = reasons(kind, {}) + reasons(kind, {"no_such_field": 1}) + reasons(kind, "x")
    for name in kind.model_fields:
        for value in BAD:
            found += reasons(kind, {name: value})
    for reason in {*found}:
        assert not any(pattern.fullmatch(reason) for pattern in PYDANTICS), reason
        assert "^" not in reason
        assert "no value of this field" not in reason
        assert len(reason) < 500


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("taken_by", 12, '12 is not a text: write it in quotes, such as "text"'),
        ("taken_by", "", "is empty: give at least one character"),
        ("taken_by", "x" * 201, "is too long: it has 201 characters, and may have 200"),
        ("ship_to", [], "is not an object: write its fields as {...}"),
        ("lines", {}, "an object is not a list: write its entries as [...]"),
        ("terms", "later", "'later' is none of 'prepaid', 'net30' or 'cash'"),
        ("prices_include_tax", "maybe", "'maybe' is not true or false"),
        ("colour", "red", "is not a known field: correct its name, or leave it out"),
    ],
)
def test_error_names_field_and_way_out(field: str, value: object, reason: str) -> None:
    assert f"{field}: {reason}" in map(str, errors(orders.OrderDocument, {field: value}))
