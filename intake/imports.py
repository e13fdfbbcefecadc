"""Imports of master data, and the orders that wait for imported stock."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import engine
from activities.database.company import timezone_of_company
from activities.masterdata.importing import import_sources
from activities.masterdata.sources import Source, read_archive, read_path
from intake.orders import OrderIntake
from models.errors import EngineUnavailable
from models.views.imports import ImportView, UnlikelyContent


class ImportIntake(OrderIntake):
    """Import files: all of them or nothing."""

    async def import_path(self, path: Path, *, dry_run: bool, encoding: str | None) -> ImportView:
        """Import a file, or the files of a folder.

        Raises InvalidInput, with the errors of all files; EngineUnavailable if orders that were
        allocated stock can't be notified.
        """
        return await self._import(lambda: read_path(path), dry_run, encoding)

    async def import_archive(
        self, content: bytes, *, dry_run: bool, encoding: str | None
    ) -> ImportView:
        """Import the files of a zip archive. Raises as `import_path`."""
        return await self._import(lambda: read_archive(content), dry_run, encoding)

    async def import_file(
        self, name: str, content: bytes, *, dry_run: bool, encoding: str | None
    ) -> ImportView:
        """Import one file. Raises as `import_path`."""
        return await self._import(lambda: [Source(name, content)], dry_run, encoding)

    async def _import(
        self, read: Callable[[], Sequence[Source]], dry_run: bool, encoding: str | None
    ) -> ImportView:
        before = await self._read(timezone_of_company)
        view = await asyncio.to_thread(
            lambda: import_sources(self._database, read(), dry_run=dry_run, encoding=encoding)
        )
        await self.notify_orders(view.served, "opening")
        timezone = await self._read(timezone_of_company)
        return view if timezone == before else await self._change_timezone(view, timezone)

    async def _change_timezone(self, view: ImportView, timezone: str) -> ImportView:
        """Run nightly workflows at the times of another time zone; without the engine, warn."""
        try:
            await engine.reach(engine.change_timezone(self._client, timezone))
        except EngineUnavailable as error:
            reason = f"nightly workflows keep their times until `python -m tools.prepare`: {error}"
            warning = UnlikelyContent(field="company.csv, timezone", reason=reason)
            return view.model_copy(update={"warnings": (*view.warnings, warning)})
        return view
