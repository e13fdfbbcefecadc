"""Plan of an import: each row compared with the tables, before anything is written."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from typing import Any

from pydantic import ValidationError
from sqlmodel import Session, SQLModel

from activities.database.chunks import chunks
from activities.database.unit_of_work import UnitOfWork, table_of
from activities.masterdata.content import CellRow, Content
from models.base import Document
from models.cells import CellKind, kinds_of, two_values
from models.errors import invalid_input
from models.import_problems import Problem
from models.money import decimals, format_amount, format_percent, parse_amount, parse_percent
from models.validation import MISSING
from models.views.imports import CellChange

Key = tuple[str, ...]
"""The cells of the key's columns as they are stored; a number that is the default is empty."""
MAX_DIGITS = 18
"""The digits of a whole number; more are refused."""
Stored = Mapping[str, Any]
"""The columns of a table's row; `Any`: each has another type."""


@dataclass
class PlannedRow:
    """A valid row: its document, and the columns of the table before and after the import."""

    line: int
    key: Key
    document: Any
    """The model of the row: each file has another."""
    after: Stored
    before: Stored | None
    changed: Mapping[str, CellChange]
    """What changes, by column of the file; empty for a new row."""
    is_done: bool = False
    """Imported before, so that nothing is to be written."""
    is_dropped: bool = False
    """Refused after all."""

    @property
    def is_new(self) -> bool:
        """Return whether the row is inserted."""
        return self.before is None and not self.is_done


@dataclass
class Plan:
    """The valid rows of a file, and what is wrong with or unlikely about its rows."""

    file: "ImportFile"
    content: Content
    currency: str
    rows: list[PlannedRow] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    keys: set[Key] = field(default_factory=set)
    """The keys of the valid rows."""

    def add_error(self, line: int | None, column: str | None, reason: str) -> None:
        """Record what is wrong with a row."""
        self.errors.append(Problem(self.content.name, line, column, reason))


@dataclass
class Context:
    """The state of an import: session, day, the company's currency, the plans so far."""

    session: Session
    today: date
    files: Mapping[str, "ImportFile"]
    stored_currency: str
    """The currency of stored amounts; empty without a company."""
    currency: str = ""
    """The currency of the import's amounts; empty: the company is refused, and they aren't
    checked."""
    plans: dict[str, Plan] = field(default_factory=dict)
    """The plan of each file with content, by name such as `products`."""

    def planned(self, name: str) -> Sequence[PlannedRow]:
        """Return the valid rows of a file."""
        return self.plans[name].rows if name in self.plans else ()


Planner = Callable[[Context, Plan], None]
"""Checks the planned rows of a file against each other and the tables, and drops invalid ones."""


@dataclass(frozen=True)
class ImportFile:
    """A kind of file: the model of its rows and the table they are stored in.

    A column is stored under its own name; an amount `x` as `x_minor`, `x_percent` as `x_ppm`.
    """

    name: str
    model: type[Document]
    table: type[SQLModel]
    key: tuple[str, ...]
    """The columns that identify a row."""
    one_row: str = "keep one of the two lines"
    """What to do about two rows with the same key."""
    references: Mapping[str, str] = field(default_factory=dict)
    """Columns that name a row of another file, by the name of that file."""
    check: Planner | None = None
    write: Callable[[UnitOfWork, Plan], tuple[str, ...]] | None = None
    """Writes the planned rows, and returns orders to notify; None: `write_rows`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The names of columns in the table, where they differ."""
    complete: Callable[[Any], Any] | None = None
    """Returns the document of a row with defaults and notations as they are stored."""
    never_emptied: frozenset[str] = frozenset()
    """Columns whose default must not replace what is stored: an empty cell of a known row is
    refused."""
    normal_key: Mapping[str, Callable[[str], str]] = field(default_factory=dict)
    """Functions that return the cells of the key as they are stored. Raise ValueError."""
    read_existing: bool = True
    """False: every row is new; the check decides which were imported before."""

    def attribute(self, column: str) -> str:
        """Return the name of a column in the table."""
        kind = kinds_of(self.model)[column]
        if kind is CellKind.AMOUNT:
            return f"{column}_minor"
        if kind is CellKind.PERCENT:
            return f"{column.removesuffix('_percent')}_ppm"
        return self.attributes.get(column, column)


