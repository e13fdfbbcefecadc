"""Request bodies, query parameters and PDF responses that several routes share."""

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, JsonValue

from models.base import MAX_LISTED
from models.errors import FieldError, InvalidInput
from models.json_text import parse_json

Limit = Annotated[int, Query(ge=0, le=MAX_LISTED, description="0: all")]
"""The number of rows of a list."""


@dataclass(frozen=True)
class Caller:
    """Who sends a request: the name of its token is the actor in the audit trail."""

    name: str
    owns: str | None
    """The name by which its orders were placed, if it may use only these; None: any order."""


def caller_of(request: Request) -> Caller:
    """Return who sends a request, as its token says."""
    caller: Caller = request.state.caller
    return caller


async def bytes_of(request: Request, limit: int) -> bytes:
    """Read a body of at most `limit` bytes. Raises InvalidInput."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > limit:
            raise InvalidInput([FieldError("document", f"is larger than {limit} bytes")])
    return bytes(content)


async def body_of(
    request: Request, kind: type[BaseModel], **of_path: JsonValue
) -> dict[str, JsonValue]:
    """Read the object in a request's body, and add the fields of the path and the actor.

    Raises InvalidInput if the body is no object, repeats a field of the path, or has a field that
    `kind` doesn't have.
    """
    sent = parse_json(await request.body())
    if not isinstance(sent, dict):
        raise InvalidInput([FieldError("document", "is not an object: write its fields as {...}")])
    errors = [FieldError(name, "is given in the path") for name in of_path if name in sent]
    unknown = [name for name in sent if name not in kind.model_fields]
    errors += [FieldError(name[:200], "is not a known field") for name in unknown]
    if "actor" in sent:
        errors.append(FieldError("actor", "is the name of the token: leave it out"))
    if errors:
        raise InvalidInput(errors)
    actor = {"actor": caller_of(request).name} if "actor" in kind.model_fields else {}
    return {**sent, **of_path, **actor}


@cache
def described(kind: type[BaseModel], *undescribed: str) -> dict[str, Any]:
    """Describe a body in OpenAPI, without the actor and some other fields.

    `Any`: FastAPI's own type for it.
    """
    schema = kind.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    undescribed = (*undescribed, "actor")
    for name in undescribed:
        schema["properties"].pop(name, None)
    schema["required"] = [name for name in schema.get("required", ()) if name not in undescribed]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def pdf_response(document: bytes, name: str) -> Response:
    """Build the response of a PDF that a browser shows and saves as `name`.pdf."""
    headers = {"content-disposition": f'inline; filename="{name}.pdf"'}
    return Response(document, media_type="application/pdf", headers=headers)


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """Replace references by definitions: OpenAPI's document doesn't have the schema's own."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    named = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
    whole = {**named, **{name: value for name, value in schema.items() if name != "$ref"}}
    return {name: _inlined(value, definitions) for name, value in whole.items()}
