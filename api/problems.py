"""Errors as RFC 9457 problem documents."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from models.access import Forbidden, Unauthorised
from models.errors import Conflict, InvalidInput, NotFound, PipelineError, Refused, Unavailable
from models.validation import reason_of

STATUS = {
    Unauthorised: 401,
    Forbidden: 403,
    InvalidInput: 422,
    Conflict: 409,
    NotFound: 404,
    Refused: 409,
    Unavailable: 503,
}
"""The HTTP status of an error, by its closest base class."""
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": {"application/problem+json": {}}}
    for status, text in {
        409: "The id is taken by another order",
        422: "The document is invalid: each field is named",
        503: "The engine or the database is unavailable: send it again",
    }.items()
}
"""`Any`: FastAPI's own type for descriptions of responses."""


def problem(status: int, code: str, detail: str, **more: object) -> JSONResponse:
    """Build a problem document: `code` is stable, `detail` describes the problem and its remedy."""
    body = {"type": f"urn:problem:{code}", "title": code.replace("_", " "), "status": status}
    return JSONResponse(
        body | {"code": code, "detail": detail} | more,
        status_code=status,
        media_type="application/problem+json",
    )


def install(app: FastAPI) -> None:
    """Answer all errors, also the framework's, with problem documents."""
    app.add_exception_handler(PipelineError, _ours)
    app.add_exception_handler(HTTPException, _frameworks)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PipelineError)
    status = next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)
    if isinstance(error, Unauthorised):
        answer = problem(status, error.code, error.message)
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if isinstance(error, InvalidInput):
        errors = [{"field": found.field, "reason": found.reason} for found in error.fields]
        return problem(status, error.code, error.message, errors=errors)
    return problem(status, error.code, error.message)


async def _parameters(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        {
            "field": ".".join(map(str, found["loc"][1:])),
            "reason": reason_of(found),
        }
        for found in error.errors()
    ]
    detail = "; ".join(f"{e['field']}: {e['reason']}" for e in errors)
    return problem(422, "invalid_input", detail, errors=errors)


async def _unexpected(_request: Request, _error: Exception) -> JSONResponse:
    """Answer an error in the program; the server logs it."""
    return problem(500, "unexpected", "an error in the program; it is in the log of the API")


async def _frameworks(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, "http_error", str(error.detail))