def plan_rows(context: Context, file: ImportFile, content: Content) -> Plan:
    """Validate the rows of a file, completed by what is stored, and find what they change."""
    plan = Plan(file, content, context.currency)
    _refuse_two_values(context, content)
    keyed = list(_distinct(plan))
    existing = _existing(context.session, file, [key for _, key in keyed])
    absent = [name for name in file.model.model_fields if name not in content.columns]
    for row, key in keyed:
        before = existing.get(key)
        cells = row.cells
        if before is not None and _refuse_emptied(plan, row):
            continue
        if before is not None:
            cells = {**_shown(file, before, absent, context.stored_currency), **cells}
        try:
            document = file.model.model_validate(cells, extra="forbid")
        except ValidationError as error:
            _refuse(plan, row, error, is_new=before is None)
            continue
        if file.complete is not None:
            document = file.complete(document)
        try:
            planned = _planned(context, plan, row.line, key, document, before)
        except ValueError as error:
            _refuse_by(plan, row, error)
            continue
        plan.rows.append(planned)
    _drop_unknown_references(context, plan)
    if file.check is not None:
        plan.rows = [row for row in plan.rows if not row.is_dropped]
        file.check(context, plan)
    plan.rows = [row for row in plan.rows if not row.is_dropped]
    plan.keys = {row.key for row in plan.rows}
    return plan


def _refuse_emptied(plan: Plan, row: CellRow) -> bool:
    """Refuse empty cells of a known row where the default must not replace what is stored."""
    given = plan.file.never_emptied.intersection(plan.content.columns)
    emptied = sorted(given.difference(row.cells))
    for column in emptied:
        reason = "is empty for a known row: write its value, or leave out the column to keep it"
        plan.content.refuse(row, column, reason)
    return bool(emptied)


def drop(plan: Plan, row: PlannedRow, column: str | None, reason: str | None) -> None:
    """Refuse a planned row; without a reason, because it refers to a refused one."""
    if reason is not None:
        plan.add_error(row.line, column, reason)
    plan.content.refused.update(zip(plan.file.key, row.key, strict=True))
    row.is_dropped = True


def _refuse_two_values(context: Context, content: Content) -> None:
    """Refuse amounts such as 1.234, unless the currency has three decimals."""
    if not content.two_values or not context.currency or decimals(context.currency) > 2:
        return
    for row, column in content.two_values:
        content.refuse(row, column, two_values(row.cells[column], CellKind.AMOUNT))
    refused = {row.line for row, _ in content.two_values}
    content.rows = [row for row in content.rows if row.line not in refused]


def _distinct(plan: Plan) -> Iterator[tuple[CellRow, Key]]:
    """Return the rows with their keys; a key that was in an earlier line is an error."""
    file = plan.file
    lines: dict[Key, int] = {}
    for row in plan.content.rows:
        key: Key = ()
        for column in file.key:
            try:
                key += (_key_cell(file, row, column),)
            except ValueError as error:
                plan.content.refuse(row, column, str(error))
        if len(key) < len(file.key):
            continue
        first = lines.setdefault(key, row.line)
        if first == row.line:
            yield row, key
        else:
            columns = [column for column in file.key if column in plan.content.columns]
            named = ", ".join(row.cells.get(column, "") or "(empty)" for column in columns)
            plan.add_error(
                row.line, ", ".join(columns), f"{named} is in line {first} too: {file.one_row}"
            )
            plan.content.refused.update(row.cells.items())


def _key_cell(file: ImportFile, row: CellRow, column: str) -> str:
    cell = row.cells.get(column, "")
    if kinds_of(file.model)[column] is CellKind.WHOLE:
        whole, _, decimals = cell.partition(".")
        is_number = whole.isascii() and whole.isdigit() and len(whole) <= MAX_DIGITS
        is_whole = is_number and not decimals.strip("0")
        return _number_key(file, column, int(whole)) if is_whole else cell
    return file.normal_key[column](cell) if column in file.normal_key and cell else cell


def _number_key(file: ImportFile, column: str, number: int) -> str:
    return "" if number == file.model.model_fields[column].default else str(number)


def stored_key(file: ImportFile, row: Stored) -> Key:
    """Return the key of a row of the table."""
    values = ((column, row[file.attribute(column)]) for column in file.key)
    return tuple(
        _number_key(file, column, value) if isinstance(value, int) else value
        for column, value in values
    )


