"""Commands of operators on the command line, built from their messages.

A message declares its command and marks the fields that are arguments and options. `--reason`,
`--id`, `--actor` and `--json` are the same for all commands and are declared here once. Fields
that are written in their own notation have a reader, registered with `@reads(Message)`.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer
from pydantic import JsonValue
from pydantic.fields import FieldInfo
from typer.core import TyperGroup

from command_line.context import OpenContext, new_id
from command_line.output import Json, show
from models.messages.commands.base import CommandMessage
from models.messages.commands.interface import Argument, Cli, Flag, Marker, Option
from models.messages.commands.registry import COMMANDS

Reason = Annotated[str, typer.Option(help="The reason, kept with the record.")]
Actor = Annotated[str, typer.Option(help="The name of the operator.")]
CommandId = Annotated[
    str, typer.Option("--id", help="The command's own id; the same id again is executed once.")
]
CommandFields = Mapping[str, JsonValue]
NEGATIVES = {"ignore_unknown_options": True}
"""With these settings, -3 is a number and not an option."""

Reader = Callable[..., CommandFields]
"""Reads fields from parameters of its own, which are annotated for typer."""
READERS: dict[type[CommandMessage], Reader] = {}


class IdOrCommand(TyperGroup):
    """A group in which a first word that is no command is an id: it is short for `show ID`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `show` before an id. `Any`: the class of typer's context isn't public."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["show", *args]
        return super().parse_args(ctx, args)


def reads(kind: type[CommandMessage]) -> Callable[[Reader], Reader]:
    """Register a function as the reader of fields of a command that have their own notation."""

    def register(reader: Reader) -> Reader:
        READERS[kind] = reader
        return reader

    return register


def add_commands(app: typer.Typer, open_context: OpenContext) -> None:
    """Add all commands to `app` and its groups."""
    app.add_typer(
        typer.Typer(no_args_is_help=True, help="Record what was done by hand."), name="resolve"
    )
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    for kind in COMMANDS:
        if kind.cli is not None:
            group, _, name = kind.cli.path.rpartition(" ")
            target = groups[group] if group else app
            assert target is not None
            settings = NEGATIVES if _takes_numbers(kind) else None
            add = target.command(name, help=kind.description(), context_settings=settings)
            add(_function_of(kind, kind.cli, open_context))


def _function_of(
    kind: type[CommandMessage], cli: Cli, open_context: OpenContext
) -> Callable[..., None]:
    """Build the function of a command; typer reads the parameters from its signature."""
    marked = list(_marked(kind))
    reader = READERS.get(kind)
    own = signature(reader).parameters if reader is not None else {}

    def run(id_: str, reason: str, actor: str, as_json: bool, **given: Any) -> None:
        sent = {name: _value(field, marker, given[name]) for name, field, marker in marked}
        if reader is not None:
            sent |= reader(**{name: given[name] for name in own})
        sent |= {"command_id": id_ or new_id(), "reason": reason, "actor": actor}
        done = open_context().with_intake(lambda intake: intake.command(kind, sent))
        show(done, as_json, done.text)

    parameters = [
        *(_parameter(*row) for row in marked if isinstance(row[2], Argument)),
        *(parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own.values()),
        _keyword("reason", Reason, cli.reason or Parameter.empty),
        *(_parameter(*row) for row in marked if not isinstance(row[2], Argument)),
        _keyword("id_", CommandId, ""),
        _keyword("actor", Actor, "operator"),
        _keyword("as_json", Json, False),
    ]
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # a standard attribute
    return run


def _marked(kind: type[CommandMessage]) -> Iterator[tuple[str, FieldInfo, Marker]]:
    """List the fields of a command that the command line takes, with their markers."""
    for name, field in kind.model_fields.items():
        for marker in field.metadata:
            if isinstance(marker, Marker):
                yield name, field, marker


def _value(field: FieldInfo, marker: Marker, given: Any) -> JsonValue:
    """Return the value of a marked field; `Any`: as typer parsed it."""
    if isinstance(marker, Flag):
        return marker.value if given else field.default
    value: JsonValue = given
    return value


def _parameter(name: str, field: FieldInfo, marker: Marker) -> Parameter:
    """Build the parameter of a marked field."""
    default = Parameter.empty if field.is_required() else field.default
    info: Any
    match marker:
        case Argument():
            info = typer.Argument(metavar=marker.metavar, help=marker.help)
        case Option(name=None):
            info = typer.Option(help=marker.help)
        case Option():
            info = typer.Option(marker.name, help=marker.help)
        case Flag():
            info = typer.Option(marker.name, help=marker.help)
            return _keyword(name, Annotated[bool, info], False)
    return _keyword(name, Annotated[_type(field), info], default)


def _keyword(name: str, annotation: Any, default: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _type(field: FieldInfo) -> Any:
    """Find the type of a field on the command line; all but numbers and enums are text."""
    given = field.annotation
    if given in (int, int | None) or (isinstance(given, type) and issubclass(given, Enum)):
        return given
    return str if field.is_required() else str | None


def _takes_numbers(kind: type[CommandMessage]) -> bool:
    return any(field.annotation is int for _, field, _ in _marked(kind))
