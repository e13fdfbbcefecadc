"""What requests bring: a JSON object, with what the path says of it."""

from functools import cache
from typing import Any

from fastapi import Request
from pydantic import BaseModel, JsonValue

from api.problems import PROBLEMS
from models.errors import FieldError, InvalidInput
from models.json_text import parse_json


async def body_of(
    request: Request, kind: type[BaseModel], **of_path: JsonValue
) -> dict[str, JsonValue]:
    """The object in a request's body, with `of_path` added.

    Raises InvalidInput where it isn't one, says itself what the path says, or has a field that
    `kind` doesn't know.
    """
    sent = parse_json(await request.body())
    if not isinstance(sent, dict):
        raise InvalidInput([FieldError("document", "is not an object")])
    errors = [FieldError(name, "is said by the path") for name in of_path if name in sent]
    unknown = [name for name in sent if name not in kind.model_fields]
    errors += [FieldError(name[:200], "is not a field we know") for name in unknown]
    if errors:
        raise InvalidInput(errors)
    return {**sent, **of_path}


@cache
def described(kind: type[BaseModel], *of_path: str) -> dict[str, Any]:
    """OpenAPI's description of such a body. `Any`: FastAPI's own type for it."""
    schema = kind.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    for name in of_path:
        schema["properties"].pop(name, None)
    schema["required"] = [name for name in schema.get("required", ()) if name not in of_path]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def commanded(kind: type[BaseModel], *of_path: str) -> dict[str, Any]:
    """How a route that takes a command is described: the path says `of_path`, the route itself the
    kind. `Any`: FastAPI's own type for it."""
    return {"responses": PROBLEMS, "openapi_extra": described(kind, *of_path, "kind")}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema that refers to nothing: in OpenAPI's document its own definitions aren't found."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
    whole = {**named, **{name: value for name, value in schema.items() if name != "$ref"}}
    return {name: _inlined(value, definitions) for name, value in whole.items()}
