"""Import of master data from files, all of it in one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from sqlmodel import Session, select

from activities.database.company import day_of
from activities.database.engine import Database
from activities.database.unit_of_work import UnitOfWork
from activities.masterdata.content import Content, read_content
from activities.masterdata.currency import settle_currency
from activities.masterdata.import_doubts import doubts
from activities.masterdata.import_files import DEFAULT_COMPANY, FILES, complete_company
from activities.masterdata.planning import Context, Plan, plan_rows
from activities.masterdata.sources import Source, known_sources, read_path, refuse
from activities.masterdata.writing import write_rows
from models.errors import FieldError, InvalidInput
from models.import_problems import Problem, grouped
from models.tables.masterdata import Company
from models.views.imports import FileSummary, ImportView, RowChange, UnlikelyContent

MAX_ERRORS = 50
"""The number of errors that a refused import reports at most."""


def import_folder(database: Database, path: Path, *, dry_run: bool = False) -> ImportView:
    """Import a file, or the files of a folder."""
    return import_sources(database, read_path(path), dry_run=dry_run)


def import_sources(
    database: Database,
    sources: Sequence[Source],
    *,
    dry_run: bool = False,
    encoding: str | None = None,
) -> ImportView:
    """Import the known files in one transaction, or only show what that would change.

    Rows are updated by their key; opening balances are applied once. `encoding`: of CSV files that
    are not UTF-8.
    Raises InvalidInput with file, line, column and reason of each error.
    """
    if encoding is not None:
        _check_encoding(encoding)
    known, warnings = known_sources(sources, [file.name for file in FILES])
    contents = {
        file.name: read_content(known[file.name], file.model, file.key, encoding)
        for file in FILES
        if file.name in known
    }
    if all(content.is_empty for content in contents.values()):
        names = ", ".join(f"{file.name}.csv" for file in FILES)
        raise refuse("import", f"there is none of {names}, or they are empty")
    if dry_run:
        now = database.clock()
        plans = database.read(lambda session: _plan(session, day_of(session, now), contents))
        return _view(plans, warnings, dry_run=True)

    def change(work: UnitOfWork) -> ImportView:
        plans = _plan(work.session, work.today, contents)
        return _view(plans, warnings, served=_write(work, plans))

    return database.transaction(change)


def _check_encoding(name: str) -> None:
    try:
        "".encode(name)
    except LookupError as error:
        raise refuse("encoding", f"there is no encoding {name!r} for texts") from error


def _plan(session: Session, today: date, contents: Mapping[str, Content]) -> Sequence[Plan]:
    """Plan all files. Raises InvalidInput with the errors of all of them."""
    company = session.exec(select(Company)).one_or_none()
    stored_currency = company.currency if company is not None else ""
    files = {file.name: file for file in FILES}
    context = Context(session, today, files, stored_currency)
    errors: list[Problem] = []
    for file in FILES:
        if file.name in contents:
            content = contents[file.name]
            plan = plan_rows(context, file, content)
            context.plans[file.name] = plan
            errors += sorted((*content.errors, *plan.errors), key=lambda found: found.line or 0)
        if file.name == "company":
            errors += settle_currency(context, contents)
    if errors:
        raise _refused(errors)
    for plan in context.plans.values():
        plan.warnings += doubts(context, plan)
    return list(context.plans.values())


def _refused(errors: Iterable[Problem]) -> InvalidInput:
    found = grouped(errors)
    more = len(found) - MAX_ERRORS
    rest = [FieldError("import", f"has {more} more errors, not listed here")] if more > 0 else []
    return InvalidInput([*found[:MAX_ERRORS], *rest], "import_refused")


def _write(work: UnitOfWork, plans: Sequence[Plan]) -> tuple[str, ...]:
    """Write the planned rows; return the waiting orders that were allocated opening stock."""
    served: dict[str, None] = {}
    if not any(plan.file.name == "company" and plan.rows for plan in plans):
        _insert_default_company(work)
    for plan in plans:
        if plan.file.write is not None:
            served |= dict.fromkeys(plan.file.write(work, plan))
        else:
            write_rows(work, plan)
    return tuple(served)


def _insert_default_company(work: UnitOfWork) -> None:
    if work.session.exec(select(Company)).one_or_none() is None:
        work.session.add(Company(**complete_company(DEFAULT_COMPANY).model_dump()))
        work.session.flush()


def _view(
    plans: Sequence[Plan],
    warnings: Sequence[Problem],
    *,
    dry_run: bool = False,
    served: tuple[str, ...] = (),
) -> ImportView:
    """Show what an import changes."""
    unlikely = [
        *warnings,
        *(found for plan in plans for found in (*plan.content.warnings, *plan.warnings)),
    ]
    return ImportView(
        dry_run=dry_run,
        imported={plan.content.name: len(plan.rows) for plan in plans if plan.rows},
        files=tuple(_summary(plan) for plan in plans),
        changes=tuple(change for plan in plans for change in _changes(plan)),
        warnings=tuple(
            UnlikelyContent(field=found.field, reason=found.reason) for found in grouped(unlikely)
        ),
        served=served,
    )


def _summary(plan: Plan) -> FileSummary:
    new = sum(row.is_new for row in plan.rows)
    changed = sum(bool(row.changed) for row in plan.rows)
    return FileSummary(
        file=plan.content.name,
        new=new,
        changed=changed,
        unchanged=len(plan.rows) - new - changed,
        columns=dict(Counter(column for row in plan.rows for column in row.changed)),
    )


def _changes(plan: Plan) -> Iterable[RowChange]:
    return (
        RowChange(
            file=plan.content.name,
            line=row.line,
            key=" ".join(filter(None, row.key)),
            new=row.is_new,
            columns=dict(row.changed),
        )
        for row in plan.rows
        if row.is_new or row.changed
    )
