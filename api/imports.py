"""Imports of master data over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.bodies import bytes_of
from api.problems import PROBLEMS
from intake import Intake
from models.views.imports import ImportView

DryRun = Annotated[bool, Query(description="Show what changes, and write nothing.")]
Encoding = Annotated[str | None, Query(description="Of CSV files that are not UTF-8.")]
MAX_BYTES = 50_000_000
"""The largest body of an import."""


def imports_router(intake: Intake) -> APIRouter:
    """Build the routes of imports."""
    router = APIRouter(tags=["imports"], responses={422: PROBLEMS[422], 503: PROBLEMS[503]})

    @router.post("/imports")
    async def import_archive(
        request: Request, dry_run: DryRun = False, encoding: Encoding = None
    ) -> ImportView:
        """Import the files of a zip archive, the body: all of them or nothing."""
        content = await bytes_of(request, MAX_BYTES)
        return await intake.import_archive(content, dry_run=dry_run, encoding=encoding)

    @router.post("/imports/{file}")
    async def import_file(
        request: Request, file: str, dry_run: DryRun = False, encoding: Encoding = None
    ) -> ImportView:
        """Import one file, the body. Its name, such as products.csv, tells what it has."""
        content = await bytes_of(request, MAX_BYTES)
        return await intake.import_file(file, content, dry_run=dry_run, encoding=encoding)

    return router