def _existing(session: Session, file: ImportFile, keys: Sequence[Key]) -> dict[Key, Stored]:
    """Read the rows of the table with these keys."""
    if not file.read_existing:
        return {}
    names = [file.attribute(column) for column in file.key]
    first = sorted({key[0] for key in keys})
    wanted = set(keys)
    table = table_of(file.table)
    found: dict[Key, Stored] = {}
    for some in chunks(first):
        for row in session.execute(table.select().where(table.c[names[0]].in_(some))).mappings():
            key = stored_key(file, dict(row))
            if key in wanted:
                found[key] = dict(row)
    return found


def _planned(
    context: Context,
    plan: Plan,
    line: int,
    key: Key,
    document: Document,
    before: Stored | None,
) -> PlannedRow:
    """Convert a document to the columns of the table, and compare them with the stored ones."""
    file, currency = plan.file, context.currency
    after: dict[str, Any] = {}
    changed: dict[str, CellChange] = {}
    for column, kind in kinds_of(file.model).items():
        value = getattr(document, column)
        attribute = file.attribute(column)
        stored: Any = value
        if column in file.key and kind is not CellKind.WHOLE:
            stored = key[file.key.index(column)]
        elif kind in (CellKind.AMOUNT, CellKind.PERCENT):
            stored = _number(column, value, kind, currency)
        after[attribute] = stored
        if before is not None and before[attribute] != stored:
            was = _text(before[attribute], kind, context.stored_currency)
            changed[column] = CellChange(before=was, after=_text(stored, kind, currency))
    return PlannedRow(line, key, document, after, before, changed)


def _number(column: str, text: str | None, kind: CellKind, currency: str) -> int | None:
    """Convert an amount or percentage to what the table stores."""
    if text is None or (kind is CellKind.AMOUNT and not currency):
        return None
    try:
        number = parse_amount(text, currency) if kind is CellKind.AMOUNT else parse_percent(text)
        if number < 0:
            raise ValueError("is below zero")
    except ValueError as error:
        raise ValueError(f"{column}: {error}") from error
    return number


def _shown(
    file: ImportFile, stored: Stored, columns: Iterable[str], currency: str
) -> dict[str, str]:
    """Return what is stored in these columns as a file has it; empty ones are left out."""
    kinds = kinds_of(file.model)
    texts = {
        column: _text(stored[file.attribute(column)], kinds[column], currency) for column in columns
    }
    return {column: text for column, text in texts.items() if text}


def _text(value: object, kind: CellKind, currency: str) -> str:
    """Return a stored value as a file has it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() if kind is CellKind.AMOUNT:
            return format_amount(value, currency)
        case int() if kind is CellKind.PERCENT:
            return format_percent(value)
        case time():
            return f"{value:%H:%M}"
        case date():
            return value.isoformat()
        case StrEnum():
            return value.value
        case _:
            return str(value)


def _refuse(plan: Plan, row: CellRow, error: ValidationError, *, is_new: bool) -> None:
    """Record the errors of a row."""
    plan.content.refused.update(row.cells.items())
    for found in invalid_input(error).fields:
        reason, column = found.reason, found.field
        is_missing = reason == MISSING
        if is_missing and column not in plan.content.columns and is_new:
            reason = "the column is missing, and this row is new: only known rows do without it"
        elif is_missing:
            reason = "is empty, and required"
        plan.add_error(row.line, column, reason)


def _refuse_by(plan: Plan, row: CellRow, error: ValueError) -> None:
    column, _, reason = str(error).partition(": ")
    plan.content.refuse(row, column, reason)


def _drop_unknown_references(context: Context, plan: Plan) -> None:
    """Drop the rows that name a row that doesn't exist; without an error if it may be invalid."""
    for column, name in plan.file.references.items():
        other = context.files[name]
        other_key = other.key[0]
        planned = context.plans.get(name)
        values = {getattr(row.document, column) for row in plan.rows}
        if planned is not None:
            values -= {key[0] for key in planned.keys}
        known = {key[0] for key in _existing(context.session, other, [(v,) for v in values])}
        unknown = values - known
        for row in plan.rows:
            value = getattr(row.document, column)
            if value in unknown:
                undecided = planned is not None and planned.content.may_define(other_key, value)
                drop(plan, row, column, None if undecided else f"there is no {value!r}")
