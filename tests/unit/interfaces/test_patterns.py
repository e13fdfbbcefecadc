"""Errors describe the form of a text in words and show no pattern."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from pydantic import BaseModel, JsonValue, PydanticUserError

import models
from models.errors import InvalidInput
from models.messages.parsing import parse_order
from models.patterns import IN_WORDS
from tests.support.masterdata.shop import order


def patterns(schema: object) -> Iterator[str]:
    """Yield every pattern of a JSON Schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from patterns(item)
    if isinstance(schema, dict):
        if isinstance(found := schema.get("pattern"), str):
            yield found
        for item in schema.values():
            yield from patterns(item)


def models_of_project() -> Iterator[type[BaseModel]]:
    """Yield every model outside of the tables."""
    for module in pkgutil.walk_packages(models.__path__, "models."):
        if not module.name.startswith(("models.tables", "models.settings")):
            for value in vars(importlib.import_module(module.name)).values():
                if (
                    isinstance(value, type)
                    and issubclass(value, BaseModel)
                    and value is not BaseModel
                ):
                    yield value


CHECKED_OTHERWISE = {"^[0-9]{1,18}(\\.[0-9]{1,30})?$"}
"""The pattern of amounts is for the JSON Schema only; their own check describes them."""


def test_every_pattern_has_words() -> None:
    found = set()
    for model in models_of_project():
        try:
            found |= set(patterns(model.model_json_schema()))
        except PydanticUserError:  # a model that is never sent, such as one with functions
            continue
    assert found - CHECKED_OTHERWISE - IN_WORDS.keys() == set()
    assert len(found) > 5


@pytest.mark.parametrize(
    ("email", "is_accepted"),
    [
        ("ada@example.com", True),
        (" ada.l+x@sub.example.co.uk ", True),
        ("o'brien@example.com", True),
        ("jörg@bücher.example", True),
        ("anna@gmail", False),
        ("anna@gmail.com.", False),
        ("a@x..de", False),
        ("a@.de", False),
        ("a\u200bnna@x.de", False),
        ("anna@x.de\u200d", False),
        ("an\u3164na@x.de", False),
        ("anna@@x.de", False),
        ("anna@[127.0.0.1]", False),
        ("Anna <anna@x.de>", False),
    ],
)
def test_mail_address_without_a_whole_domain_is_refused(email: str, is_accepted: bool) -> None:
    """And one with invisible characters."""
    customer = {"customer_id": "C", "name": "A", "email": email, "country": "DE"}
    sent = order("SKU", "C-1") | {"customer": customer}
    if is_accepted:
        parse_order(sent)
        return
    with pytest.raises(InvalidInput, match=r"customer\.email: .* is not a mail address such as"):
        parse_order(sent)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("order_id", "a b", "'a b' is not an id of 1 to 64 letters"),
        ("order_id", "x" * 99, f"'{'x' * 60}...' is not an id of 1 to 64 letters"),
        ("customer", {"customer_id": "C", "name": "A", "email": "ada", "country": "DE"}, "'ada' is not a mail address such as ada@example.com"),
        ("ship_to", {"name": "a\nb", "street": "s", "city": "c", "postal_code": "10115", "country": "DE"}, "'a\\nb' is not one line of text"),
    ],
)  # fmt: skip
def test_order_error_is_in_words(field: str, value: JsonValue, reason: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order(order("SKU", "C-1") | {field: value})
    assert reason in refused.value.message
    assert "^" not in refused.value.message
